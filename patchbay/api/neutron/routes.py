"""Which function answers which path of Neutron's API."""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Any
from urllib.parse import unquote

import msgspec

from patchbay.api.errors import HTTPBadRequest, HTTPMethodNotAllowed, HTTPNotFound
from patchbay.api.http import Request, Response, json_response
from patchbay.api.neutron import agent_schedulers, quotas, tags
from patchbay.api.neutron.address_groups import ADDRESS_ACTIONS, ADDRESS_GROUPS
from patchbay.api.neutron.address_scopes import ADDRESS_SCOPES
from patchbay.api.neutron.agents import AGENTS
from patchbay.api.neutron.attributes import checked, read_item, read_items
from patchbay.api.neutron.default_security_group_rules import DEFAULT_SECURITY_GROUP_RULES
from patchbay.api.neutron.extensions import EXTENSIONS, get_extension
from patchbay.api.neutron.floatingips import FLOATINGIPS
from patchbay.api.neutron.instances import INSTANCES
from patchbay.api.neutron.networks import NETWORKS
from patchbay.api.neutron.permissions import (
    check_action,
    check_change,
    check_creation,
    check_look,
    check_number,
    encoded_for,
    view_for,
    visible,
)
from patchbay.api.neutron.port_forwardings import port_forwardings_of
from patchbay.api.neutron.ports import PORTS
from patchbay.api.neutron.query import cut, grouped, links, ordered, predicates, read_filters, read_page, selected
from patchbay.api.neutron.rbac_policies import RBAC_POLICIES
from patchbay.api.neutron.resource import Collection
from patchbay.api.neutron.routers import ACTIONS as ROUTER_ACTIONS
from patchbay.api.neutron.routers import ROUTERS
from patchbay.api.neutron.security_group_rules import SECURITY_GROUP_RULES
from patchbay.api.neutron.security_groups import SECURITY_GROUPS
from patchbay.api.neutron.subnetpools import PREFIX_ACTIONS, SUBNETPOOLS
from patchbay.api.neutron.subnets import SUBNETS
from patchbay.service.errors import BadRequestFor
from patchbay.service.policy import may_look
from patchbay.service.quotas import creating
from patchbay.service.service import Service
from patchbay.service.tags import GETTERS as TAGGED

COLLECTIONS = {
    collection.path: collection
    for collection in (
        *(NETWORKS, SUBNETS, SUBNETPOOLS, ADDRESS_SCOPES, PORTS, ROUTERS, FLOATINGIPS, AGENTS, INSTANCES),
        *(SECURITY_GROUPS, SECURITY_GROUP_RULES, DEFAULT_SECURITY_GROUP_RULES, ADDRESS_GROUPS, RBAC_POLICIES),
    )
}

ACTIONS = {ROUTERS.name: ROUTER_ACTIONS, SUBNETPOOLS.name: PREFIX_ACTIONS, ADDRESS_GROUPS.name: ADDRESS_ACTIONS}
"""What a PUT of a path below an object does, by collection."""

INSIDE: Mapping[tuple[str, str], Callable[[str], Collection]] = {
    (FLOATINGIPS.name, "port_forwardings"): port_forwardings_of,
}
"""Collections inside of an object, by the object's collection and their own name."""


async def answer(service: Service, request: Request) -> Response:
    """The answer to any request; errors are raised."""
    parts = [unquote(part) for part in request.path.strip("/").split("/")]
    if parts == [""]:
        _only_get(request)
        return json_response({"versions": [_version(request)]})
    if parts[0] != "v2.0":
        raise HTTPNotFound
    if len(parts) == 1:
        _only_get(request)
        return _resources(request)
    if not parts[-1].endswith("/") and parts[-1].endswith(".json") and len(parts) <= 3:
        parts[-1] = parts[-1].removesuffix(".json")
    if parts[1] in OTHERS:
        return await OTHERS[parts[1]](service, request, parts[2:])
    if agent_schedulers.is_scheduling(parts[1:]):
        return await agent_schedulers.answer(service, request, parts[1:])
    collection = COLLECTIONS.get(parts[1])
    if collection is None:
        raise HTTPNotFound
    return await _answer_collection(service, request, collection, parts[2:])


