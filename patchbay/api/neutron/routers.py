"""/v2.0/routers: attributes as in the API reference, "Routers", with ext-gw-mode and extraroute.

``add_router_interface``, ``remove_router_interface``, ``add_extraroutes`` and ``remove_extraroutes`` are actions.
"""

from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence

import msgspec

from patchbay.api.errors import HTTPBadRequest
from patchbay.api.http import Request, Response, json_response
from patchbay.api.neutron import checks
from patchbay.api.neutron.agents import AVAILABILITY_ZONE
from patchbay.api.neutron.attributes import (
    READ_ONLY,
    STANDARD,
    Attribute,
    Attributes,
    Body,
    decode,
    read_item,
    spec_fields,
    writable,
)
from patchbay.api.neutron.permissions import view_for
from patchbay.api.neutron.ports import fixed_ips
from patchbay.api.neutron.resource import Collection, Filters, View, narrowed
from patchbay.api.neutron.subnets import host_routes
from patchbay.model import HostRoute, Router
from patchbay.service.access import is_visible
from patchbay.service.context import RequestContext
from patchbay.service.errors import BadRequestFor, InvalidInput
from patchbay.service.router_errors import AvailabilityZoneNotFound, FlavorNotFound
from patchbay.service.router_interfaces import Interface, add_interface, remove_interface
from patchbay.service.router_specs import RouterSpec
from patchbay.service.routers import (
    add_routes,
    create_routers,
    delete_router,
    get_router,
    remove_routes,
    update_router,
)
from patchbay.service.service import Service

GATEWAY_KEYS = ("network_id", "enable_snat", "external_fixed_ips")


def to_gateway(value: object) -> object:
    """The gateway with ``enable_snat`` as true or false; null for an empty one, which clears it as well."""
    if isinstance(value, dict) and "enable_snat" in value:
        return {**value, "enable_snat": checks.to_bool(value["enable_snat"])}
    return value or None


def gateway(value: object) -> str | None:
    """null, or ``{"network_id", "enable_snat", "external_fixed_ips"}`` of which the first is required."""
    if value is None:
        return None
    if not isinstance(value, dict):
        return f"'{value}' is not a dictionary"
    if "network_id" not in value:
        return (
            "Validation of dictionary's keys failed. Expected keys: {'network_id'} "
            f"Provided keys: {sorted(map(str, value))}"
        )
    unexpected = [str(key) for key in value if key not in GATEWAY_KEYS]
    if unexpected:
        return f"Unexpected keys supplied: {', '.join(unexpected)}"
    return checks.uuid(value["network_id"]) or fixed_ips(value.get("external_fixed_ips", []))


ATTRIBUTES: Attributes = {
    **STANDARD,
    "admin_state_up": writable("admin_state_up", convert=checks.to_bool),
    "status": READ_ONLY,
    "external_gateway_info": Attribute(
        post=True, put=True, convert=to_gateway, check=gateway, is_filter=False, is_sort_key=False
    ),
    "routes": Attribute(
        field="routes",
        put=True,
        convert=checks.none_to_list,
        check=host_routes,
        is_filter=False,
        is_sort_key=False,
    ),
    "distributed": writable("distributed", convert=checks.to_bool),
    "ha": writable(convert=checks.to_bool),
    "flavor_id": Attribute(post=True, check=checks.or_none(checks.uuid)),
    "availability_zone_hints": Attribute(post=True, check=checks.unique_texts(255), is_sort_key=False),
    "availability_zones": Attribute(is_sort_key=False),
    "service_type_id": READ_ONLY,
}


def view_router(service: Service, router: Router) -> View:
    """The router as the API shows it."""
    port = service.db.ports.get(router.gateway_port_id or "")
    return {
        "id": router.id,
        "name": router.name,
        "tenant_id": router.project_id,
        "project_id": router.project_id,
        "admin_state_up": router.admin_state_up,
        "status": "ACTIVE",
        "external_gateway_info": port
        and {
            "network_id": port.network_id,
            "enable_snat": router.enable_snat,
            "external_fixed_ips": [{"subnet_id": ip.subnet_id, "ip_address": ip.ip_address} for ip in port.fixed_ips],
        },
        "routes": [{"destination": route.destination, "nexthop": route.nexthop} for route in router.routes],
        "distributed": router.distributed,
        "ha": False,
        "flavor_id": None,
        "availability_zone_hints": [],
        "availability_zones": [AVAILABILITY_ZONE] if router.host else [],
        "service_type_id": None,
        "description": router.description,
        "tags": router.tags,
        "created_at": router.created_at,
        "updated_at": router.updated_at,
        "revision_number": router.revision_number,
    }


