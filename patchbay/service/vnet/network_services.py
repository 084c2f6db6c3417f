"""Network services and DNS services: what of them is in the model (``vnet/models/network_service.rb``).

A service of mode dhcp on an interface turns DHCP on in the interface's subnets; the last one that goes turns it off.
The ``public_dns`` of a DNS service are name servers of these subnets. Mode router changes nothing: routers answer
anyway. DNS records are kept only. A service notes the subnets that it changed, so that it can take that back when the
interface has no address there any more.
"""

from collections.abc import Iterable, Mapping, Sequence
from ipaddress import AddressValueError, IPv4Address
from typing import Any

import msgspec

from patchbay.intent.database import Update, Write
from patchbay.model import Subnet, VnetObject
from patchbay.service.access import Attempt, carry_out, revised
from patchbay.service.context import RequestContext
from patchbay.service.errors import InvalidInput
from patchbay.service.service import Service
from patchbay.service.subnet_rules import check_options
from patchbay.service.vnet import kept
from patchbay.service.vnet.cascade import UNDOERS
from patchbay.service.vnet.errors import ArgumentError
from patchbay.service.vnet.kinds import DNS_RECORD, DNS_SERVICE, INTERFACE, NETWORK_SERVICE, Kind
from patchbay.service.vnet.objects import changed, data_of, new_row, rows, update
from patchbay.service.vnet.route_rules import ipv4_subnet, ports_named

DHCP, DNS, ROUTER = "dhcp", "dns", "router"
MODES = (DHCP, DNS, ROUTER)

SUBNETS = "subnets"
"""In a service's data: ids of the subnets that it is in effect in."""


async def create(service: Service, context: RequestContext, values: Mapping[str, Any]) -> VnetObject:
    """A network service.

    ``values``: uuid, display_name, interface_uuid, mode, incoming_port, outgoing_port.
    Raises DuplicateUUID or UnknownUUIDResource.
    """
    references = {INTERFACE: values.get("interface_uuid")}
    attributes = {name: values.get(name) for name in ("mode", "incoming_port", "outgoing_port", "display_name")}

    def plan(_attempt: Attempt) -> tuple[VnetObject, list[Write]]:
        kept.check_references(service, references)
        subnets = _subnets_of(service, values.get("interface_uuid"))
        new = kept.NewRow(
            kind=NETWORK_SERVICE,
            uuid=values.get("uuid", ""),
            values={**attributes, SUBNETS: [subnet.id for subnet in subnets]},
            references=references,
        )
        row = new.row(context)
        writes = _with_dhcp(service, subnets) if values["mode"] == DHCP else []
        held = kept.holding(service, kept.given(references))
        return row, [*kept.inserting(service, NETWORK_SERVICE, row), *held, *writes]

    return await carry_out(service, f"network service {values.get('uuid', '')}", plan)


def _subnets_of(service: Service, interface: str | None) -> list[Subnet]:
    found = [ipv4_subnet(service, port) for port in ports_named(service, interface or "")]
    return [each[0] for each in found if each is not None]


def _with_dhcp(service: Service, subnets: Iterable[Subnet]) -> list[Write]:
    """The subnets with DHCP. Raises InvalidInput for one that is too small for it."""
    news = [(subnet, msgspec.structs.replace(subnet, enable_dhcp=True)) for subnet in subnets if not subnet.enable_dhcp]
    for old, new in news:
        check_options(service.settings, new, old)
    return [Update(old, revised(old, new)) for old, new in news]


