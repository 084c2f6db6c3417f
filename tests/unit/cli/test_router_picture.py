"""The drawing of a router: outside above, networks below, floating IPs at the addresses that they lead to."""

from typing import Any

import msgspec

from patchbay.cli.router_picture import MOST, Surroundings, draw_router


def port(name: str, address: str, **fields: Any) -> dict[str, Any]:
    subnet = {"19": "ext", "10": "int", "20": "six"}[address[:2]]
    given = {"id": f"id-{name}", "name": name, "status": "ACTIVE", "device_id": "vm", "device_owner": "compute:x"}
    return {**given, "network_id": "n", "fixed_ips": [{"subnet_id": subnet, "ip_address": address}], **fields}


def floating_ip(address: str, **fields: Any) -> dict[str, Any]:
    given = {"floating_ip_address": address, "status": "ACTIVE", "port_id": None, "fixed_ip_address": None}
    return {**given, "port_forwardings": [], **fields}


ROUTER = {
    "id": "r",
    "name": "demo-router",
    "status": "ACTIVE",
    "admin_state_up": True,
    "external_gateway_info": {"enable_snat": True},
    "routes": [{"destination": "10.9.0.0/16", "nexthop": "10.0.1.9"}],
}
FORWARDING = {
    "protocol": "tcp",
    "external_port": 2222,
    "internal_port": 22,
    "internal_ip_address": "10.0.1.10",
    "internal_port_id": "id-b",
}
AROUND = Surroundings(
    hosts=["compute"],
    networks={"n": {"id": "n", "name": "demo-net"}, "x": {"id": "x", "name": "ext-net"}},
    subnets={"int": {"name": "demo-subnet", "cidr": "10.0.1.0/28"}, "ext": {"name": "", "cidr": "192.168.1.0/24"}},
    ports=[
        port("", "192.168.1.245", device_id="r", device_owner="network:router_gateway", network_id="x"),
        port("", "10.0.1.1", device_id="r", device_owner="network:router_interface"),
        port("b", "10.0.1.10"),
        port("a", "10.0.1.5", status="DOWN"),
        port("", "10.0.1.2", device_owner="network:dhcp"),
        port("elsewhere", "2001:db8::5"),
    ],
    floating_ips=[
        floating_ip("192.168.1.246", port_id="id-a", fixed_ip_address="10.0.1.5", status="DOWN"),
        floating_ip("192.168.1.250", port_forwardings=[FORWARDING]),
    ],
)


def test_a_router_between_its_networks() -> None:
    assert draw_router(ROUTER, AROUND) == [
        "ext-net  2 floating IPs, others seen as the router's address",
        "│ 192.168.1.245 of 192.168.1.0/24",
        "demo-router  ACTIVE, on compute",
        "├─ route 10.9.0.0/16 by 10.0.1.9",
        "└─ demo-net  10.0.1.1 of demo-subnet 10.0.1.0/28",
        "   ├─ 10.0.1.2   DHCP server  ACTIVE",
        "   ├─ 10.0.1.5   a            DOWN    ◄ 192.168.1.246 (DOWN)",
        "   └─ 10.0.1.10  b            ACTIVE  22 ◄ 192.168.1.250 tcp 2222",
    ]


def test_a_distributed_router_says_where_its_gateway_is() -> None:
    router = {**ROUTER, "distributed": True}
    assert draw_router(router, AROUND)[2] == "demo-router  ACTIVE, distributed, home on compute"
    around = msgspec.structs.replace(AROUND, floating_hosts=["compute2", "compute3"])
    assert draw_router(router, around)[2].endswith(", home on compute, floating IPs also on compute2, compute3")


def test_a_router_that_leads_nowhere_says_how_to_mend_that() -> None:
    router = {**ROUTER, "name": "", "admin_state_up": False, "external_gateway_info": None, "routes": []}
    assert draw_router(router, Surroundings()) == [
        "no way out: `patchbay router set --external-gateway` gives it one",
        "r  ACTIVE, switched off, on no host",
        "└─ no interface: `patchbay router add subnet` gives it one",
    ]


def test_a_large_network_is_counted() -> None:
    interface = port("", "10.0.0.1", device_id="r", device_owner="network:router_interface")
    many = [port(f"p{number}", f"10.0.0.{number}") for number in range(10, 10 + MOST + 3)]
    lines = draw_router({**ROUTER, "routes": []}, Surroundings(ports=[interface, *many]))
    assert lines[-1] == "   └─ … and 3 more"
    assert len(lines) == 3 + MOST + 1
