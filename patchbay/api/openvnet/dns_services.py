"""``/dns_services``: name servers of a network, and names of its own."""

from collections.abc import Mapping
from typing import Any

from patchbay.api.openvnet.endpoint import Endpoint, Values
from patchbay.api.openvnet.parameters import Param, ipv4, text, uuid
from patchbay.api.openvnet.standard import kept_collection, listing, reading_and_deleting, view_of
from patchbay.model import VnetObject
from patchbay.service.context import RequestContext
from patchbay.service.service import Service
from patchbay.service.vnet import ip_ranges, kept, network_services
from patchbay.service.vnet.kinds import DNS_RECORD, DNS_SERVICE, NETWORK_SERVICE

_SHARED: tuple[Param, ...] = (text("public_dns"),)
_view = view_of(DNS_SERVICE)


def _view_record(service: Service, row: VnetObject) -> Mapping[str, Any]:
    return {**kept.described(service, DNS_RECORD, row), "name": row.name}


async def _create(service: Service, context: RequestContext, values: Values) -> Mapping[str, Any]:
    return _view(service, await network_services.create_dns(service, context, values))


async def _update(service: Service, _context: RequestContext, values: Values) -> Mapping[str, Any]:
    return _view(service, await network_services.change_dns(service, values["uuid"], values))


async def _add_record(service: Service, context: RequestContext, values: Values) -> Mapping[str, Any]:
    row = await network_services.add_record(service, context, values["dns_service_uuid"], values)
    return _view_record(service, row)


async def _remove_record(service: Service, _context: RequestContext, values: Values) -> list[str]:
    owner, member = (DNS_SERVICE, values["uuid"]), (DNS_RECORD, values["dns_record_uuid"])
    await ip_ranges.remove_member(service, owner, member)
    return [member[1]]


ENDPOINTS: tuple[Endpoint, ...] = (
    Endpoint(
        "POST",
        "/dns_services",
        (*_SHARED, uuid(DNS_SERVICE), uuid(NETWORK_SERVICE, "network_service_uuid", required=True)),
        _create,
    ),
    *reading_and_deleting(kept_collection(DNS_SERVICE)),
    Endpoint("PUT", "/dns_services/:uuid", _SHARED, _update),
    Endpoint(
        "POST",
        "/dns_services/:dns_service_uuid/dns_records",
        (
            uuid(DNS_RECORD, required=True),
            text("name", required=True),
            ipv4("ipv4_address", required=True),
        ),
        _add_record,
    ),
    listing(
        "/dns_services/:uuid/dns_records",
        lambda service, owner: kept.related(service, DNS_SERVICE, owner, DNS_RECORD),
        _view_record,
    ),
    Endpoint("DELETE", "/dns_services/:uuid/dns_records/:dns_record_uuid", (), _remove_record),
)
"""What answers for DNS services. Records show their address as an integer, as OpenVNet does."""
