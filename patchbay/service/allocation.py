"""Which addresses a port gets: ``fixed_ips`` in all its forms (Neutron's ``ipam_pluggable_backend``).

Left out: one IPv4 address and one IPv6 address, each from the first subnet that has one, and an automatic address from
every SLAAC or stateless DHCPv6 subnet. An empty list: none, but automatic ones. Entries with a subnet, an address, or
both: exactly these, and automatic ones.
"""

from collections.abc import Iterable, Sequence
from ipaddress import IPv4Address, IPv6Address, ip_address

from msgspec import UNSET, UnsetType

from patchbay.model import FixedIP, Subnet
from patchbay.model.vnet import IP_LEASE
from patchbay.service.addresses import (
    ROUTER_OWNERS,
    Address,
    eui64_address,
    is_automatic,
    is_usable,
    parse_cidr,
)
from patchbay.service.dhcp_ranges import contains
from patchbay.service.errors import (
    AllocationOnAutoAddressSubnet,
    InvalidInput,
    InvalidIpForNetwork,
    InvalidIpForSubnet,
    IpAddressAlreadyAllocated,
    IpAddressGenerationFailure,
    IpAddressGenerationFailureNoMatchingSubnet,
    IpAddressInDhcpRange,
    MacAddressInUse,
    SubnetNotFound,
)
from patchbay.service.service import Reservations, Service
from patchbay.service.specs import WantedIP


class Allocator:
    """Chooses addresses for the ports of one network within one request."""

    def __init__(self, service: Service, network_id: str, taken: Reservations, spread: bool) -> None:
        self.service = service
        self._network_id = network_id
        self._taken = taken
        self._spread = spread
        db = service.db
        subnets = [db.subnets[id_] for id_ in db.subnets_by_network.get(network_id, ())]
        self._subnets = sorted(subnets, key=_age) if len(subnets) > 1 else subnets

    def allocate(
        self, wanted: Sequence[WantedIP] | UnsetType, mac_address: str, device_owner: str, kept: Sequence[FixedIP] = ()
    ) -> tuple[FixedIP, ...]:
        """The new addresses of a port, apart from those that it keeps.

        Raises InvalidInput, InvalidIpForNetwork, InvalidIpForSubnet, SubnetNotFound, IpAddressAlreadyAllocated,
        AllocationOnAutoAddressSubnet, IpAddressInDhcpRange, MacAddressInUse or IpAddressGenerationFailure.
        """
        subnets = self._eligible(device_owner, wanted)
        if wanted is UNSET:
            addresses = self._one_of_each(subnets)
        else:
            addresses = self._named(wanted, subnets, mac_address, device_owner)
        if device_owner not in ROUTER_OWNERS:
            has = {ip.subnet_id for ip in (*addresses, *kept)}
            for subnet in subnets:
                if is_automatic(subnet) and subnet.id not in has:
                    addresses.append(self._take_automatic(subnet, mac_address))
        return tuple(addresses)

    def _eligible(self, device_owner: str, wanted: Sequence[WantedIP] | UnsetType) -> list[Subnet]:
        """Subnets without service types or with the port's own; the latter first."""
        fitting = [s for s in self._subnets if not s.service_types or device_owner in s.service_types]
        if wanted is not UNSET:
            named = {ip.subnet_id for ip in wanted}
            fitting += [s for s in self._subnets if s not in fitting and (s.id in named or None in named)]
        if not fitting and self._subnets and wanted is UNSET:
            raise IpAddressGenerationFailureNoMatchingSubnet(self._network_id, device_owner)
        return sorted(fitting, key=lambda subnet: not subnet.service_types)

    def _one_of_each(self, subnets: Iterable[Subnet]) -> list[FixedIP]:
        chosen = []
        for version in (4, 6):
            group = [s for s in subnets if s.ip_version == version and not is_automatic(s)]
            if group:
                chosen.append(self._lowest(group))
        return chosen

    def _named(
        self, wanted: Sequence[WantedIP], subnets: Sequence[Subnet], mac_address: str, device_owner: str
    ) -> list[FixedIP]:
        plan = []
        for ip in wanted:
            address = None if ip.ip_address is None else ip_address(ip.ip_address)
            plan.append((self._subnet_for(ip, address, subnets, device_owner), address))
        chosen = []
        for subnet, address in plan:
            if address is None:
                continue
            automatic = is_automatic(subnet) and device_owner not in ROUTER_OWNERS
            if automatic and str(address) != eui64_address(subnet.cidr, mac_address):
                raise AllocationOnAutoAddressSubnet(str(address), subnet.id)
            chosen.append(self._take(subnet, str(address)))
        for subnet, address in plan:
            if address is None and (device_owner in ROUTER_OWNERS or not is_automatic(subnet)):
                chosen.append(self._lowest([subnet]))
        return chosen

    def _subnet_for(
        self, wanted: WantedIP, address: Address | None, subnets: Sequence[Subnet], device_owner: str
    ) -> Subnet:
        if not subnets and not self._subnets:
            raise InvalidInput("IP allocation requires subnets for network")
        if wanted.subnet_id is not None:
            subnet = next((s for s in self._subnets if s.id == wanted.subnet_id), None)
            if subnet is None:
                if wanted.subnet_id not in self.service.db.subnets:
                    raise SubnetNotFound(wanted.subnet_id)
                raise InvalidInput(
                    f"Failed to create port on network {self._network_id}, because fixed_ips included invalid "
                    f"subnet {wanted.subnet_id}"
                )
            if address is not None and not is_usable(parse_cidr(subnet.cidr), address, device_owner):
                raise InvalidIpForSubnet(str(address))
            return subnet
        if address is None:
            raise InvalidInput("IP allocation requires subnet_id or ip_address")
        for subnet in subnets:
            if is_usable(parse_cidr(subnet.cidr), address, device_owner):
                return subnet
        raise InvalidIpForNetwork(str(address))

    def is_free_mac(self, mac_address: str) -> bool:
        """Whether nobody on the network has the automatic addresses that the MAC would get."""
        return all(
            int(ip_address(eui64_address(subnet.cidr, mac_address))) not in self.service.db.addresses(subnet.id)
            for subnet in self._subnets
            if is_automatic(subnet)
        )

    def _take_automatic(self, subnet: Subnet, mac_address: str) -> FixedIP:
        try:
            return self._take(subnet, eui64_address(subnet.cidr, mac_address))
        except IpAddressAlreadyAllocated:
            raise MacAddressInUse(self._network_id, mac_address) from None

    def _take(self, subnet: Subnet, address: str) -> FixedIP:
        if subnet.dhcp_ranges and contains(subnet.dhcp_ranges, ip_address(address)):
            raise IpAddressInDhcpRange(address, subnet.id)
        if not self._taken.named(self.service.address_pool(subnet), int(ip_address(address))):
            raise IpAddressAlreadyAllocated(address, subnet.id)
        return FixedIP(subnet.id, address)

    def _lowest(self, subnets: Iterable[Subnet]) -> FixedIP:
        for subnet in subnets:
            while (number := self._taken.lowest(self.service.address_pool(subnet), self._spread)) is not None:
                address = IPv4Address(number) if subnet.ip_version == 4 else IPv6Address(number)
                if not self._is_leased(subnet, str(address)):
                    return FixedIP(subnet.id, str(address))
        raise IpAddressGenerationFailure(self._network_id)

    def _is_leased(self, subnet: Subnet, address: str) -> bool:
        """Whether an IP lease of OpenVNet's, which is nobody's at present, has the address."""
        db = self.service.db
        mentioning = (db.vnet_objects[id_] for id_ in db.vnet_objects_by_mention.get(address, ()))
        return any(one.kind == IP_LEASE and not one.object_id and f'"{subnet.id}"' in one.data for one in mentioning)