def _encoded(service: Service, router: Router) -> bytes:
    return msgspec.json.encode(view_router(service, router))


def _candidates(service: Service, context: RequestContext, filters: Filters) -> Iterable[Router]:
    routers = narrowed(filters, service.db.routers, {"name": service.db.routers_by_name})
    return [router for router in routers if is_visible(context, router)]


def _spec(item: Body) -> RouterSpec:
    if item.get("ha"):
        raise InvalidInput(
            "routers with a standby (ha) are not supported", "Leave ha out: a router moves when its host is gone."
        )
    if item.get("flavor_id") is not None:
        raise FlavorNotFound(str(item["flavor_id"]))
    zones = item.get("availability_zone_hints")
    if isinstance(zones, list) and zones:
        raise AvailabilityZoneNotFound(str(zones[0]))
    fields = spec_fields(ATTRIBUTES, item)
    if "external_gateway_info" in item:
        fields["gateway"] = item["external_gateway_info"]
    return msgspec.convert(fields, RouterSpec)


async def _create(service: Service, context: RequestContext, items: list[Body]) -> Sequence[Router]:
    return await create_routers(service, context, [_spec(item) for item in items])


async def _update(service: Service, context: RequestContext, id_: str, item: Body, if_match: int | None) -> Router:
    return await update_router(service, context, id_, _spec(item), if_match)


ROUTERS = Collection(
    name="routers",
    member="router",
    attributes=ATTRIBUTES,
    indexed=frozenset(("name",)),
    candidates=_candidates,
    get=get_router,
    view=view_router,
    encoded=_encoded,
    create=_create,
    update=_update,
    delete=delete_router,
)


def _named(body: bytes, *, is_removal: bool) -> dict[str, str | None]:
    """The port or subnet that the body of an interface action names."""
    value = decode(body) if body else {}
    if not isinstance(value, Mapping) or not ("port_id" in value or "subnet_id" in value):
        raise BadRequestFor("router", "Either subnet_id or port_id must be specified")
    for key in ("port_id", "subnet_id"):
        if key in value and (reason := checks.uuid(value[key])):
            raise BadRequestFor("router", reason)
    if not is_removal and "port_id" in value and "subnet_id" in value:
        raise BadRequestFor("router", "Cannot specify both subnet-id and port-id")
    return {"port_id": value.get("port_id"), "subnet_id": value.get("subnet_id")}


def _view_interface(interface: Interface) -> View:
    return {
        "id": interface.router.id,
        "tenant_id": interface.port.project_id,
        "project_id": interface.port.project_id,
        "port_id": interface.port.id,
        "network_id": interface.port.network_id,
        "subnet_id": interface.subnet_id,
        "subnet_ids": interface.subnet_ids,
    }


async def _add_interface(service: Service, request: Request, id_: str) -> Response:
    get_router(service, request.context, id_)
    named = _named(request.body, is_removal=False)
    return json_response(_view_interface(await add_interface(service, request.context, id_, **named)))


async def _remove_interface(service: Service, request: Request, id_: str) -> Response:
    get_router(service, request.context, id_)
    named = _named(request.body, is_removal=True)
    return json_response(_view_interface(await remove_interface(service, request.context, id_, **named)))


def _routes(body: bytes) -> tuple[HostRoute, ...]:
    item = read_item(body, "router")
    if "routes" not in item:
        raise HTTPBadRequest("Unable to find 'routes' in request body")
    if reason := host_routes(item["routes"]):
        raise HTTPBadRequest(f"Invalid input for routes. Reason: {reason}.")
    return msgspec.convert(item["routes"], tuple[HostRoute, ...])


async def _add_routes(service: Service, request: Request, id_: str) -> Response:
    get_router(service, request.context, id_)
    router = await add_routes(service, request.context, id_, _routes(request.body))
    return json_response({"router": view_for(service, request.context, ROUTERS, router)})


async def _remove_routes(service: Service, request: Request, id_: str) -> Response:
    get_router(service, request.context, id_)
    router = await remove_routes(service, request.context, id_, _routes(request.body))
    return json_response({"router": view_for(service, request.context, ROUTERS, router)})


ACTIONS: Mapping[str, Callable[[Service, Request, str], Awaitable[Response]]] = {
    "add_router_interface": _add_interface,
    "remove_router_interface": _remove_interface,
    "add_extraroutes": _add_routes,
    "remove_extraroutes": _remove_routes,
}
"""What PUT /v2.0/routers/{id}/{action} does."""