async def create_dns(service: Service, context: RequestContext, values: Mapping[str, Any]) -> VnetObject:
    """A DNS service. ``values``: uuid, network_service_uuid, public_dns.

    Raises DuplicateUUID, UnknownUUIDResource, or ArgumentError unless the network service is one of mode dns.
    """
    owner = values["network_service_uuid"]
    servers = name_servers(values.get("public_dns"))

    def plan(_attempt: Attempt) -> tuple[VnetObject, list[Write]]:
        network_service = kept.row_of(service, NETWORK_SERVICE, owner, "network_service_uuid")
        if data_of(network_service)["mode"] != DNS:
            raise ArgumentError(
                f"network_service must be dns: {owner} has mode {data_of(network_service)['mode']}.",
                "Make a network service of mode dns for it.",
            )
        references = {NETWORK_SERVICE: owner}
        public_dns = None if values.get("public_dns") is None else ",".join(servers)
        new = kept.NewRow(
            kind=DNS_SERVICE, uuid=values.get("uuid", ""), values={"public_dns": public_dns}, references=references
        )
        row = new.row(context)
        writes = _with_servers(service, data_of(network_service)[SUBNETS], [], servers)
        held = kept.holding(service, {NETWORK_SERVICE: owner})
        return row, [*kept.inserting(service, DNS_SERVICE, row), *held, *writes]

    return await carry_out(service, f"DNS service {values.get('uuid', '')}", plan)


def name_servers(public_dns: str | None) -> list[str]:
    """The addresses in a list with commas. Raises ArgumentError."""
    parts = [part for part in "".join((public_dns or "").split()).split(",") if part]
    try:
        return [str(IPv4Address(part)) for part in parts]
    except AddressValueError:
        raise ArgumentError(
            f"public_dns is not valid: {public_dns}.", "Give IPv4 addresses with commas between: 192.0.2.1,192.0.2.2."
        ) from None


async def change_dns(service: Service, uuid: str, values: Mapping[str, Any]) -> VnetObject:
    """The DNS service with this ``public_dns``, if it is given. Raises UnknownUUIDResource or ArgumentError."""

    def plan(_attempt: Attempt) -> tuple[VnetObject, list[Write]]:
        old = kept.row_of(service, DNS_SERVICE, uuid)
        if "public_dns" not in values:
            return old, []
        servers = name_servers(values["public_dns"])
        new = changed(old, public_dns=",".join(servers))
        owner = kept.row_of(service, NETWORK_SERVICE, data_of(old)["network_service_uuid"])
        before = set(name_servers(data_of(old)["public_dns"])) - _servers_of_others(service, [old], owner)
        writes = _with_servers(service, data_of(owner)[SUBNETS], before, servers)
        return new, [*update(old, new), *writes]

    return await carry_out(service, f"DNS service {uuid}", plan)


def _with_servers(
    service: Service, subnet_ids: Iterable[str], without: Iterable[str], servers: Sequence[str]
) -> list[Write]:
    """The subnets' name servers without the ones and with the others, in order."""
    writes: list[Write] = []
    for subnet_id in subnet_ids:
        old = service.db.subnets.get(subnet_id)
        if old is None:
            continue
        stay = [one for one in old.dns_nameservers if one not in set(without) or one in servers]
        new = msgspec.structs.replace(old, dns_nameservers=tuple(dict.fromkeys([*stay, *servers])))
        if new != old:
            check_options(service.settings, new, old)
            writes.append(Update(old, revised(old, new)))
    return writes


def _servers_of_others(service: Service, gone: Sequence[VnetObject], owner: VnetObject) -> set[str]:
    """Name servers that other DNS services want in a subnet that this network service is in effect in."""
    ids, subnets = {row.id for row in gone}, set(data_of(owner)[SUBNETS])
    wanted: set[str] = set()
    for row in kept.all_of(service, NETWORK_SERVICE):
        if row.id in ids or not subnets & set(data_of(row)[SUBNETS]):
            continue
        for dns in rows(service, DNS_SERVICE, network_service_uuid=row.uuid):
            wanted |= set() if dns.id in ids else set(name_servers(data_of(dns)["public_dns"]))
    return wanted


