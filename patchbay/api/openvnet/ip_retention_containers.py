"""``/ip_retention_containers``: how long a lease policy keeps addresses that were given back."""

from collections.abc import Mapping
from typing import Any

from patchbay.api.openvnet.endpoint import Endpoint, Values
from patchbay.api.openvnet.parameters import integer, uuid
from patchbay.api.openvnet.standard import given, kept_collection, listing, reading_and_deleting, view_of
from patchbay.service.context import RequestContext
from patchbay.service.service import Service
from patchbay.service.vnet import containers, kept
from patchbay.service.vnet.kinds import IP_RETENTION, IP_RETENTION_CONTAINER

_SHARED = (integer("lease_time", least=0), integer("grace_time", least=0))
_TIMES = ("lease_time", "grace_time")
_view = view_of(IP_RETENTION_CONTAINER)


async def _create(service: Service, context: RequestContext, values: Values) -> Mapping[str, Any]:
    times = {name: values.get(name) for name in _TIMES}
    new = kept.NewRow(kind=IP_RETENTION_CONTAINER, uuid=values.get("uuid", ""), values=times)
    return _view(service, await kept.create(service, context, new))


async def _update(service: Service, _context: RequestContext, values: Values) -> Mapping[str, Any]:
    changes = given(values, *_TIMES)
    return _view(service, await kept.change(service, IP_RETENTION_CONTAINER, values["uuid"], changes))


ENDPOINTS: tuple[Endpoint, ...] = (
    Endpoint("POST", "/ip_retention_containers", (*_SHARED, uuid(IP_RETENTION_CONTAINER)), _create),
    *reading_and_deleting(kept_collection(IP_RETENTION_CONTAINER)),
    Endpoint("PUT", "/ip_retention_containers/:uuid", _SHARED, _update),
    listing("/ip_retention_containers/:uuid/ip_retentions", containers.retentions, view_of(IP_RETENTION)),
)
"""What answers for retention of addresses."""
