"""Names: ports inside their network, everything else by the subnet's name servers, and nothing past them."""

from collections.abc import Callable

from msgspec.structs import replace

from tests.functional.dhcp.conftest import SiteScenario
from tests.functional.dhcp.site import Site

OnSite = Callable[[SiteScenario], None]


def test_names_of_ports_are_known_inside_their_network_only(on_site: OnSite) -> None:
    async def scenario(site: Site) -> None:
        for name in ("red", "blue"):
            network = site.network(name)
            subnet = site.subnet(network, "10.0.1.0/28", gateway_ip="10.0.1.1")
            site.server(network, {"10.0.1.2": subnet})
            site.instance(f"{name}1", site.port(network, {"10.0.1.5": subnet}, dns_name=f"web-{name}"))
            site.port(network, {"10.0.1.6": subnet})
        site.apply()
        await site.leased("red1", "10.0.1.5/28")
        await site.leased("blue1", "10.0.1.5/28")
        assert site.inside("red1", "getent ahostsv4 web-red").split()[0] == "10.0.1.5"
        assert site.ask("red1", "10.0.1.2", "host-10-0-1-6.openstacklocal") == "10.0.1.6"
        assert site.ask("red1", "10.0.1.2", "host-10-0-1-5.openstacklocal") == "10.0.1.5"
        assert site.ask("red1", "10.0.1.2", "-x 10.0.1.5", "") == "web-red.openstacklocal."
        assert site.ask("red1", "10.0.1.2", "web-blue.openstacklocal") == "NXDOMAIN"
        assert site.ask("blue1", "10.0.1.2", "web-blue.openstacklocal") == "10.0.1.5"
        assert site.ask("blue1", "10.0.1.2", "web-red") == "NXDOMAIN"

    on_site(scenario)


def test_other_names_are_asked_of_the_subnets_name_servers(on_site: OnSite) -> None:
    async def scenario(site: Site) -> None:
        red = site.network("red")
        subnet = site.subnet(red, "10.0.1.0/28", gateway_ip="10.0.1.1", dns_nameservers=("10.0.1.9", "10.0.1.10"))
        site.server(red, {"10.0.1.2": subnet})
        site.instance("red1", site.port(red, {"10.0.1.5": subnet}))
        site.apply()
        await site.leased("red1", "10.0.1.5/28")
        site.name_server("dns9", red, "10.0.1.9/28", {"www.example.org": "198.51.100.7"})
        site.name_server("dns10", red, "10.0.1.10/28", {"www.example.org": "198.51.100.8"})
        assert site.ask("red1", "10.0.1.2", "www.example.org") == "198.51.100.7"  # the first of them
        assert site.ask("red1", "10.0.1.2", "nobody.openstacklocal") == "NXDOMAIN"
        assert "openstacklocal" not in site.asked("dns9") + site.asked("dns10")
        server = site.pid("dhcp", red.id)
        site.put(replace(subnet, dns_nameservers=("10.0.1.10",)))
        site.apply()
        await site.until(lambda: site.ask("red1", "10.0.1.2", "www.example.org") == "198.51.100.8", "the other answers")
        assert site.pid("dhcp", red.id) == server
        site.sh("ip -n dns9 link set eth0 down")
        assert site.ask("red1", "10.0.1.2", "mail.example.org", "A +time=9") in ("NXDOMAIN", "REFUSED")

    on_site(scenario)


def test_a_network_without_name_servers_asks_nobody(on_site: OnSite) -> None:
    """The host's own resolver, which answers on its loopback, hears nothing."""

    async def scenario(site: Site) -> None:
        site.sh("printf 'nameserver 127.0.0.1\\n' >/etc/resolv.conf")
        site.name_server("", None, "127.0.0.1/8", {"www.example.org": "198.51.100.7"})
        red = site.network("red")
        subnet = site.subnet(red, "10.0.1.0/28", gateway_ip="10.0.1.1")
        site.server(red, {"10.0.1.2": subnet})
        site.instance("red1", site.port(red, {"10.0.1.5": subnet}))
        site.apply()
        await site.leased("red1", "10.0.1.5/28")
        assert site.ask("", "127.0.0.1", "www.example.org") == "198.51.100.7"
        assert site.ask("red1", "10.0.1.2", "www.example.org") == "REFUSED"
        assert site.asked("").count("query[A] www.example.org") == 1

    on_site(scenario)


def test_names_are_asked_over_both_families(on_site: OnSite) -> None:
    async def scenario(site: Site) -> None:
        red = site.network("red")
        four = site.subnet(red, "10.0.1.0/28", gateway_ip="10.0.1.1")
        six = site.subnet(red, "fd00:1::/64", gateway_ip="fd00:1::1")
        site.server(red, {"10.0.1.2": four, "fd00:1::2": six})
        both = {"10.0.1.5": four, "fd00:1::5": six}
        site.instance("red1", site.port(red, both, dns_name="web"), addressing="static")
        site.apply()
        await site.until(lambda: site.ask("red1", "fd00:1::2", "web", "AAAA") == "fd00:1::5", "an answer over IPv6")
        assert site.ask("red1", "fd00:1::2", "web", "A") == "10.0.1.5"
        assert site.ask("red1", "10.0.1.2", "web.openstacklocal", "AAAA") == "fd00:1::5"

    on_site(scenario)
