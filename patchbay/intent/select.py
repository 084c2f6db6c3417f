"""One-shot reads of the intent database, for who asks now and then and keeps no replica of it.

``select`` asks for rows of several tables at once; ``as_values`` and ``as_ports`` make model values of them. The server
finds a row by ``_uuid`` at once and looks through the whole table for any other condition.
"""

import asyncio
from collections.abc import Collection, Mapping
from typing import Any, TypeVar

import msgspec

from patchbay.intent.columns import Model
from patchbay.intent.errors import Unavailable
from patchbay.intent.rows import join_addresses, reader
from patchbay.intent.scope import ALL_COLUMNS
from patchbay.model import Port
from patchbay.ovsdb import Connection, OvsdbError, Row, uuid_ref
from patchbay.ovsdb.values import columns_of

M = TypeVar("M", bound=Model)

PATIENCE_S = 3.0
_REMEDY = "Is 'patchbay serve' running?"

Rows = Mapping[str, Row]
"""Rows by id."""


class Query(msgspec.Struct, frozen=True):
    """The rows of ``table`` in which every one of ``where`` holds, each written as RFC 7047, 5.1 has it."""

    table: str
    where: tuple[tuple[str, str, Any], ...]


def with_id(table: str, row_id: str) -> Query:
    """The row with this id."""
    return Query(table, (("_uuid", "==", uuid_ref(row_id)),))


async def select(connection: Connection, queries: Collection[Query], timeout_s: float = PATIENCE_S) -> list[Rows]:
    """The rows that each query finds, all at one moment. Raises Unavailable when no server answers in time."""
    if not queries:
        return []
    operations = [
        {
            "op": "select",
            "table": query.table,
            "where": [list(clause) for clause in query.where],
            "columns": ["_uuid", *ALL_COLUMNS[query.table]],
        }
        for query in queries
    ]
    try:
        async with asyncio.timeout(timeout_s):
            results = await connection.transact(operations, timeout_s)
    except TimeoutError:
        raise Unavailable(f"The intent database did not answer in {timeout_s:g} s.", _REMEDY) from None
    except OvsdbError as error:
        raise Unavailable(f"The intent database cannot be read: {error.message}", _REMEDY) from error
    return [_decoded(connection, query.table, result["rows"]) for query, result in zip(queries, results, strict=True)]


def _decoded(connection: Connection, table: str, rows: list[dict[str, Any]]) -> Rows:
    columns = columns_of({name: connection.schema[table][name] for name in ALL_COLUMNS[table]}) if rows else {}
    return {row["_uuid"][1]: {name: column.decode(row[name]) for name, column in columns.items()} for row in rows}


def as_values(model: type[M], rows: Rows) -> dict[str, M]:
    """Rows of the model's table as its values, by id; ports come without their addresses."""
    table = model.__name__
    read = reader(table, ALL_COLUMNS[table])
    values = ((row_id, read(row_id, row)) for row_id, row in rows.items())
    return {row_id: value for row_id, value in values if isinstance(value, model)}


def as_ports(rows: Rows, addresses: Rows) -> dict[str, Port]:
    """Ports with those of their addresses that are given, by id."""
    return {row_id: join_addresses(port, rows[row_id], addresses)[0] for row_id, port in as_values(Port, rows).items()}


def address_ids(rows: Rows) -> set[str]:
    """Ids of the Address rows that ports refer to."""
    return {address for row in rows.values() for address in row["fixed_ips"]}
