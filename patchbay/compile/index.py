"""An inverted index: for every trace that values leave, who leaves it.

A trace is a small tuple such as ``("mac", network id, mac)``. Most traces have exactly one owner, so a single owner is
stored bare and only several as a set: 10,000 ports leave 20,000 traces of one owner each.
"""

from collections.abc import Iterable

Trace = tuple[str, ...]


class Index:
    """Trace → owners."""

    def __init__(self) -> None:
        self._owners: dict[Trace, str | set[str]] = {}

    def add(self, trace: Trace, owner: str) -> None:
        """``owner`` leaves ``trace``."""
        present = self._owners.get(trace)
        if present is None:
            self._owners[trace] = owner
        elif isinstance(present, set):
            present.add(owner)
        elif present != owner:
            self._owners[trace] = {present, owner}

    def discard(self, trace: Trace, owner: str) -> None:
        """``owner`` leaves ``trace`` no more."""
        present = self._owners.get(trace)
        if isinstance(present, set):
            present.discard(owner)
            if len(present) == 1:
                self._owners[trace] = present.pop()
        elif present == owner:
            del self._owners[trace]

    def owners(self, trace: Trace) -> Iterable[str]:
        """All who leave it. Do not change the index while iterating."""
        present = self._owners.get(trace)
        if present is None:
            return ()
        return present if isinstance(present, set) else (present,)

    def is_sole(self, trace: Trace, owner: str) -> bool:
        """``owner`` and nobody else leaves it."""
        return self._owners.get(trace) == owner

    def __contains__(self, trace: Trace) -> bool:
        return trace in self._owners
