"""Golden cases: a folder with intent.yaml and, for each host, the whole host as the commands that make it.

``python tests/unit/compile/golden.py`` writes the expected hosts anew; then read the difference before you commit it.
"""

import re
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import yaml

from patchbay.compile.facts import BridgeSettings, Facts, Plugged
from patchbay.compile.fragments import compile_all
from patchbay.compile.view import HostView, Value
from patchbay.hoststate import HostState
from patchbay.model import (
    AddressGroup,
    AddressPair,
    FixedIP,
    FloatingIP,
    Host,
    HostRoute,
    Instance,
    Network,
    Plug,
    Port,
    PortForwarding,
    Router,
    SecurityGroup,
    SecurityGroupRule,
    Subnet,
    VnetObject,
)
from patchbay.model.router import FLOATING_GATEWAY
from patchbay.model.vnet import DATAPATH
from patchbay.plan.diff import diff
from patchbay.plan.observed import Observed

UUID = re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}")
CASES = Path(__file__).resolve().parents[1] / "cases"


def id_of(kind: str, name: str) -> str:
    """The same id each time, different for each name; what is named by an id has that."""
    return name if UUID.fullmatch(name) else str(uuid.uuid5(uuid.NAMESPACE_URL, f"patchbay:{kind}:{name}"))


def read(case: Path) -> dict[str, Any]:
    return yaml.safe_load((case / "intent.yaml").read_text())


def values(intent: dict[str, Any]) -> Iterator[Value]:
    """All intent values of a case, referents first."""
    for name, fields in intent["hosts"].items():
        yield Host(id=id_of("host", name), name=name, tunnel_ip=fields.get("tunnel_ip", ""))
    for name, dpid in intent.get("datapaths", {}).items():
        yield VnetObject(id=id_of("datapath", name), kind=DATAPATH, uuid=f"dp-{name}", dpid=dpid)
    for number, (name, fields) in enumerate(intent.get("networks", {}).items()):
        yield Network(id=id_of("network", name), name=name, created_at=f"2026-01-01T00:00:{number:02}Z", **fields)
    for name, fields in intent.get("subnets", {}).items():
        yield subnet(name, dict(fields))
    yield from security(intent)
    for name, fields in intent.get("ports", {}).items():
        yield port(name, dict(fields))
    for name, fields in intent.get("routers", {}).items():
        yield router(name, dict(fields))
    for name, fields in intent.get("floatingips", {}).items():
        yield floatingip(name, dict(fields))
    for name, fields in intent.get("instances", {}).items():
        interfaces = {device: id_of("port", item) for device, item in fields.pop("interfaces").items()}
        yield Instance(id=id_of("instance", name), name=name, interfaces=interfaces, **fields)
    for name, host in intent.get("plugs", {}).items():
        network_id = id_of("network", intent["ports"][name]["network"])
        yield Plug(id=id_of("plug", name), port_id=id_of("port", name), network_id=network_id, host=host, up=True)


def security(intent: dict[str, Any]) -> Iterator[Value]:
    """Security groups with their rules, and address groups."""
    for name, addresses in intent.get("addresses", {}).items():
        yield AddressGroup(id=id_of("addresses", name), name=name, addresses=tuple(addresses))
    for name, fields in intent.get("groups", {}).items():
        group_id = id_of("group", name)
        yield SecurityGroup(id=group_id, name=name, stateful=fields.get("stateful", True))
        for number, rule in enumerate(fields.get("rules", ())):
            named = dict(rule)
            for field, kind in (("remote_group", "group"), ("remote_addresses", "addresses")):
                if remote := named.pop(field, None):
                    named["remote_group_id" if kind == "group" else "remote_address_group_id"] = id_of(kind, remote)
            yield SecurityGroupRule(id=id_of("rule", f"{name}-{number}"), security_group_id=group_id, **named)


def subnet(name: str, fields: dict[str, Any]) -> Subnet:
    version = 6 if ":" in fields["cidr"] else 4
    routes = tuple(HostRoute(*item) for item in fields.pop("host_routes", []))
    network_id = id_of("network", fields.pop("network"))
    return Subnet(id=id_of("subnet", name), network_id=network_id, ip_version=version, host_routes=routes, **fields)


