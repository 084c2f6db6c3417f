"""OpenVNet's networks and segments: an IPv4 subnet, and the network that it is in (``vnet/models/network.rb``).

A network of mode virtual or internal has a VXLAN network to itself, one that names a segment joins that segment's
network, and one of mode physical is on the flat network of the physical network that a setting names.
"""

from collections.abc import Mapping
from ipaddress import IPv4Network
from typing import Any

import msgspec

from patchbay.intent.database import Delete, Insert, Update, Write
from patchbay.model import Network, Subnet, VnetObject
from patchbay.model.network import FLAT, VLAN, VXLAN
from patchbay.service.access import Attempt, carry_out, revised, touched
from patchbay.service.context import RequestContext
from patchbay.service.dns_names import MAX_NAME, is_label
from patchbay.service.errors import InvalidInput, NetworkInUse, SubnetInUse
from patchbay.service.gateways import address_gateways
from patchbay.service.networks import network_deletion, new_network
from patchbay.service.service import Service
from patchbay.service.specs import NetworkSpec, SubnetSpec
from patchbay.service.subnets import new_subnet, subnet_deletion
from patchbay.service.vnet.cascade import distinct, left_behind, removal_of_referring
from patchbay.service.vnet.errors import ArgumentError, DeleteRestrictionError
from patchbay.service.vnet.kinds import NETWORK, SEGMENT
from patchbay.service.vnet.objects import (
    Data,
    Face,
    changed,
    check_fresh,
    common,
    face_of,
    find,
    get,
    insertion,
    is_segment,
    new_row,
    update,
)
from patchbay.service.vnet.topologies import relation_with_topology

INTERNAL, PHYSICAL, VIRTUAL = "internal", "physical", "virtual"
NETWORK_MODES, SEGMENT_MODES = (INTERNAL, PHYSICAL, VIRTUAL), (PHYSICAL, VIRTUAL)
DEFAULT_PREFIX, DEFAULT_PHYSICAL_NETWORK = 24, "public"


def subnet_of(service: Service, face: Face) -> Subnet:
    """The subnet that the network is."""
    return service.db.subnets[face.object_id]


async def create_network(service: Service, context: RequestContext, values: Mapping[str, Any]) -> Face:
    """A new network.

    ``values``: uuid, display_name, domain_name, ipv4_network, ipv4_prefix, mode, segment_uuid, topology_uuid.
    Raises DuplicateUUID, UnknownUUIDResource, or ArgumentError for a prefix that the segment has already.
    """

    def plan(attempt: Attempt) -> tuple[VnetObject, list[Write]]:
        check_fresh(service, NETWORK, values)
        network, on_network = _network_for(service, context, values, attempt)
        spec = SubnetSpec(
            network_id=network.id,
            name=values.get("display_name", ""),
            cidr=_cidr(values),
            gateway_ip=None,
            enable_dhcp=False,
        )
        try:
            subnet = new_subnet(service, context, spec, network, ())
        except InvalidInput as error:
            raise ArgumentError(error.message, "Choose another ipv4_network.") from error
        kept = {name: values[name] for name in ("mode", "domain_name") if name in values}
        row = new_row(context, NETWORK, values.get("uuid", ""), object_id=subnet.id, **kept)
        related = relation_with_topology(service, context, values, NETWORK, row.uuid)
        return row, [*left_behind(service, row), *on_network, Insert(subnet), *insertion(service, row), *related]

    row = await carry_out(service, f"network {values.get('uuid', '')}", plan)
    await address_gateways(service, {service.db.subnets[row.object_id].network_id: None})
    return face_of(service, NETWORK, row.object_id)


def _cidr(values: Mapping[str, Any]) -> str:
    cidr = IPv4Network((values["ipv4_network"], values.get("ipv4_prefix", DEFAULT_PREFIX)), strict=False)
    if cidr.is_multicast or cidr.is_loopback or not int(cidr.network_address) or cidr.is_reserved:
        raise ArgumentError(
            f"ipv4_network is not valid: no interface can have an address of {cidr}",
            "Give a network of addresses that hosts have, such as 10.0.1.0.",
        )
    return str(cidr)


def _network_for(
    service: Service, context: RequestContext, values: Mapping[str, Any], attempt: Attempt
) -> tuple[Network, list[Write]]:
    """The network that a new subnet is in, and what makes it, or notes that it has one subnet more."""
    db = service.db
    there: Network | None = None
    if "segment_uuid" in values:
        there = db.networks[get(service, SEGMENT, values["segment_uuid"], "segment_uuid").object_id]
    elif values.get("mode") == PHYSICAL:
        there = flat_network(service)
    if there is not None:
        return there, [Update(there, touched(there))]
    network = _fresh_network(service, context, values, attempt)
    return network, [Insert(network)]


