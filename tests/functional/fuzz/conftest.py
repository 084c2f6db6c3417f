"""The fuzzers' world: a real intent database, with everything else in this process. Needs no root."""

from tests.functional.intent_database import db, remote

__all__ = ["db", "remote"]
