"""Finds ids by a property of the values: ports of a network, plugs of a port.

Most keys have one id; those are kept without a set of their own, which with ten thousand ports saves megabytes.
"""

from collections.abc import Collection, Iterator, Mapping


class Index(Mapping[str, Collection[str]]):
    """Ids by key. Reading a key gives a live collection; a key without ids is not in the index."""

    def __init__(self) -> None:
        self._ids: dict[str, str | set[str]] = {}

    def __getitem__(self, key: str) -> Collection[str]:
        ids = self._ids[key]
        return (ids,) if isinstance(ids, str) else ids

    def __iter__(self) -> Iterator[str]:
        return iter(self._ids)

    def __len__(self) -> int:
        return len(self._ids)

    def add(self, key: str, value_id: str) -> None:
        """``value_id`` has ``key`` now."""
        ids = self._ids.get(key)
        if ids is None:
            self._ids[key] = value_id
        elif isinstance(ids, set):
            ids.add(value_id)
        elif ids != value_id:
            self._ids[key] = {ids, value_id}

    def discard(self, key: str, value_id: str) -> None:
        """``value_id`` no longer has ``key``."""
        ids = self._ids.get(key)
        if isinstance(ids, set):
            ids.discard(value_id)
            if not ids:
                del self._ids[key]
        elif ids == value_id:
            del self._ids[key]