def _fresh_network(service: Service, context: RequestContext, values: Mapping[str, Any], attempt: Attempt) -> Network:
    spec = NetworkSpec(name=values.get("display_name", ""), dns_domain=_dns_domain(values), network_type=VXLAN)
    if values.get("mode") == PHYSICAL:
        spec = msgspec.structs.replace(spec, network_type=FLAT, physical_network=physical_network(service))
    return new_network(service, context, spec, attempt.taken, attempt.spread)[0]


def _dns_domain(values: Mapping[str, Any]) -> str:
    """A domain as the model has it: with a final dot. Raises ArgumentError for what can be no domain."""
    name = str(values.get("domain_name", "")).rstrip(".").lower()
    if name and not (len(name) < MAX_NAME - 1 and all(map(is_label, name.split(".")))):
        raise ArgumentError(
            f"domain_name is not valid: {name}", "Give letters, digits and hyphens, with dots between: vnet.example."
        )
    return f"{name}." if name else ""


def physical_network(service: Service) -> str:
    """Where networks of mode physical are: the setting, else the first that a host has a bridge for, else "public"."""
    if service.settings.vnet_physical_network:
        return service.settings.vnet_physical_network
    mapped = {name for host in service.db.hosts.values() for name in host.bridge_mappings}
    return min(mapped, default=DEFAULT_PHYSICAL_NETWORK)


def flat_network(service: Service) -> Network | None:
    """The untagged network on that physical network; there is at most one."""
    name = physical_network(service)
    flat = (one for one in service.db.networks.values() if one.network_type == FLAT and one.physical_network == name)
    return next(flat, None)


async def update_network(service: Service, uuid: str, values: Mapping[str, Any]) -> Face:
    """The network with another display_name or domain_name.

    Raises UnknownUUIDResource, or ArgumentError for an ipv4_network, ipv4_prefix or mode that it has not: those stay.
    """

    def plan(_attempt: Attempt) -> tuple[Face, list[Write]]:
        face = get(service, NETWORK, uuid)
        _check_kept(service, face, values)
        return face, _changes(service, face, values)

    face = await carry_out(service, f"network {uuid}", plan)
    return face_of(service, NETWORK, face.object_id)


def _check_kept(service: Service, face: Face, values: Mapping[str, Any]) -> None:
    shown = network_view(service, face)
    for name in ("ipv4_network", "ipv4_prefix", "mode"):
        if name in values and values[name] != shown[name]:
            raise ArgumentError(
                f"Unsupported update key: {name}", f"Network {face.uuid} has {shown[name]}; make another network."
            )


def _changes(service: Service, face: Face, values: Mapping[str, Any]) -> list[Write]:
    subnet = subnet_of(service, face)
    network = service.db.networks[subnet.network_id]
    new_of_subnet, new_of_network, writes = subnet, network, []
    if "display_name" in values:
        new_of_subnet = msgspec.structs.replace(subnet, name=values["display_name"])
        if _is_alone(service, network):
            new_of_network = msgspec.structs.replace(new_of_network, name=values["display_name"])
    if "domain_name" in values:
        if _is_alone(service, network):
            new_of_network = msgspec.structs.replace(new_of_network, dns_domain=_dns_domain(values))
        if face.row is not None:
            writes += update(face.row, changed(face.row, domain_name=values["domain_name"]))
    for old, new in ((subnet, new_of_subnet), (network, new_of_network)):
        if new != old:
            writes.append(Update(old, revised(old, new)))
    return writes


def _is_alone(service: Service, network: Network) -> bool:
    """Whether the network is that of one OpenVNet network only, so that names and domain of both are the same."""
    return not is_segment(service.db, network.id)


async def delete_network(service: Service, uuid: str) -> None:
    """The network goes, with the relations that name it.

    Raises UnknownUUIDResource, or DeleteRestrictionError while interfaces have addresses in it.
    """

    def plan(_attempt: Attempt) -> tuple[None, list[Write]]:
        face = get(service, NETWORK, uuid)
        subnet = subnet_of(service, face)
        network = service.db.networks[subnet.network_id]
        rows = [*([Delete(face.row)] if face.row is not None else []), *removal_of_referring(service, NETWORK, uuid)]
        try:
            if _is_alone(service, network):
                return None, distinct([*network_deletion(service, network), *rows])
            return None, distinct([*subnet_deletion(service, subnet), *rows])
        except (NetworkInUse, SubnetInUse) as error:
            raise in_use(service, face, "Vnet::Models::IpAddress") from error

    await carry_out(service, f"network {uuid}", plan)


