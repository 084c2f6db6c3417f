"""``/mac_range_groups``: groups of MACs for new interfaces."""

from collections.abc import Mapping
from typing import Any

from patchbay.api.openvnet.endpoint import Endpoint, Values
from patchbay.api.openvnet.parameters import mac, text, uuid
from patchbay.api.openvnet.standard import given, kept_collection, listing, reading_and_deleting, view_of
from patchbay.service.context import RequestContext
from patchbay.service.service import Service
from patchbay.service.vnet import ip_ranges, kept, mac_ranges
from patchbay.service.vnet.kinds import MAC_RANGE, MAC_RANGE_GROUP
from patchbay.service.vnet.ranges import RANDOM

_SHARED = (text("allocation_type"),)
_view, _view_range = view_of(MAC_RANGE_GROUP), view_of(MAC_RANGE)


async def _create(service: Service, context: RequestContext, values: Values) -> Mapping[str, Any]:
    attributes = {"allocation_type": RANDOM, **given(values, "allocation_type")}
    new = kept.NewRow(kind=MAC_RANGE_GROUP, uuid=values.get("uuid", ""), values=attributes)
    return _view(service, await kept.create(service, context, new))


async def _update(service: Service, _context: RequestContext, values: Values) -> Mapping[str, Any]:
    changes = given(values, "allocation_type")
    return _view(service, await kept.change(service, MAC_RANGE_GROUP, values["uuid"], changes))


async def _add_range(service: Service, context: RequestContext, values: Values) -> Mapping[str, Any]:
    addresses = values[mac_ranges.BEGIN], values[mac_ranges.END]
    row = await mac_ranges.add_range(
        service, context, values["mac_range_group_uuid"], values.get("uuid", ""), addresses
    )
    return _view_range(service, row)


async def _remove_range(service: Service, _context: RequestContext, values: Values) -> list[str]:
    owner, member = (MAC_RANGE_GROUP, values["uuid"]), (MAC_RANGE, values["mac_range_uuid"])
    await ip_ranges.remove_member(service, owner, member)
    return [member[1]]


ENDPOINTS: tuple[Endpoint, ...] = (
    Endpoint("POST", "/mac_range_groups", (*_SHARED, uuid(MAC_RANGE_GROUP)), _create),
    *reading_and_deleting(kept_collection(MAC_RANGE_GROUP)),
    Endpoint("PUT", "/mac_range_groups/:uuid", _SHARED, _update),
    Endpoint(
        "POST",
        "/mac_range_groups/:mac_range_group_uuid/mac_ranges",
        (uuid(MAC_RANGE), mac(mac_ranges.BEGIN, required=True), mac(mac_ranges.END, required=True)),
        _add_range,
    ),
    listing(
        "/mac_range_groups/:uuid/mac_ranges",
        lambda service, owner: kept.related(service, MAC_RANGE_GROUP, owner, MAC_RANGE),
        _view_range,
    ),
    Endpoint("DELETE", "/mac_range_groups/:uuid/mac_ranges/:mac_range_uuid", (), _remove_range),
)
"""What answers for ranges of MACs. Ranges show their ends as integers, as OpenVNet does."""
