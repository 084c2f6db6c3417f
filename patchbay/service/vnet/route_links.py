"""Route links: distributed routers (``vnet/models/route_link.rb``)."""

from collections.abc import Mapping
from typing import Any

import msgspec

from patchbay.intent.database import Delete, Insert, Write
from patchbay.model import Port, Router, VnetObject
from patchbay.service.access import Attempt, beginning, carry_out
from patchbay.service.context import RequestContext
from patchbay.service.port_uses import deletion
from patchbay.service.router_rules import floating_gateways, gateway_port, interfaces
from patchbay.service.router_specs import RouterSpec
from patchbay.service.service import Service
from patchbay.service.vnet import simulated
from patchbay.service.vnet.cascade import distinct, removal_of_referring
from patchbay.service.vnet.errors import DeleteRestrictionError
from patchbay.service.vnet.kinds import ROUTE_LINK
from patchbay.service.vnet.objects import Data, Face, changed, common, face_of, get, insertion, new_row, update
from patchbay.service.vnet.route_rules import interface_row
from patchbay.service.vnet.topologies import relation_with_topology


async def create(service: Service, context: RequestContext, values: Mapping[str, Any]) -> Face:
    """A new route link: a router with its uuid as name.

    ``values``: uuid, mac_address, topology_uuid. Raises DuplicateUUID or UnknownUUIDResource.
    """

    def plan(_attempt: Attempt) -> tuple[VnetObject, list[Write]]:
        row = new_row(context, ROUTE_LINK, values.get("uuid", ""), mac_address=values.get("mac_address"))
        spec = RouterSpec(project_id=context.project_id, name=row.uuid)
        router = Router(**beginning(context, spec), distributed=True)
        row = msgspec.structs.replace(row, object_id=router.id)
        related = relation_with_topology(service, context, values, ROUTE_LINK, row.uuid)
        return row, [Insert(router), *insertion(service, row), *related]

    row = await carry_out(service, f"route link {values.get('uuid', '')}", plan)
    return face_of(service, ROUTE_LINK, row.object_id)


async def change(service: Service, context: RequestContext, uuid: str, values: Mapping[str, Any]) -> Face:
    """The route link with another ``mac_address``, if one is given. Raises InvalidUUID or UnknownUUIDResource."""
    kept = {name: values[name] for name in ("mac_address",) if name in values}

    def plan(_attempt: Attempt) -> tuple[None, list[Write]]:
        face = get(service, ROUTE_LINK, uuid)
        if face.row is not None:
            return None, update(face.row, changed(face.row, **kept))
        return None, [Insert(new_row(context, ROUTE_LINK, uuid, object_id=face.object_id, **kept))] if kept else []

    await carry_out(service, f"route link {uuid}", plan)
    return get(service, ROUTE_LINK, uuid)


async def delete(service: Service, uuid: str) -> None:
    """The route link goes, with its routes and its router; simulated interfaces stay by themselves.

    Raises InvalidUUID, UnknownUUIDResource, or DeleteRestrictionError while floating IPs lead through the router.
    """

    def plan(_attempt: Attempt) -> tuple[None, list[Write]]:
        face = get(service, ROUTE_LINK, uuid)
        router = service.db.routers[face.object_id]
        if service.db.floatingips_by_router.get(router.id):
            raise DeleteRestrictionError(
                f"{uuid}. Floating IPs lead through its router {router.id}.", "Disassociate them first."
            )
        writes: list[Write] = []
        for port in interfaces(service, router.id):
            writes += _released(service, port)
        gateway = gateway_port(service, router)
        for port in [*([] if gateway is None else [gateway]), *floating_gateways(service, router.id)]:
            writes += deletion(service, port)
        writes += [] if face.row is None else [Delete(face.row)]
        return None, distinct([*writes, *removal_of_referring(service, ROUTE_LINK, uuid), Delete(router)])

    await carry_out(service, f"route link {uuid}", plan)


def _released(service: Service, port: Port) -> list[Write]:
    """An interface of OpenVNet gets a router of its own again; one that Neutron made goes with the router."""
    interface = interface_row(service, port)
    if interface is None:
        return deletion(service, port)
    context = RequestContext(project_id=interface.project_id)
    return simulated.leave(service, context, port, interface.uuid)


def route_link_view(service: Service, face: Face) -> Data:
    """The route link as OpenVNet shows it; those that Neutron made have no MAC."""
    return {**common(service, face), "mac_address": face.data.get("mac_address")}