def in_use(service: Service, face: Face, dependency: str) -> DeleteRestrictionError:
    """OpenVNet's word for an object that others need."""
    number = common(service, face)["id"]
    said = f"cannot delete {face.kind.name}(id: {number}) if any dependency still exists. dependency: {dependency}"
    return DeleteRestrictionError(said, f"Delete the interfaces and IP leases of {face.uuid} first.")


def network_view(service: Service, face: Face) -> Data:
    """The network as OpenVNet shows it."""
    subnet = subnet_of(service, face)
    network = service.db.networks[subnet.network_id]
    alone = _is_alone(service, network)
    prefix = IPv4Network(subnet.cidr)
    segment = None if alone else face_of(service, SEGMENT, network.id)
    domain = network.dns_domain.rstrip(".") if alone else face.data.get("domain_name", network.dns_domain.rstrip("."))
    mode = mode_of(network, face.data.get("mode"))
    return {
        **common(service, face),
        "display_name": (network.name if alone else subnet.name) or None,
        "ipv4_network": str(prefix.network_address),
        "ipv4_prefix": prefix.prefixlen,
        "domain_name": domain or face.uuid.partition("-")[2],
        "mode": mode,
        "network_mode": mode,
        "segment_id": None if segment is None else common(service, segment)["id"],
        "segment_uuid": None if segment is None else segment.uuid,
    }


def mode_of(network: Network, kept: str | None) -> str:
    """The mode of a network or segment: the one kept, unless the network is of the other sort."""
    is_physical = network.network_type in (FLAT, VLAN)
    if kept is not None and (kept == PHYSICAL) == is_physical:
        return kept
    return PHYSICAL if is_physical else VIRTUAL


async def create_segment(service: Service, context: RequestContext, values: Mapping[str, Any]) -> Face:
    """A new segment: a network without subnets. ``values``: uuid, mode, topology_uuid.

    Raises DuplicateUUID, UnknownUUIDResource, or ArgumentError for a second segment on the physical network.
    """

    def plan(attempt: Attempt) -> tuple[VnetObject, list[Write]]:
        check_fresh(service, SEGMENT, values)
        there = flat_network(service) if values["mode"] == PHYSICAL else None
        if there is not None and is_segment(service.db, there.id):
            raise ArgumentError(
                f"Segment {face_of(service, SEGMENT, there.id).uuid} is on physical network {there.physical_network}",
                "A physical network has one untagged segment: use it.",
            )
        network = there or _fresh_network(service, context, values, attempt)
        row = new_row(context, SEGMENT, values.get("uuid", ""), object_id=network.id, mode=values["mode"])
        related = relation_with_topology(service, context, values, SEGMENT, row.uuid)
        made: list[Write] = [Insert(network)] if there is None else [Update(there, touched(there))]
        return row, [*left_behind(service, row), *made, *insertion(service, row), *related]

    row = await carry_out(service, f"segment {values.get('uuid', '')}", plan)
    return face_of(service, SEGMENT, row.object_id)


async def delete_segment(service: Service, uuid: str) -> None:
    """The segment goes, with its networks and the relations that name them.

    Raises UnknownUUIDResource, or DeleteRestrictionError while interfaces are on it.
    """

    def plan(_attempt: Attempt) -> tuple[None, list[Write]]:
        db = service.db
        face = get(service, SEGMENT, uuid)
        network = db.networks[face.object_id]
        writes = [*([Delete(face.row)] if face.row is not None else []), *removal_of_referring(service, SEGMENT, uuid)]
        for subnet_id in db.subnets_by_network.get(network.id, ()):
            if db.subnets[subnet_id].ip_version == 4:
                below = face_of(service, NETWORK, subnet_id)
                writes += [Delete(below.row)] if below.row is not None else []
                writes += removal_of_referring(service, NETWORK, below.uuid)
        try:
            return None, distinct([*network_deletion(service, network), *writes])
        except NetworkInUse as error:
            raise in_use(service, face, "Vnet::Models::MacAddress") from error

    await carry_out(service, f"segment {uuid}", plan)


def segment_view(service: Service, face: Face) -> Data:
    """The segment as OpenVNet shows it."""
    network = service.db.networks[face.object_id]
    return {**common(service, face), "mode": mode_of(network, face.data.get("mode"))}


def segment_of(service: Service, network_uuid: str) -> Face | None:
    """The segment that a network is in, if it shares one."""
    face = find(service, NETWORK, network_uuid)
    if face is None:
        return None
    network_id = subnet_of(service, face).network_id
    return face_of(service, SEGMENT, network_id) if is_segment(service.db, network_id) else None
