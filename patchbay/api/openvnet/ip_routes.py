"""``/routes``: which prefixes a route link reaches by which interface.

``network_uuid`` may be left out, as the seed does; then it is that of the interface.
"""

from collections.abc import Mapping
from typing import Any

from patchbay.api.openvnet.endpoint import Endpoint, Values
from patchbay.api.openvnet.parameters import boolean, integer, ipv4, uuid
from patchbay.api.openvnet.standard import Collection, reading_and_deleting
from patchbay.service.context import RequestContext
from patchbay.service.service import Service
from patchbay.service.vnet import routes
from patchbay.service.vnet.kinds import INTERFACE, NETWORK, ROUTE, ROUTE_LINK


async def _create(service: Service, context: RequestContext, values: Values) -> Mapping[str, Any]:
    return routes.route_view(service, await routes.create(service, context, values))


async def _update(service: Service, _context: RequestContext, values: Values) -> Mapping[str, Any]:
    return routes.route_view(service, await routes.change(service, values["uuid"], values))


_FLAGS = (boolean("ingress"), boolean("egress"))
_ENDS = (uuid(INTERFACE, "interface_uuid"), uuid(NETWORK, "network_uuid"), uuid(ROUTE_LINK, "route_link_uuid"))
_PREFIX = (ipv4("ipv4_network"), integer("ipv4_prefix", least=0, most=32))

_COLLECTION = Collection("routes", routes.all_routes, routes.get_route, routes.delete, routes.route_view)

ENDPOINTS: tuple[Endpoint, ...] = (
    Endpoint(
        "POST",
        "/routes",
        (
            uuid(ROUTE),
            uuid(INTERFACE, "interface_uuid", required=True),
            uuid(NETWORK, "network_uuid"),
            uuid(ROUTE_LINK, "route_link_uuid", required=True),
            ipv4("ipv4_network", required=True),
            _PREFIX[1],
            *_FLAGS,
        ),
        _create,
    ),
    *reading_and_deleting(_COLLECTION),
    Endpoint("PUT", "/routes/:uuid", (*_ENDS, *_PREFIX, *_FLAGS), _update),
)
"""What answers for routes."""
