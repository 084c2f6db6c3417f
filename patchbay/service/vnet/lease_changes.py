"""MAC and IP leases come, change and go (``vnet/node_api/mac_lease.rb``, ``ip_lease.rb``)."""

from collections.abc import Collection, Mapping
from ipaddress import IPv4Address
from typing import Any

from patchbay.intent.database import Delete, Insert, Update, Write
from patchbay.model import Subnet, VnetObject
from patchbay.service.access import Attempt, carry_out, touched
from patchbay.service.context import RequestContext
from patchbay.service.service import Service
from patchbay.service.vnet import containers
from patchbay.service.vnet.cascade import distinct, removal_of_referring
from patchbay.service.vnet.draft import Draft, MacDraft, check_in_subnet
from patchbay.service.vnet.errors import ArgumentError
from patchbay.service.vnet.interfaces import ip_lease_row
from patchbay.service.vnet.kinds import INTERFACE, IP_LEASE, MAC_LEASE, NETWORK, SEGMENT
from patchbay.service.vnet.leases import (
    IpLease,
    MacLease,
    check_unreserved,
    get_ip_lease,
    get_mac_lease,
    interface_of,
    ip_leases_of,
    mac_leases_of,
)
from patchbay.service.vnet.networks import subnet_of
from patchbay.service.vnet.objects import changed, check_fresh, find, get, insertion, new_row, new_uuid, update
from patchbay.service.vnet.room import make_room


async def create_mac_lease(service: Service, context: RequestContext, values: Mapping[str, Any]) -> MacLease:
    """One MAC more for an interface. ``values``: uuid, interface_uuid, mac_address, segment_uuid.

    With a segment it is on that segment at once. Raises DuplicateUUID, UnknownUUIDResource, or ArgumentError when the
    interface has the MAC already, or another one of the segment.
    """
    uuid = values.get("uuid") or new_uuid(MAC_LEASE)

    def plan(attempt: Attempt) -> tuple[None, list[Write]]:
        check_fresh(service, MAC_LEASE, values)
        interface = get(service, INTERFACE, values["interface_uuid"], "interface_uuid")
        segment = get(service, SEGMENT, values["segment_uuid"], "segment_uuid") if "segment_uuid" in values else None
        draft = Draft(service, context, attempt, interface)
        address = values["mac_address"]
        has = next((name for name, mac in draft.macs.items() if mac.address == address), None)
        if has is not None:
            raise ArgumentError(
                f"MAC address {address} is that of {has} of {interface.uuid}", "Use that MAC lease for more addresses."
            )
        more = {} if segment is None else {"segment_uuid": segment.uuid, "network_id": segment.object_id}
        row = new_row(context, MAC_LEASE, uuid, interface_uuid=interface.uuid, mac_address=address, **more)
        draft.add_mac(uuid, address, row, "" if segment is None else segment.object_id)
        return None, draft.writes()

    await carry_out(service, f"MAC lease {uuid}", plan)
    return get_mac_lease(service, uuid)


async def update_mac_lease(service: Service, context: RequestContext, uuid: str, values: Mapping[str, Any]) -> MacLease:
    """The MAC lease with its IP leases as another interface's (``interface_uuid``).

    Raises UnknownUUIDResource, or ArgumentError for another MAC address, and between interfaces of two sorts.
    """

    def plan(attempt: Attempt) -> tuple[None, list[Write]]:
        lease = get_mac_lease(service, uuid)
        if values.get("mac_address", lease.mac_address) != lease.mac_address:
            raise ArgumentError(
                "Unsupported update key: mac_address", f"MAC lease {uuid} has {lease.mac_address}; make another."
            )
        wanted = values.get("interface_uuid", lease.interface_uuid)
        target = get(service, INTERFACE, wanted, "interface_uuid")
        if target.uuid == lease.interface_uuid:
            return None, []
        old = Draft(service, context, attempt, get(service, INTERFACE, lease.interface_uuid))
        new = Draft(service, context, attempt, target)
        if lease.row is None:
            old.keep()
            row = new_row(context, MAC_LEASE, uuid, interface_uuid=old.uuid, mac_address=lease.mac_address)
            old.macs[uuid] = MacDraft(lease.mac_address, None, row, is_known=True)
        ip_rows = [one.row for one in ip_leases_of(service, lease) if one.row is not None]
        new.take_over(old, uuid)
        moved = [write for row in ip_rows for write in update(row, changed(row, interface_uuid=new.uuid))]
        return None, [*old.writes(), *new.writes(), *moved]

    await carry_out(service, f"MAC lease {uuid}", plan)
    return get_mac_lease(service, uuid)


