"""Endpoints that most collections have: list, show one, delete one, and lists of what belongs to one."""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Any

import msgspec

from patchbay.api.openvnet.endpoint import PAGE, Endpoint, Values, page
from patchbay.model import VnetObject
from patchbay.service.context import RequestContext
from patchbay.service.service import Service
from patchbay.service.vnet import kept
from patchbay.service.vnet.kinds import Kind
from patchbay.service.vnet.objects import faces, get

View = Callable[[Service, Any], Mapping[str, Any]]


class Collection(msgspec.Struct, frozen=True):
    """A collection at ``path``: who lists it, who finds one by its uuid, who deletes one, and how one is shown."""

    path: str
    listed: Callable[[Service], Sequence[Any]]
    found: Callable[[Service, str], Any]
    deleted: Callable[[Service, str], Awaitable[None]]
    view: View


def kept_collection(kind: Kind, view: View | None = None) -> Collection:
    """The collection of a kind that is only rows."""

    async def deleted(service: Service, uuid: str) -> None:
        await kept.delete(service, kind, uuid)

    return Collection(
        kind.collection,
        lambda service: kept.all_of(service, kind),
        lambda service, uuid: kept.row_of(service, kind, uuid),
        deleted,
        view or view_of(kind),
    )


def faced_collection(kind: Kind, deleted: Callable[[Service, str], Awaitable[None]], view: View) -> Collection:
    """The collection of a kind that stands for objects of the model, with or without rows."""
    return Collection(
        kind.collection,
        lambda service: faces(service, kind),
        lambda service, uuid: get(service, kind, uuid),
        deleted,
        view,
    )


def view_of(kind: Kind) -> View:
    """Shows rows of the kind with everything that they hold."""

    def view(service: Service, row: VnetObject) -> Mapping[str, Any]:
        return kept.described(service, kind, row)

    return view


def reading_and_deleting(collection: Collection) -> tuple[Endpoint, ...]:
    """``GET /``, ``GET /:uuid`` and ``DELETE /:uuid``."""

    async def list_all(service: Service, _context: RequestContext, values: Values) -> object:
        return page(values, collection.listed(service), lambda one: collection.view(service, one))

    async def show(service: Service, _context: RequestContext, values: Values) -> object:
        return collection.view(service, collection.found(service, values["uuid"]))

    async def delete(service: Service, _context: RequestContext, values: Values) -> object:
        await collection.deleted(service, values["uuid"])
        return [values["uuid"]]

    return (
        Endpoint("GET", f"/{collection.path}", PAGE, list_all),
        Endpoint("GET", f"/{collection.path}/:uuid", (), show),
        Endpoint("DELETE", f"/{collection.path}/:uuid", (), delete),
    )


def listing(path: str, of_one: Callable[[Service, str], Sequence[Any]], view: View) -> Endpoint:
    """``GET path``: what belongs to the object ``:uuid`` of the path."""

    async def list_them(service: Service, _context: RequestContext, values: Values) -> object:
        return page(values, of_one(service, values["uuid"]), lambda one: view(service, one))

    return Endpoint("GET", path, PAGE, list_them)


def given(values: Values, *names: str) -> dict[str, Any]:
    """Those of the values that the request names."""
    return {name: values[name] for name in names if name in values}
