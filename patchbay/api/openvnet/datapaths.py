"""``/datapaths``, and what each is related to (``vnet/endpoints/1.0/datapaths.rb``, and that of 2013)."""

from collections.abc import Callable, Mapping
from typing import Any

from patchbay.api.openvnet.endpoint import Endpoint, Values
from patchbay.api.openvnet.parameters import Param, boolean, dpid, ipv4, mac, text, uuid
from patchbay.api.openvnet.standard import kept_collection, listing, reading_and_deleting
from patchbay.model import VnetObject
from patchbay.service.context import RequestContext
from patchbay.service.service import Service
from patchbay.service.vnet import kept
from patchbay.service.vnet.datapaths import create_datapath, datapath_view, update_datapath
from patchbay.service.vnet.kinds import (
    DATAPATH,
    DATAPATH_NETWORK,
    DATAPATH_ROUTE_LINK,
    DATAPATH_SEGMENT,
    INTERFACE,
    NETWORK,
    ROUTE_LINK,
    SEGMENT,
    Kind,
)
from patchbay.service.vnet.networks import network_view, segment_view
from patchbay.service.vnet.objects import Face, data_of, get
from patchbay.service.vnet.route_links import route_link_view

SHARED: tuple[Param, ...] = (
    boolean("enable_ovs_learn_action"),
    ipv4("ipv4_address"),
    text("dc_segment_id"),
    text("dc_segment_uuid"),
)
ADDRESSES = ("mac_address", "broadcast_mac_address", "link_mac_address")
"""Names of a relation's MAC: today's, and those of 2013 for networks and route links."""


async def _create(service: Service, context: RequestContext, values: Values) -> object:
    return datapath_view(service, await create_datapath(service, context, values))


async def _update(service: Service, context: RequestContext, values: Values) -> object:
    return datapath_view(service, await update_datapath(service, context, values["uuid"], values))


def relations(relation: Kind, other: Kind, view: Callable[[Service, Face], Mapping[str, Any]]) -> tuple[Endpoint, ...]:
    """Adding, listing and removing what a datapath is related to. The interface is the one that tunnels begin at."""
    member, path = f"{other.name}_uuid", f"/datapaths/:uuid/{other.collection}"

    async def add(service: Service, context: RequestContext, values: Values) -> object:
        interface = values.get("interface_uuid")
        if interface is not None:
            get(service, INTERFACE, interface, "interface_uuid")
        address = next((values[name] for name in ADDRESSES if name in values), None)
        more = {"interface_uuid": interface, "mac_address": address}
        row = await kept.relate(service, context, relation, {DATAPATH: values["uuid"], other: values[member]}, more)
        shown = kept.described(service, relation, row)
        return {**shown, "broadcast_mac_address": address, "ip_lease_id": None, "is_connected": False}

    async def remove(service: Service, _context: RequestContext, values: Values) -> object:
        await kept.unrelate(service, relation, {DATAPATH: values["uuid"], other: values[member]})
        return [values[member]]

    def view_of_other(service: Service, row: VnetObject) -> Mapping[str, Any]:
        return view(service, get(service, other, data_of(row)[member]))

    params = (uuid(INTERFACE, "interface_uuid"), *map(mac, ADDRESSES))
    return (
        Endpoint("POST", f"{path}/:{member}", params, add),
        listing(path, lambda service, uuid: kept.related(service, DATAPATH, uuid, relation), view_of_other),
        Endpoint("DELETE", f"{path}/:{member}", (), remove),
    )


_POST = (text("display_name", required=True), *SHARED, uuid(DATAPATH), text("node_id", required=True))
_PUT = (text("display_name"), *SHARED, text("node_id"), dpid())

ENDPOINTS: tuple[Endpoint, ...] = (
    Endpoint("POST", "/datapaths", (*_POST, dpid(required=True)), _create),
    *reading_and_deleting(kept_collection(DATAPATH, datapath_view)),
    Endpoint("PUT", "/datapaths/:uuid", _PUT, _update),
    *relations(DATAPATH_NETWORK, NETWORK, network_view),
    *relations(DATAPATH_SEGMENT, SEGMENT, segment_view),
    *relations(DATAPATH_ROUTE_LINK, ROUTE_LINK, route_link_view),
)
"""What answers for datapaths."""