async def delete_mac_lease(service: Service, context: RequestContext, uuid: str) -> None:
    """The MAC lease goes, with its IP leases and ports. Raises UnknownUUIDResource, or ServicePortInUse."""

    def plan(attempt: Attempt) -> tuple[None, list[Write]]:
        lease = get_mac_lease(service, uuid)
        interface = get(service, INTERFACE, lease.interface_uuid)
        draft = Draft(service, context, attempt, interface)
        writes: list[Write] = [Delete(lease.row)] if lease.row is not None else []
        for one in ip_leases_of(service, lease):
            writes += [Delete(one.row)] if one.row is not None else []
            writes += removal_of_referring(service, IP_LEASE, one.uuid)
        draft.keep()
        draft.remove_mac(uuid)
        return None, distinct([*draft.writes(), *writes, *removal_of_referring(service, MAC_LEASE, uuid)])

    await carry_out(service, f"MAC lease {uuid}", plan)


async def create_ip_lease(service: Service, context: RequestContext, values: Mapping[str, Any]) -> IpLease:
    """A new IP lease. ``values``: as for ``planned_ip_lease``, which says what is raised."""
    uuid = values.get("uuid") or new_uuid(IP_LEASE)

    def plan(attempt: Attempt) -> tuple[None, list[Write]]:
        writes = planned_ip_lease(service, context, attempt, {**values, "uuid": uuid})
        if "mac_lease_uuid" not in values and "interface_uuid" not in values:
            # Nobody's lease is in no index of addresses: two that name one address at once must not both succeed.
            subnet = subnet_of(service, get(service, NETWORK, values["network_uuid"]))
            network = service.db.networks[subnet.network_id]
            writes.append(Update(network, touched(network)))
        return None, writes

    check_fresh(service, IP_LEASE, values)
    await make_room(service, values)
    await carry_out(service, f"IP lease {uuid}", plan)
    return get_ip_lease(service, uuid)


def planned_ip_lease(
    service: Service, context: RequestContext, attempt: Attempt, values: Mapping[str, Any], going: Collection[str] = ()
) -> list[Write]:
    """The writes of a new IP lease: uuid, network_uuid, ipv4_address, mac_lease_uuid, interface_uuid, enable_routing.

    Without interface and MAC lease it is nobody's until it is attached. Addresses of IP leases of nobody that go in the
    same transaction (``going``: their uuids) are free. Raises DuplicateUUID, UnknownUUIDResource,
    ArgumentError, or the errors of ``Allocator.allocate``.
    """
    check_fresh(service, IP_LEASE, values)
    subnet = subnet_of(service, get(service, NETWORK, values["network_uuid"], "network_uuid"))
    address, uuid = values["ipv4_address"], values.get("uuid", "")
    check_in_subnet(subnet, address)
    more = {"enable_routing": values["enable_routing"]} if "enable_routing" in values else {}
    lease = _wanted_mac_lease(service, values)
    check_unreserved(service, subnet, address, going)
    if lease is None:
        _check_unused(service, subnet, address)
        return insertion(service, ip_lease_row(service, context, subnet, address, uuid=uuid, **more))
    draft = Draft(service, context, attempt, get(service, INTERFACE, lease.interface_uuid))
    port = draft.add_ip(lease.uuid, subnet, address)
    row = ip_lease_row(
        service,
        context,
        subnet,
        address,
        uuid=uuid,
        interface_uuid=lease.interface_uuid,
        mac_lease_uuid=lease.uuid,
        port_id=port.id,
        **more,
    )
    return [*draft.writes(), *insertion(service, row)]


