"""A topology's routers and floating IPs, brought about through the Neutron API.

Called by ``apply``. A router's interfaces are known by their subnets, floating IPs by their addresses; what is there
already is not asked for again.
"""

from collections.abc import Mapping, Sequence
from ipaddress import ip_address
from typing import Any

from patchbay.lab.client import Client
from patchbay.lab.objects import Applied, Key, Object, bring_about, difference
from patchbay.lab.topology import FloatingIP, HostRoute, PortForwarding, Router, Topology

Ids = Mapping[Key, str]
INTERFACES = ("network:router_interface", "network:router_interface_distributed")


def apply_routers(client: Client, topology: Topology, networks: Ids, subnets: Ids, steps: list[Applied]) -> None:
    """Routers with gateways and interfaces, then their routes: a next hop must be on an interface."""
    if not topology.routers:
        return
    wanted: dict[Key, Object] = {
        (router.project, name): router_body(topology, name, router, networks)
        for name, router in topology.routers.items()
    }
    _distribute(client, wanted, steps)
    ids = bring_about(client, "routers", wanted, steps)
    listed = client.request("GET", "/v2.0/ports?" + "&".join(f"device_owner={each}" for each in INTERFACES))["ports"]
    there = {(port["device_id"], ip["subnet_id"]) for port in listed for ip in port["fixed_ips"]}
    for name, router in topology.routers.items():
        router_id = ids[router.project, name]
        for interface in router.interfaces:
            key = (topology.networks[interface.network].project, interface.network, interface.subnet)
            if (router_id, subnets[key]) in there:
                steps.append(Applied(unchanged=1))
                continue
            given = {"network_id": networks[key[:2]], "subnet_id": subnets[key]}
            _add_interface(client, router_id, router.project, given, interface.address)
            steps.append(Applied(created=(("router interface", f"{name}/{interface.subnet}"),)))
    for name, router in topology.routers.items():
        if router.routes:
            _set_routes(client, name, ids[router.project, name], router.routes, steps)


def _distribute(client: Client, wanted: Mapping[Key, Object], steps: list[Applied]) -> None:
    """Routers that are there become distributed, or centralized again, which a router is switched off for."""
    for found in client.request("GET", "/v2.0/routers")["routers"]:
        value = wanted.get((found["project_id"], found["name"]), {}).get("distributed", found["distributed"])
        if value == found["distributed"]:
            continue
        path = f"/v2.0/routers/{found['id']}"
        client.request("PUT", path, {"router": {"admin_state_up": False, "distributed": value}})
        client.request("PUT", path, {"router": {"admin_state_up": found["admin_state_up"]}})
        steps.append(Applied(updated=(("distribution of router", found["name"]),)))


def router_body(topology: Topology, name: str, router: Router, networks: Ids) -> Object:
    """A router as the API takes it, without interfaces and routes."""
    body: Object = {"name": name, "project_id": router.project}
    if router.distributed is not None:
        body["distributed"] = router.distributed
    if router.external:
        gateway: Object = {"network_id": networks[topology.networks[router.external].project, router.external]}
        if router.enable_snat is not None:
            gateway["enable_snat"] = router.enable_snat
        if router.external_addresses:
            gateway["external_fixed_ips"] = [{"ip_address": _text(each)} for each in router.external_addresses]
        body["external_gateway_info"] = gateway
    return body


def _add_interface(client: Client, router_id: str, project: str, given: Object, address: str) -> None:
    """By the subnet, which gives the gateway's address; an address of its own needs a port of its own."""
    asked = {"subnet_id": given["subnet_id"]}
    if address:
        fixed_ip = {"subnet_id": given["subnet_id"], "ip_address": _text(address)}
        body = {"network_id": given["network_id"], "project_id": project, "fixed_ips": [fixed_ip]}
        asked = {"port_id": client.request("POST", "/v2.0/ports", {"port": body})["port"]["id"]}
    client.request("PUT", f"/v2.0/routers/{router_id}/add_router_interface", asked)


def _set_routes(client: Client, name: str, router_id: str, routes: tuple[HostRoute, ...], steps: list[Applied]) -> None:
    wanted = {"routes": [{"destination": each.destination, "nexthop": each.nexthop} for each in routes]}
    if difference(wanted, client.request("GET", f"/v2.0/routers/{router_id}")["router"]):
        client.request("PUT", f"/v2.0/routers/{router_id}", {"router": wanted})
        steps.append(Applied(updated=(("routes of router", name),)))


