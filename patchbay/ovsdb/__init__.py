"""An OVSDB client (RFC 7047 and the extensions of ovsdb-server(7)) on asyncio and msgspec.

Used for the intent database and for the ``Open_vSwitch`` database of each host; it knows neither. ``Connection`` sends
transactions and stays connected; ``Replica`` keeps monitored tables in memory and tells what changed; ``values`` turns
OVSDB's notation into Python's.
"""

from patchbay.ovsdb.client import Connection
from patchbay.ovsdb.errors import (
    ConnectionLost,
    ConstraintViolation,
    DuplicateUUID,
    Inexpressible,
    OvsdbError,
    ReferentialIntegrityViolation,
    TransactionError,
    UnknownOutcome,
    WaitFailed,
)
from patchbay.ovsdb.replica import Replica, RowChange
from patchbay.ovsdb.tls import Credentials
from patchbay.ovsdb.values import Row, Value, named_uuid, ovs_map, ovs_set, uuid_ref

__all__ = [
    "Connection",
    "ConnectionLost",
    "ConstraintViolation",
    "Credentials",
    "DuplicateUUID",
    "Inexpressible",
    "OvsdbError",
    "ReferentialIntegrityViolation",
    "Replica",
    "Row",
    "RowChange",
    "TransactionError",
    "UnknownOutcome",
    "Value",
    "WaitFailed",
    "named_uuid",
    "ovs_map",
    "ovs_set",
    "uuid_ref",
]
