"""Ports: create, change, delete, show (Neutron API reference, "Ports")."""

import secrets
from collections.abc import Iterable, Sequence

import msgspec
from msgspec import UNSET

from patchbay.intent.database import Duplicate, Insert, Stale, StillReferenced, Update, Write
from patchbay.model import AddressPair, FixedIP, Port
from patchbay.service.access import (
    Attempt,
    beginning,
    carry_out,
    check_revision,
    is_visible,
    revised,
)
from patchbay.service.addresses import in_order
from patchbay.service.allocation import Allocator, split_kept
from patchbay.service.context import RequestContext
from patchbay.service.dhcp_options import changed_options
from patchbay.service.errors import (
    AllowedAddressPairExhausted,
    DuplicateAddressPairInRequest,
    IpAddressAlreadyAllocated,
    MacAddressInUse,
    PortBound,
    PortNotFound,
    TooMuchContention,
)
from patchbay.service.guests import check_guest
from patchbay.service.networks import get_network
from patchbay.service.port_security import guards, missing_defaults, protection, secured
from patchbay.service.port_uses import check_change, check_deletion, check_owner, deletion, released
from patchbay.service.service import ATTEMPTS, Reservations, Service, reservations
from patchbay.service.settings import NetworkSettings
from patchbay.service.specs import PortSpec, WantedIP, WantedPair
from patchbay.service.status import UNPLUGGED_VIF_TYPES, vif_type
from patchbay.service.targets import owns_network


def get_port(service: Service, context: RequestContext, port_id: str) -> Port:
    """The port, or PortNotFound. Who owns a network sees the ports of others there."""
    port = service.db.ports.get(port_id)
    if port is None or not (is_visible(context, port) or owns_network(service, context, port)):
        raise PortNotFound(port_id)
    return port


def get_own_port(service: Service, context: RequestContext, port_id: str) -> Port:
    """A port that the caller may attach something to: one of its project. PortNotFound for those of others."""
    port = get_port(service, context, port_id)
    if not is_visible(context, port):
        raise PortNotFound(port_id)
    return port


async def create_ports(service: Service, context: RequestContext, specs: Sequence[PortSpec]) -> list[Port]:
    """New ports, all or none.

    When another server takes an address or MAC first, others are chosen, unless the user named them.
    Raises NetworkNotFound, the errors of ``Allocator.allocate``, MacAddressInUse, TooMuchContention.
    """
    for attempt in range(ATTEMPTS):
        with reservations() as taken:
            ports = _new_ports(service, context, specs, taken, spread=attempt > 0)
            for port in ports:
                check_guest(service, context, None, port)
            # The networks are written as they are: this fails when one has got subnets that do not show here yet.
            networks = [service.db.networks[id_] for id_ in dict.fromkeys(port.network_id for port in ports)]
            try:
                await service.commit(
                    *(Update(one, one) for one in networks),
                    *missing_defaults(service, ports),
                    *guards(service, ports),
                    *(Insert(port) for port in ports),
                )
            except Duplicate as error:
                _explain(service, error, list(zip(specs, ports, strict=True)))
            except (Stale, StillReferenced):
                continue
            else:
                return ports
    raise TooMuchContention(f"network {specs[0].network_id}")


def _new_ports(
    service: Service, context: RequestContext, specs: Sequence[PortSpec], taken: Reservations, spread: bool
) -> list[Port]:
    """Ports with named addresses first, so that no other port of the request is given one of these."""
    allocators: dict[str, Allocator] = {}
    ports: dict[int, Port] = {}
    order = sorted(range(len(specs)), key=lambda index: not _names_address(specs[index]))
    for index in order:
        spec = specs[index]
        check_owner(service, context, spec.device_owner or "", spec.device_id or "")
        if spec.network_id not in allocators:
            get_network(service, context, spec.network_id)
            allocators[spec.network_id] = Allocator(service, spec.network_id, taken, spread)
        ports[index] = new_port(service.settings, context, spec, allocators[spec.network_id])
    return [ports[index] for index in range(len(specs))]


def _names_address(spec: PortSpec) -> bool:
    return spec.fixed_ips is not UNSET and any(ip.ip_address is not None for ip in spec.fixed_ips)


