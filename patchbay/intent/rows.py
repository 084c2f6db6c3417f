"""Rows of the intent database to model values, and writes to OVSDB operations.

Pure. ``database`` calls it for every row that changes and every write. An update writes only the columns that differ
and is guarded: it fails (as Stale) when somebody else changed the object since ``old`` was read.
"""

import itertools
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

import msgspec

from patchbay.intent.columns import FIELDS, JOINED, MODELS, TABLES, Model, address_order
from patchbay.model import FixedIP, Network, Port, Resource
from patchbay.ovsdb import Row, named_uuid, ovs_set, uuid_ref

Operation = dict[str, Any]


class Insert(msgspec.Struct, frozen=True):
    """A new object; its id becomes the row's UUID."""

    value: Model


class Update(msgspec.Struct, frozen=True):
    """An object as read before, and as it should be. Refused as Stale when its revision is another one meanwhile."""

    old: Model
    new: Model


class Delete(msgspec.Struct, frozen=True):
    """An object that should go. Refused as Stale when its revision is another one meanwhile."""

    value: Model


_names = itertools.count(1)
Write = Insert | Update | Delete
Reader = Callable[[str, Row], Model]


def reader(table: str, columns: Sequence[str]) -> Reader:
    """A function from a row with these columns to a model value; other fields get their defaults."""
    model: Callable[..., Model] = MODELS[table]
    plain = [(f.name, f.column) for f in FIELDS[table] if f.column in columns and f.read is None]
    converted = [(f.name, f.column, f.read) for f in FIELDS[table] if f.column in columns and f.read is not None]

    def read(row_id: str, row: Row) -> Model:
        values = {name: row[column] for name, column in plain}
        for name, column, convert in converted:
            values[name] = convert(row[column])
        return model(id=row_id, **values)

    return read


def join_addresses(port: Port, row: Row, addresses: Mapping[str, Row]) -> tuple[Port, bool]:
    """The port with its fixed IPs, IPv4 first, then by number; and whether all of its addresses are known."""
    ids = row[JOINED]
    if not ids:
        return port, True
    found = [
        FixedIP(address["subnet"], address["ip_address"])
        for address in (addresses.get(address_id) for address_id in ids)
        if address is not None
    ]
    if len(found) > 1:
        found.sort(key=lambda fixed_ip: address_order(fixed_ip.ip_address))
    return msgspec.structs.replace(port, fixed_ips=tuple(found)), len(found) == len(ids)


def differing(old: Model, new: Model) -> dict[str, Any]:
    """The columns in which two values of one object differ, with what the new one writes."""
    table = TABLES[type(new)]
    columns: dict[str, Any] = {}
    for field in FIELDS[table]:
        before, after = getattr(old, field.name), getattr(new, field.name)
        if before != after and field.write(before) != (written := field.write(after)):
            columns[field.column] = written
    return columns


def is_same(one: Model, other: Model) -> bool:
    """Whether the database would show both alike (the order of sets does not count)."""
    if one == other:
        return True
    if isinstance(one, Port) and isinstance(other, Port) and set(one.fixed_ips) != set(other.fixed_ips):
        return False
    return not differing(one, other)


