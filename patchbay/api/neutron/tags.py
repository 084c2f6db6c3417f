"""/v2.0/{collection}/{id}/tags (API reference, "Standard attributes tag extension")."""

from patchbay.api.errors import HTTPMethodNotAllowed
from patchbay.api.http import Request, Response, json_response
from patchbay.api.neutron import checks
from patchbay.api.neutron.attributes import decode
from patchbay.service.errors import InvalidInput, TagNotFound
from patchbay.service.service import Service
from patchbay.service.tags import add_tags, get_tagged, remove_tag, replace_tags

MAX_LENGTH = 255


def _read_tags(body: bytes) -> list[str]:
    value = decode(body) if body else None
    if not isinstance(value, dict) or "tags" not in value:
        raise InvalidInput("Invalid tags body")
    if reason := checks.unique_texts(MAX_LENGTH)(value["tags"]):
        raise InvalidInput(reason)
    return [str(tag) for tag in value["tags"]]


async def answer_all(
    service: Service, request: Request, collection: str, resource_id: str, if_match: int | None
) -> Response:
    """The tags of an object: GET, PUT (replace), POST (add), DELETE (all)."""
    context = request.context
    match request.method:
        case "GET":
            return json_response({"tags": get_tagged(service, context, collection, resource_id).tags})
        case "PUT":
            tags = _read_tags(request.body)
            await replace_tags(service, context, collection, resource_id, tags, if_match=if_match)
            return json_response({"tags": tags})
        case "POST":
            tags = _read_tags(request.body)
            await add_tags(service, context, collection, resource_id, tags)
            return json_response({"tags": tags}, 201)
        case "DELETE":
            await replace_tags(service, context, collection, resource_id, (), if_match=if_match)
            return Response(status=204)
    raise HTTPMethodNotAllowed(request.method, request.path)


async def answer_one(service: Service, request: Request, collection: str, resource_id: str, tag: str) -> Response:
    """One tag of an object: GET (204 when it is there), PUT (add), DELETE."""
    if reason := checks.text(MAX_LENGTH)(tag):
        raise InvalidInput(reason)
    context = request.context
    match request.method:
        case "GET":
            if tag not in get_tagged(service, context, collection, resource_id).tags:
                raise TagNotFound(tag)
            return Response(status=204)
        case "PUT":
            await add_tags(service, context, collection, resource_id, (tag,))
            return Response(status=201)
        case "DELETE":
            await remove_tag(service, context, collection, resource_id, tag)
            return Response(status=204)
    raise HTTPMethodNotAllowed(request.method, request.path)
