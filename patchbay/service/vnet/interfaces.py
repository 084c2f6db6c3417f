"""OpenVNet's interfaces: ports, or rows that become ports when they get addresses (``vnet/node_api/interface.rb``)."""

from collections.abc import Mapping, Sequence
from typing import Any

from patchbay.intent.database import Delete, Write
from patchbay.model import Port, Subnet, VnetObject
from patchbay.service.access import Attempt, carry_out, new_id, now
from patchbay.service.context import ADMIN, RequestContext
from patchbay.service.port_security import TRUSTED
from patchbay.service.service import Service
from patchbay.service.vnet.cascade import distinct, left_behind, removal_of_referring
from patchbay.service.vnet.draft import FILTERED, MODES, SIMULATED, VIF, Draft, check_in_subnet
from patchbay.service.vnet.errors import InvalidID
from patchbay.service.vnet.kinds import (
    DATAPATH,
    INTERFACE,
    INTERFACE_PORT,
    IP_LEASE,
    MAC_LEASE,
    MAC_RANGE_GROUP,
    NETWORK,
    SEGMENT,
)
from patchbay.service.vnet.leases import (
    check_unreserved,
    ip_lease_view,
    ip_leases_of,
    mac_lease_view,
    mac_leases_of,
    ports_of,
)
from patchbay.service.vnet.mac_ranges import free_mac
from patchbay.service.vnet.networks import segment_of, subnet_of
from patchbay.service.vnet.objects import (
    Data,
    Face,
    check_fresh,
    common,
    find,
    get,
    insertion,
    new_row,
    new_uuid,
    number_of,
    number_or_none,
    uuid_of,
)
from patchbay.service.vnet.plugging import PLUGS
from patchbay.service.vnet.room import make_room

FLAGS = (FILTERED, "enable_routing", "enable_route_translation")
"""Attributes that only the row has: true or false, and false unless said."""


async def create_interface(service: Service, context: RequestContext, values: Mapping[str, Any]) -> Face:
    """A new interface, with a MAC lease and an IP lease if its addresses are given.

    ``values``: uuid, mode, display_name, port_name, owner_datapath_uuid, network_uuid, segment_uuid, ipv4_address,
    mac_address, mac_range_group_uuid, and the FLAGS. Raises DuplicateUUID, UnknownUUIDResource, InvalidID for a segment
    that is not the network's, ArgumentError, or the errors of ``Allocator.allocate``.
    """

    def plan(attempt: Attempt) -> tuple[str, list[Write]]:
        check_fresh(service, INTERFACE, values)
        row = new_row(context, INTERFACE, values.get("uuid", ""), name=values.get("display_name", ""), **_kept(values))
        _check_references(service, values)
        draft = Draft(service, context, attempt, None, row)
        leases = _begin(service, context, draft, values)
        return row.uuid, distinct([*left_behind(service, row), *draft.writes(), *leases])

    check_fresh(service, INTERFACE, values)
    await make_room(service, values)
    uuid = await carry_out(service, f"interface {values.get('uuid', '')}", plan)
    return get(service, INTERFACE, uuid)


def _kept(values: Mapping[str, Any]) -> Data:
    port = new_plug(values.get("owner_datapath_uuid"), values.get("port_name"))
    flags = {name: values[name] for name in FLAGS if name in values}
    return {"mode": values.get("mode", VIF), PLUGS: [port], **flags}


def new_plug(datapath_uuid: str | None, port_name: str | None, *, singular: bool | None = None) -> Data:
    """One entry of an interface's ports of bridges; naming a datapath or a port makes it singular, as in OpenVNet."""
    is_named = True if datapath_uuid or port_name else None
    return {
        "id": number_of(new_id()),
        "datapath_uuid": datapath_uuid,
        "port_name": port_name,
        "singular": is_named if singular is None else singular,
        "created_at": now(),
    }


