"""Why the intent database did not take a write. The service turns these into the errors of its API."""

import re

from patchbay.errors import IntentError
from patchbay.ovsdb import ConstraintViolation

_INDEX = re.compile(r'multiple rows in "?(\w+)"? table .* for index on columns? (.*?)\.  First row', re.DOTALL)


class Duplicate(IntentError):
    """Another row has the same values in the columns of a unique index, for example a MAC on a network."""

    def __init__(self, table: str, columns: tuple[str, ...], details: str) -> None:
        super().__init__(f"Another {table} has the same {' and '.join(columns)}: {details}")
        self.table = table
        self.columns = columns


class StillReferenced(IntentError):
    """What should go is in use, or what should be used is gone."""


class Stale(IntentError):
    """The object was changed or deleted by somebody else in the meantime."""


class Refused(IntentError):
    """A value that the database cannot hold: a NUL character, a number out of range."""


class NotPermitted(IntentError):
    """The role of this client does not let it write that row or column."""


class Unavailable(IntentError):
    """The database could not be reached in time. Whether the write happened is not known."""


class SchemaMismatch(IntentError):
    """The database was made by another version of Patchbay."""


def duplicate_from(error: ConstraintViolation) -> Duplicate | None:
    """The Duplicate that the server's text tells of, if it is an index that was violated."""
    match = _INDEX.search(error.details)
    if match is None:
        return None
    return Duplicate(match[1], tuple(re.findall(r'"(\w+)"', match[2])), error.details)
