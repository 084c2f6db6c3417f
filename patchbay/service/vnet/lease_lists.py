"""All MAC and IP leases in the order of their creation; only those that are shown are put together whole."""

from collections.abc import Collection

import msgspec

from patchbay.model import Port, VnetObject
from patchbay.service.service import Service
from patchbay.service.vnet.kinds import IP_LEASE, MAC_LEASE
from patchbay.service.vnet.leases import (
    IpLease,
    MacLease,
    age_of_ip_lease,
    get_ip_lease,
    get_mac_lease,
    interface_of,
    ip_leases_of,
    mac_leases_of,
)
from patchbay.service.vnet.objects import age, data_of, rows


class Listed(msgspec.Struct, frozen=True):
    """Where a lease is: its row, or the port (and its address) that it follows from."""

    row: VnetObject | None
    port: Port | None = None
    address: str = ""


def listed_mac_leases(service: Service) -> list[Listed]:
    """Every MAC lease; ``mac_lease`` gives the whole of one."""
    db = service.db
    found = [Listed(row) for row in rows(service, MAC_LEASE)]
    found += [Listed(None, port) for port in db.ports.values() if _is_mac_lease(service, port)]

    def made(one: Listed) -> tuple[str, int, str]:
        if one.row is not None:
            return age(one.row)
        assert one.port is not None
        return one.port.created_at, 0, one.port.id

    return sorted(found, key=made)


def _is_mac_lease(service: Service, port: Port) -> bool:
    """Whether a MAC lease without a row follows from the port: it is the first one of its MAC in its interface."""
    db = service.db
    kinds: Collection[str] = [db.vnet_objects[id_].kind for id_ in db.vnet_objects_by_object.get(port.id, ())]
    if not kinds or MAC_LEASE.name in kinds:
        return not kinds
    leases = mac_leases_of(service, interface_of(service, port.id))
    return any(lease.row is None and lease.ports[0].id == port.id for lease in leases)


def mac_lease(service: Service, listed: Listed) -> MacLease:
    """The whole of a listed MAC lease."""
    if listed.row is not None:
        return get_mac_lease(service, listed.row.uuid)
    assert listed.port is not None
    leases = mac_leases_of(service, interface_of(service, listed.port.id))
    return next(one for one in leases if one.row is None and one.ports[0].id == listed.port.id)


def listed_ip_leases(service: Service) -> list[Listed]:
    """Every IP lease, those of nobody too; ``ip_lease`` gives the whole of one."""
    found = [Listed(row) for row in rows(service, IP_LEASE)]
    known = {(one.row.object_id, data_of(one.row)["ipv4_address"]) for one in found if one.row is not None}
    found += [
        Listed(None, port, ip.ip_address)
        for port in service.db.ports.values()
        for ip in port.fixed_ips
        if ":" not in ip.ip_address and (port.id, ip.ip_address) not in known
    ]
    return sorted(found, key=lambda one: age_of_ip_lease(one.row, one.port, one.address))


def ip_lease(service: Service, listed: Listed) -> IpLease:
    """The whole of a listed IP lease."""
    if listed.row is not None:
        return get_ip_lease(service, listed.row.uuid)
    assert listed.port is not None
    leases = mac_leases_of(service, interface_of(service, listed.port.id))
    found = (one for lease in leases for one in ip_leases_of(service, lease))
    return next(one for one in found if one.port == listed.port and one.ipv4_address == listed.address)
