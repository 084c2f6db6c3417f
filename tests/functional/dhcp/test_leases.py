"""What an instance gets from the DHCP server of its network, with real packets."""

import signal
from collections.abc import Callable

from msgspec.structs import replace

from patchbay.model import DhcpOption, HostRoute
from patchbay.model.network import AllocationPool
from tests.functional.dhcp.conftest import SiteScenario
from tests.functional.dhcp.site import Site

OnSite = Callable[[SiteScenario], None]


def test_an_instance_gets_what_its_subnet_says(on_site: OnSite) -> None:
    async def scenario(site: Site) -> None:
        red = site.network("red", mtu=1400)
        subnet = site.subnet(
            red, "10.0.1.0/28", gateway_ip="10.0.1.1", host_routes=(HostRoute("172.16.4.0/23", "10.0.1.9"),)
        )
        site.server(red, {"10.0.1.2": subnet})
        port = site.port(red, {"10.0.1.5": subnet})
        site.instance("red1", port)
        site.apply()
        took = await site.leased("red1", "10.0.1.5/28")
        assert took < 3
        routes = site.inside("red1", "ip route")
        assert "default via 10.0.1.1 dev eth0 proto dhcp" in routes
        assert "172.16.4.0/23 via 10.0.1.9 dev eth0 proto dhcp" in routes
        assert "169.254.169.254 via 10.0.1.2 dev eth0 proto dhcp" in routes
        assert " mtu 1400 " in site.inside("red1", "ip link show eth0")
        assert site.inside("red1", "cat /etc/resolv.conf") == (
            "# eth0 inet\nnameserver 10.0.1.2\nsearch openstacklocal\n"
        )
        lease = site.inside("red1", "cat /etc/dhcp/dhclient.leases")
        assert "option dhcp-lease-time 86400;" in lease
        assert "option routers 10.0.1.1;" in lease
        assert "option interface-mtu 1400;" in lease

    on_site(scenario)


def test_what_a_person_types_releases_and_renews(on_site: OnSite) -> None:
    """Seed 000: ``dhclient -r``, then ``dhclient``, inside the namespace; the host's resolv.conf stays as it is."""

    async def scenario(site: Site) -> None:
        red = site.network("red")
        subnet = site.subnet(red, "10.0.1.0/28", gateway_ip="10.0.1.1")
        site.server(red, {"10.0.1.2": subnet})
        site.instance("red1", site.port(red, {"10.0.1.5": subnet}))
        site.apply()
        await site.leased("red1", "10.0.1.5/28")
        before = site.sh("cat /etc/resolv.conf")
        site.inside("red1", "dhclient -r eth0")
        assert site.addresses("red1") == []
        assert site.inside("red1", "ip route") == ""
        site.inside("red1", "dhclient eth0")
        assert site.addresses("red1") == ["10.0.1.5/28"]
        assert "default via 10.0.1.1 dev eth0" in site.inside("red1", "ip route")
        assert "nameserver 10.0.1.2" in site.inside("red1", "cat /etc/resolv.conf")
        assert site.sh("cat /etc/resolv.conf") == before

    on_site(scenario)


def test_an_instance_that_goes_leaves_nothing_behind(on_site: OnSite) -> None:
    async def scenario(site: Site) -> None:
        red = site.network("red")
        subnet = site.subnet(red, "10.0.1.0/28", gateway_ip="10.0.1.1")
        site.server(red, {"10.0.1.2": subnet})
        port = site.port(red, {"10.0.1.5": subnet})
        instance = site.instance("red1", port)
        site.apply()
        await site.leased("red1", "10.0.1.5/28")
        client = site.pid("dhclient", port.id)
        site.remove(instance)
        site.apply()
        await site.until(lambda: not site.is_running(client), "dhclient has ended")
        for folder in ("/etc/netns", "/run/patchbay/dhclient"):
            await site.until(lambda folder=folder: site.sh(f"ls {folder}") == "", f"{folder} is empty")

    on_site(scenario)


def test_an_address_is_lent_to_its_next_owner_at_once(on_site: OnSite) -> None:
    """The first owner went without a word; the server must not keep its lease for a day."""

    async def scenario(site: Site) -> None:
        red = site.network("red")
        subnet = site.subnet(red, "10.0.1.0/28", gateway_ip="10.0.1.1")
        site.server(red, {"10.0.1.2": subnet})
        first = site.port(red, {"10.0.1.5": subnet})
        old = site.instance("red1", first)
        site.apply()
        await site.leased("red1", "10.0.1.5/28")
        site.sh(f"kill -9 {site.pid('dhclient', first.id)}; rm /run/patchbay/dhclient/{first.id}/farewell")
        server = site.pid("dhcp", red.id)
        site.remove(old, first)
        site.instance("red2", site.port(red, {"10.0.1.5": subnet}))
        site.apply()
        assert await site.leased("red2", "10.0.1.5/28") < 5
        assert site.pid("dhcp", red.id) == server

    on_site(scenario)


def test_changes_of_ports_reach_dnsmasq_without_a_restart(on_site: OnSite) -> None:
    async def scenario(site: Site) -> None:
        red = site.network("red")
        subnet = site.subnet(red, "10.0.1.0/28", gateway_ip="10.0.1.1", dns_nameservers=("203.0.113.53",))
        site.server(red, {"10.0.1.2": subnet})
        site.instance("red1", site.port(red, {"10.0.1.5": subnet}))
        site.apply()
        server = site.pid("dhcp", red.id)
        second = site.port(red, {"10.0.1.6": subnet})
        site.instance("red2", second)
        site.put(replace(subnet, host_routes=(HostRoute("172.16.0.0/16", "10.0.1.9"),)))
        done = site.apply()
        await site.leased("red2", "10.0.1.6/28")
        assert "172.16.0.0/16 via 10.0.1.9" in site.inside("red2", "ip route")
        assert not [sentence for sentence in done if "dnsmasq" in sentence and not sentence.startswith("Write")]
        site.put(replace(second, fixed_ips=(replace(second.fixed_ips[0], ip_address="10.0.1.7"),)))
        site.apply()
        site.inside("red2", "dhclient -r eth0; dhclient eth0")
        assert site.addresses("red2") == ["10.0.1.7/28"]
        assert site.pid("dhcp", red.id) == server

    on_site(scenario)