async def _answer_collection(
    service: Service, request: Request, collection: Collection, parts: Sequence[str]
) -> Response:
    if request.method == "DELETE" and request.body:
        raise HTTPBadRequest("Request body is not supported in DELETE.")
    if parts[1:2] == ["tags"] and collection.name in TAGGED and request.method != "GET":
        check_action(service, request.context, collection, parts[0], f"update_{collection.member}")
    match parts:
        case []:
            return await _answer_list(service, request, collection)
        case [id_]:
            return await _answer_item(service, request, collection, id_)
        case [id_, "tags"] if collection.name in TAGGED:
            return await tags.answer_all(service, request, collection.name, id_, if_match(request))
        case [id_, "tags", tag] if collection.name in TAGGED:
            return await tags.answer_one(service, request, collection.name, id_, tag)
        case [id_, inner, *rest] if (collection.name, inner) in INSIDE:
            return await _answer_collection(service, request, INSIDE[collection.name, inner](id_), rest)
        case [id_, action] if action in ACTIONS.get(collection.name, {}):
            if request.method != "PUT":
                raise HTTPMethodNotAllowed(request.method, request.path)
            check_action(service, request.context, collection, id_, action)
            return await ACTIONS[collection.name][action](service, request, id_)
    raise HTTPNotFound


async def _answer_list(service: Service, request: Request, collection: Collection) -> Response:
    if request.method == "GET":
        if collection.prepare is not None:
            await collection.prepare(service, request.context, grouped(request.query))
        return _list(service, request, collection)
    if request.method != "POST" or collection.create is None:
        raise HTTPMethodNotAllowed(request.method, request.path)
    items, is_bulk = read_items(request.body, collection.member, collection.name)
    context = request.context
    check_number(context, items)
    values = [checked(collection.attributes, item, is_create=True) for item in items]
    check_creation(service, context, collection, values)
    with creating(collection.member):
        made = await collection.create(service, context, values)
    created = [encoded_for(service, context, collection, value) for value in made]
    if is_bulk:
        return Response(status=201, body=_wrapped(collection.name, b"[" + b",".join(created) + b"]"))
    return Response(status=201, body=_wrapped(collection.member, created[0]))


async def _answer_item(service: Service, request: Request, collection: Collection, id_: str) -> Response:
    context = request.context
    if request.method == "GET":
        check_look(context, collection)
        value = collection.get(service, context, id_)
        fields = frozenset(grouped(request.query).get("fields", ())) - {""}
        if fields:
            return json_response({collection.member: selected(view_for(service, context, collection, value), fields)})
        return Response(body=_wrapped(collection.member, encoded_for(service, context, collection, value)))
    if request.method == "PUT" and collection.update is not None:
        item = checked(collection.attributes, read_item(request.body, collection.member), is_create=False)
        check_change(service, context, collection, id_, item)
        updated = await collection.update(service, context, id_, item, if_match(request))
        return Response(body=_wrapped(collection.member, encoded_for(service, context, collection, updated)))
    if request.method == "DELETE" and collection.delete is not None:
        check_change(service, context, collection, id_, None)
        await collection.delete(service, context, id_, if_match(request))
        return Response(status=204)
    raise HTTPMethodNotAllowed(request.method, request.path)


def _wrapped(name: str, encoded: bytes) -> bytes:
    return b'{"' + name.encode() + b'":' + encoded + b"}"


