"""Instances that ask for their addresses."""

from patchbay.compile.facts import Facts
from patchbay.compile.fragments import compile_fragment
from patchbay.compile.view import HostView
from patchbay.hoststate import Address, Daemon, Link, Resource, Route, Sysctl
from patchbay.model import DhcpOption, FixedIP, Instance, Network, Port, Subnet
from patchbay.model.network import AllocationPool

FOUR = Subnet(id="four", network_id="n", ip_version=4, cidr="10.0.1.0/24", gateway_ip="10.0.1.1")


def six(mode: str | None) -> Subnet:
    return Subnet(
        id="six", network_id="n", ip_version=6, cidr="fd00::/64", ipv6_address_mode=mode, gateway_ip="fd00::1"
    )


def compiled(addressing: str, *values: Subnet, **fields: object) -> list[Resource]:
    """The instance red1 with a port that has an address of each subnet."""
    view = HostView(Facts(host="c1", datapath_type="system"))
    addresses = tuple(FixedIP(subnet.id, "10.0.1.5" if subnet.id == "four" else "fd00::5") for subnet in values)
    given = {"fixed_ips": addresses, **fields}
    view.put(Network(id="n", network_type="local", mtu=1400))
    view.put(
        Port(id="p", network_id="n", mac_address="fa:16:3e:00:00:01", host="c1", port_security_enabled=False, **given)
    )  # type: ignore[arg-type]
    for value in values:
        view.put(value)
    view.put(Instance(id="i", name="red1", host="c1", addressing=addressing, interfaces={"eth0": "p"}))
    return list(compile_fragment(view, ("instance", "i")))


def kinds(found: list[Resource]) -> list[str]:
    return [item.kind for item in found if isinstance(item, Daemon)]


def addresses(found: list[Resource]) -> list[str]:
    return [item.address for item in found if isinstance(item, Address)]


def test_with_dhcp_the_agent_writes_no_addresses_and_no_routes() -> None:
    found = compiled("dhcp", FOUR, six("dhcpv6-stateful"))
    assert kinds(found) == ["dhclient", "dhclient6"]
    assert not [item for item in found if isinstance(item, Address | Route)]


def test_without_it_there_is_no_client() -> None:
    found = compiled("static", FOUR, six("slaac"))
    assert kinds(found) == []
    assert addresses(found) == ["10.0.1.5/24", "fd00::5/64"]
    assert not [item for item in found if isinstance(item, Sysctl) and item.namespace]


def test_an_advertised_address_needs_no_client_but_the_kernel() -> None:
    found = compiled("dhcp", six("slaac"))
    assert kinds(found) == []
    settings = {item.name: item.value for item in found if isinstance(item, Sysctl)}
    assert settings["net.ipv6.conf.eth0.accept_ra"] == "1"


def test_what_nobody_lends_is_written() -> None:
    """A subnet without DHCP, and IPv6 without a mode: no client could learn that it is to ask."""
    found = compiled("dhcp", FOUR, six(None))
    assert kinds(found) == ["dhclient"]
    assert addresses(found) == ["fd00::5/64"]


def test_a_port_without_addresses_asks_for_one_of_the_range() -> None:
    ranged = Subnet(
        id="four",
        network_id="n",
        ip_version=4,
        cidr="10.0.1.0/24",
        dhcp_ranges=(AllocationPool("10.0.1.5", "10.0.1.9"),),
    )
    assert kinds(compiled("dhcp", ranged, fixed_ips=())) == ["dhclient"]
    assert kinds(compiled("dhcp", FOUR, fixed_ips=())) == []


def test_the_link_has_the_mtu_that_its_client_is_told() -> None:
    """Else agent and client would set it by turns."""
    options = (DhcpOption("mtu", "1300"),)
    links = [item for item in compiled("dhcp", FOUR, extra_dhcp_opts=options) if isinstance(item, Link)]
    assert {link.mtu for link in links} == {1300}
    links = [item for item in compiled("static", FOUR, extra_dhcp_opts=options) if isinstance(item, Link)]
    assert {link.mtu for link in links} == {1400}


def test_the_client_has_files_of_its_own_and_gives_its_lease_back() -> None:
    client = next(item for item in compiled("dhcp", FOUR) if isinstance(item, Daemon))
    home = "/run/patchbay/dhclient/p"
    assert " ".join(client.command) == (
        f"dhclient -4 -q -pf {home}/pid -lf /etc/netns/red1/dhcp/dhclient.leases"
        f" -cf {home}/dhclient.conf -sf {home}/script -nw eth0"
    )
    assert client.link == "eth0"
    assert client.last_words[:4] == ("sh", f"{home}/farewell", "dhclient", "-r")
    assert "/etc/netns/red1/dhcp/dhclient.conf" in dict(client.files)
    assert all(text.startswith("#!") for path, text in client.files if path.endswith("script"))