def new_port(settings: NetworkSettings, context: RequestContext, spec: PortSpec, allocator: Allocator) -> Port:
    """A port as asked for, with what was left open chosen; not yet in the database. Raises as ``create_ports``."""
    mac_address = _free_mac(settings, allocator) if spec.mac_address is UNSET else spec.mac_address
    device_owner = "" if spec.device_owner is UNSET else spec.device_owner
    port_security_enabled, security_groups = protection(allocator.service, context, spec)
    return Port(
        **beginning(context, spec),
        tags=tuple(sorted(set(spec.tags))),
        network_id=spec.network_id,
        mac_address=mac_address,
        fixed_ips=in_order(allocator.allocate(spec.fixed_ips, mac_address, device_owner)),
        admin_state_up=True if spec.admin_state_up is UNSET else spec.admin_state_up,
        device_id="" if spec.device_id is UNSET else spec.device_id,
        device_owner=device_owner,
        host="" if spec.host is UNSET else spec.host,
        vnic_type="normal" if spec.vnic_type is UNSET else spec.vnic_type,
        profile="{}" if spec.profile is UNSET else spec.profile,
        allowed_address_pairs=_pairs(settings, spec.allowed_address_pairs or (), mac_address),
        dns_name="" if spec.dns_name is UNSET else spec.dns_name,
        dns_domain="" if spec.dns_domain is UNSET else spec.dns_domain,
        extra_dhcp_opts=changed_options((), spec.extra_dhcp_opts or ()),
        port_security_enabled=port_security_enabled,
        security_groups=security_groups,
    )


def _free_mac(settings: NetworkSettings, allocator: Allocator) -> str:
    while not allocator.is_free_mac(mac_address := _random_mac(settings)):
        pass
    return mac_address


def _random_mac(settings: NetworkSettings) -> str:
    tail = secrets.token_hex(6 - len(settings.base_mac.split(":")))
    return ":".join((settings.base_mac, *(tail[i : i + 2] for i in range(0, len(tail), 2))))


def _pairs(settings: NetworkSettings, wanted: Iterable[WantedPair], mac_address: str) -> tuple[AddressPair, ...]:
    pairs: dict[AddressPair, None] = {}
    for pair in wanted:
        new = AddressPair(pair.ip_address, pair.mac_address or mac_address)
        if new in pairs:
            raise DuplicateAddressPairInRequest(new.mac_address, new.ip_address)
        pairs[new] = None
    if len(pairs) > settings.max_allowed_address_pair:
        raise AllowedAddressPairExhausted(settings.max_allowed_address_pair)
    return tuple(sorted(pairs, key=lambda pair: (pair.ip_address, pair.mac_address)))


def _explain(service: Service, error: Duplicate, pairs: Sequence[tuple[PortSpec, Port]]) -> None:
    """Raise the conflict when what is in use was named by the user; return when another choice may do."""
    if error.table == "Port":
        macs = [(port.network_id, port.mac_address) for spec, port in pairs if spec.mac_address is not UNSET]
        for network_id, mac_address in macs:
            if macs.count((network_id, mac_address)) > 1 or mac_address in _macs(service, network_id):
                raise MacAddressInUse(network_id, mac_address) from error
        if len(macs) == len(pairs):
            raise MacAddressInUse(*macs[0]) from error
    elif error.table == "Address":
        named = [(ip.ip_address, ip.subnet_id) for spec, port in pairs for ip in port.fixed_ips if _is_named(spec, ip)]
        if len(named) == sum(len(port.fixed_ips) for _, port in pairs):
            raise IpAddressAlreadyAllocated(*named[0]) from error


def _is_named(spec: PortSpec, fixed_ip: FixedIP) -> bool:
    return spec.fixed_ips is not UNSET and any(ip.ip_address == fixed_ip.ip_address for ip in spec.fixed_ips)


def _macs(service: Service, network_id: str) -> set[str]:
    return {service.db.ports[id_].mac_address for id_ in service.db.ports_by_network.get(network_id, ())}