class OperationList:
    """The operations of one transaction, in the making."""

    def __init__(self, watched: Mapping[str, Sequence[str]], rows: Callable[[str], Mapping[str, Row]]) -> None:
        self.operations: list[Operation] = []
        self._watched = watched
        self._rows = rows

    def add(self, write: Write) -> None:
        """Adds what makes ``write`` happen."""
        match write:
            case Insert(value):
                self._insert(value)
            case Update(old, new):
                self._update(old, new)
            case Delete(value):
                self._guard(value, ())
                self.operations.append({"op": "delete", "table": TABLES[type(value)], "where": _where(value)})
                if isinstance(value, Port):
                    self._delete_addresses(self._rows("Port").get(value.id, {}).get(JOINED, ()))

    def _insert(self, value: Model) -> None:
        table = TABLES[type(value)]
        row = {field.column: field.write(getattr(value, field.name)) for field in FIELDS[table]}
        if isinstance(value, Network):
            row["segment"] = segment_key(value)
        elif isinstance(value, Port) and value.fixed_ips:
            row[JOINED] = ovs_set(self._insert_addresses(value.network_id, value.fixed_ips))
        self.operations.append({"op": "insert", "table": table, "uuid": value.id, "row": row})

    def _insert_addresses(self, network_id: str, fixed_ips: Sequence[FixedIP]) -> list[list[str]]:
        references = []
        for fixed_ip in fixed_ips:
            name = f"address{next(_names)}"
            row = {
                "subnet": uuid_ref(fixed_ip.subnet_id),
                "ip_address": fixed_ip.ip_address,
                "network": uuid_ref(network_id),
            }
            self.operations.append({"op": "insert", "table": "Address", "uuid-name": name, "row": row})
            references.append(named_uuid(name))
        return references

    def _update(self, old: Model, new: Model) -> None:
        columns = differing(old, new)
        self._guard(old, columns)
        if isinstance(new, Network) and segment_key(new) != segment_key(old if isinstance(old, Network) else new):
            columns["segment"] = segment_key(new)
        if isinstance(old, Port) and isinstance(new, Port) and set(old.fixed_ips) != set(new.fixed_ips):
            columns[JOINED] = ovs_set(self._readdress(new))
        if columns:
            table = TABLES[type(new)]
            self.operations.append({"op": "update", "table": table, "where": _where(new), "row": columns})

    def _readdress(self, port: Port) -> list[list[str]]:
        """References to the addresses that stay, and to new rows for the others; those that go are deleted."""
        wanted = {(ip.subnet_id, ip.ip_address): ip for ip in port.fixed_ips}
        stay: list[str] = []
        go: list[str] = []
        addresses = self._rows("Address")
        for address_id in self._rows("Port").get(port.id, {}).get(JOINED, ()):
            address = addresses.get(address_id, {"subnet": "", "ip_address": ""})
            kept = wanted.pop((address["subnet"], address["ip_address"]), None)
            (go if kept is None else stay).append(address_id)
        self._delete_addresses(go)
        return [*map(uuid_ref, stay), *self._insert_addresses(port.network_id, list(wanted.values()))]

    def _delete_addresses(self, address_ids: Iterable[str]) -> None:
        """The server would collect them, but only after it has found their subnet in use."""
        for address_id in address_ids:
            where = [["_uuid", "==", uuid_ref(address_id)]]
            self.operations.append({"op": "delete", "table": "Address", "where": where})

    def _guard(self, value: Model, columns: Sequence[str] | Mapping[str, Any]) -> None:
        """Fails the transaction unless the row is as ``value`` says: its revision, or else these columns."""
        table = TABLES[type(value)]
        guarded = ("revision_number",) if isinstance(value, Resource) else tuple(columns)
        expected = {
            field.column: field.write(getattr(value, field.name))
            for field in FIELDS[table]
            if field.column in guarded and field.column in self._watched[table]
        }
        # Without columns, the server compares one empty row with the rows that it finds: the object must exist.
        self.operations.append(
            {
                "op": "wait",
                "table": table,
                "timeout": 0,
                "where": _where(value),
                "columns": list(expected),
                "until": "==",
                "rows": [expected],
            }
        )


def segment_key(network: Network) -> str:
    """What no two networks may share: the network's place on the wire."""
    if network.network_type == "local":
        return f"local:{network.id}"
    segmentation_id = "" if network.segmentation_id is None else network.segmentation_id
    return f"{network.network_type}:{network.physical_network or ''}:{segmentation_id}"


def _where(value: Model) -> list[list[Any]]:
    return [["_uuid", "==", uuid_ref(value.id)]]
