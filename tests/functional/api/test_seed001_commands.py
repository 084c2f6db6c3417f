"""The commands of seed 001 in its order, its ``clean`` in reverse: with ``openstack`` and with the old ``neutron``.

The seed's scripts ask Keystone for tenant ids and call ``neutron``; without Keystone the ids are written out, and
``clouds.yaml`` says where the API is. ``openstack`` looks projects up in Keystone even by id, so its lines name none.
"""

import asyncio
import os
import shlex
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx
import pytest

from patchbay.intent.database import Insert, IntentDatabase
from patchbay.model import Host
from tests.functional.api.conftest import Serving, Start

pytestmark = pytest.mark.timeout(180)

ADMIN, DEMO = "0123456789abcdef0123456789abcdef", "fedcba9876543210fedcba9876543210"
BIN = Path(sys.executable).parent

NEUTRON_EXTERNAL = f"""
net-create ext-net --shared --tenant_id={ADMIN} --router:external=True
subnet-create ext-net --name ext-subnet --tenant_id={ADMIN} --disable-dhcp
    --allocation-pool start=192.168.1.245,end=192.168.1.250 --gateway 192.168.1.1 192.168.1.0/24
"""
NEUTRON_INTERNAL = f"""
net-create demo-net --tenant_id={DEMO}
subnet-create demo-net --name demo-subnet --tenant_id={DEMO} --dns-nameserver 8.8.8.8 --gateway 10.0.1.1 10.0.1.0/28
router-create demo-router --tenant_id={DEMO}
router-interface-add demo-router demo-subnet
router-gateway-set demo-router ext-net
"""
NEUTRON_CLEAN_INTERNAL = """
router-gateway-clear demo-router
router-interface-delete demo-router demo-subnet
router-delete demo-router
subnet-delete demo-subnet
net-delete demo-net
"""
NEUTRON_CLEAN_EXTERNAL = """
subnet-delete ext-subnet
net-delete ext-net
"""
OPENSTACK_BUILD = """
network create ext-net --share --external
subnet create ext-subnet --network ext-net --no-dhcp --allocation-pool start=192.168.1.245,end=192.168.1.250
    --gateway 192.168.1.1 --subnet-range 192.168.1.0/24
network create demo-net
subnet create demo-subnet --network demo-net --dns-nameserver 8.8.8.8 --gateway 10.0.1.1 --subnet-range 10.0.1.0/28
router create demo-router
router add subnet demo-router demo-subnet
router set demo-router --external-gateway ext-net
"""
OPENSTACK_CLEAN = """
router unset demo-router --external-gateway
router remove subnet demo-router demo-subnet
router delete demo-router
subnet delete demo-subnet
network delete demo-net
subnet delete ext-subnet
network delete ext-net
"""


class Cloud:
    """A served API with one host that can do everything, and the clients' ``clouds.yaml`` for it."""

    def __init__(self, serving: Serving, directory: Path) -> None:
        self.url = serving.url
        self.clouds = directory / "clouds.yaml"
        self.clouds.write_text(f"clouds:\n  patchbay:\n    auth_type: none\n    auth:\n      endpoint: {serving.url}\n")
        asyncio.run(add_host(f"unix:{directory}/state/intent.sock"))

    def run(self, *words: str, code: int = 0) -> str:
        """A client's command, as a process; what it said."""
        settings = {**os.environ, "OS_CLIENT_CONFIG_FILE": str(self.clouds), "OS_CLOUD": "patchbay"}
        done = subprocess.run(words, env=settings, capture_output=True, text=True, timeout=60, check=False)
        assert done.returncode == code, f"{' '.join(words)}\n{done.stdout}{done.stderr}"
        return done.stdout + done.stderr

    def neutron(self, *words: str, code: int = 0) -> str:
        """A command of the old shell, as the seed writes it."""
        return self.run(str(BIN / "neutron"), "--os-cloud", "patchbay", *words, code=code)

    def openstack(self, *words: str, code: int = 0) -> str:
        """A command of today's client."""
        return self.run(str(BIN / "openstack"), *words, code=code)

    def list(self, collection: str, **filters: str) -> list[dict[str, Any]]:
        """What the API has."""
        answer = httpx.get(f"{self.url}/v2.0/{collection}", params=filters)
        assert answer.status_code == 200, answer.text
        found: list[dict[str, Any]] = answer.json()[collection]
        return found

    def one(self, collection: str, name: str) -> dict[str, Any]:
        """The one object of that name."""
        (found,) = self.list(collection, name=name)
        return found


async def add_host(remote: str) -> None:
    db = await IntentDatabase.open([remote], timeout_s=20)
    id_, now = "5eed0001-0000-4000-8000-000000000001", int(time.time())
    host = Host(id=id_, name="seed", services=("dhcp", "l3", "metadata"), started_at=now, heartbeat_at=now)
    await db.transact(Insert(host))
    await db.close()


def lines(script: str) -> list[list[str]]:
    """The commands of a script; an indented line goes on with the one before."""
    return [shlex.split(line) for line in script.replace("\n    ", " ").strip().splitlines()]


@pytest.fixture
def cloud(start_serve: Start, tmp_path: Path) -> Cloud:
    # Its one host is a row without a heart; the commands take longer than a host may be silent.
    options = ("--suspect-after", "600", "--agent-down-time", "600")
    return Cloud(start_serve(*options, state_dir=tmp_path / "state"), tmp_path)