def _list(service: Service, request: Request, collection: Collection) -> Response:
    context, query = request.context, grouped(request.query)
    attributes = visible(context, collection)
    page = read_page(query, attributes)
    filters = read_filters(query, attributes)
    done = {"id", *collection.indexed}
    others = {key: wanted for key, wanted in filters.items() if key not in done}
    of_value, of_view = predicates(others, attributes)
    values = collection.candidates(service, context, filters) if may_look(context, collection.member) else ()
    if of_value is not None:
        values = [value for value in values if of_value(value)]
    if of_view is None and not page.sorts and not page.fields:
        by_id: list[Any] = sorted(values, key=lambda value: value.id)
        ids = [value.id for value in by_id]
        chosen = cut(by_id, page, ids)
        if chosen is None:
            raise _marker_not_found(service, request, collection, page.marker)
        encoded = b"[" + b",".join([encoded_for(service, context, collection, value) for value in chosen]) + b"]"
        return _list_response(collection, encoded, links(_url(request), request.query, page, _ids(chosen)))
    views = [view_for(service, context, collection, value) for value in values]
    views = ordered((view for view in views if of_view is None or of_view(view)), page.sorts)
    part = cut(views, page, [view["id"] for view in views])
    if part is None:
        raise _marker_not_found(service, request, collection, page.marker)
    encoded = msgspec.json.encode([selected(view, page.fields) for view in part])
    return _list_response(collection, encoded, links(_url(request), request.query, page, [view["id"] for view in part]))


def _ids(values: Sequence[Any]) -> list[str]:
    return [value.id for value in values]


def _list_response(collection: Collection, encoded: bytes, following: Sequence[dict[str, str]]) -> Response:
    body = b'{"' + collection.name.encode() + b'":' + encoded
    if following:
        body += b',"' + collection.name.encode() + b'_links":' + msgspec.json.encode(following)
    return Response(body=body + b"}")


def _marker_not_found(service: Service, request: Request, collection: Collection, marker: str) -> Exception:
    collection.get(service, request.context, marker)
    return BadRequestFor("marker", f"{collection.member} {marker} is not in this list")


def if_match(request: Request) -> int | None:
    """The revision number that an ``If-Match`` header demands."""
    wanted: int | None = None
    for tag in request.headers.get("if-match", "").split(","):
        text = tag.strip().strip('"')
        if not text.startswith("revision_number="):
            continue
        if wanted is not None:
            raise BadRequestFor("if-match", "Multiple revision_number etags are not supported.")
        number = text.removeprefix("revision_number=")
        if not number.isascii() or not number.isdecimal() or len(number) > 18:
            raise BadRequestFor("if-match", "Revision number etag must be in the format of revision_number=<int>")
        wanted = int(number)
    return wanted


def _only_get(request: Request) -> None:
    if request.method != "GET":
        raise HTTPMethodNotAllowed(request.method, request.path)


def _url(request: Request) -> str:
    return request.base_url + request.path


def _version(request: Request) -> dict[str, object]:
    return {
        "id": "v2.0",
        "status": "CURRENT",
        "links": [{"rel": "self", "href": f"{request.base_url}/v2.0/"}],
    }


def _resources(request: Request) -> Response:
    """Neutron's list of resources; with the version as well, so that a client pointed here can discover it."""
    resources = [
        {
            "name": collection.member,
            "collection": collection.name,
            "links": [{"rel": "self", "href": f"{request.base_url}/v2.0/{collection.path}"}],
        }
        for collection in COLLECTIONS.values()
    ]
    return json_response({"version": _version(request), "resources": resources})


async def _extensions(_service: Service, request: Request, parts: Sequence[str]) -> Response:
    _only_get(request)
    match parts:
        case []:
            return json_response({"extensions": EXTENSIONS})
        case [alias]:
            return json_response({"extension": get_extension(alias)})
    raise HTTPNotFound


OTHERS: Mapping[str, Callable[[Service, Request, Sequence[str]], Awaitable[Response]]] = {
    "extensions": _extensions,
    "quotas": quotas.answer,
}
"""What answers below names that are no collections."""
