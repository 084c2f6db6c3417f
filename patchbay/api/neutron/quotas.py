"""/v2.0/quotas (API reference, "Quotas", with the extension quota_details)."""

from collections.abc import Sequence

from patchbay.api.errors import HTTPBadRequest, HTTPMethodNotAllowed, HTTPNotFound
from patchbay.api.http import Request, Response, json_response
from patchbay.api.neutron import checks
from patchbay.api.neutron.attributes import read_item
from patchbay.service.context import RequestContext
from patchbay.service.policy import authorize
from patchbay.service.policy_errors import AdminRequired, QuotaMissingTenant
from patchbay.service.policy_rules import Target
from patchbay.service.quota_changes import delete_quota, update_quota
from patchbay.service.quotas import DEFAULTS, UNLIMITED
from patchbay.service.service import Service

LARGEST = 2**31 - 1


async def answer(service: Service, request: Request, parts: Sequence[str]) -> Response:
    """The answer to a request below /v2.0/quotas; errors are raised."""
    context, method = request.context, request.method
    match parts:
        case [] if method == "GET":
            _check_all(context)
            return json_response({"quotas": _all(service)})
        case ["tenant" | "project" as key] if method == "GET":
            if not context.project_id:
                raise QuotaMissingTenant
            return json_response({key: {f"{key}_id": context.project_id}})
        case [project_id]:
            return await _answer_project(service, request, project_id)
        case [project_id, "default"] if method == "GET":
            _check_look(context, project_id)
            return json_response({"quota": dict(service.quotas.defaults)})
        case [project_id, "details" | "details.json"] if method == "GET":
            _check_look(context, project_id)
            return json_response({"quota": _details(service, project_id)})
    if len(parts) < 3:
        raise HTTPMethodNotAllowed(method, request.path)
    raise HTTPNotFound


async def _answer_project(service: Service, request: Request, project_id: str) -> Response:
    context = request.context
    if request.method == "GET":
        _check_look(context, project_id)
        return json_response({"quota": service.quotas.limits(project_id)})
    if request.method == "PUT":
        authorize(context, "update_quota", Target(project_id=project_id))
        limits, force = _limits(request.body)
        return json_response({"quota": await update_quota(service, project_id, limits, force=force)})
    if request.method == "DELETE":
        authorize(context, "delete_quota", Target(project_id=project_id))
        await delete_quota(service, project_id)
        return Response(status=204)
    raise HTTPMethodNotAllowed(request.method, request.path)


def _check_look(context: RequestContext, project_id: str) -> None:
    """A project's own quota its readers see; that of others administrators only."""
    if not context.is_admin and project_id != context.project_id:
        raise AdminRequired("Only admin is authorized to access quotas for another project")
    authorize(context, "get_quota", Target(project_id=project_id))


def _check_all(context: RequestContext) -> None:
    if not context.is_admin:
        raise AdminRequired("Only admin can view or configure quota")


def _all(service: Service) -> list[dict[str, object]]:
    """The projects with limits of their own."""
    rows = sorted(service.db.quotas.values(), key=lambda row: row.project_id)
    return [
        {**service.quotas.limits(row.project_id), "project_id": row.project_id, "tenant_id": row.project_id}
        for row in rows
        if row.limits
    ]


def _details(service: Service, project_id: str) -> dict[str, dict[str, int]]:
    usage = service.quotas.usage
    return {
        kind: {"limit": limit, "used": usage.of(kind, project_id), "reserved": 0}
        for kind, limit in service.quotas.limits(project_id).items()
    }


def _limits(body: bytes) -> tuple[dict[str, int], bool]:
    """The limits that a PUT names, and whether they may be less than what there is."""
    item = dict(read_item(body, "quota"))
    force = item.pop("force", False)
    item.pop("check_limit", None)
    for name in ("project_id", "tenant_id"):
        item.pop(name, None)
    unknown = [name for name in item if name not in DEFAULTS]
    if unknown:
        raise HTTPBadRequest(f"Unrecognized attribute(s) '{', '.join(unknown)}'")
    limits: dict[str, int] = {}
    for name, value in item.items():
        number = checks.to_int(value)
        if not isinstance(number, int) or not UNLIMITED <= number <= LARGEST:
            raise HTTPBadRequest(
                f"Invalid input for {name}. Reason: '{value}' is not in range {UNLIMITED} through {LARGEST}."
            )
        limits[name] = number
    return limits, force is True
