"""IPv6 addresses of instances: lent by DHCPv6, made from a router's advertisement, and what they learn besides."""

from collections.abc import Callable

from tests.functional.dhcp.conftest import SiteScenario
from tests.functional.dhcp.site import Site

OnSite = Callable[[SiteScenario], None]


def test_a_stateful_subnet_lends_addresses(on_site: OnSite) -> None:
    async def scenario(site: Site) -> None:
        red = site.network("red")
        modes = {"ipv6_ra_mode": "dhcpv6-stateful", "ipv6_address_mode": "dhcpv6-stateful"}
        subnet = site.subnet(red, "fd00:1::/64", gateway_ip="fd00:1::1", **modes)
        site.server(red, {"fd00:1::2": subnet})
        site.router(
            "r1", site.port(red, {"fd00:1::1": subnet}, device_owner="network:router_interface", device_id="r1")
        )
        site.instance("red1", site.port(red, {"fd00:1::5": subnet}, dns_name="web"))
        site.instance("red2", site.port(red, {"fd00:1::6": subnet, "fd00:1::7": subnet}))
        site.apply()
        await site.leased("red1", "fd00:1::5/128", 6)
        await site.leased("red2", "fd00:1::6/128", 6)
        assert site.inside("red1", "cat /etc/resolv.conf") == (
            "# eth0 inet6\nnameserver fd00:1::2\nsearch openstacklocal.\n"
        )
        for name in ("red1", "red2"):
            await site.until(lambda name=name: "default via fe80:" in site.inside(name, "ip -6 route"), "a route", 15)
        assert site.inside("red2", "getent ahostsv6 web").split()[0] == "fd00:1::5"
        site.inside("red1", "ping -6 -c1 -W2 fd00:1::6")

    on_site(scenario)


def test_an_advertised_subnet_needs_no_lease(on_site: OnSite) -> None:
    async def scenario(site: Site) -> None:
        red = site.network("red")
        four = site.subnet(red, "10.0.1.0/28", gateway_ip="10.0.1.1")
        six = site.subnet(red, "fd00:1::/64", gateway_ip="fd00:1::1", ipv6_ra_mode="slaac", ipv6_address_mode="slaac")
        site.server(red, {"10.0.1.2": four, "fd00:1::2": six})
        site.router("r1", site.port(red, {"fd00:1::1": six}, device_owner="network:router_interface", device_id="r1"))
        address = "fd00:1::f816:3eff:fe00:42"
        site.instance("red1", site.port(red, {"10.0.1.5": four, address: six}, mac="fa:16:3e:00:00:42"))
        site.apply()
        await site.leased("red1", f"{address}/64", 6)
        await site.leased("red1", "10.0.1.5/28")
        assert ("daemon", "dhclient6", site.view.instances["instance-red1"].interfaces["eth0"]) not in site.state

    on_site(scenario)


def test_a_stateless_subnet_tells_name_servers_only(on_site: OnSite) -> None:
    async def scenario(site: Site) -> None:
        red = site.network("red")
        modes = {"ipv6_ra_mode": "dhcpv6-stateless", "ipv6_address_mode": "dhcpv6-stateless"}
        subnet = site.subnet(red, "fd00:1::/64", gateway_ip="fd00:1::1", **modes)
        site.server(red, {"fd00:1::2": subnet})
        site.router(
            "r1", site.port(red, {"fd00:1::1": subnet}, device_owner="network:router_interface", device_id="r1")
        )
        address = "fd00:1::f816:3eff:fe00:42"
        site.instance("red1", site.port(red, {address: subnet}, mac="fa:16:3e:00:00:42"))
        site.apply()
        await site.leased("red1", f"{address}/64", 6)
        assert "nameserver fd00:1::2" in site.inside("red1", "cat /etc/resolv.conf")
        instance = site.view.instances["instance-red1"]
        asker = site.pid("dhclient6", instance.interfaces["eth0"])
        assert site.is_running(asker)
        site.remove(instance)
        site.apply()
        await site.until(lambda: not site.is_running(asker), "it has ended")
        assert site.sh("ls /etc/netns") == ""
        assert "dhclient" not in site.sh("ps ax -o args= | grep -v grep")

    on_site(scenario)


def test_an_ipv6_address_is_lent_to_its_next_owner(on_site: OnSite) -> None:
    async def scenario(site: Site) -> None:
        red = site.network("red")
        modes = {"ipv6_ra_mode": "dhcpv6-stateful", "ipv6_address_mode": "dhcpv6-stateful"}
        subnet = site.subnet(red, "fd00:1::/64", gateway_ip="fd00:1::1", **modes)
        site.server(red, {"fd00:1::2": subnet})
        first = site.port(red, {"fd00:1::5": subnet})
        old = site.instance("red1", first)
        site.apply()
        await site.leased("red1", "fd00:1::5/128", 6)
        site.sh(f"kill -9 {site.pid('dhclient6', first.id)}; rm /run/patchbay/dhclient6/{first.id}/farewell")
        site.remove(old, first)
        site.instance("red2", site.port(red, {"fd00:1::5": subnet}))
        site.apply()
        await site.leased("red2", "fd00:1::5/128", 6)

    on_site(scenario)
