"""``/route_links``: routers that routes lead into."""

from collections.abc import Mapping
from typing import Any

from patchbay.api.openvnet.endpoint import Endpoint, Values
from patchbay.api.openvnet.parameters import mac, uuid
from patchbay.api.openvnet.standard import faced_collection, reading_and_deleting
from patchbay.service.context import RequestContext
from patchbay.service.service import Service
from patchbay.service.vnet import route_links
from patchbay.service.vnet.kinds import ROUTE_LINK, TOPOLOGY


async def _create(service: Service, context: RequestContext, values: Values) -> Mapping[str, Any]:
    return route_links.route_link_view(service, await route_links.create(service, context, values))


async def _update(service: Service, context: RequestContext, values: Values) -> Mapping[str, Any]:
    return route_links.route_link_view(service, await route_links.change(service, context, values["uuid"], values))


ENDPOINTS: tuple[Endpoint, ...] = (
    Endpoint("POST", "/route_links", (uuid(ROUTE_LINK), uuid(TOPOLOGY, "topology_uuid"), mac("mac_address")), _create),
    *reading_and_deleting(faced_collection(ROUTE_LINK, route_links.delete, route_links.route_link_view)),
    Endpoint("PUT", "/route_links/:uuid", (mac("mac_address"),), _update),
)
"""What answers for route links."""
