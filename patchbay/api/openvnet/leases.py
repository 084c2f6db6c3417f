"""``/mac_leases`` and ``/ip_leases`` (``vnet/endpoints/1.0/mac_leases.rb``, ``ip_leases.rb``)."""

from patchbay.api.openvnet.endpoint import PAGE, Endpoint, Values, page
from patchbay.api.openvnet.parameters import Param, boolean, ipv4, mac, uuid
from patchbay.service.context import RequestContext
from patchbay.service.service import Service
from patchbay.service.vnet import lease_changes as changes
from patchbay.service.vnet.kinds import INTERFACE, IP_LEASE, MAC_LEASE, NETWORK, SEGMENT
from patchbay.service.vnet.lease_lists import ip_lease, listed_ip_leases, listed_mac_leases, mac_lease
from patchbay.service.vnet.leases import (
    get_ip_lease,
    get_mac_lease,
    ip_lease_view,
    mac_lease_view,
)


async def _create_mac(service: Service, context: RequestContext, values: Values) -> object:
    return mac_lease_view(service, await changes.create_mac_lease(service, context, values))


async def _list_mac(service: Service, _context: RequestContext, values: Values) -> object:
    found = listed_mac_leases(service)
    return page(values, found, lambda one: mac_lease_view(service, mac_lease(service, one)))


async def _show_mac(service: Service, _context: RequestContext, values: Values) -> object:
    return mac_lease_view(service, get_mac_lease(service, values["uuid"]))


async def _update_mac(service: Service, context: RequestContext, values: Values) -> object:
    return mac_lease_view(service, await changes.update_mac_lease(service, context, values["uuid"], values))


async def _delete_mac(service: Service, context: RequestContext, values: Values) -> object:
    await changes.delete_mac_lease(service, context, values["uuid"])
    return [values["uuid"]]


async def _create_ip(service: Service, context: RequestContext, values: Values) -> object:
    return ip_lease_view(service, await changes.create_ip_lease(service, context, values))


async def _list_ip(service: Service, _context: RequestContext, values: Values) -> object:
    found = listed_ip_leases(service)
    return page(values, found, lambda one: ip_lease_view(service, ip_lease(service, one)))


async def _show_ip(service: Service, _context: RequestContext, values: Values) -> object:
    return ip_lease_view(service, get_ip_lease(service, values["uuid"]))


async def _update_ip(service: Service, context: RequestContext, values: Values) -> object:
    return ip_lease_view(service, await changes.update_ip_lease(service, context, values["uuid"], values))


async def _attach_ip(service: Service, context: RequestContext, values: Values) -> object:
    return ip_lease_view(service, await changes.attach_ip_lease(service, context, values["uuid"], values))


async def _release_ip(service: Service, context: RequestContext, values: Values) -> object:
    return ip_lease_view(service, await changes.release_ip_lease(service, context, values["uuid"]))


async def _delete_ip(service: Service, context: RequestContext, values: Values) -> object:
    await changes.delete_ip_lease(service, context, values["uuid"])
    return [values["uuid"]]


_POST_MAC: tuple[Param, ...] = (
    uuid(INTERFACE, "interface_uuid", required=True),
    uuid(MAC_LEASE),
    uuid(SEGMENT, "segment_uuid"),
    mac("mac_address", required=True),
)
_POST_IP: tuple[Param, ...] = (
    boolean("enable_routing"),
    uuid(IP_LEASE),
    uuid(NETWORK, "network_uuid", required=True),
    ipv4("ipv4_address", required=True),
    uuid(MAC_LEASE, "mac_lease_uuid"),
    uuid(INTERFACE, "interface_uuid"),
)
_PUT_IP: tuple[Param, ...] = (
    boolean("enable_routing"),
    uuid(NETWORK, "network_uuid"),
    ipv4("ipv4_address"),
    uuid(MAC_LEASE, "mac_lease_uuid"),
)
_ATTACH: tuple[Param, ...] = (uuid(INTERFACE, "interface_uuid"), uuid(MAC_LEASE, "mac_lease_uuid"))

ENDPOINTS: tuple[Endpoint, ...] = (
    Endpoint("POST", "/mac_leases", _POST_MAC, _create_mac),
    Endpoint("GET", "/mac_leases", PAGE, _list_mac),
    Endpoint("GET", "/mac_leases/:uuid", (), _show_mac),
    Endpoint("DELETE", "/mac_leases/:uuid", (), _delete_mac),
    Endpoint("PUT", "/mac_leases/:uuid", (uuid(INTERFACE, "interface_uuid"), mac("mac_address")), _update_mac),
    Endpoint("POST", "/ip_leases", _POST_IP, _create_ip),
    Endpoint("GET", "/ip_leases", PAGE, _list_ip),
    Endpoint("GET", "/ip_leases/:uuid", (), _show_ip),
    Endpoint("DELETE", "/ip_leases/:uuid", (), _delete_ip),
    Endpoint("PUT", "/ip_leases/:uuid", _PUT_IP, _update_ip),
    Endpoint("PUT", "/ip_leases/:uuid/attach", _ATTACH, _attach_ip),
    Endpoint("PUT", "/ip_leases/:uuid/release", (), _release_ip),
)
"""What answers for MAC and IP leases."""
