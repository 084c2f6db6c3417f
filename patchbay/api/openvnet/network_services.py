"""``/network_services``: DHCP, DNS and routing on interfaces."""

from collections.abc import Mapping
from typing import Any

from patchbay.api.openvnet.endpoint import Endpoint, Values
from patchbay.api.openvnet.parameters import Param, integer, text, uuid
from patchbay.api.openvnet.standard import given, kept_collection, reading_and_deleting
from patchbay.model import VnetObject
from patchbay.service.context import RequestContext
from patchbay.service.service import Service
from patchbay.service.vnet import kept, network_services
from patchbay.service.vnet.errors import MissingArgument
from patchbay.service.vnet.kinds import INTERFACE, NETWORK_SERVICE

_SHARED: tuple[Param, ...] = (text("display_name"),)


def network_service_view(service: Service, row: VnetObject) -> Mapping[str, Any]:
    """The network service as OpenVNet shows it."""
    shown = kept.described(service, NETWORK_SERVICE, row)
    del shown[network_services.SUBNETS]
    if shown["interface_uuid"] is None:
        del shown["interface_uuid"]
    return shown


async def _create(service: Service, context: RequestContext, values: Values) -> Mapping[str, Any]:
    """Without a mode its older name ``type`` counts, and then a display name that is one: so did the seed's time."""
    named = [values.get(name) for name in ("mode", "type", "display_name")]
    mode = next((each for each in named if each in network_services.MODES), None)
    if mode is None:
        raise MissingArgument("mode")
    row = await network_services.create(service, context, {**values, "mode": mode})
    return network_service_view(service, row)


async def _update(service: Service, _context: RequestContext, values: Values) -> Mapping[str, Any]:
    row = await kept.change(service, NETWORK_SERVICE, values["uuid"], given(values, "display_name"))
    return network_service_view(service, row)


ENDPOINTS: tuple[Endpoint, ...] = (
    Endpoint(
        "POST",
        "/network_services",
        (
            *_SHARED,
            uuid(NETWORK_SERVICE),
            uuid(INTERFACE, "interface_uuid"),
            integer("incoming_port"),
            integer("outgoing_port"),
            text("mode", choices=network_services.MODES),
            text("type", choices=network_services.MODES),
        ),
        _create,
    ),
    *reading_and_deleting(kept_collection(NETWORK_SERVICE, network_service_view)),
    Endpoint("PUT", "/network_services/:uuid", _SHARED, _update),
)
"""What answers for network services."""
