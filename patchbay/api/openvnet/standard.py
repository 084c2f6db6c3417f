"""Endpoints that most collections have: list, show one, and lists of what belongs to one."""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Any, TypeVar

import msgspec

from patchbay.api.openvnet.endpoint import PAGE, Endpoint, Values, page
from patchbay.service.context import RequestContext
from patchbay.service.service import Service

T = TypeVar("T")

View = Callable[[Service, Any], Mapping[str, Any]]
Listed = Callable[[Service, RequestContext], Sequence[Any]]
Found = Callable[[Service, RequestContext, str], Any]
Deleted = Callable[[Service, RequestContext, str], Awaitable[None]]


class Collection(msgspec.Struct, frozen=True):
    """A collection at ``path``: who lists it, who finds one by its uuid, who deletes one, and how one is shown."""

    path: str
    listed: Listed
    found: Found
    deleted: Deleted
    view: View


def reading_and_deleting(collection: Collection) -> tuple[Endpoint, ...]:
    """``GET /``, ``GET /:uuid`` and ``DELETE /:uuid``."""

    async def list_all(service: Service, context: RequestContext, values: Values) -> object:
        return page(values, collection.listed(service, context), lambda one: collection.view(service, one))

    async def show(service: Service, context: RequestContext, values: Values) -> object:
        return collection.view(service, collection.found(service, context, values["uuid"]))

    async def delete(service: Service, context: RequestContext, values: Values) -> object:
        await collection.deleted(service, context, values["uuid"])
        return [values["uuid"]]

    return (
        Endpoint("GET", f"/{collection.path}", PAGE, list_all),
        Endpoint("GET", f"/{collection.path}/:uuid", (), show),
        Endpoint("DELETE", f"/{collection.path}/:uuid", (), delete),
    )


def listing(path: str, of_one: Callable[[Service, RequestContext, str], Sequence[Any]], view: View) -> Endpoint:
    """``GET path``: what belongs to the object ``:uuid`` of the path."""

    async def list_them(service: Service, context: RequestContext, values: Values) -> object:
        return page(values, of_one(service, context, values["uuid"]), lambda one: view(service, one))

    return Endpoint("GET", path, PAGE, list_them)
