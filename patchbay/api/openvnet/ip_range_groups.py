"""``/ip_range_groups``: groups of IPv4 addresses for lease policies."""

from collections.abc import Mapping
from typing import Any

from patchbay.api.openvnet.endpoint import Endpoint, Values
from patchbay.api.openvnet.parameters import ipv4, text, uuid
from patchbay.api.openvnet.standard import given, kept_collection, listing, reading_and_deleting, view_of
from patchbay.service.context import RequestContext
from patchbay.service.service import Service
from patchbay.service.vnet import ip_ranges, kept
from patchbay.service.vnet.kinds import IP_RANGE, IP_RANGE_GROUP
from patchbay.service.vnet.ranges import ALLOCATION_TYPES, INCREMENTAL

_SHARED = (text("allocation_type", choices=ALLOCATION_TYPES, default=INCREMENTAL),)
_view, _view_range = view_of(IP_RANGE_GROUP), view_of(IP_RANGE)


async def _create(service: Service, context: RequestContext, values: Values) -> Mapping[str, Any]:
    new = kept.NewRow(kind=IP_RANGE_GROUP, uuid=values.get("uuid", ""), values=given(values, "allocation_type"))
    return _view(service, await kept.create(service, context, new))


async def _update(service: Service, _context: RequestContext, values: Values) -> Mapping[str, Any]:
    changes = given(values, "allocation_type")
    return _view(service, await kept.change(service, IP_RANGE_GROUP, values["uuid"], changes))


async def _add_range(service: Service, context: RequestContext, values: Values) -> Mapping[str, Any]:
    addresses = values[ip_ranges.BEGIN], values[ip_ranges.END]
    row = await ip_ranges.add_range(service, context, values["ip_range_group_uuid"], values.get("uuid", ""), addresses)
    return _view_range(service, row)


async def _remove_range(service: Service, _context: RequestContext, values: Values) -> list[str]:
    owner, member = (IP_RANGE_GROUP, values["uuid"]), (IP_RANGE, values["ip_range_uuid"])
    await ip_ranges.remove_member(service, owner, member)
    return [member[1]]


ENDPOINTS: tuple[Endpoint, ...] = (
    Endpoint("POST", "/ip_range_groups", (*_SHARED, uuid(IP_RANGE_GROUP)), _create),
    *reading_and_deleting(kept_collection(IP_RANGE_GROUP)),
    Endpoint("PUT", "/ip_range_groups/:uuid", _SHARED, _update),
    Endpoint(
        "POST",
        "/ip_range_groups/:ip_range_group_uuid/ip_ranges",
        (uuid(IP_RANGE), ipv4(ip_ranges.BEGIN, required=True), ipv4(ip_ranges.END, required=True)),
        _add_range,
    ),
    listing(
        "/ip_range_groups/:uuid/ip_ranges",
        lambda service, owner: kept.related(service, IP_RANGE_GROUP, owner, IP_RANGE),
        _view_range,
    ),
    Endpoint("DELETE", "/ip_range_groups/:uuid/ip_ranges/:ip_range_uuid", (), _remove_range),
)
"""What answers for ranges of addresses. Ranges show their ends as integers, as OpenVNet does."""