def _check_references(service: Service, values: Mapping[str, Any]) -> None:
    for kind, name in ((DATAPATH, "owner_datapath_uuid"), (MAC_RANGE_GROUP, "mac_range_group_uuid")):
        if name in values:
            get(service, kind, values[name], name)


def _begin(service: Service, context: RequestContext, draft: Draft, values: Mapping[str, Any]) -> list[Write]:
    """The first leases of a new interface: drafted, and the rows of IP leases as writes."""
    subnet, segment = _where(service, values)
    address: str | None = values.get("mac_address")
    if address is None and "mac_range_group_uuid" in values:
        address = free_mac(service, values["mac_range_group_uuid"])
    uuid = ""
    if address is not None:
        uuid, kept = new_uuid(MAC_LEASE), {"interface_uuid": draft.uuid, "mac_address": address}
        network_id = segment or (subnet.network_id if subnet is not None else "")
        extra = {"segment_uuid": uuid_of(service, SEGMENT, segment), "network_id": segment} if segment else {}
        draft.add_mac(uuid, address, new_row(context, MAC_LEASE, uuid, **kept, **extra), network_id)
    if subnet is None:
        return []
    if "ipv4_address" in values:
        check_unreserved(service, subnet, values["ipv4_address"])
    else:
        if address is None:
            draft.add_network(subnet.network_id, None)
        return []
    if address is None:
        port = draft.add_network(subnet.network_id, None)
        uuid = new_uuid(MAC_LEASE)
        kept = {"interface_uuid": draft.uuid, "mac_address": port.mac_address}
        draft.add_mac(uuid, port.mac_address, new_row(context, MAC_LEASE, uuid, **kept))
    port = draft.add_ip(uuid, subnet, values["ipv4_address"])
    ends = {"interface_uuid": draft.uuid, "mac_lease_uuid": uuid, "port_id": port.id}
    return insertion(service, ip_lease_row(service, context, subnet, values["ipv4_address"], **ends))


def ip_lease_row(
    service: Service,
    context: RequestContext,
    subnet: Subnet,
    address: str,
    *,
    uuid: str = "",
    interface_uuid: str | None = None,
    mac_lease_uuid: str | None = None,
    port_id: str = "",
    **more: Any,
) -> VnetObject:
    """The row of an IP lease; without a port it is nobody's."""
    return new_row(
        context,
        IP_LEASE,
        uuid,
        object_id=port_id,
        interface_uuid=interface_uuid,
        mac_lease_uuid=mac_lease_uuid,
        network_uuid=uuid_of(service, NETWORK, subnet.id),
        subnet_id=subnet.id,
        ipv4_address=address,
        **more,
    )


def _where(service: Service, values: Mapping[str, Any]) -> tuple[Subnet | None, str]:
    """The subnet, and the id of the segment's network if there is one; they must belong together."""
    segment = None
    if "segment_uuid" in values:
        segment = get(service, SEGMENT, values["segment_uuid"], "segment_uuid")
    if "network_uuid" not in values:
        return None, "" if segment is None else segment.object_id
    subnet = subnet_of(service, get(service, NETWORK, values["network_uuid"], "network_uuid"))
    if "ipv4_address" in values:
        check_in_subnet(subnet, values["ipv4_address"])
    if segment is not None and segment.object_id != subnet.network_id:
        raise InvalidID(
            f"segment_uuid:{values['segment_uuid']} does not match the segment used by "
            f"network_uuid:{values['network_uuid']}",
            "Name the network's own segment, or none.",
        )
    own = segment_of(service, values["network_uuid"])
    return subnet, "" if own is None else own.object_id


