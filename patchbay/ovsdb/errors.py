"""What can go wrong between a client and an OVSDB server.

OvsdbError
├── ConnectionLost                  no server can be reached, or the connection broke before the request was sent
│   └── UnknownOutcome              the connection broke after it was sent: the transaction may have happened or not
├── RemoteError                     the server refused a request (RFC 7047, 3.1)
├── Inexpressible                   a value that OVSDB's notation cannot hold; the request was not sent
└── TransactionError                an operation failed, so nothing of the transaction happened (RFC 7047, 5.2)
    ├── ConstraintViolation         an index, a type or a number of values
    ├── ReferentialIntegrityViolation   a row that is referred to would vanish
    ├── WaitFailed                  the condition of a ``wait`` did not hold
    ├── DuplicateUUID               an ``insert`` named a UUID that exists
    └── NotOwner                    an ``assert`` of a lock that another client holds
"""

from collections.abc import Sequence
from typing import Any

from patchbay.errors import PatchbayError


class OvsdbError(PatchbayError):
    """An error of an OVSDB server or of the way to it."""


class ConnectionLost(OvsdbError):
    """No server can be reached; the request was not sent."""


class UnknownOutcome(ConnectionLost):
    """The connection broke while a transaction was under way: it may have happened or not."""


class RemoteError(OvsdbError):
    """The server refused a request."""


class Inexpressible(OvsdbError):
    """A value that JSON, or OVSDB's use of it, cannot hold; the request was not sent."""


class TransactionError(OvsdbError):
    """Nothing of the transaction happened. ``operation`` is the index of the operation that failed.

    When the whole failed at commit (indexes, references), ``operation`` is the number of operations.
    """

    def __init__(self, error: str, details: str = "", operation: int = 0) -> None:
        super().__init__(f"{error}: {details}" if details else error)
        self.error = error
        self.details = details
        self.operation = operation


class ConstraintViolation(TransactionError):
    """An index, a type or a number of values was violated."""


class ReferentialIntegrityViolation(TransactionError):
    """A row that another row refers to would vanish, or a reference names no row."""


class WaitFailed(TransactionError):
    """The condition of a ``wait`` operation did not hold in time."""


class DuplicateUUID(TransactionError):
    """An ``insert`` named a UUID that exists."""


class NotOwner(TransactionError):
    """A lock asserted by the transaction is held by another client."""


_KINDS: dict[str, type[TransactionError]] = {
    "constraint violation": ConstraintViolation,
    "referential integrity violation": ReferentialIntegrityViolation,
    "timed out": WaitFailed,
    "duplicate uuid": DuplicateUUID,
    "not owner": NotOwner,
}


def raise_for(results: Sequence[Any]) -> None:
    """Raises the TransactionError that ``results`` (of a ``transact`` reply) contain, if any."""
    for index, result in enumerate(results):
        if isinstance(result, dict) and "error" in result:
            kind = _KINDS.get(result["error"], TransactionError)
            raise kind(result["error"], result.get("details", ""), index)
