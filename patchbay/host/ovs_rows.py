"""Rows of Open vSwitch's database as resources and facts: what a bridge or a port there means to us.

Used by ``patchbay.host.ovs`` only.
"""

from collections.abc import Iterator, Mapping

import msgspec

from patchbay.compile.br_int import OTHER_CONFIG_KEYS
from patchbay.compile.local_vlans import DEAD_VLAN
from patchbay.compile.names import BR_INT
from patchbay.host import borrowing
from patchbay.hoststate import Borrowed, Bridge, BridgePort, PortTag, Resource
from patchbay.hoststate.switch import CLOSED_MODE, CLOSED_VLAN, OWNER, Pairs
from patchbay.ovsdb.values import Row


class PortFacts(msgspec.Struct, frozen=True):
    """What one Port row means to us. ``is_bond``: it has several interfaces, and no flow can name it."""

    bridge: str
    name: str
    ofport: int | None
    resource: BridgePort | PortTag | None
    borrowed: Borrowed | None
    iface_id: str
    net_uuid: str
    local_vlan: int | None
    is_ours: bool
    is_bond: bool


def describe(bridge: Row, port: Row, interface: Row) -> PortFacts:
    """What a port is now."""
    is_ours = OWNER in port["external_ids"]
    iface_id = interface["external_ids"].get("iface-id", "")
    return PortFacts(
        bridge=bridge["name"],
        name=port["name"],
        ofport=interface["ofport"] if (interface["ofport"] or 0) > 0 else None,
        resource=_bridge_port(bridge, port, interface) if is_ours else _port_tag(bridge, port, iface_id),
        borrowed=borrowing.borrowed("Port", port, {}),
        iface_id=iface_id,
        net_uuid=port["other_config"].get("net_uuid", ""),
        local_vlan=_local_vlan(port),
        is_ours=is_ours,
        is_bond=len(port["interfaces"]) > 1,
    )


def resources(port: PortFacts) -> Iterator[Resource]:
    """What of a port Patchbay sets."""
    if port.resource:
        yield port.resource
    if port.borrowed:
        yield port.borrowed


def bridge(row: Row) -> Bridge | None:
    """A bridge that carries our mark."""
    owner = row["external_ids"].get(OWNER)
    if owner is None:
        return None
    return Bridge(name=row["name"], datapath_type=row["datapath_type"], fail_mode=row["fail_mode"] or "", owner=owner)


def _bridge_port(bridge: Row, port: Row, interface: Row) -> BridgePort:
    return BridgePort(
        name=port["name"],
        bridge=bridge["name"],
        type=interface["type"],
        options=_pairs(interface["options"]),
        external_ids=_pairs(interface["external_ids"]),
        other_config=_pairs(port["other_config"]),
        tag=port["tag"],
        trunks=tuple(sorted(port["trunks"])),
        is_closed=_is_closed(port),
        owner=port["external_ids"][OWNER],
    )


def _port_tag(bridge: Row, port: Row, iface_id: str) -> PortTag | None:
    """Our tag on a port that somebody else plugged: it has an iface-id, or what we wrote when it had one."""
    if port["tag"] is None or bridge["name"] != BR_INT:
        return None
    if not iface_id and "net_uuid" not in port["other_config"] and port["tag"] != DEAD_VLAN:
        return None
    written = {key: value for key, value in port["other_config"].items() if key in OTHER_CONFIG_KEYS}
    return PortTag(name=port["name"], tag=port["tag"], other_config=_pairs(written), is_closed=_is_closed(port))


def _is_closed(port: Row) -> bool:
    return port["vlan_mode"] == CLOSED_MODE and list(port["cvlans"]) == [CLOSED_VLAN]


def _local_vlan(port: Row) -> int | None:
    """What other_config says, for a dead port keeps the local VLAN of its network there; else the tag."""
    noted = port["other_config"].get("tag", "")
    tag: int | None = int(noted) if noted.isdecimal() else port["tag"]
    return tag if tag != DEAD_VLAN else None


def _pairs(column: Mapping[str, str]) -> Pairs:
    return tuple(sorted(column.items()))