def _undo(service: Service, gone: Sequence[VnetObject], _going: Kind | None) -> list[Write]:
    """DHCP goes off where no service wants it any more, and name servers go that none names."""
    after: dict[str, Subnet] = {}
    ids = {row.id for row in gone}
    stay = [row for row in rows(service, NETWORK_SERVICE) if row.id not in ids]
    served = {subnet for row in stay if data_of(row)["mode"] == DHCP for subnet in data_of(row)[SUBNETS]}
    for row in gone:
        if row.kind == NETWORK_SERVICE.name and data_of(row)["mode"] == DHCP:
            for subnet_id in set(data_of(row)[SUBNETS]) - served:
                _replace(service, after, subnet_id, enable_dhcp=False)
    owners = {row.uuid: row for row in rows(service, NETWORK_SERVICE)}
    for row in gone:
        if row.kind == DNS_SERVICE.name and (owner := owners.get(data_of(row)["network_service_uuid"])) is not None:
            without = set(name_servers(data_of(row)["public_dns"])) - _servers_of_others(service, gone, owner)
            for subnet_id in data_of(owner)[SUBNETS]:
                subnet = after.get(subnet_id) or service.db.subnets.get(subnet_id)
                left = [one for one in (() if subnet is None else subnet.dns_nameservers) if one not in without]
                _replace(service, after, subnet_id, dns_nameservers=tuple(left))
    olds = service.db.subnets
    return [Update(olds[id_], revised(olds[id_], new)) for id_, new in after.items() if new != olds[id_]]


def _replace(service: Service, after: dict[str, Subnet], subnet_id: str, **values: Any) -> None:
    subnet = after.get(subnet_id) or service.db.subnets.get(subnet_id)
    if subnet is not None:
        after[subnet_id] = msgspec.structs.replace(subnet, **values)


UNDOERS.append(_undo)


def settled(service: Service, interface: str, subnet: Subnet) -> list[Write]:
    """The writes that let services over an interface have their effect in a subnet where it gets an address."""
    writes: list[Write] = []
    new = subnet
    for row in rows(service, NETWORK_SERVICE, interface_uuid=interface):
        data = data_of(row)
        if subnet.id in data[SUBNETS]:
            continue
        noted: dict[str, Any] = {SUBNETS: [*data[SUBNETS], subnet.id]}
        writes += update(row, changed(row, **noted))
        if data["mode"] == DHCP and _has_room_for_dhcp(service, new):
            new = msgspec.structs.replace(new, enable_dhcp=True)
        for dns in rows(service, DNS_SERVICE, network_service_uuid=row.uuid):
            servers = [*new.dns_nameservers, *name_servers(data_of(dns)["public_dns"])]
            new = msgspec.structs.replace(new, dns_nameservers=tuple(dict.fromkeys(servers)))
    return writes if new == subnet else [*writes, Update(subnet, revised(subnet, new))]


def _has_room_for_dhcp(service: Service, subnet: Subnet) -> bool:
    try:
        _with_dhcp(service, [subnet])
    except InvalidInput:
        return False
    return True


async def add_record(service: Service, context: RequestContext, owner: str, values: Mapping[str, Any]) -> VnetObject:
    """A DNS record of a DNS service. ``values``: uuid, name, ipv4_address.

    Raises UnknownUUIDResource or DuplicateUUID.
    """
    address = int(IPv4Address(values["ipv4_address"]))

    def plan(_attempt: Attempt) -> tuple[VnetObject, list[Write]]:
        kept.row_of(service, DNS_SERVICE, owner, "dns_service_uuid")
        members: dict[str, Any] = {"dns_service_uuid": owner, "ipv4_address": address, "ttl": None}
        row = new_row(context, DNS_RECORD, values["uuid"], name=values["name"], **members)
        return row, [*kept.inserting(service, DNS_RECORD, row), *kept.holding(service, {DNS_SERVICE: owner})]

    return await carry_out(service, f"DNS service {owner}", plan)