async def update_port(
    service: Service, context: RequestContext, port_id: str, spec: PortSpec, if_match: int | None = None
) -> Port:
    """The port as changed.

    Raises PortNotFound, PortBound, MacAddressInUse, the errors of ``Allocator.allocate`` and ``check_change``, or
    RevisionNumberConstraintFailed.
    """
    for attempt in range(ATTEMPTS):
        old = get_port(service, context, port_id)
        check_revision(old, if_match)
        with reservations() as taken:
            new = _changed(service, old, spec, Allocator(service, old.network_id, taken, attempt > 0))
            new = revised(old, secured(service, context, old, new, spec))
            if new is old:
                if attempt:
                    return old
                await service.catch_up()
                continue
            check_change(service, context, old, new)
            check_guest(service, context, old, new)
            try:
                guarded = guards(service, [new]) if new.security_groups != old.security_groups else []
                await service.commit(*released(service, old, new.fixed_ips), *guarded, Update(old, new))
            except Duplicate as error:
                _explain(service, error, [(spec, new)])
            except (Stale, StillReferenced):
                continue
            else:
                return new
    raise TooMuchContention(f"port {port_id}")


def _changed(service: Service, old: Port, spec: PortSpec, allocator: Allocator) -> Port:
    mac_address = old.mac_address if spec.mac_address is UNSET else spec.mac_address
    device_owner = old.device_owner if spec.device_owner is UNSET else spec.device_owner
    if mac_address != old.mac_address:
        _check_mac_change(service, old, mac_address)
    new = msgspec.structs.replace(
        old,
        name=old.name if spec.name is UNSET else spec.name,
        description=old.description if spec.description is UNSET else spec.description,
        mac_address=mac_address,
        admin_state_up=old.admin_state_up if spec.admin_state_up is UNSET else spec.admin_state_up,
        device_id=old.device_id if spec.device_id is UNSET else spec.device_id,
        device_owner=device_owner,
        host=old.host if spec.host is UNSET else spec.host,
        vnic_type=old.vnic_type if spec.vnic_type is UNSET else spec.vnic_type,
        profile=old.profile if spec.profile is UNSET else spec.profile,
        dns_name=old.dns_name if spec.dns_name is UNSET else spec.dns_name,
        dns_domain=old.dns_domain if spec.dns_domain is UNSET else spec.dns_domain,
        extra_dhcp_opts=changed_options(old.extra_dhcp_opts, spec.extra_dhcp_opts or ()),
    )
    if spec.allowed_address_pairs is not UNSET:
        pairs = _pairs(service.settings, spec.allowed_address_pairs, mac_address)
        new = msgspec.structs.replace(new, allowed_address_pairs=pairs)
    if spec.fixed_ips is UNSET and mac_address == old.mac_address:
        return new
    wanted = [WantedIP(subnet_id=ip.subnet_id, ip_address=ip.ip_address) for ip in old.fixed_ips]
    if spec.fixed_ips is not UNSET:
        wanted = list(spec.fixed_ips)
    return readdressed(service, old, new, wanted, allocator)


def readdressed(service: Service, old: Port, new: Port, wanted: list[WantedIP], allocator: Allocator) -> Port:
    """``new`` with the addresses wanted: those that ``old`` has and may keep, and others allocated."""
    mac_changed = new.mac_address != old.mac_address
    kept, missing = split_kept(service, old.fixed_ips, wanted, new.device_owner, mac_changed)
    added = allocator.allocate(missing, new.mac_address, new.device_owner, kept)
    return msgspec.structs.replace(new, fixed_ips=in_order((*kept, *added)))


def _check_mac_change(service: Service, port: Port, mac_address: str) -> None:
    vif = vif_type(service, port)
    if vif not in UNPLUGGED_VIF_TYPES:
        raise PortBound(port.id, vif, port.mac_address, mac_address)
    if mac_address in _macs(service, port.network_id):
        raise MacAddressInUse(port.network_id, mac_address)


async def delete_port(service: Service, context: RequestContext, port_id: str, if_match: int | None = None) -> None:
    """The port goes, and its addresses are free again; floating IPs that led to it stay, without it.

    Raises PortNotFound, or ServicePortInUse for the port of a router or floating IP.
    """

    def plan(_attempt: Attempt) -> tuple[None, list[Write]]:
        port = get_port(service, context, port_id)
        check_revision(port, if_match)
        check_deletion(service, port)
        return None, deletion(service, port)

    await carry_out(service, f"port {port_id}", plan)