def _wanted_mac_lease(service: Service, values: Mapping[str, Any]) -> MacLease | None:
    """The MAC lease that an IP lease is to be attached to: named, or the interface's first; None when neither is."""
    mac_lease_uuid, interface_uuid = values.get("mac_lease_uuid"), values.get("interface_uuid")
    if mac_lease_uuid is None and interface_uuid is None:
        return None
    leases = [] if mac_lease_uuid is None else [get_mac_lease(service, mac_lease_uuid, "mac_lease_uuid")]
    if interface_uuid is not None:
        interface = get(service, INTERFACE, interface_uuid, "interface_uuid")
        of_interface = mac_leases_of(service, interface)
        leases = [one for one in of_interface if mac_lease_uuid in (None, one.uuid)]
    if not leases:
        raise ArgumentError(
            "Could not find fitting interface or mac lease",
            f"Give {interface_uuid} a MAC lease first, or name a MAC lease that is its own.",
        )
    return leases[0]


def _check_unused(service: Service, subnet: Subnet, address: str) -> None:
    """Raises ArgumentError when a port has the address."""
    port_id = service.db.addresses(subnet.id).get(int(IPv4Address(address)))
    if port_id is not None:
        raise ArgumentError(
            f"IP Address {address} is in use by {interface_of(service, port_id).uuid}", "Choose another address."
        )


async def update_ip_lease(service: Service, context: RequestContext, uuid: str, values: Mapping[str, Any]) -> IpLease:
    """The IP lease with another ``enable_routing``.

    Raises UnknownUUIDResource, or ArgumentError for another network, address or MAC lease than it has.
    """

    def plan(_attempt: Attempt) -> tuple[None, list[Write]]:
        lease = get_ip_lease(service, uuid)
        _check_kept(service, lease, values)
        if "enable_routing" not in values:
            return None, []
        if lease.row is not None:
            return None, update(lease.row, changed(lease.row, enable_routing=values["enable_routing"]))
        row = _row_for(service, context, lease, enable_routing=values["enable_routing"])
        return None, [Insert(row)]

    await carry_out(service, f"IP lease {uuid}", plan)
    return get_ip_lease(service, uuid)


def _check_kept(service: Service, lease: IpLease, values: Mapping[str, Any]) -> None:
    subnet = service.db.subnets[lease.subnet_id]
    network = find(service, NETWORK, values["network_uuid"]) if "network_uuid" in values else None
    wanted = {"ipv4_address": lease.ipv4_address, "mac_lease_uuid": lease.mac_lease_uuid}
    wrong = [name for name, has in wanted.items() if values.get(name, has) != has]
    if "network_uuid" in values and (network is None or network.object_id != subnet.id):
        wrong.append("network_uuid")
    if wrong:
        raise ArgumentError(
            f"Unsupported update key: {wrong[0]}", f"IP lease {lease.uuid} stays what it is: make another."
        )


def _row_for(service: Service, context: RequestContext, lease: IpLease, **more: Any) -> VnetObject:
    """A row for an IP lease that has none; it keeps its uuid."""
    return ip_lease_row(
        service,
        context,
        service.db.subnets[lease.subnet_id],
        lease.ipv4_address,
        uuid=lease.uuid,
        interface_uuid=lease.interface_uuid,
        mac_lease_uuid=lease.mac_lease_uuid,
        port_id="" if lease.port is None else lease.port.id,
        **more,
    )


