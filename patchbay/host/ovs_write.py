"""Operations of a plan as operations of one OVSDB transaction (RFC 7047, 5.2; ovs-vswitchd.conf.db(5)).

Used by ``patchbay.host.ovs`` only. Rows that are there already are taken over and rows that are gone are left alone,
so a transaction can be made again.
"""

from collections.abc import Mapping, Sequence
from typing import Any, assert_never

from patchbay.errors import HostError
from patchbay.host import borrowing
from patchbay.hoststate import Bridge, BridgePort, PortTag
from patchbay.hoststate.switch import BEFORE, CLOSED_MODE, CLOSED_VLAN, OWNER, Columns, Pairs
from patchbay.ovsdb.client import Operation as RowOperation
from patchbay.ovsdb.replica import Replica
from patchbay.ovsdb.values import Row, named_uuid, ovs_map, ovs_set, uuid_ref
from patchbay.plan.operations import (
    AddBridge,
    AddPort,
    Borrow,
    ClearPortTag,
    DelBridge,
    DelPort,
    GiveBack,
    SetBridge,
    SetPort,
    SetPortTag,
)
from patchbay.plan.shell_borrowed import note_text

SwitchOperation = (
    AddBridge | SetBridge | DelBridge | AddPort | SetPort | DelPort | SetPortTag | ClearPortTag | Borrow | GiveBack
)
SWITCH_OPERATIONS = (
    *(AddBridge, SetBridge, DelBridge, AddPort, SetPort, DelPort),
    *(SetPortTag, ClearPortTag, Borrow, GiveBack),
)
"""The kinds of operations that change Open vSwitch's database."""


