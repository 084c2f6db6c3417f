"""MAC and IP leases: what of a port they are, and finding them (``vnet/models/mac_lease.rb``, ``ip_lease.rb``).

A MAC lease is the MAC of one or more ports of an interface, one for each network that it has addresses in; an IP lease
is an IPv4 address of such a port. Those without a row have uuids that follow from the port. A lease that nothing uses
yet is only a row.
"""

from collections.abc import Collection
from ipaddress import IPv4Address

import msgspec

from patchbay.intent.database import IntentDatabase
from patchbay.model import Port, Subnet, VnetObject
from patchbay.service.service import Service
from patchbay.service.vnet.errors import ArgumentError, UnknownUUIDResource
from patchbay.service.vnet.kinds import INTERFACE, IP_LEASE, MAC_LEASE, NETWORK
from patchbay.service.vnet.objects import DERIVED as DERIVED_OF_ID
from patchbay.service.vnet.objects import (
    FINDERS,
    FURTHER_PORTS,
    Data,
    Face,
    age,
    base36,
    common,
    data_of,
    derived_uuid,
    face_of,
    find,
    get,
    number_or_none,
    owner_row,
    rows,
    uuid_of,
)

MAC_LEASES = "mac_leases"
"""In an interface's data: uuids of those of its MAC leases that have rows, in their order."""

DERIVED = 16
"""Characters of the uuid of an IP lease without a row: 80 bits in base 36."""


class MacLease(msgspec.Struct, frozen=True):
    """A MAC of an interface, and the ports that have it."""

    uuid: str
    mac_address: str
    interface_uuid: str
    row: VnetObject | None
    ports: tuple[Port, ...]

    @property
    def segment_uuid(self) -> str | None:
        """The segment that the lease was made for."""
        segment: str | None = data_of(self.row).get("segment_uuid") if self.row is not None else None
        return segment


class IpLease(msgspec.Struct, frozen=True):
    """An IPv4 address of a network (a subnet's id), of a port or of nobody."""

    uuid: str
    ipv4_address: str
    subnet_id: str
    mac_lease_uuid: str | None
    interface_uuid: str | None
    row: VnetObject | None
    port: Port | None


def interface_of(service: Service, port_id: str) -> Face:
    """The interface that the port belongs to."""
    owner = owner_row(service.db, port_id)
    return (
        face_of(service, INTERFACE, port_id) if owner is None else Face(INTERFACE, owner.uuid, owner.object_id, owner)
    )


def ports_of(service: Service, interface: Face) -> list[Port]:
    """The ports of an interface, the first one first."""
    ids = [interface.object_id, *interface.data.get(FURTHER_PORTS, ())]
    return [service.db.ports[id_] for id_ in ids if id_ in service.db.ports]


def mac_leases_of(service: Service, interface: Face) -> list[MacLease]:
    """The MAC leases of an interface, the first one first."""
    ports = ports_of(service, interface)
    found: list[MacLease] = []
    for uuid in interface.data.get(MAC_LEASES, ()):
        face = find(service, MAC_LEASE, uuid)
        if face is not None and face.row is not None:
            address = _mac_of(service.db, face.row)
            its = tuple(port for port in ports if port.mac_address == address)
            found.append(MacLease(uuid, address, interface.uuid, face.row, its))
    for port in ports:
        if not any(port.mac_address == lease.mac_address for lease in found):
            its = tuple(one for one in ports if one.mac_address == port.mac_address)
            uuid = derived_uuid(MAC_LEASE, port.id)
            found.append(MacLease(uuid, port.mac_address, interface.uuid, None, its))
    return found


def _mac_of(db: IntentDatabase, row: VnetObject) -> str:
    if row.object_id in db.ports:
        return db.ports[row.object_id].mac_address
    return str(data_of(row)["mac_address"])


def ip_leases_of(service: Service, lease: MacLease) -> list[IpLease]:
    """The IP leases of a MAC lease, in the order of their addresses."""
    found = []
    for port in lease.ports:
        kept = _rows_by_address(service.db, port)
        for ip in port.fixed_ips:
            if ":" not in ip.ip_address:
                row = kept.get(ip.ip_address)
                uuid = derived_ip_lease(port.id, ip.ip_address) if row is None else row.uuid
                found.append(IpLease(uuid, ip.ip_address, ip.subnet_id, lease.uuid, lease.interface_uuid, row, port))
    return sorted(found, key=lambda lease: age_of_ip_lease(lease.row, lease.port, lease.ipv4_address))


def age_of_ip_lease(row: VnetObject | None, port: Port | None, address: str) -> tuple[str, int, str, int]:
    """Sorts IP leases by when they were made; those without a row by their port's time and their address."""
    if row is not None:
        return *age(row), 0
    return "" if port is None else port.created_at, 0, "", int(IPv4Address(address))


def _rows_by_address(db: IntentDatabase, port: Port) -> dict[str, VnetObject]:
    of_port = (db.vnet_objects[id_] for id_ in db.vnet_objects_by_object.get(port.id, ()))
    return {data_of(row)["ipv4_address"]: row for row in of_port if row.kind == IP_LEASE.name}


