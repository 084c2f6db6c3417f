"""``/topologies``: which datapaths, networks, segments, route links and MAC ranges belong together."""

from collections.abc import Mapping
from typing import Any

from patchbay.api.openvnet.endpoint import Endpoint, Values
from patchbay.api.openvnet.parameters import Param, text, uuid
from patchbay.api.openvnet.standard import given, kept_collection, listing, reading_and_deleting, view_of
from patchbay.model import VnetObject
from patchbay.service.context import RequestContext
from patchbay.service.service import Service
from patchbay.service.vnet import kept, topologies
from patchbay.service.vnet.kinds import DATAPATH, INTERFACE, IP_LEASE, TOPOLOGY, Kind
from patchbay.service.vnet.objects import data_of, number_or_none
from patchbay.service.vnet.relation_kinds import OF_TOPOLOGY, TOPOLOGY_LAYER

_OF_DATAPATH = (uuid(INTERFACE, "interface_uuid", required=True), uuid(IP_LEASE, "ip_lease_uuid"))
_view = view_of(TOPOLOGY)


def _view_layer(service: Service, row: VnetObject) -> Mapping[str, Any]:
    shown = kept.described(service, TOPOLOGY_LAYER, row)
    for end in ("overlay", "underlay"):
        shown[f"{end}_id"] = number_or_none(service, TOPOLOGY, data_of(row)[f"{end}_uuid"])
    return shown


async def _create(service: Service, context: RequestContext, values: Values) -> Mapping[str, Any]:
    new = kept.NewRow(kind=TOPOLOGY, uuid=values.get("uuid", ""), values={"mode": values["mode"]})
    return _view(service, await kept.create(service, context, new))


async def _update(service: Service, _context: RequestContext, values: Values) -> Mapping[str, Any]:
    return _view(service, await kept.change(service, TOPOLOGY, values["uuid"], {}))


def _membership(other: Kind) -> tuple[Endpoint, ...]:
    """Adding, listing and removing objects of one kind."""
    path, named = f"/topologies/:uuid/{other.collection}", f"{other.name}_uuid"
    params: tuple[Param, ...] = _OF_DATAPATH if other is DATAPATH else ()
    view = view_of(OF_TOPOLOGY[other])

    async def add(service: Service, context: RequestContext, values: Values) -> Mapping[str, Any]:
        more = given(values, "interface_uuid", "ip_lease_uuid")
        return view(service, await topologies.add(service, context, values["uuid"], (other, values[named]), more))

    async def remove(service: Service, _context: RequestContext, values: Values) -> list[str]:
        await topologies.remove(service, values["uuid"], other, values[named])
        return [values[named]]

    return (
        Endpoint("POST", f"{path}/:{named}", params, add),
        listing(path, lambda service, topology: topologies.members(service, topology, other), view),
        Endpoint("DELETE", f"{path}/:{named}", (), remove),
    )


async def _add_underlay(service: Service, context: RequestContext, values: Values) -> Mapping[str, Any]:
    row = await topologies.add_underlay(service, context, values["uuid"], values["underlay_uuid"])
    return _view_layer(service, row)


async def _remove_underlay(service: Service, _context: RequestContext, values: Values) -> list[str]:
    await topologies.remove_underlay(service, values["uuid"], values["underlay_uuid"])
    return [values["underlay_uuid"]]


ENDPOINTS: tuple[Endpoint, ...] = (
    Endpoint("POST", "/topologies", (uuid(TOPOLOGY), text("mode", choices=topologies.MODES, required=True)), _create),
    *reading_and_deleting(kept_collection(TOPOLOGY)),
    Endpoint("PUT", "/topologies/:uuid", (), _update),
    *(endpoint for other in OF_TOPOLOGY for endpoint in _membership(other)),
    Endpoint("POST", "/topologies/:uuid/underlays/:underlay_uuid", (), _add_underlay),
    listing("/topologies/:uuid/underlays", topologies.underlays, _view),
    Endpoint("DELETE", "/topologies/:uuid/underlays/:underlay_uuid", (), _remove_underlay),
)
"""What answers for topologies."""