async def update_interface(service: Service, context: RequestContext, uuid: str, values: Mapping[str, Any]) -> Face:
    """The interface with another display_name, other FLAGS or another owner_datapath_uuid.

    Raises UnknownUUIDResource, or ArgumentError when the port's name is taken on that datapath.
    """

    def plan(attempt: Attempt) -> tuple[None, list[Write]]:
        draft = Draft(service, context, attempt, get(service, INTERFACE, uuid))
        _check_references(service, values)
        if "display_name" in values:
            draft.rename(values["display_name"])
        flags = {name: values[name] for name in FLAGS if name in values}
        if flags:
            draft.keep(**flags)
            draft.protect()
        if "owner_datapath_uuid" in values:
            plugs = draft.data.get(PLUGS, []) or [new_plug(None, None)]
            moved = {**plugs[0], "datapath_uuid": values["owner_datapath_uuid"], "singular": True}
            draft.keep(**{PLUGS: [moved, *plugs[1:]]})
        return None, draft.writes()

    await carry_out(service, f"interface {uuid}", plan)
    return get(service, INTERFACE, uuid)


async def rebind(service: Service, uuid: str) -> None:
    """The interface on the host that its datapath is on now. Raises ArgumentError when the port is another's there."""

    def plan(attempt: Attempt) -> tuple[None, list[Write]]:
        return None, Draft(service, ADMIN, attempt, get(service, INTERFACE, uuid)).writes()

    await carry_out(service, f"interface {uuid}", plan)


async def delete_interface(service: Service, context: RequestContext, uuid: str) -> None:
    """The interface goes, with its ports, leases, and what else refers to it.

    Raises UnknownUUIDResource, or ServicePortInUse for the port of one of Neutron's routers.
    """

    def plan(attempt: Attempt) -> tuple[None, list[Write]]:
        face = get(service, INTERFACE, uuid)
        draft = Draft(service, context, attempt, face)
        draft.goes = True
        draft.ports.clear()
        draft.macs.clear()
        rows: list[Write] = [Delete(face.row)] if face.row is not None else []
        return None, distinct([*draft.writes(), *rows, *removal_of_referring(service, INTERFACE, uuid)])

    await carry_out(service, f"interface {uuid}", plan)


def plugs_of(service: Service, face: Face) -> list[Data]:
    """The interface's ports of bridges; that of a port from elsewhere is known by its interface_name."""
    kept: list[Data] | None = face.data.get(PLUGS)
    if kept is not None:
        return kept
    ports = [port for port in ports_of(service, face) if port.interface_name]
    return [
        {
            "id": number_of(port.id),
            "datapath_uuid": None,
            "port_name": port.interface_name,
            "singular": True,
            "created_at": port.created_at,
        }
        for port in ports
    ]


async def add_plug(service: Service, context: RequestContext, uuid: str, values: Mapping[str, Any]) -> Data:
    """One more port of a bridge (datapath_uuid, port_name, singular) is the interface's.

    Raises UnknownUUIDResource, or ArgumentError when the port is another interface's.
    """
    made = new_plug(values.get("datapath_uuid"), values.get("port_name"), singular=values.get("singular"))

    def plan(attempt: Attempt) -> tuple[Data, list[Write]]:
        face = get(service, INTERFACE, uuid)
        if "datapath_uuid" in values:
            get(service, DATAPATH, values["datapath_uuid"], "datapath_uuid")
        draft = Draft(service, context, attempt, face)
        # An entry that names nothing says only that a port of the interface's own name is its own.
        named = [one for one in plugs_of(service, face) if one["port_name"] or one["datapath_uuid"]]
        draft.keep(**{PLUGS: [*named, made]})
        return made, draft.writes()

    return plug_view(service, get(service, INTERFACE, uuid), await carry_out(service, f"interface {uuid}", plan))


async def remove_plugs(service: Service, context: RequestContext, uuid: str, values: Mapping[str, Any]) -> list[Data]:
    """Those ports of bridges that have these values (datapath_uuid, port_name, singular) are no longer its own."""

    def plan(attempt: Attempt) -> tuple[list[Data], list[Write]]:
        face = get(service, INTERFACE, uuid)
        if "datapath_uuid" in values:
            get(service, DATAPATH, values["datapath_uuid"], "datapath_uuid")
        draft = Draft(service, context, attempt, face)
        names = [name for name in ("datapath_uuid", "port_name", "singular") if name in values]
        plugs = plugs_of(service, face)
        gone = [one for one in plugs if all(one[name] == values[name] for name in names)]
        draft.keep(**{PLUGS: [one for one in plugs if one not in gone]})
        return gone, draft.writes()

    gone = await carry_out(service, f"interface {uuid}", plan)
    return [plug_view(service, get(service, INTERFACE, uuid), one) for one in gone]


