"""The drawing of a host: where ports of routers lead, and what their routers translate."""

from typing import Any

from patchbay.cli.picture import Picture, describe, draw, vlan_of, ways_out

ROUTER = "qrouter-7052699b-ed8d-48a0-8365-50ac54017dfc"
NAT = """\
*nat
:neutron-l3-agent-snat - [0:0]
-A neutron-l3-agent-OUTPUT -d 192.168.1.246/32 -j DNAT --to-destination 10.0.1.5
-A neutron-l3-agent-POSTROUTING ! -o qg-c5ab6a1c-f1 -m conntrack ! --ctstate DNAT -j ACCEPT
-A neutron-l3-agent-PREROUTING -d 169.254.169.254/32 -p tcp -m tcp --dport 80 -j REDIRECT --to-ports 9697
-A neutron-l3-agent-PREROUTING -d 192.168.1.246/32 -j DNAT --to-destination 10.0.1.5
-A neutron-l3-agent-PREROUTING -d 192.168.1.250/32 -p tcp -m tcp --dport 2222 -j DNAT --to-destination 10.0.1.6:22
-A neutron-l3-agent-float-snat -s 10.0.1.5/32 -j SNAT --to-source 192.168.1.246
-A neutron-l3-agent-snat -j neutron-l3-agent-float-snat
-A neutron-l3-agent-snat -s 10.0.1.0/28 -j SNAT --to-source 192.168.1.245
COMMIT
"""


def picture(**fields: Any) -> Picture:
    interface = {"_uuid": "i", "type": "internal", "options": {}, "external_ids": {"iface-id": "cbfa75fd"}}
    return Picture(bridges=(), ports=(), interfaces=[interface], **fields)


def test_an_internal_port_in_a_namespace_is_found_there() -> None:
    address = {"local": "10.0.1.1", "prefixlen": 28, "scope": "global"}
    seen = picture(namespaces={ROUTER: [{"ifname": "qr-cbfa75fd-e1", "addr_info": [address]}]})
    port = {"name": "qr-cbfa75fd-e1", "interfaces": "i"}
    assert describe(seen, port) == f"port cbfa75fd: in {ROUTER} (10.0.1.1/28)"
    assert describe(picture(), port) == "port cbfa75fd"


def test_what_a_router_translates() -> None:
    assert ways_out(picture(translations={ROUTER: NAT.splitlines()})) == [
        [ROUTER, "192.168.1.246", "10.0.1.5"],
        [ROUTER, "192.168.1.250 tcp 2222", "10.0.1.6:22"],
        [ROUTER, "10.0.1.5", "seen as 192.168.1.246"],
        [ROUTER, "10.0.1.0/28", "seen as 192.168.1.245"],
    ]


def test_what_runs_in_a_namespace() -> None:
    seen = Picture(
        bridges=(),
        ports=(),
        interfaces=(),
        namespaces={"qdhcp-1": []},
        processes={"qdhcp-1": ["dnsmasq: process 63"], "": ["patchbay metadata: process 64"]},
    )
    assert draw(seen) == [
        "namespace qdhcp-1",
        "├─ no link besides lo",
        "└─ dnsmasq: process 63",
        "the host's own namespace",
        "└─ patchbay metadata: process 64",
    ]


def test_ports_with_port_security_are_marked() -> None:
    tunnel = {"vlan_mode": "dot1q-tunnel"}
    assert [vlan_of(port) for port in ({"tag": []}, {"tag": 1}, {"tag": 1, **tunnel}, {"tag": 4095, **tunnel})] == [
        "",
        "VLAN 1",
        "VLAN 1, secured",
        "VLAN 4095",
    ]
