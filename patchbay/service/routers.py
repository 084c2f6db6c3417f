"""Routers: create, change, delete, show (Neutron API reference, "Routers")."""

from collections.abc import Callable, Iterable, Sequence

import msgspec
from msgspec import UNSET

from patchbay.intent.database import Delete, Insert, Update, Write
from patchbay.model import HostRoute, Router
from patchbay.service.access import (
    Attempt,
    beginning,
    carry_out,
    check_revision,
    is_visible,
    revise,
    revised,
    touched,
    updates,
)
from patchbay.service.context import RequestContext
from patchbay.service.errors import BadRequestFor, RouterNotFound
from patchbay.service.gateways import with_gateway
from patchbay.service.port_uses import deletion
from patchbay.service.router_errors import RouterExternalGatewayInUseByFloatingIp, RouterInUse, RoutesExhausted
from patchbay.service.router_rules import as_interface, check_routes_of, floating_gateways, gateway_port, interfaces
from patchbay.service.router_specs import RouterSpec
from patchbay.service.service import Service


def get_router(service: Service, context: RequestContext, router_id: str) -> Router:
    """The router, or RouterNotFound."""
    router = service.db.routers.get(router_id)
    if router is None or not is_visible(context, router):
        raise RouterNotFound(router_id)
    return router


async def create_routers(service: Service, context: RequestContext, specs: Sequence[RouterSpec]) -> list[Router]:
    """New routers, all or none, with their gateways. Raises the errors of ``with_gateway``."""

    def plan(attempt: Attempt) -> tuple[list[Router], list[Write]]:
        routers: list[Router] = []
        writes: list[Write] = []
        for spec in specs:
            router = _new_router(service, context, spec)
            if spec.gateway is not UNSET:
                router, of_gateway = with_gateway(service, context, attempt, router, spec.gateway)
                writes += [write for write in of_gateway if write not in writes]
            routers.append(router)
        return routers, [*writes, *map(Insert, routers)]

    return await carry_out(service, "the routers' external network", plan)


def _new_router(service: Service, context: RequestContext, spec: RouterSpec) -> Router:
    return Router(
        **beginning(context, spec),
        admin_state_up=True if spec.admin_state_up is UNSET else spec.admin_state_up,
        distributed=service.settings.router_distributed if spec.distributed is UNSET else spec.distributed,
    )


async def update_router(
    service: Service, context: RequestContext, router_id: str, spec: RouterSpec, if_match: int | None = None
) -> Router:
    """The router as changed: first its routes, then its gateway; with ``distributed``, its interfaces change as well.

    Raises RouterNotFound, BadRequest, InvalidRoutes, RevisionNumberConstraintFailed and the errors of
    ``with_gateway``.
    """

    def plan(attempt: Attempt) -> tuple[Router, list[Write]]:
        old = get_router(service, context, router_id)
        check_revision(old, if_match)
        new = _changed(service, old, spec)
        writes: list[Write] = []
        if spec.gateway is not UNSET:
            new, writes = with_gateway(service, context, attempt, new, spec.gateway)
        if new.distributed != old.distributed:
            writes += [Update(port, revised(port, as_interface(new, port))) for port in interfaces(service, old.id)]
        new = revised(old, new)
        if new is old and writes:
            new = touched(old)
        return new, [*writes, *updates((old, new))]

    return await carry_out(service, f"router {router_id}", plan)


def _changed(service: Service, old: Router, spec: RouterSpec) -> Router:
    new = msgspec.structs.replace(
        old,
        name=old.name if spec.name is UNSET else spec.name,
        description=old.description if spec.description is UNSET else spec.description,
        admin_state_up=old.admin_state_up if spec.admin_state_up is UNSET else spec.admin_state_up,
        distributed=old.distributed if spec.distributed is UNSET else spec.distributed,
    )
    if new.distributed != old.distributed and new.admin_state_up:
        raise BadRequestFor(
            "router",
            "Cannot change the 'distributed' attribute of active routers. Please set router admin_state_up to False "
            "prior to upgrade",
        )
    return new if spec.routes is UNSET else with_routes(service, new, spec.routes)


def with_routes(service: Service, router: Router, routes: Iterable[HostRoute]) -> Router:
    """The router with exactly these routes. Raises InvalidRoutes, or RoutesExhausted for too many."""
    wanted = tuple(sorted(set(routes), key=lambda route: (route.destination, route.nexthop)))
    if len(wanted) > max(service.settings.max_routes, len(router.routes)):
        raise RoutesExhausted(router.id, service.settings.max_routes)
    check_routes_of(service, router, wanted)
    return msgspec.structs.replace(router, routes=wanted)


async def add_routes(
    service: Service, context: RequestContext, router_id: str, routes: Sequence[HostRoute], if_match: int | None = None
) -> Router:
    """The router with these routes besides those that it has (extraroute-atomic)."""

    def change(router: Router) -> Router:
        return with_routes(service, router, [*router.routes, *routes])

    return await revise(service, f"router {router_id}", _get(service, context, router_id), change, if_match)


async def remove_routes(
    service: Service, context: RequestContext, router_id: str, routes: Sequence[HostRoute], if_match: int | None = None
) -> Router:
    """The router without these routes; those that it has not are no error (extraroute-atomic)."""

    def change(router: Router) -> Router:
        return with_routes(service, router, [route for route in router.routes if route not in routes])

    return await revise(service, f"router {router_id}", _get(service, context, router_id), change, if_match)


def _get(service: Service, context: RequestContext, router_id: str) -> Callable[[], Router]:
    return lambda: get_router(service, context, router_id)


async def delete_router(service: Service, context: RequestContext, router_id: str, if_match: int | None = None) -> None:
    """The router goes, and its gateway with it.

    Raises RouterNotFound, RouterInUse while it has interfaces, RouterExternalGatewayInUseByFloatingIp.
    """

    def plan(_attempt: Attempt) -> tuple[None, list[Write]]:
        router = get_router(service, context, router_id)
        check_revision(router, if_match)
        attached = [port.id for port in interfaces(service, router_id)]
        if attached:
            raise RouterInUse(router_id, "has ports still attached: " + ", ".join(attached))
        gateway = gateway_port(service, router)
        if service.db.floatingips_by_router.get(router_id):
            raise RouterExternalGatewayInUseByFloatingIp(router_id, "" if gateway is None else gateway.network_id)
        ports = [*floating_gateways(service, router_id), *([] if gateway is None else [gateway])]
        return None, [*(write for port in ports for write in deletion(service, port)), Delete(router)]

    await carry_out(service, f"router {router_id}", plan)