def apply_floating_ips(client: Client, topology: Topology, networks: Ids, ports: Ids, steps: list[Applied]) -> None:
    """Floating IPs, associated and with their port forwardings."""
    if not topology.floating_ips:
        return
    listed = client.request("GET", "/v2.0/floatingips")["floatingips"]
    known = {(each["floating_network_id"], each["floating_ip_address"]): each for each in listed}
    ids = {key[1:]: port_id for key, port_id in ports.items()}
    bodies = [floating_ip_body(topology, floating_ip, networks, ids) for floating_ip in topology.floating_ips]
    there = [known.get((each["floating_network_id"], each["floating_ip_address"])) for each in bodies]
    released = _release(client, bodies, there)
    for floating_ip, wanted, old in zip(topology.floating_ips, bodies, there, strict=True):
        what = (("floating IP", floating_ip.address),)
        found = old or client.request("POST", "/v2.0/floatingips", {"floatingip": wanted})["floatingip"]
        if old is None:
            steps.append(Applied(created=what))
        elif old["id"] in released or _differs(wanted, old):
            change = {name: wanted.get(name) for name in ("port_id", "fixed_ip_address") if wanted.get(name)}
            if change:
                client.request("PUT", f"/v2.0/floatingips/{found['id']}", {"floatingip": change})
            steps.append(Applied(updated=what))
        else:
            steps.append(Applied(unchanged=1))
        if floating_ip.port_forwardings:
            _apply_forwardings(client, floating_ip, found["id"], ids, steps)


def _differs(wanted: Object, found: Object) -> bool:
    """Whether a floating IP leads elsewhere than the file says; an address that the file leaves open is any."""
    fixed = wanted.get("fixed_ip_address", found["fixed_ip_address"])
    return (wanted.get("port_id"), fixed) != (found["port_id"], found["fixed_ip_address"])


def _release(client: Client, bodies: Sequence[Object], there: Sequence[Object | None]) -> set[str]:
    """Dissociate floating IPs that lead to nobody any more, or to whom another one leads now; gives their ids.

    An address has one floating IP at a time. The others move at once, without a moment of leading nowhere.
    """
    changing = [
        (wanted, found) for wanted, found in zip(bodies, there, strict=True) if found is None or _differs(wanted, found)
    ]
    awaited = {wanted.get("port_id") for wanted, _ in changing}
    released = set()
    for wanted, found in changing:
        if found is not None and found["port_id"] and (wanted.get("port_id") is None or found["port_id"] in awaited):
            client.request("PUT", f"/v2.0/floatingips/{found['id']}", {"floatingip": {"port_id": None}})
            released.add(str(found["id"]))
    return released


def floating_ip_body(topology: Topology, floating_ip: FloatingIP, networks: Ids, ports: Ids) -> Object:
    """A floating IP as the API takes it."""
    body: Object = {
        "project_id": floating_ip.project,
        "floating_network_id": networks[topology.networks[floating_ip.network].project, floating_ip.network],
        "floating_ip_address": _text(floating_ip.address),
    }
    if floating_ip.instance:
        body["port_id"] = ports[(f"{floating_ip.instance}-{floating_ip.device}",)]
    if floating_ip.fixed_address:
        body["fixed_ip_address"] = _text(floating_ip.fixed_address)
    return body


def _apply_forwardings(
    client: Client, floating_ip: FloatingIP, floating_ip_id: str, ports: Ids, steps: list[Applied]
) -> None:
    path = f"/v2.0/floatingips/{floating_ip_id}/port_forwardings"
    known = {
        (each["protocol"], each["external_port"]): each for each in client.request("GET", path)["port_forwardings"]
    }
    wanted = {
        (each.protocol, each.port): (ports[(f"{each.instance}-{each.device}",)], each.internal_port)
        for each in floating_ip.port_forwardings
    }
    for key, found in list(known.items()):
        target = (found["internal_port_id"], found["internal_port"])
        if target != wanted.get(key) and any(
            target == other and key[0] == protocol for (protocol, _), other in wanted.items()
        ):
            client.request("DELETE", f"{path}/{found['id']}")  # two ports cannot lead to one
            del known[key]
    for forwarding in floating_ip.port_forwardings:
        what = (("port forwarding", f"{floating_ip.address}:{forwarding.port}"),)
        key = (forwarding.protocol, forwarding.port)
        old = known.get(key)
        if old is None:
            body = _forwarding_body(client, forwarding, ports)
            client.request("POST", path, {"port_forwarding": body})
            steps.append(Applied(created=what))
        elif (old["internal_port_id"], old["internal_port"]) != wanted[key]:
            body = _forwarding_body(client, forwarding, ports)
            client.request("PUT", f"{path}/{old['id']}", {"port_forwarding": body})
            steps.append(Applied(updated=what))
        else:
            steps.append(Applied(unchanged=1))


def _forwarding_body(client: Client, forwarding: PortForwarding, ports: Ids) -> dict[str, Any]:
    port_id = ports[(f"{forwarding.instance}-{forwarding.device}",)]
    port = client.request("GET", f"/v2.0/ports/{port_id}")["port"]
    address = next(ip["ip_address"] for ip in port["fixed_ips"] if ":" not in ip["ip_address"])
    return {
        "protocol": forwarding.protocol,
        "external_port": forwarding.port,
        "internal_port": forwarding.internal_port,
        "internal_port_id": port_id,
        "internal_ip_address": address,
    }


def _text(address: str) -> str:
    return str(ip_address(address))