def _age(subnet: Subnet) -> tuple[str, int]:
    """Older subnets first; of one second, the lower one."""
    return subnet.created_at, int(parse_cidr(subnet.cidr).network_address)


def split_kept(
    service: Service, old: Sequence[FixedIP], wanted: Sequence[WantedIP], device_owner: str, mac_changed: bool
) -> tuple[list[FixedIP], list[WantedIP]]:
    """What an update of ``fixed_ips`` keeps of a port's addresses, and what it must still find.

    A named address that the port has stays; an entry with only a subnet keeps the address that the port has there;
    automatic addresses stay unless the MAC changed.
    """
    left = list(old)
    kept: list[FixedIP] = []
    missing: list[WantedIP] = []
    for ip in (ip for ip in wanted if ip.ip_address is not None):
        text = str(ip_address(ip.ip_address or ""))
        match = next((has for has in left if has.ip_address == text), None)
        if match is not None and ip.subnet_id in (None, match.subnet_id):
            left.remove(match)
            kept.append(match)
        else:
            missing.append(ip)
    for ip in (ip for ip in wanted if ip.ip_address is None):
        match = next((has for has in left if has.subnet_id == ip.subnet_id), None)
        if match is not None:
            left.remove(match)
            kept.append(match)
        else:
            missing.append(ip)
    if device_owner not in ROUTER_OWNERS:
        kept += [has for has in left if is_automatic(service.db.subnets[has.subnet_id])]
    if mac_changed:
        kept = [has for has in kept if not is_automatic(service.db.subnets[has.subnet_id])]
    return kept, missing