def plug_view(service: Service, face: Face, plug: Data) -> Data:
    """A port of a bridge as OpenVNet shows it."""
    return {
        "id": plug["id"],
        "class_name": INTERFACE_PORT.class_name,
        "interface_id": common(service, face)["id"],
        "interface_uuid": face.uuid,
        "interface_mode": mode_of(service, face),
        "datapath_id": number_or_none(service, DATAPATH, plug["datapath_uuid"]),
        "datapath_uuid": plug["datapath_uuid"],
        "port_name": plug["port_name"],
        "singular": plug["singular"],
        "created_at": plug["created_at"],
        "updated_at": plug["created_at"],
        "deleted_at": None,
        "is_deleted": 0,
    }


def mode_of(service: Service, face: Face) -> str:
    """The mode of an interface: the one kept, else what its port is."""
    kept = face.data.get("mode")
    if kept in MODES:
        return str(kept)
    return SIMULATED if any(port.device_owner.startswith("network:") for port in ports_of(service, face)) else VIF


def interface_view(service: Service, face: Face) -> Data:
    """The interface as OpenVNet shows it, with its leases; the addresses beside them are the first lease's."""
    ports, data = ports_of(service, face), face.data
    plug = next((one for one in plugs_of(service, face)), {})
    owner = plug.get("datapath_uuid")
    mac_leases = []
    addresses: Data = {"mac_address": None, "network_uuid": None, "ipv4_address": None, "ip_leases": []}
    for lease in mac_leases_of(service, face):
        ip_leases = [ip_lease_view(service, one) for one in ip_leases_of(service, lease)]
        addresses["mac_address"] = addresses["mac_address"] or lease.mac_address
        if ip_leases and addresses["ipv4_address"] is None:
            addresses |= {name: ip_leases[0][name] for name in ("network_uuid", "ipv4_address")}
        addresses["ip_leases"] = [*addresses["ip_leases"], *ip_leases]
        mac_leases.append({**mac_lease_view(service, lease), "ip_leases": ip_leases})
    if ports and addresses["network_uuid"] is None:
        addresses["network_uuid"] = _only_network(service, ports[0].network_id)
    owned = find(service, DATAPATH, owner) if owner else None
    return {
        **common(service, face),
        "mode": mode_of(service, face),
        "display_name": (ports[0].name if ports else face.row.name if face.row is not None else "") or None,
        "port_name": plug.get("port_name"),
        "owner_datapath_id": None if owned is None else number_or_none(service, DATAPATH, owner),
        "owner_datapath_uuid": None if owned is None else owner,
        **{name: data.get(name, False) for name in FLAGS},
        FILTERED: _is_filtered(ports, data),
        **addresses,
        "mac_leases": mac_leases,
    }


def _is_filtered(ports: Sequence[Port], data: Data) -> bool:
    """What the ports have; of an interface without ports, or in front of a router, what was asked for."""
    own = [port for port in ports if not port.device_owner.startswith(TRUSTED)]
    return any(port.port_security_enabled for port in own) if own else bool(data.get(FILTERED, False))


def _only_network(service: Service, network_id: str) -> str | None:
    """The OpenVNet network that a port without an IPv4 address is on, if it can be but one."""
    db = service.db
    subnets = [id_ for id_ in db.subnets_by_network.get(network_id, ()) if db.subnets[id_].ip_version == 4]
    return uuid_of(service, NETWORK, subnets[0]) if len(subnets) == 1 else None
