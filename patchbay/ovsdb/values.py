"""OVSDB's notation for values (RFC 7047, 5.1) and Python's.

A column that holds exactly one value is that value; one that may be empty is the value or None; a set is a frozenset, a
map a dict; a UUID is its text. ``Table`` holds what the schema says of the columns that a replica watches, as functions
that were chosen once.
"""

from collections.abc import Callable, Iterable, Mapping
from typing import Any

import msgspec

Atom = str | int | float | bool
Value = Any  # Atom | None | frozenset[Atom] | dict[Atom, Atom]
Row = Mapping[str, Value]
Decoder = Callable[[Any], Value]

NO_UUID = "00000000-0000-0000-0000-000000000000"
_DEFAULTS: dict[str, Atom] = {"integer": 0, "real": 0.0, "boolean": False, "string": "", "uuid": NO_UUID}
_SHARED_LIMIT = 1024
_EMPTY_SET: frozenset[Atom] = frozenset()
_EMPTY_MAP: dict[Atom, Atom] = {}


class ColumnType(msgspec.Struct, frozen=True):
    """Type of a column: atoms of type ``key`` (or pairs, with ``value``), from ``minimum`` to ``maximum`` of them."""

    key: str
    value: str | None = None
    minimum: int = 1
    maximum: float = 1

    @property
    def is_composite(self) -> bool:
        """Whether updates tell the difference of old and new value instead of the new one."""
        return self.maximum > 1


class Column(msgspec.Struct, frozen=True):
    """A watched column: its default, how to read a value, and how to apply an update (ovsdb-server(7), 4.1.14)."""

    default: Value
    decode: Decoder
    update: Callable[[Value, Any], Value]


Schema = Mapping[str, Mapping[str, ColumnType]]


def parse_schema(schema: Mapping[str, Any]) -> Schema:
    """Column types by table and column of a ``<database-schema>`` (RFC 7047, 3.2)."""
    return {
        table: {name: _column_type(column["type"]) for name, column in spec["columns"].items()}
        for table, spec in schema["tables"].items()
    }


def columns_of(types: Mapping[str, ColumnType]) -> dict[str, Column]:
    """How to read and update each of these columns."""
    return {name: _column(column_type) for name, column_type in types.items()}


def uuid_ref(row_id: str) -> list[str]:
    """A row's UUID, as operations write it."""
    return ["uuid", row_id]


def named_uuid(name: str) -> list[str]:
    """The row that an ``insert`` with this ``uuid-name`` makes in the same transaction."""
    return ["named-uuid", name]


def ovs_set(values: Iterable[Any]) -> list[Any]:
    """A set, as operations write it."""
    return ["set", list(values)]


def ovs_map(values: Mapping[Any, Any]) -> list[Any]:
    """A map, as operations write it."""
    return ["map", [[key, value] for key, value in values.items()]]


def _column_type(spec: Any) -> ColumnType:
    if isinstance(spec, str):
        return ColumnType(spec)
    key, value = spec["key"], spec.get("value")
    maximum = spec.get("max", 1)
    return ColumnType(
        key=key if isinstance(key, str) else key["type"],
        value=None if value is None else value if isinstance(value, str) else value["type"],
        minimum=spec.get("min", 1),
        maximum=float("inf") if maximum == "unlimited" else maximum,
    )


def _column(column: ColumnType) -> Column:
    atom = _atom_decoder(column.key)
    if column.value is not None:
        decode_map = _map_decoder(atom, _atom_decoder(column.value))
        update = _map_updater(decode_map) if column.is_composite else _replacer(decode_map)
        return Column(_EMPTY_MAP, decode_map, update)
    if column.is_composite:
        decode_set = _set_decoder(atom)
        return Column(_EMPTY_SET, decode_set, lambda old, difference: (old ^ decode_set(difference)) or _EMPTY_SET)
    if column.minimum == 0:
        decode_optional = _optional_decoder(atom)
        return Column(None, decode_optional, _replacer(decode_optional))
    return Column(_DEFAULTS[column.key], atom, _replacer(atom))


def _replacer(decode: Decoder) -> Callable[[Value, Any], Value]:
    return lambda _old, new: decode(new)


def _atom_decoder(kind: str) -> Decoder:
    """Strings that occur often in a column are kept once: a thousand ports of a network share its UUID."""
    shared: dict[str, str] = {}

    def share(text: str) -> str:
        return shared.setdefault(text, text) if len(shared) < _SHARED_LIMIT else shared.get(text, text)

    if kind == "uuid":
        return lambda pair: share(pair[1])
    return share if kind == "string" else lambda atom: atom


def _optional_decoder(atom: Decoder) -> Decoder:
    def decode(value: Any) -> Value:
        if isinstance(value, list) and value[0] == "set":
            return atom(value[1][0]) if value[1] else None
        return atom(value)

    return decode


def _set_decoder(atom: Decoder) -> Decoder:
    def decode(value: Any) -> Value:
        if isinstance(value, list) and value[0] == "set":
            return frozenset([atom(item) for item in value[1]]) if value[1] else _EMPTY_SET
        return frozenset((atom(value),))

    return decode


def _map_decoder(key: Decoder, value: Decoder) -> Decoder:
    return lambda pairs: {key(k): value(v) for k, v in pairs[1]} or _EMPTY_MAP


def _map_updater(decode: Decoder) -> Callable[[Value, Any], Value]:
    def update(old: Value, difference: Any) -> Value:
        new = dict(old)
        for key, value in decode(difference).items():
            if new.get(key) == value:
                del new[key]
            else:
                new[key] = value
        return new or _EMPTY_MAP

    return update