def test_a_client_renews_at_a_server_that_was_started_anew(on_site: OnSite) -> None:
    async def scenario(site: Site) -> None:
        red = site.network("red")
        subnet = site.subnet(red, "10.0.1.0/28", gateway_ip="10.0.1.1")
        site.server(red, {"10.0.1.2": subnet})
        port = site.port(red, {"10.0.1.5": subnet})
        site.instance("red1", port)
        site.apply()
        await site.leased("red1", "10.0.1.5/28")
        await site.restart("dhcp", red.id, signal.SIGKILL)
        lease = "/etc/netns/red1/dhcp/dhclient.leases"
        before = site.sh(f"grep -c '^lease' {lease}")
        # The client asks for the address that it has: INIT-REBOOT, RFC 2131 4.3.2.
        await site.restart("dhclient", port.id, signal.SIGKILL)
        await site.until(lambda: site.sh(f"grep -c '^lease' {lease}") != before, "another lease")
        assert site.addresses("red1") == ["10.0.1.5/28"]

    on_site(scenario)


def test_options_of_a_port_are_its_own(on_site: OnSite) -> None:
    async def scenario(site: Site) -> None:
        red = site.network("red", mtu=1400)
        subnet = site.subnet(red, "10.0.1.0/28", gateway_ip="10.0.1.1")
        site.server(red, {"10.0.1.2": subnet})
        options = (
            DhcpOption("mtu", "1300"),
            DhcpOption("domain-name", "red.example"),
            DhcpOption("router", "10.0.1.9"),
        )
        site.instance("red1", site.port(red, {"10.0.1.5": subnet}, extra_dhcp_opts=options))
        site.instance("red2", site.port(red, {"10.0.1.6": subnet}))
        site.apply()
        await site.leased("red1", "10.0.1.5/28")
        await site.leased("red2", "10.0.1.6/28")
        assert " mtu 1300 " in site.inside("red1", "ip link show eth0")
        assert " mtu 1400 " in site.inside("red2", "ip link show eth0")
        assert "search red.example" in site.inside("red1", "cat /etc/resolv.conf")
        assert "search openstacklocal" in site.inside("red2", "cat /etc/resolv.conf")

    on_site(scenario)


def test_a_range_is_lent_to_clients_that_are_no_ports(on_site: OnSite) -> None:
    """Seed 000: ``--dhcp-range=10.0.0.5,10.0.0.150,12h``; leases outlive the server."""

    async def scenario(site: Site) -> None:
        red = site.network("red")
        subnet = site.subnet(
            red, "10.0.0.0/24", gateway_ip="10.0.0.1", dhcp_ranges=(AllocationPool("10.0.0.5", "10.0.0.6"),)
        )
        site.server(red, {"10.0.0.100": subnet})
        site.instance("red1", site.port(red, {"10.0.0.200": subnet}))
        site.apply()
        await site.leased("red1", "10.0.0.200/24")
        site.stranger("tag100", red)
        site.stranger("tag101", red)
        first, second = site.addresses("tag100"), site.addresses("tag101")
        assert sorted(first + second) == ["10.0.0.5/24", "10.0.0.6/24"]
        await site.restart("dhcp", red.id, signal.SIGTERM)
        site.inside("tag101", "dhclient -4 -1 -lf /run/other -pf /run/other.pid eth0")
        assert site.addresses("tag101") == second

    on_site(scenario)


def test_nobody_else_gets_an_address(on_site: OnSite) -> None:
    async def scenario(site: Site) -> None:
        red = site.network("red")
        subnet = site.subnet(red, "10.0.1.0/28", gateway_ip="10.0.1.1")
        site.server(red, {"10.0.1.2": subnet})
        site.instance("red1", site.port(red, {"10.0.1.5": subnet}))
        site.apply()
        await site.leased("red1", "10.0.1.5/28")
        site.stranger("tag100", red, patience_s=3)
        assert site.addresses("tag100") == []

    on_site(scenario)


def test_two_servers_serve_one_network(on_site: OnSite) -> None:
    """Seen from one host: the other's address is a name server too, and its share of a range is not lent here."""

    async def scenario(site: Site) -> None:
        red = site.network("red")
        subnet = site.subnet(
            red, "10.0.0.0/24", gateway_ip="10.0.0.1", dhcp_ranges=(AllocationPool("10.0.0.4", "10.0.0.7"),)
        )
        site.server(red, {"10.0.0.100": subnet})
        site.server(red, {"10.0.0.101": subnet}, host="compute2")
        site.instance("red1", site.port(red, {"10.0.0.200": subnet}))
        site.apply()
        await site.leased("red1", "10.0.0.200/24")
        told = site.inside("red1", "cat /etc/resolv.conf")
        assert told.splitlines()[1:3] == ["nameserver 10.0.0.100", "nameserver 10.0.0.101"]
        site.stranger("tag100", red)
        assert site.addresses("tag100")[0] in ("10.0.0.4/24", "10.0.0.5/24")

    on_site(scenario)