async def attach_ip_lease(service: Service, context: RequestContext, uuid: str, values: Mapping[str, Any]) -> IpLease:
    """The IP lease as that of a MAC lease (``mac_lease_uuid``) or of an interface's first (``interface_uuid``).

    Raises UnknownUUIDResource, or ArgumentError when it is attached already, or to nothing.
    """

    def plan(attempt: Attempt) -> tuple[None, list[Write]]:
        lease = get_ip_lease(service, uuid)
        wanted = _wanted_mac_lease(service, values)
        if wanted is None:
            raise ArgumentError("Need valid interface or mac lease", "Give interface_uuid or mac_lease_uuid.")
        return None, planned_attachment(service, context, attempt, lease, wanted)

    await carry_out(service, f"IP lease {uuid}", plan)
    return get_ip_lease(service, uuid)


def planned_attachment(
    service: Service, context: RequestContext, attempt: Attempt, lease: IpLease, wanted: MacLease
) -> list[Write]:
    """The writes that attach an IP lease of nobody to the MAC lease. Raises ArgumentError when it is attached."""
    if lease.port is not None or lease.row is None:
        raise ArgumentError("Already attached", f"Release {lease.uuid} from {lease.interface_uuid} first.")
    draft = Draft(service, context, attempt, get(service, INTERFACE, wanted.interface_uuid))
    port = draft.add_ip(wanted.uuid, service.db.subnets[lease.subnet_id], lease.ipv4_address)
    ends = {"interface_uuid": wanted.interface_uuid, "mac_lease_uuid": wanted.uuid}
    noted = containers.released(service, lease.uuid, is_released=False)
    return [
        *draft.writes(),
        *noted,
        *update(lease.row, changed(lease.row, object_id=port.id, name=None, dpid=None, **ends)),
    ]


async def release_ip_lease(service: Service, context: RequestContext, uuid: str) -> IpLease:
    """The IP lease as nobody's; its address stays its own. Raises UnknownUUIDResource, or ArgumentError."""

    def plan(attempt: Attempt) -> tuple[None, list[Write]]:
        return None, planned_release(service, context, attempt, get_ip_lease(service, uuid))

    await carry_out(service, f"IP lease {uuid}", plan)
    return get_ip_lease(service, uuid)


def planned_release(service: Service, context: RequestContext, attempt: Attempt, lease: IpLease) -> list[Write]:
    """The writes that release an attached IP lease. Raises ArgumentError when it is nobody's."""
    if lease.interface_uuid is None:
        raise ArgumentError("Not attached", f"IP lease {lease.uuid} is nobody's: attach it first.")
    draft = Draft(service, context, attempt, get(service, INTERFACE, lease.interface_uuid))
    draft.remove_ip(lease)
    noted = containers.released(service, lease.uuid, is_released=True)
    if lease.row is None:
        free = _row_for(service, context, lease)
        return [*draft.writes(), *noted, Insert(changed(free, object_id="", interface_uuid=None, mac_lease_uuid=None))]
    free = changed(lease.row, object_id="", interface_uuid=None, mac_lease_uuid=None)
    return [*draft.writes(), *noted, *update(lease.row, free)]


async def delete_ip_lease(service: Service, context: RequestContext, uuid: str) -> None:
    """The IP lease goes, and its interface's port with its last address. Raises UnknownUUIDResource."""

    def plan(attempt: Attempt) -> tuple[None, list[Write]]:
        return None, planned_ip_lease_removal(service, context, attempt, get_ip_lease(service, uuid))

    await carry_out(service, f"IP lease {uuid}", plan)


def planned_ip_lease_removal(
    service: Service, context: RequestContext, attempt: Attempt, lease: IpLease
) -> list[Write]:
    """The writes that delete an IP lease with what refers to it."""
    writes: list[Write] = [Delete(lease.row)] if lease.row is not None else []
    if lease.interface_uuid is not None:
        draft = Draft(service, context, attempt, get(service, INTERFACE, lease.interface_uuid))
        draft.remove_ip(lease)
        writes += draft.writes()
    return distinct([*writes, *removal_of_referring(service, IP_LEASE, lease.uuid)])
