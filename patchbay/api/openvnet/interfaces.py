"""``/interfaces``, their ports of bridges, and what they are related to (``vnet/endpoints/1.0/interfaces.rb``)."""

from collections.abc import Mapping
from typing import Any

from patchbay.api.openvnet.endpoint import PAGE, Endpoint, Values, page
from patchbay.api.openvnet.parameters import Param, boolean, ipv4, mac, text, uuid
from patchbay.service.context import RequestContext
from patchbay.service.service import Service
from patchbay.service.vnet.draft import MODES, VIF
from patchbay.service.vnet.interface_relations import RELATIONS, related, relation_view, set_static
from patchbay.service.vnet.interfaces import (
    add_plug,
    create_interface,
    delete_interface,
    interface_view,
    plug_view,
    plugs_of,
    remove_plugs,
    update_interface,
)
from patchbay.service.vnet.kinds import DATAPATH, INTERFACE, MAC_RANGE_GROUP, NETWORK, SEGMENT, Kind
from patchbay.service.vnet.objects import faces, get
from patchbay.service.vnet.renaming import rename_interface


async def _create(service: Service, context: RequestContext, values: Values) -> object:
    return interface_view(service, await create_interface(service, context, values))


async def _list(service: Service, _context: RequestContext, values: Values) -> object:
    return page(values, faces(service, INTERFACE), lambda face: interface_view(service, face))


async def _show(service: Service, _context: RequestContext, values: Values) -> object:
    return interface_view(service, get(service, INTERFACE, values["uuid"]))


async def _update(service: Service, context: RequestContext, values: Values) -> object:
    return interface_view(service, await update_interface(service, context, values["uuid"], values))


async def _delete(service: Service, context: RequestContext, values: Values) -> object:
    await delete_interface(service, context, values["uuid"])
    return [values["uuid"]]


async def _rename(service: Service, context: RequestContext, values: Values) -> object:
    return interface_view(service, await rename_interface(service, context, values["uuid"], values["new_uuid"]))


async def _add_port(service: Service, context: RequestContext, values: Values) -> object:
    return await add_plug(service, context, values["uuid"], values)


async def _list_ports(service: Service, _context: RequestContext, values: Values) -> object:
    face = get(service, INTERFACE, values["uuid"])
    return page(values, plugs_of(service, face), lambda plug: plug_view(service, face, plug))


async def _remove_ports(service: Service, context: RequestContext, values: Values) -> object:
    return await remove_plugs(service, context, values["uuid"], values)


def relations(other: Kind) -> tuple[Endpoint, ...]:
    """Listing what an interface is related to, and making that static or not."""
    member, path = f"{other.name}_uuid", f"/interfaces/:uuid/{other.collection}"

    async def put(service: Service, context: RequestContext, values: Values) -> object:
        interface, other_uuid = get(service, INTERFACE, values["uuid"]), values[member]
        get(service, other, other_uuid, member)
        if "static" not in values:
            return {}
        return await set_static(service, context, interface.uuid, other, other_uuid, static=values["static"])

    async def listed(service: Service, _context: RequestContext, values: Values) -> object:
        face = get(service, INTERFACE, values["uuid"])

        def view(item: tuple[str, Any]) -> Mapping[str, Any]:
            return relation_view(service, face, other, item[0], static=item[1] is not None)

        return page(values, related(service, face, other), view)

    return (Endpoint("PUT", f"{path}/:{member}", (boolean("static"),), put), Endpoint("GET", path, PAGE, listed))


_SHARED: tuple[Param, ...] = (
    uuid(DATAPATH, "owner_datapath_uuid"),
    boolean("enable_filtering"),
    text("display_name"),
    boolean("enable_routing"),
    boolean("enable_route_translation"),
)
_POST: tuple[Param, ...] = (
    *_SHARED,
    uuid(INTERFACE),
    uuid(NETWORK, "network_uuid"),
    uuid(SEGMENT, "segment_uuid"),
    text("mode", choices=MODES, default=VIF),
    ipv4("ipv4_address"),
    mac("mac_address"),
    uuid(MAC_RANGE_GROUP, "mac_range_group_uuid"),
    text("port_name"),
)
_PORT: tuple[Param, ...] = (uuid(DATAPATH, "datapath_uuid"), text("port_name"), boolean("singular"))

ENDPOINTS: tuple[Endpoint, ...] = (
    Endpoint("POST", "/interfaces", _POST, _create),
    Endpoint("GET", "/interfaces", PAGE, _list),
    Endpoint("GET", "/interfaces/:uuid", (), _show),
    Endpoint("DELETE", "/interfaces/:uuid", (), _delete),
    Endpoint("PUT", "/interfaces/:uuid", _SHARED, _update),
    Endpoint("PUT", "/interfaces/:uuid/rename", (uuid(INTERFACE, "new_uuid", required=True),), _rename),
    Endpoint("POST", "/interfaces/:uuid/ports", _PORT, _add_port),
    Endpoint("GET", "/interfaces/:uuid/ports", PAGE, _list_ports),
    Endpoint("DELETE", "/interfaces/:uuid/ports", _PORT, _remove_ports),
    *(endpoint for other in RELATIONS for endpoint in relations(other)),
)
"""What answers for interfaces."""
