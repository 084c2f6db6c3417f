"""A router as a drawing: the outside above it, its networks and who is on them below, with their floating IPs.

Pure but for ``read_surroundings`` and ``draw_routers``: objects of the API in, lines out. For ``show`` and ``lab``.
"""

import ipaddress
from collections.abc import Iterable, Iterator, Mapping, Sequence, Set
from typing import Any

import msgspec

from patchbay.cli.endpoint import Endpoint
from patchbay.cli.output import aligned

Object = Mapping[str, Any]

MOST = 20
"""So many ports of a network are drawn; the rest is counted."""
PORT_FIELDS = ("id", "name", "fixed_ips", "status", "device_id", "device_owner", "network_id", "binding:host_id")
FLOATING_GATEWAY = "network:floatingip_agent_gateway"
OWNERS = {
    "network:dhcp": "DHCP server",
    "network:router_interface": "interface of another router",
    "network:router_interface_distributed": "interface of another router",
    "network:router_gateway": "gateway of another router",
}


class Surroundings(msgspec.Struct, frozen=True, kw_only=True):
    """What is around a router: networks and subnets by id, their ports, its floating IPs.

    ``hosts`` are those that it is on; ``floating_hosts`` those where floating IPs of a distributed one live besides.
    """

    hosts: Sequence[str] = ()
    floating_hosts: Sequence[str] = ()
    networks: Mapping[str, Object] = {}
    subnets: Mapping[str, Object] = {}
    ports: Sequence[Object] = ()
    floating_ips: Sequence[Object] = ()


def read_surroundings(service: Endpoint, router: Object) -> Surroundings:
    """Ask the service what is around a router."""
    found = service.list("ports", {"device_id": router["id"], "fields": PORT_FIELDS})
    own = [port for port in found if port["device_owner"] != FLOATING_GATEWAY]
    inner = {port["network_id"] for port in own if not is_gateway(port)}
    near = service.list("ports", {"network_id": sorted(inner), "fields": PORT_FIELDS}) if inner else []
    networks = sorted({port["network_id"] for port in own})
    return Surroundings(
        hosts=[agent["host"] for agent in service.request("GET", f"/v2.0/routers/{router['id']}/l3-agents")["agents"]],
        floating_hosts=sorted(port["binding:host_id"] for port in found if port not in own),
        networks={each["id"]: each for each in service.list("networks", {"id": networks})} if networks else {},
        subnets={each["id"]: each for each in service.list("subnets", {"network_id": networks})} if networks else {},
        ports=[*own, *(port for port in near if port["device_id"] != router["id"])],
        floating_ips=service.list("floatingips", {"router_id": router["id"]}),
    )


def draw_routers(service: Endpoint, names: Sequence[str] = ()) -> Iterator[str]:
    """The routers with these names or ids, every one if none is named, with an empty line between them."""
    chosen = [service.find("routers", name) for name in names] if names else service.list("routers")
    for number, router in enumerate(chosen):
        yield from ([""] if number else [])
        yield from draw_router(router, read_surroundings(service, router))


def draw_router(router: Object, around: Surroundings) -> list[str]:
    """The drawing, line by line."""
    where = f"on {', '.join(around.hosts)}" if around.hosts else "on no host"
    if router.get("distributed"):
        where = f"distributed, home {where}"
        where += f", floating IPs also on {', '.join(around.floating_hosts)}" if around.floating_hosts else ""
    state = "" if router["admin_state_up"] else ", switched off"
    own = [port for port in around.ports if port["device_id"] == router["id"]]
    gateways = [port for port in own if is_gateway(port)]
    interfaces = [port for port in own if not is_gateway(port)]
    above = [f"{address} of {subnet}" for port in gateways for subnet, address in places(port, around)]
    lines = [*outside(router, gateways, around), *(f"│ {line}" for line in above)]
    lines.append(f"{router['name'] or router['id']}  {router['status']}{state}, {where}")
    branches: list[list[str]] = [
        [f"route {route['destination']} by {route['nexthop']}"] for route in router.get("routes") or ()
    ]
    branches += [below(port, router, around) for port in sorted(interfaces, key=lambda port: str(port["fixed_ips"]))]
    for number, branch in enumerate(branches or [["no interface: `patchbay router add subnet` gives it one"]]):
        is_last = number == max(len(branches) - 1, 0)
        first, *rest = branch
        lines.append(("└─ " if is_last else "├─ ") + first)
        lines += [("   " if is_last else "│  ") + line for line in rest]
    return lines