def wait_for(what: Callable[[], Any], missing: str) -> Any:
    end = time.monotonic() + 20
    while not (found := what()):
        assert time.monotonic() < end, f"after 20 s: {missing}"
        time.sleep(0.05)
    return found


def check_built(cloud: Cloud) -> None:
    """What the seed shows: the router between 10.0.1.0/28 and 192.168.1.0/24, and DHCP on the tenant's network."""
    outside, demo = cloud.one("networks", "ext-net"), cloud.one("networks", "demo-net")
    assert (outside["router:external"], outside["shared"], demo["router:external"]) == (True, True, False)
    subnet = cloud.one("subnets", "ext-subnet")
    assert subnet["allocation_pools"] == [{"start": "192.168.1.245", "end": "192.168.1.250"}]
    assert (subnet["cidr"], subnet["gateway_ip"], subnet["enable_dhcp"]) == ("192.168.1.0/24", "192.168.1.1", False)
    inside = cloud.one("subnets", "demo-subnet")
    assert (inside["cidr"], inside["gateway_ip"], inside["enable_dhcp"]) == ("10.0.1.0/28", "10.0.1.1", True)
    assert inside["dns_nameservers"] == ["8.8.8.8"]
    router = cloud.one("routers", "demo-router")
    assert router["external_gateway_info"] == {
        "network_id": outside["id"],
        "enable_snat": True,
        "external_fixed_ips": [{"subnet_id": subnet["id"], "ip_address": "192.168.1.245"}],
    }
    served = wait_for(lambda: cloud.list("ports", device_owner="network:dhcp"), "no DHCP server of demo-net")
    by_owner = {port["device_owner"]: port for port in cloud.list("ports", device_id=router["id"])} | {
        "network:dhcp": served[0]
    }
    addresses = {owner: port["fixed_ips"][0]["ip_address"] for owner, port in by_owner.items()}
    assert addresses == {
        "network:router_interface": "10.0.1.1",
        "network:router_gateway": "192.168.1.245",
        "network:dhcp": "10.0.1.2",
    }
    hosts = {port["binding:host_id"] for port in by_owner.values()}
    assert hosts == {"seed"}, "the router and the DHCP server are on the one host that there is"


def check_clean(cloud: Cloud) -> None:
    for collection in ("networks", "subnets", "ports", "routers", "floatingips"):
        assert cloud.list(collection) == [], collection


def test_the_old_neutron_shell_builds_seed_001_and_cleans_it(cloud: Cloud) -> None:
    for command in lines(NEUTRON_EXTERNAL + NEUTRON_INTERNAL):
        cloud.neutron(*command)
    check_built(cloud)
    assert cloud.one("networks", "ext-net")["tenant_id"] == cloud.one("subnets", "ext-subnet")["tenant_id"] == ADMIN
    for collection, name in (("networks", "demo-net"), ("subnets", "demo-subnet"), ("routers", "demo-router")):
        assert cloud.one(collection, name)["tenant_id"] == DEMO
    assert "demo-router" in cloud.neutron("router-list")
    assert "192.168.1.245" in cloud.neutron("router-port-list", "demo-router")
    assert "ports still in use" in cloud.neutron("net-delete", "demo-net", code=1)
    for command in lines(NEUTRON_CLEAN_INTERNAL):
        cloud.neutron(*command)
    # The seed clears the gateway of a router that its other script has deleted by then.
    assert "Unable to find router" in cloud.neutron("router-gateway-clear", "demo-router", code=1)
    for command in lines(NEUTRON_CLEAN_EXTERNAL):
        cloud.neutron(*command)
    check_clean(cloud)


def test_the_old_neutron_shell_gives_and_takes_floating_ips(cloud: Cloud) -> None:
    for command in lines(NEUTRON_EXTERNAL + NEUTRON_INTERNAL):
        cloud.neutron(*command)
    cloud.neutron("port-create", "demo-net", "--name", "cirros01")
    port = cloud.one("ports", "cirros01")
    cloud.neutron("floatingip-create", "ext-net")
    (floating,) = cloud.list("floatingips")
    assert floating["floating_ip_address"] == "192.168.1.246"
    cloud.neutron("floatingip-associate", floating["id"], port["id"])
    (floating,) = cloud.list("floatingips")
    assert (floating["port_id"], floating["router_id"]) == (port["id"], cloud.one("routers", "demo-router")["id"])
    assert "required by one or more floating IPs" in cloud.neutron("router-gateway-clear", "demo-router", code=1)
    cloud.neutron("floatingip-disassociate", floating["id"])
    cloud.neutron("floatingip-delete", floating["id"])
    cloud.neutron("port-delete", "cirros01")
    for command in lines(NEUTRON_CLEAN_INTERNAL + NEUTRON_CLEAN_EXTERNAL):
        cloud.neutron(*command)
    check_clean(cloud)


def test_the_openstack_client_builds_seed_001_and_cleans_it(cloud: Cloud) -> None:
    for command in lines(OPENSTACK_BUILD):
        cloud.openstack(*command)
    check_built(cloud)
    assert "ports still in use" in cloud.openstack("network", "delete", "demo-net", code=1)
    cloud.openstack("floating", "ip", "create", "ext-net")
    (floating,) = cloud.list("floatingips")
    cloud.openstack("floating", "ip", "delete", floating["floating_ip_address"])
    for command in lines(OPENSTACK_CLEAN):
        cloud.openstack(*command)
    check_clean(cloud)
