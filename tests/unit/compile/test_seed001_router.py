"""Seed 001's router: what is compiled for it, beside ``iptables -S``, ``ip route`` and ``ip link`` as printed there."""

from patchbay.hoststate import Address, BridgePort, HostState, Link, Namespace, Route, Ruleset, Sysctl
from tests.unit.compile.golden import CASES, compile_host, read

NAMESPACE = "qrouter-7052699b-ed8d-48a0-8365-50ac54017dfc"

FILTER = """\
-P INPUT ACCEPT
-P FORWARD ACCEPT
-P OUTPUT ACCEPT
-N neutron-filter-top
-N neutron-l3-agent-FORWARD
-N neutron-l3-agent-INPUT
-N neutron-l3-agent-OUTPUT
-N neutron-l3-agent-local
-A INPUT -j neutron-l3-agent-INPUT
-A FORWARD -j neutron-filter-top
-A FORWARD -j neutron-l3-agent-FORWARD
-A OUTPUT -j neutron-filter-top
-A OUTPUT -j neutron-l3-agent-OUTPUT
-A neutron-filter-top -j neutron-l3-agent-local
-A neutron-l3-agent-INPUT -d 127.0.0.1/32 -p tcp -m tcp --dport 9697 -j ACCEPT
"""

NAT = """\
-P PREROUTING ACCEPT
-P INPUT ACCEPT
-P OUTPUT ACCEPT
-P POSTROUTING ACCEPT
-N neutron-l3-agent-OUTPUT
-N neutron-l3-agent-POSTROUTING
-N neutron-l3-agent-PREROUTING
-N neutron-l3-agent-float-snat
-N neutron-l3-agent-snat
-N neutron-postrouting-bottom
-A PREROUTING -j neutron-l3-agent-PREROUTING
-A OUTPUT -j neutron-l3-agent-OUTPUT
-A POSTROUTING -j neutron-l3-agent-POSTROUTING
-A POSTROUTING -j neutron-postrouting-bottom
-A neutron-l3-agent-POSTROUTING ! -i qg-c5ab6a1c-f1 ! -o qg-c5ab6a1c-f1 -m conntrack ! --ctstate DNAT -j ACCEPT
-A neutron-l3-agent-PREROUTING -d 169.254.169.254/32 -p tcp -m tcp --dport 80 -j REDIRECT --to-ports 9697
-A neutron-l3-agent-snat -j neutron-l3-agent-float-snat
-A neutron-l3-agent-snat -s 10.0.1.0/28 -j SNAT --to-source 192.168.1.245
-A neutron-postrouting-bottom -j neutron-l3-agent-snat
"""

NO_INPUT_DEVICE = {
    "-A neutron-l3-agent-POSTROUTING ! -i qg-c5ab6a1c-f1 ! -o qg-c5ab6a1c-f1 -m conntrack ! --ctstate DNAT -j ACCEPT": (
        "-A neutron-l3-agent-POSTROUTING ! -o qg-c5ab6a1c-f1 -m conntrack ! --ctstate DNAT -j ACCEPT"
    )
}
"""iptables refuses ``-i`` in POSTROUTING since 1.8.8, where it never matched anything: packets there have no input."""

CLOSED_METADATA = [
    "-A neutron-l3-agent-INPUT -i qr-+ -p tcp -m tcp --dport 9697 -m conntrack --ctstate DNAT -j ACCEPT",
    "-A neutron-l3-agent-INPUT -p tcp -m tcp --dport 9697 -j DROP",
]
"""Later releases of Neutron let only what was redirected reach 9697; in the seed anybody outside could ask there."""


NOT_BACK = "-A neutron-l3-agent-FORWARD -i qg-c5ab6a1c-f1 -o qg-c5ab6a1c-f1 -j DROP"
"""Ours alone: what is sent to a floating IP that is away must not be remembered as untranslated."""


def state() -> HostState:
    return compile_host(read(CASES / "seed001"), "compute1")


def printed(table: str) -> list[str]:
    """A table of the compiled rules as ``iptables -S`` prints it."""
    ruleset = next(item for item in state().values() if isinstance(item, Ruleset) and item.version == 4)
    return [_printed(line) if line.startswith(":") else line for line in dict(ruleset.tables)[table]]


def _printed(line: str) -> str:
    chain, _, policy = line[1:].partition(" ")
    return f"-N {chain}" if policy == "-" else f"-P {chain} {policy}"


def test_the_filter_table_is_the_seed_s_and_closes_the_metadata_port() -> None:
    seed = FILTER.splitlines()
    assert printed("filter") == [*seed[:-1], NOT_BACK, seed[-1], *CLOSED_METADATA]


def test_the_nat_table_is_the_seed_s_but_for_a_match_that_iptables_refuses_today() -> None:
    assert printed("nat") == [NO_INPUT_DEVICE.get(line, line) for line in NAT.splitlines()]


def test_its_namespace_forwards_and_has_the_two_devices_of_the_seed() -> None:
    found = [item for item in state().values() if getattr(item, "namespace", "") == NAMESPACE]
    assert Namespace(name=NAMESPACE, alias="patchbay:7052699b-ed8d-48a0-8365-50ac54017dfc") in state().values()
    assert Sysctl(namespace=NAMESPACE, name="net.ipv4.ip_forward", value="1") in found
    links = {item.name: (item.mac, item.mtu, item.kind) for item in found if isinstance(item, Link)}
    assert links == {
        "qr-cbfa75fd-e1": ("fa:16:3e:7f:af:47", 1500, "internal"),
        "qg-c5ab6a1c-f1": ("fa:16:3e:61:7b:20", 1500, "internal"),
    }


def test_addresses_and_routes_are_those_of_ip_route_in_the_seed() -> None:
    found = [item for item in state().values() if getattr(item, "namespace", "") == NAMESPACE]
    addresses = {(item.link, item.address) for item in found if isinstance(item, Address)}
    assert addresses == {("qr-cbfa75fd-e1", "10.0.1.1/28"), ("qg-c5ab6a1c-f1", "192.168.1.245/24")}
    routes = [(item.destination, item.gateway, item.link) for item in found if isinstance(item, Route)]
    assert routes == [("0.0.0.0/0", "192.168.1.1", "qg-c5ab6a1c-f1")]


def test_qr_has_the_local_vlan_of_its_network_and_qg_is_in_br_int_too() -> None:
    """In the seed qg- is in br-ex, which Neutron has given up: the external network comes by int-br-ex."""
    ports = {item.name: item for item in state().values() if isinstance(item, BridgePort)}
    assert (ports["qr-cbfa75fd-e1"].bridge, ports["qr-cbfa75fd-e1"].tag) == ("br-int", 2)
    assert (ports["qg-c5ab6a1c-f1"].bridge, ports["qg-c5ab6a1c-f1"].tag) == ("br-int", 1)
    assert ports["int-br-ex"].bridge == "br-int"
    assert ports["phy-br-ex"].bridge == "br-ex"
    assert dict(ports["qr-cbfa75fd-e1"].external_ids) == {
        "attached-mac": "fa:16:3e:7f:af:47",
        "iface-id": "cbfa75fd-e100-4000-8000-000000000000",
        "iface-status": "active",
    }
