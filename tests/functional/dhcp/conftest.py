"""A host made from compiled intent by the very commands that a plan shows: namespaces, dnsmasq, dhclient."""

from collections.abc import Awaitable, Callable

import pytest

from tests.functional.conftest import PrivateHost, run_on_private_host
from tests.functional.dhcp.site import Site

SiteScenario = Callable[[Site], Awaitable[None]]


@pytest.fixture
def on_site() -> Callable[[SiteScenario], None]:
    """Run a scenario on a private host with Open vSwitch and nothing on it yet."""

    def run(scenario: SiteScenario) -> None:
        async def on_host(host: PrivateHost) -> None:
            host.sh(
                "mkdir -p /run/.etc/upper /run/.etc/work\n"
                "mount -t overlay overlay -o lowerdir=/etc,upperdir=/run/.etc/upper,workdir=/run/.etc/work /etc\n"
                "mkdir -p /etc/netns /etc/openvswitch\n"
                "mount -t tmpfs tmpfs /etc/netns; mount -t tmpfs tmpfs /etc/openvswitch\n"
                "mount -t tmpfs tmpfs /var/lib/dhcp; ln -s /etc/dhcp/dhclient.leases /var/lib/dhcp/dhclient.leases"
            )
            host.start_ovs()
            await scenario(Site(host))

        run_on_private_host(on_host)

    return run