def port(name: str, fields: dict[str, Any]) -> Port:
    fixed_ips = tuple(FixedIP(id_of("subnet", item), address) for item, address in fields.pop("fixed_ips", {}).items())
    pairs = tuple(AddressPair(*item) for item in fields.pop("allowed_address_pairs", []))
    network_id, mac_address = id_of("network", fields.pop("network")), fields.pop("mac")
    fields["security_groups"] = tuple(id_of("group", item) for item in fields.pop("groups", ()))
    fields.setdefault("port_security_enabled", bool(fields["security_groups"]))
    if "router" in fields:
        owner = "network:router_gateway" if fields.pop("is_gateway", False) else "network:router_interface"
        owner += "_distributed" if fields.pop("is_distributed", False) else ""
        owner = FLOATING_GATEWAY if fields.pop("is_floating_gateway", False) else owner
        fields |= {"device_id": id_of("router", fields.pop("router")), "device_owner": owner}
    return Port(
        id=id_of("port", name),
        network_id=network_id,
        mac_address=mac_address,
        fixed_ips=fixed_ips,
        allowed_address_pairs=pairs,
        **fields,
    )


def router(name: str, fields: dict[str, Any]) -> Router:
    gateway = fields.pop("gateway", None)
    routes = tuple(HostRoute(*item) for item in fields.pop("routes", []))
    gateway_port_id = id_of("port", gateway) if gateway else None
    return Router(id=id_of("router", name), name=name, gateway_port_id=gateway_port_id, routes=routes, **fields)


def floatingip(name: str, fields: dict[str, Any]) -> FloatingIP:
    """``name`` is its address; it leads to ``port``, or by ``forward`` to ports of ports."""
    target = fields.get("port")
    return FloatingIP(
        id=id_of("floatingip", name),
        floating_network_id=id_of("network", fields["network"]),
        floating_ip_address=name,
        floating_port_id=id_of("port", name),
        router_id=id_of("router", fields["router"]),
        port_id=id_of("port", target) if target else None,
        fixed_ip_address=fields.get("fixed_ip"),
        port_forwardings=tuple(forwarding(*item) for item in fields.get("forward", [])),
    )


def forwarding(protocol: str, external: tuple[int, int], address: str, internal: tuple[int, int]) -> PortForwarding:
    return PortForwarding(
        id=id_of("forwarding", f"{protocol} {external}"),
        protocol=protocol,
        external_ports=(external[0], external[-1]),
        internal_port_id="",
        internal_ip_address=address,
        internal_ports=(internal[0], internal[-1]),
    )


def facts(intent: dict[str, Any], host: str) -> Facts:
    """What the host itself has."""
    fields = intent["hosts"][host]
    plugged = {
        id_of("port", port) if port in intent.get("ports", {}) else port: Plugged(name=name, ofport=5)
        for name, port in fields.get("plugged", {}).items()
    }
    return Facts(
        host=host,
        datapath_type=fields.get("datapath_type", "system"),
        tunnel_ip=fields.get("tunnel_ip", ""),
        bridge_mappings=fields.get("bridge_mappings", {}),
        bridges=frozenset(fields.get("bridges", ())),
        local_vlans={id_of("network", name): number for name, number in fields.get("local_vlans", {}).items()},
        plugged=plugged,
        datapaths={bridge["dpid"]: name for name, bridge in fields.get("bridges_of_others", {}).items()},
        bridge_ports={name: frozenset(bridge["ports"]) for name, bridge in fields.get("bridges_of_others", {}).items()},
        bridge_settings={
            name: BridgeSettings(
                **{
                    key: tuple(held) if isinstance(held, list) else held
                    for key, held in bridge.get("settings", {}).items()
                }
            )
            for name, bridge in fields.get("bridges_of_others", {}).items()
        },
    )


def compile_host(intent: dict[str, Any], host: str) -> HostState:
    """The desired state of one host of a case."""
    view = HostView(facts(intent, host))
    for value in values(intent):
        view.put(value)
    return compile_all(view)


def render(state: HostState) -> str:
    """A host as the commands that make it from nothing; cookies, which are hashes, left out."""
    lines = [line for operation in diff(Observed(), state) for line in operation.command()]
    return re.sub(r"cookie=0x7062[0-9a-f]{12},", "", "\n".join(lines)) + "\n"


def expected(case: Path) -> Iterator[tuple[str, Path]]:
    """The hosts of a case, each with the file of what it should be."""
    for host in read(case)["hosts"]:
        yield host, case / f"{host}.txt"


def regenerate() -> None:
    for intent_file in sorted(CASES.glob("*/intent.yaml")):
        for host, path in expected(intent_file.parent):
            path.write_text(render(compile_host(read(intent_file.parent), host)))


if __name__ == "__main__":
    regenerate()