def outside(router: Object, gateways: Sequence[Object], around: Surroundings) -> list[str]:
    """The external network and how the router translates to it."""
    if not gateways:
        return ["no way out: `patchbay router set --external-gateway` gives it one"]
    given = router.get("external_gateway_info") or {}
    translates = "others seen as the router's address" if given.get("enable_snat", True) else "others not translated"
    name = name_of(around.networks.get(gateways[0]["network_id"], {}), str(gateways[0]["network_id"]))
    floating = {each["floating_ip_address"] for each in around.floating_ips}
    count = {0: "no floating IP", 1: "1 floating IP"}.get(len(floating), f"{len(floating)} floating IPs")
    return [f"{name}  {count}, {translates}"]


def below(interface: Object, router: Object, around: Surroundings) -> list[str]:
    """An interface and the ports of its network, each with the floating IP that leads to it."""
    network = around.networks.get(interface["network_id"], {})
    held = ", ".join(f"{address} of {subnet}" for subnet, address in places(interface, around))
    subnets = {fixed["subnet_id"] for fixed in interface["fixed_ips"]}
    others = [port for port in around.ports if port["device_id"] != router["id"]]
    rows = [row for port in others for row in rows_of(port, subnets, around)]
    rows.sort(key=lambda row: int(ipaddress.ip_address(row[0])))
    lines = aligned(rows[:MOST]) if rows else ["nobody else"]
    if len(rows) > MOST:
        lines.append(f"… and {len(rows) - MOST} more")
    marks = ["├─ "] * (len(lines) - 1) + ["└─ "]
    drawn = [mark + line for mark, line in zip(marks, lines, strict=True)]
    return [f"{name_of(network, interface['network_id'])}  {held or 'no address'}", *drawn]


def rows_of(port: Object, subnets: Set[str], around: Surroundings) -> Iterable[list[str]]:
    """One row for each address of a port on these subnets: address, name, status, what leads to it."""
    owner = str(port["device_owner"] or port["id"])
    what = str(port["name"] or OWNERS.get(owner, owner))
    for fixed in port["fixed_ips"]:
        if fixed["subnet_id"] in subnets:
            address = str(fixed["ip_address"])
            yield [address, what, str(port["status"]), ", ".join(leading(port, address, around))]


def leading(port: Object, address: str, around: Surroundings) -> Iterable[str]:
    """``◄ 192.168.1.246`` for each floating IP, or port of one, that leads to an address of a port."""
    for each in around.floating_ips:
        outer = each["floating_ip_address"]
        state = "" if each["status"] == "ACTIVE" else f" ({each['status']})"
        if each["port_id"] == port["id"] and each["fixed_ip_address"] == address:
            yield f"◄ {outer}{state}"
        for one in each.get("port_forwardings") or ():
            if one["internal_port_id"] == port["id"] and one["internal_ip_address"] == address:
                outer_port = one.get("external_port") or one.get("external_port_range")
                inner_port = one.get("internal_port") or one.get("internal_port_range")
                yield f"{inner_port} ◄ {outer} {one['protocol']} {outer_port}{state}"


def places(port: Object, around: Surroundings) -> Iterable[tuple[str, str]]:
    """Subnet and address of each fixed IP of a port."""
    for fixed in port["fixed_ips"]:
        subnet = around.subnets.get(fixed["subnet_id"], {})
        cidr = subnet.get("cidr", "")
        yield " ".join(filter(None, (name_of(subnet, ""), cidr))) or fixed["subnet_id"], fixed["ip_address"]


def is_gateway(port: Object) -> bool:
    """Whether a router's port leads outside."""
    return bool(port["device_owner"] == "network:router_gateway")


def name_of(thing: Object, otherwise: str) -> str:
    """The name of an object, or its id."""
    return str(thing.get("name") or thing.get("id") or otherwise)
