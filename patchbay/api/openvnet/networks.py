"""``/networks`` and ``/segments`` (``vnet/endpoints/1.0/networks.rb``, ``segments.rb``)."""

from patchbay.api.openvnet.endpoint import Endpoint, Values
from patchbay.api.openvnet.parameters import Param, integer, ipv4, text, uuid
from patchbay.api.openvnet.standard import faced_collection, reading_and_deleting
from patchbay.service.context import RequestContext
from patchbay.service.service import Service
from patchbay.service.vnet.kinds import NETWORK, SEGMENT, TOPOLOGY
from patchbay.service.vnet.networks import (
    NETWORK_MODES,
    SEGMENT_MODES,
    create_network,
    create_segment,
    delete_network,
    delete_segment,
    network_view,
    segment_view,
    update_network,
)


def _with_mode(values: Values) -> Values:
    """The values with 2013's ``network_mode`` under its present name."""
    mode = values.pop("network_mode", None)
    return values if mode is None else {**values, "mode": mode}


async def _create(service: Service, context: RequestContext, values: Values) -> object:
    return network_view(service, await create_network(service, context, _with_mode(values)))


async def _update(service: Service, _context: RequestContext, values: Values) -> object:
    return network_view(service, await update_network(service, values["uuid"], _with_mode(values)))


async def _create_segment(service: Service, context: RequestContext, values: Values) -> object:
    return segment_view(service, await create_segment(service, context, values))


_NAMES: tuple[Param, ...] = (text("display_name"), text("domain_name"))
_MODES = (text("mode", choices=NETWORK_MODES), text("network_mode", choices=NETWORK_MODES))
_ENDS = (uuid(NETWORK), uuid(SEGMENT, "segment_uuid"), uuid(TOPOLOGY, "topology_uuid"))
_PREFIX = integer("ipv4_prefix", least=1, most=32)
_OF_SEGMENT = (uuid(SEGMENT), uuid(TOPOLOGY, "topology_uuid"), text("mode", choices=SEGMENT_MODES, required=True))

ENDPOINTS: tuple[Endpoint, ...] = (
    Endpoint("POST", "/networks", (*_NAMES, *_ENDS, *_MODES, ipv4("ipv4_network", required=True), _PREFIX), _create),
    *reading_and_deleting(faced_collection(NETWORK, delete_network, network_view)),
    Endpoint("PUT", "/networks/:uuid", (*_NAMES, *_MODES, ipv4("ipv4_network"), _PREFIX), _update),
    Endpoint("POST", "/segments", _OF_SEGMENT, _create_segment),
    *reading_and_deleting(faced_collection(SEGMENT, delete_segment, segment_view)),
)
"""What answers for networks and segments."""
