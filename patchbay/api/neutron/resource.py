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

    ``candidates`` gives the values that could pass the filters, narrowed by indexes; ``view`` one value's attributes;
    ``encoded`` the JSON of the whole view (and may remember it). A missing function means: not allowed.
    """

    name: str
    member: str
    attributes: Attributes
    candidates: Callable[[Service, RequestContext, Filters], Iterable[Any]]
    get: Callable[[Service, RequestContext, str], Any]
    view: Callable[[Service, Any], View]
    encoded: Callable[[Service, Any], bytes]
    create: Callable[[Service, RequestContext, list[Body]], Awaitable[Sequence[Any]]] | None = None
    update: Callable[[Service, RequestContext, str, Body, int | None], Awaitable[Any]] | None = None
    delete: Callable[[Service, RequestContext, str, int | None], Awaitable[None]] | None = None


def narrowed(filters: Filters, values: Mapping[str, V], indexes: Mapping[str, Index]) -> Iterable[V]:
    """The values that could pass the filters: those that one index finds, else all of them.

    ``indexes`` are by attribute, the most selective first; the empty text is in none.
    """
    if "id" in filters:
        return [values[id_] for id_ in dict.fromkeys(filters["id"]) if id_ in values]
    for attribute, index in indexes.items():
        wanted = filters.get(attribute, ())
        if wanted and "" not in wanted:
            return [values[id_] for key in dict.fromkeys(wanted) for id_ in index.get(key, ())]
    return values.values()
