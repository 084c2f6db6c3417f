"""One collection of the API as data: its names, attributes, and the functions that answer for it."""

from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from collections.abc import Collection as Ids
from typing import Any, TypeVar

import msgspec

from patchbay.api.neutron.attributes import Attributes, Body
from patchbay.service.context import RequestContext
from patchbay.service.service import Service

View = dict[str, Any]
Filters = Mapping[str, Sequence[str]]
Index = Mapping[str, Ids[str]]
V = TypeVar("V")


class Collection(msgspec.Struct, frozen=True, kw_only=True):
    """What a collection answers with. The values are model values of one kind (``Any`` here, typed in each module).

    ``candidates`` gives the values that pass the filters on ``id`` and on the ``indexed`` attributes; ``view`` one
    value's attributes; ``encoded`` the JSON of the whole view (and may remember it), and ``encoded_without`` that of
    the view without attributes that the caller may not see, where that is remembered, too. ``prepare`` makes what a
    list must show and nobody has made yet; it is given the query as it was asked. A missing function means: not
    allowed.
    """

    name: str
    member: str
    attributes: Attributes
    indexed: frozenset[str]
    candidates: Callable[[Service, RequestContext, Filters], Iterable[Any]]
    get: Callable[[Service, RequestContext, str], Any]
    view: Callable[[Service, Any], View]
    encoded: Callable[[Service, Any], bytes]
    encoded_without: Callable[[Service, Any, frozenset[str]], bytes] | None = None
    create: Callable[[Service, RequestContext, list[Body]], Awaitable[Sequence[Any]]] | None = None
    update: Callable[[Service, RequestContext, str, Body, int | None], Awaitable[Any]] | None = None
    delete: Callable[[Service, RequestContext, str, int | None], Awaitable[None]] | None = None
    prepare: Callable[[Service, RequestContext, Filters], Awaitable[None]] | None = None

    @property
    def path(self) -> str:
        """The part of the URL after ``/v2.0/``: the name with dashes, as Neutron has it."""
        return self.name.replace("_", "-")


def narrowed(
    filters: Filters, values: Mapping[str, V], indexes: Mapping[str, Index], found: Iterable[V] | None = None
) -> Iterable[V]:
    """The values that pass the filters on ``id`` and on the attributes that have an index; others are not looked at.

    ``indexes`` are by attribute, the most selective first, and named like the values' fields. ``found`` are values
    that were found by other means already; no index is asked then.
    """
    tests = {attribute: set(filters[attribute]) for attribute in ("id", *indexes) if attribute in filters}
    if found is None and "id" in tests:
        found = [values[id_] for id_ in tests.pop("id") if id_ in values]
    elif found is None:
        for attribute, wanted in tests.items():
            if "" not in wanted:  # the empty text is in no index
                del tests[attribute]
                found = [values[id_] for key in wanted for id_ in indexes[attribute].get(key, ())]
                break
    if found is None:
        found = values.values()
    if not tests:
        return found
    return [value for value in found if all(getattr(value, field) in wanted for field, wanted in tests.items())]