def derived_ip_lease(port_id: str, address: str) -> str:
    """The uuid of an IP lease without a row: 48 bits of the port's id and the address, in base 36."""
    number = (int(port_id.replace("-", "")[:12], 16) << 32) | int(IPv4Address(address))
    return f"{IP_LEASE.prefix}-{base36(number, DERIVED)}"


def _port_of_ip_lease(db: IntentDatabase, uuid: str) -> str:
    """The id of the port whose address the uuid follows from, or ""."""
    tail = uuid.removeprefix(f"{IP_LEASE.prefix}-")
    if len(tail) != DERIVED or not (tail.isascii() and tail.isalnum()):
        return ""
    address = str(IPv4Address(int(tail, 36) & 0xFFFFFFFF))
    beginning = f"{int(tail, 36) >> 32:012x}"
    for port in db.ports_beginning(f"{beginning[:8]}-{beginning[8:]}"):
        has = any(ip.ip_address == address for ip in port.fixed_ips)
        if has and derived_ip_lease(port.id, address) == uuid and address not in _rows_by_address(db, port):
            return port.id
    return ""


def _port_of_mac_lease(db: IntentDatabase, uuid: str) -> str:
    """The id of the port whose MAC the uuid follows from, or "": rows of the port's MAC leases come first."""
    tail = uuid.removeprefix(f"{MAC_LEASE.prefix}-")
    if not (tail.isascii() and tail.isalnum()) or len(tail) != DERIVED_OF_ID:
        return ""
    beginning = f"{int(tail, 36):016x}"[:8]
    return next((port.id for port in db.ports_beginning(beginning) if derived_uuid(MAC_LEASE, port.id) == uuid), "")


FINDERS[IP_LEASE.name] = _port_of_ip_lease
FINDERS[MAC_LEASE.name] = _port_of_mac_lease


def get_mac_lease(service: Service, uuid: str, parameter: str = "uuid") -> MacLease:
    """The MAC lease. Raises InvalidUUID or UnknownUUIDResource."""
    face = get(service, MAC_LEASE, uuid, parameter)
    if face.object_id:
        interface: Face | None = interface_of(service, face.object_id)
    else:
        interface = find(service, INTERFACE, face.data["interface_uuid"])
    found = (lease for lease in (mac_leases_of(service, interface) if interface else ()) if lease.uuid == uuid)
    lease = next(found, None)
    if lease is None:
        raise UnknownUUIDResource(MAC_LEASE, uuid, parameter)
    return lease


def get_ip_lease(service: Service, uuid: str, parameter: str = "uuid") -> IpLease:
    """The IP lease. Raises InvalidUUID or UnknownUUIDResource."""
    face = get(service, IP_LEASE, uuid, parameter)
    if not face.object_id:
        assert face.row is not None, "what has no port has a row"
        return _free(face.row)
    for mac_lease in mac_leases_of(service, interface_of(service, face.object_id)):
        for lease in ip_leases_of(service, mac_lease):
            if lease.uuid == uuid:
                return lease
    raise UnknownUUIDResource(IP_LEASE, uuid, parameter)


def _free(row: VnetObject) -> IpLease:
    data = data_of(row)
    return IpLease(row.uuid, data["ipv4_address"], data["subnet_id"], None, None, row, None)


def check_unreserved(service: Service, subnet: Subnet, address: str, going: Collection[str] = ()) -> None:
    """Raises ArgumentError when an IP lease of nobody, besides those (by uuid) that go, has the address."""
    for row in rows(service, IP_LEASE, subnet_id=subnet.id, ipv4_address=address):
        if not row.object_id and row.uuid not in going:
            raise ArgumentError(
                f"IP Address {address} is that of IP lease {row.uuid}", f"Attach {row.uuid}, or choose another address."
            )


def mac_lease_view(service: Service, lease: MacLease) -> Data:
    """The MAC lease as OpenVNet shows it."""
    port_id = lease.ports[0].id if lease.ports else ""
    return {
        **common(service, Face(MAC_LEASE, lease.uuid, port_id, lease.row)),
        "interface_id": number_or_none(service, INTERFACE, lease.interface_uuid),
        "interface_uuid": lease.interface_uuid,
        "mac_address": lease.mac_address,
        "segment_uuid": lease.segment_uuid,
    }


def ip_lease_view(service: Service, lease: IpLease) -> Data:
    """The IP lease as OpenVNet shows it."""
    port_id = lease.port.id if lease.port is not None else ""
    network = uuid_of(service, NETWORK, lease.subnet_id)
    kept = data_of(lease.row) if lease.row is not None else {}
    return {
        **common(service, Face(IP_LEASE, lease.uuid, port_id, lease.row)),
        "interface_id": number_or_none(service, INTERFACE, lease.interface_uuid),
        "interface_uuid": lease.interface_uuid,
        "mac_lease_id": number_or_none(service, MAC_LEASE, lease.mac_lease_uuid),
        "mac_lease_uuid": lease.mac_lease_uuid,
        "network_id": number_or_none(service, NETWORK, network),
        "network_uuid": network,
        "ipv4_address": lease.ipv4_address,
        "enable_routing": kept.get("enable_routing", False),
    }
