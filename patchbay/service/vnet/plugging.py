"""Which port of a bridge is an interface's, and on which host (``vnet/models/interface_port.rb``).

An interface that names no datapath is wherever a port of its name is plugged. One that names a datapath is on the host
that has that bridge; until an agent has told which that is, the interface is plugged nowhere, and as soon as it has,
it is bound there (``bindings``). So it makes no difference what comes first.
"""

from collections.abc import Collection, Mapping, Sequence

import msgspec

from patchbay.intent.database import Delete, Insert, Write
from patchbay.model import Port
from patchbay.service.context import RequestContext
from patchbay.service.service import Service
from patchbay.service.vnet.datapaths import host_of
from patchbay.service.vnet.errors import ArgumentError
from patchbay.service.vnet.kinds import DATAPATH, INTERFACE, INTERFACE_PORT_NAME
from patchbay.service.vnet.leases import interface_of
from patchbay.service.vnet.objects import Data, data_of, find, is_there, new_row, rows

PLUGS = "interface_ports"
"""In an interface's data: which ports of bridges are its own: id, datapath_uuid, port_name, singular, created_at."""


class Plug(msgspec.Struct, frozen=True):
    """The port of a bridge that is an interface's: its name, and its host ("": any). ``datapath`` is the one named."""

    name: str
    host: str
    datapath: str

    @property
    def waits(self) -> bool:
        """Whether the datapath's host is not known yet."""
        return bool(self.datapath) and not self.host


def wanted_plug(service: Service, interface: str, plugs: Sequence[Data]) -> Plug | None:
    """What of an interface's ports of bridges counts: the first that has a name, else the interface's own name."""
    if not plugs:
        return None
    plug = next((one for one in plugs if one.get("port_name")), plugs[0])
    named = plug.get("datapath_uuid")
    datapath = find(service, DATAPATH, named) if named else None
    if datapath is None or datapath.row is None:
        return Plug(plug.get("port_name") or interface, "", "")
    host = host_of(service, datapath.row.dpid)
    return Plug(plug.get("port_name") or interface, "" if host is None else host.name, datapath.uuid)


def plugged(
    service: Service, interface: str, plugs: Sequence[Data], ports: Mapping[str, Port], known_as: str = ""
) -> dict[str, Port]:
    """The interface's ports, the first of them with the name of the bridge's port, all with the host.

    ``known_as`` is the uuid that it has had so far. While its datapath's host is not known an interface is plugged
    nowhere. Raises ArgumentError when the bridge's port is another interface's.
    """
    plug, found = wanted_plug(service, interface, plugs), dict(ports)
    if plug is not None and ports:
        _check_alone(service, (interface, known_as), plug)
    for number, (id_, port) in enumerate(ports.items()):
        name = "" if plug is None or number else plug.name
        host = port.host if plug is None else plug.host or port.host
        if plug is not None and plug.waits:
            name, host = "", ""
        found[id_] = msgspec.structs.replace(port, interface_name=name, host=host)
    return found


def reserved(service: Service, context: RequestContext, interface: str, plug: Plug | None) -> list[Write]:
    """Writes by which the interface has the name of that port of a bridge (None: none any more) for itself.

    They fail when another one gets the name at the same time; who has it already ``plugged`` has found.
    """
    db = service.db
    wanted = "" if plug is None or plug.name == interface else f"port:{plug.datapath}:{plug.name}"
    has = rows(service, INTERFACE_PORT_NAME, interface_uuid=interface)
    if [row.uuid for row in has] == [wanted]:
        return []
    stale = [db.vnet_objects[id_] for id_ in db.vnet_objects_by_uuid.get(wanted, ())]
    writes: list[Write] = [Delete(row) for row in {row.id: row for row in (*has, *stale)}.values()]
    if wanted:
        writes.append(Insert(new_row(context, INTERFACE_PORT_NAME, wanted, interface_uuid=interface)))
    return writes


def _check_alone(service: Service, own: Collection[str], plug: Plug) -> None:
    owner = _owner_by_datapath(service, own, plug) if plug.datapath else None
    if owner is None and not plug.waits:
        owner = _owner_by_port(service, own, plug)
    if owner is not None:
        raise ArgumentError(
            f"port_name {plug.name} is that of interface {owner}",
            "One port of a bridge belongs to one interface: choose another port_name, or name datapaths.",
        )


def _owner_by_port(service: Service, own: Collection[str], plug: Plug) -> str | None:
    db = service.db
    for other in (db.ports[id_] for id_ in db.ports_by_interface_name.get(plug.name, ())):
        if not plug.host or other.host in {"", plug.host}:
            owner = interface_of(service, other.id).uuid
            if owner not in own:
                return owner
    return None


def _owner_by_datapath(service: Service, own: Collection[str], plug: Plug) -> str | None:
    db = service.db
    for row_id in (*db.vnet_objects_by_uuid.get(plug.name, ()), *db.vnet_objects_by_mention.get(plug.name, ())):
        row = db.vnet_objects[row_id]
        if row.kind == INTERFACE.name and row.uuid not in own and is_there(db, row):
            other = wanted_plug(service, row.uuid, data_of(row).get(PLUGS, ()))
            if other is not None and (other.name, other.datapath) == (plug.name, plug.datapath):
                return row.uuid
    return None
