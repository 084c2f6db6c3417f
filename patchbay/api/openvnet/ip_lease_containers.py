"""``/ip_lease_containers``: the IP leases that lease policies made."""

from collections.abc import Mapping
from typing import Any

from patchbay.api.openvnet.endpoint import Endpoint, Values
from patchbay.api.openvnet.parameters import uuid
from patchbay.api.openvnet.standard import kept_collection, listing, reading_and_deleting, view_of
from patchbay.service.context import RequestContext
from patchbay.service.service import Service
from patchbay.service.vnet import containers, kept
from patchbay.service.vnet.kinds import IP_LEASE_CONTAINER
from patchbay.service.vnet.leases import IpLease, get_ip_lease, ip_lease_view

_view = view_of(IP_LEASE_CONTAINER)


async def _create(service: Service, context: RequestContext, values: Values) -> Mapping[str, Any]:
    new = kept.NewRow(kind=IP_LEASE_CONTAINER, uuid=values.get("uuid", ""))
    return _view(service, await kept.create(service, context, new))


async def _update(service: Service, _context: RequestContext, values: Values) -> Mapping[str, Any]:
    return _view(service, await kept.change(service, IP_LEASE_CONTAINER, values["uuid"], {}))


def _leases(service: Service, uuid_: str) -> list[IpLease]:
    return [get_ip_lease(service, lease) for lease in containers.leases(service, uuid_)]


ENDPOINTS: tuple[Endpoint, ...] = (
    Endpoint("POST", "/ip_lease_containers", (uuid(IP_LEASE_CONTAINER),), _create),
    *reading_and_deleting(kept_collection(IP_LEASE_CONTAINER)),
    Endpoint("PUT", "/ip_lease_containers/:uuid", (), _update),
    listing("/ip_lease_containers/:uuid/ip_leases", _leases, ip_lease_view),
)
"""What answers for containers of IP leases."""
