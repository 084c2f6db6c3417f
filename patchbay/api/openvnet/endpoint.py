"""What an endpoint is: a method, a path, its parameters, and the function that answers."""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Any
from urllib.parse import unquote

import msgspec

from patchbay.api.openvnet.parameters import Param, integer
from patchbay.service.context import RequestContext
from patchbay.service.service import Service

Values = dict[str, Any]
Answerer = Callable[[Service, RequestContext, Values], Awaitable[object]]

DEFAULT_LIMIT = 30
PAGE = (integer("offset", least=0), integer("limit", least=0))
"""Parameters of every endpoint that lists."""


class Endpoint(msgspec.Struct, frozen=True):
    """Answers ``method`` at ``path`` (below ``/api/1.0``; ``:name`` is any one part and becomes the value ``name``).

    ``params`` are what it understands, in the order in which they are checked; others are left out silently, as
    OpenVNet does. ``answer`` gets the values that were given and returns what is sent as JSON (or YAML).
    """

    method: str
    path: str
    params: Sequence[Param]
    answer: Answerer

    def matches(self, method: str, parts: Sequence[str]) -> dict[str, str] | None:
        """What the path's names stand for, or None when this endpoint does not answer there."""
        pattern = self.path.strip("/").split("/")
        if method != self.method or len(pattern) != len(parts):
            return None
        found = {}
        for wanted, part in zip(pattern, parts, strict=True):
            if wanted.startswith(":"):
                found[wanted[1:]] = unquote(part)
            elif wanted != part:
                return None
        return found


def page(values: Mapping[str, Any], items: Sequence[Any], view: Callable[[Any], object]) -> dict[str, object]:
    """The envelope of a list; ``view`` is asked only for the items that are on the page."""
    offset, limit = values.get("offset", 0), values.get("limit", DEFAULT_LIMIT)
    return {
        "total_count": len(items),
        "offset": offset,
        "limit": limit,
        "items": [view(item) for item in items[offset : offset + limit]],
    }