class Transaction:
    """Row operations, gathered from operations in their order."""

    def __init__(self, replica: Replica, bridge_of_port: Mapping[str, str]) -> None:
        self._rows = replica.rows
        self._bridge_of_port = bridge_of_port
        self._uuids = {
            table: {row["name"]: uuid for uuid, row in replica.rows(table).items()} for table in ("Bridge", "Port")
        }
        self._new_bridges: dict[str, str] = {}
        self._operations: list[RowOperation] = []

    def add(self, operation: SwitchOperation) -> None:
        """Take one operation into the transaction. Raises HostError when it would touch what is not ours."""
        match operation:
            case AddBridge(bridge) | SetBridge(_, bridge):
                self._put_bridge(bridge)
            case DelBridge(name):
                self._del_bridge(name)
            case AddPort(port) | SetPort(_, port):
                self._put_port(port)
            case DelPort(name, _):
                self._del_port(name)
            case SetPortTag(tag, old):
                gone = [key for key, _ in old.other_config] if old else []
                self._write_tag(tag.name, tag.tag, gone, tag.other_config)
                self._write_mode(tag, tag.is_closed, was_closed=old is not None and old.is_closed)
            case ClearPortTag(tag):
                self._write_tag(tag.name, None, [key for key, _ in tag.other_config], ())
                self._write_mode(tag, is_closed=False, was_closed=tag.is_closed)
            case Borrow(new):
                self._write_borrowed(new.table, new.name, new.columns)
            case GiveBack(old):
                self._write_borrowed(old.table, old.name, ())
            case _:
                assert_never(operation)

    def finish(self) -> list[RowOperation]:
        """All row operations, and the mutation of next_cfg that lets ovs-vswitchd say when it has done them."""
        bump = {"op": "mutate", "table": "Open_vSwitch", "where": [], "mutations": [["next_cfg", "+=", 1]]}
        return [*self._operations, bump]

    # --- bridges ------------------------------------------------------------------------------------------------------

    def _put_bridge(self, bridge: Bridge) -> None:
        uuid = self._uuids["Bridge"].get(bridge.name)
        columns: dict[str, Any] = {
            "datapath_type": bridge.datapath_type,
            "fail_mode": bridge.fail_mode if bridge.fail_mode else ovs_set([]),
        }
        if uuid:
            self._update("Bridge", uuid, columns)
            self._write_map("Bridge", uuid, "external_ids", [OWNER], ((OWNER, bridge.owner),))
            return
        port = self._insert_port({"name": bridge.name}, {"name": bridge.name, "type": "internal"})
        columns |= {"name": bridge.name, "ports": port, "external_ids": ovs_map({OWNER: bridge.owner})}
        new = self._insert("Bridge", columns)
        self._new_bridges[bridge.name] = new[1]
        self._mutate("Open_vSwitch", [], ["bridges", "insert", new])

    def _del_bridge(self, name: str) -> None:
        uuid = self._uuids["Bridge"].get(name)
        if uuid and OWNER in self._rows("Bridge")[uuid]["external_ids"]:
            self._mutate("Open_vSwitch", [], ["bridges", "delete", uuid_ref(uuid)])
            del self._uuids["Bridge"][name]

    # --- ports --------------------------------------------------------------------------------------------------------

    def _put_port(self, port: BridgePort) -> None:
        uuid = self._uuids["Port"].get(port.name)
        row = self._rows("Port").get(uuid) if uuid else None
        if uuid and row is not None:
            bridge = self._rows("Bridge").get(self._bridge_of_port.get(uuid, ""))
            if bridge is not None and bridge["name"] == port.bridge:
                self._update_port(uuid, row, port)
                return
            self._check_ours(port, row, bridge)
        where = self._where_bridge(port)
        self._del_port(port.name, is_wanted=True)
        reference = self._insert_port(
            {
                "name": port.name,
                "tag": _tag(port.tag),
                "trunks": ovs_set(port.trunks),
                **_mode(port.is_closed),
                "other_config": ovs_map(dict(port.other_config)),
                "external_ids": ovs_map({OWNER: port.owner}),
            },
            {
                "name": port.name,
                "type": port.type,
                "options": ovs_map(dict(port.options)),
                "external_ids": ovs_map(dict(port.external_ids)),
            },
        )
        self._mutate("Bridge", where, ["ports", "insert", reference])

    @staticmethod
    def _check_ours(port: BridgePort, row: Row, bridge: Row | None) -> None:
        """On our own bridges our names are ours, whoever plugged them; on another's they are not."""
        if OWNER not in row["external_ids"] and (bridge is None or OWNER not in bridge["external_ids"]):
            place = bridge["name"] if bridge else "no bridge"
            raise HostError(
                f"Port {port.name} is wanted in {port.bridge}, but somebody plugged one of this name into {place}.",
                f"Unplug it: ovs-vsctl del-port {port.name}",
            )

    def _where_bridge(self, port: BridgePort) -> list[Any]:
        uuid = self._uuids["Bridge"].get(port.bridge)
        if uuid:
            return [["_uuid", "==", uuid_ref(uuid)]]
        if port.bridge in self._new_bridges:
            return [["_uuid", "==", named_uuid(self._new_bridges[port.bridge])]]
        raise HostError(
            f"Port {port.name} cannot be plugged: there is no bridge {port.bridge}.",
            f"Create it: ovs-vsctl add-br {port.bridge}",
        )

    def _update_port(self, uuid: str, row: Row, port: BridgePort) -> None:
        columns: dict[str, Any] = {"tag": _tag(port.tag), "trunks": ovs_set(port.trunks)}
        columns |= _mode(port.is_closed)
        self._update("Port", uuid, {**columns, "other_config": ovs_map(dict(port.other_config))})
        self._write_map("Port", uuid, "external_ids", [OWNER], ((OWNER, port.owner),))
        columns = {
            "type": port.type,
            "options": ovs_map(dict(port.options)),
            "external_ids": ovs_map(dict(port.external_ids)),
        }
        for interface in row["interfaces"]:
            self._update("Interface", interface, columns)

    def _del_port(self, name: str, *, is_wanted: bool = False) -> None:
        """Unplug a port of ours, or one that stands in the way of a wanted one (see ``_check_ours``)."""
        uuid = self._uuids["Port"].pop(name, None)
        bridge = self._bridge_of_port.get(uuid) if uuid else None
        if uuid and bridge and (is_wanted or OWNER in self._rows("Port")[uuid]["external_ids"]):
            self._mutate("Bridge", [["_uuid", "==", uuid_ref(bridge)]], ["ports", "delete", uuid_ref(uuid)])

    def _write_tag(self, name: str, tag: int | None, gone: list[str], pairs: Pairs) -> None:
        uuid = self._uuids["Port"].get(name)
        if uuid:
            self._update("Port", uuid, {"tag": _tag(tag)})
            self._write_map("Port", uuid, "other_config", [*gone, *(key for key, _ in pairs)], pairs)

    def _write_mode(self, tag: PortTag, is_closed: bool, *, was_closed: bool) -> None:
        """The VLAN mode of somebody else's port is only ours while it is closed."""
        uuid = self._uuids["Port"].get(tag.name)
        if uuid and (is_closed or was_closed):
            self._update("Port", uuid, _mode(is_closed))

    # --- rows of others -----------------------------------------------------------------------------------------------

    def _write_borrowed(self, table: str, name: str, wanted: Columns) -> None:
        """Make a row of somebody else's hold this, with a note of what it held; nothing wanted: as it was before."""
        uuid = self._uuids[table].get(name)
        row = self._rows(table).get(uuid) if uuid else None
        if uuid is None or row is None:
            return
        write, before = borrowing.change(row, wanted, self._rows("Controller"))
        columns = {column: borrowing.written(column, held) for column, held in write.items() if column != "controller"}
        if columns:
            self._update(table, uuid, columns)
        if "controller" in write:
            self._replace_controllers(uuid, row, write["controller"])
        note = ((BEFORE, note_text(tuple(before.items()))),) if before else ()
        self._write_map(table, uuid, "external_ids", [BEFORE], note)

    def _replace_controllers(self, uuid: str, bridge: Row, targets: Sequence[str]) -> None:
        rows = self._rows("Controller")
        leave = [one for one in bridge["controller"] if borrowing.is_connecting(rows.get(one))]
        come = [self._insert("Controller", {"target": target}) for target in targets]
        mutations = [["controller", "delete", ovs_set(map(uuid_ref, leave))], ["controller", "insert", ovs_set(come)]]
        self._mutate("Bridge", [["_uuid", "==", uuid_ref(uuid)]], *mutations)

    # --- row operations -----------------------------------------------------------------------------------------------

    def _insert(self, table: str, row: Mapping[str, Any]) -> list[str]:
        name = f"row{len(self._operations)}"
        self._operations.append({"op": "insert", "table": table, "row": row, "uuid-name": name})
        return named_uuid(name)

    def _insert_port(self, port: Mapping[str, Any], interface: Mapping[str, Any]) -> list[str]:
        return self._insert("Port", {**port, "interfaces": self._insert("Interface", interface)})

    def _update(self, table: str, uuid: str, row: Mapping[str, Any]) -> None:
        where = [["_uuid", "==", uuid_ref(uuid)]]
        self._operations.append({"op": "update", "table": table, "where": where, "row": row})

    def _mutate(self, table: str, where: list[Any], *mutations: list[Any]) -> None:
        self._operations.append({"op": "mutate", "table": table, "where": where, "mutations": list(mutations)})

    def _write_map(self, table: str, uuid: str, column: str, gone: list[str], pairs: Pairs) -> None:
        """Set these keys of a map, whatever they were, and delete the others of ``gone``; leave all others alone."""
        mutations: list[list[Any]] = []
        if gone:
            mutations.append([column, "delete", ovs_set(sorted(set(gone)))])
        if pairs:
            mutations.append([column, "insert", ovs_map(dict(pairs))])
        if mutations:
            self._mutate(table, [["_uuid", "==", uuid_ref(uuid)]], *mutations)


def _mode(is_closed: bool) -> dict[str, Any]:
    """The columns that close a port to ordinary switching, or open it."""
    if is_closed:
        return {"vlan_mode": CLOSED_MODE, "cvlans": CLOSED_VLAN}
    return {"vlan_mode": ovs_set([]), "cvlans": ovs_set([])}


def _tag(tag: int | None) -> Any:
    return ovs_set([]) if tag is None else tag
