"""Provider segments: which network types, physical networks and segmentation ids a network may have, and its MTU.

The rules are those of Neutron's ML2 type drivers (``type_vxlan``, ``type_vlan``, ``type_flat``, ``type_local``).
"""

import msgspec
from msgspec import UNSET

from patchbay.model import Network
from patchbay.model.network import FLAT, LOCAL, VLAN, VXLAN
from patchbay.service.errors import (
    FlatNetworkInUse,
    InvalidInput,
    NoNetworkAvailable,
    TunnelIdInUse,
    VlanIdInUse,
)
from patchbay.service.service import Reservations, Service
from patchbay.service.settings import VXLAN_OVERHEAD_BYTES, NetworkSettings
from patchbay.service.specs import NetworkSpec

NETWORK_TYPES = (LOCAL, FLAT, VLAN, VXLAN)
MIN_VLAN, MAX_VLAN = 1, 4094
MIN_VNI, MAX_VNI = 1, 2**24 - 1


class Segment(msgspec.Struct, frozen=True):
    """What a network is on the wire; ``is_named`` when the user chose the segmentation id."""

    network_type: str
    physical_network: str | None = None
    segmentation_id: int | None = None
    is_named: bool = False


def choose_segment(service: Service, spec: NetworkSpec, taken: Reservations, spread: bool) -> Segment:
    """The segment that a new network gets.

    Raises InvalidInput, VlanIdInUse, TunnelIdInUse, FlatNetworkInUse or NoNetworkAvailable.
    """
    physical_network = None if spec.physical_network is UNSET else spec.physical_network
    segmentation_id = None if spec.segmentation_id is UNSET else spec.segmentation_id
    if spec.network_type is UNSET:
        if physical_network is not None or segmentation_id is not None:
            raise InvalidInput("network_type required", "Name provider:network_type as well.")
        return _project_segment(service, taken, spread)
    match spec.network_type:
        case "local":
            return _local(physical_network, segmentation_id)
        case "flat":
            return _flat(service, physical_network, segmentation_id)
        case "vlan":
            return _vlan(service, physical_network, segmentation_id, taken, spread)
        case "vxlan":
            return _vxlan(service, physical_network, segmentation_id, taken, spread)
    raise InvalidInput(
        f"network_type value '{spec.network_type}' not supported", f"Choose one of {', '.join(NETWORK_TYPES)}."
    )


def _project_segment(service: Service, taken: Reservations, spread: bool) -> Segment:
    for network_type in service.settings.project_network_types:
        try:
            if network_type == VXLAN:
                return _vxlan(service, None, None, taken, spread)
            if network_type == VLAN:
                return _vlan(service, None, None, taken, spread)
            if network_type == LOCAL:
                return Segment(LOCAL)
        except NoNetworkAvailable:
            continue
    raise NoNetworkAvailable("Delete networks or widen vni_ranges.")


def _local(physical_network: str | None, segmentation_id: int | None) -> Segment:
    if physical_network is not None:
        raise InvalidInput("physical_network prohibited for local provider network")
    if segmentation_id is not None:
        raise InvalidInput("segmentation_id prohibited for local provider network")
    return Segment(LOCAL)


def _flat(service: Service, physical_network: str | None, segmentation_id: int | None) -> Segment:
    if not physical_network:
        raise InvalidInput("physical_network required for flat provider network")
    if segmentation_id is not None:
        raise InvalidInput("segmentation_id prohibited for flat provider network")
    allowed = service.settings.flat_networks
    if allowed is not None and not allowed:
        raise InvalidInput("Flat provider networks are disabled")
    if allowed is not None and physical_network not in allowed:
        raise InvalidInput(f"physical_network '{physical_network}' unknown for flat provider network")
    for network in service.db.networks.values():
        if network.network_type == FLAT and network.physical_network == physical_network:
            raise FlatNetworkInUse(physical_network)
    return Segment(FLAT, physical_network, None, is_named=True)


def _vlan(
    service: Service, physical_network: str | None, segmentation_id: int | None, taken: Reservations, spread: bool
) -> Segment:
    if segmentation_id is None:
        names = list(service.settings.vlan_ranges) if physical_network is None else [physical_network]
        for name in names:
            vlan_id = taken.lowest(service.vlan_pool(name), spread)
            if vlan_id is not None:
                return Segment(VLAN, name, vlan_id)
        raise NoNetworkAvailable("Name provider:segmentation_id, or configure vlan_ranges for the physical network.")
    if physical_network is None:
        raise InvalidInput("segmentation_id requires physical_network for VLAN provider network")
    if not MIN_VLAN <= segmentation_id <= MAX_VLAN:
        raise InvalidInput(f"segmentation_id out of range ({MIN_VLAN} through {MAX_VLAN})")
    if not taken.named(service.vlan_pool(physical_network), segmentation_id):
        raise VlanIdInUse(segmentation_id, physical_network)
    return Segment(VLAN, physical_network, segmentation_id, is_named=True)


def _vxlan(
    service: Service, physical_network: str | None, segmentation_id: int | None, taken: Reservations, spread: bool
) -> Segment:
    if physical_network is not None:
        raise InvalidInput("provider:physical_network specified for vxlan network")
    if segmentation_id is None:
        vni = taken.lowest(service.vni_pool(), spread)
        if vni is None:
            raise NoNetworkAvailable("Delete networks or widen vni_ranges.")
        return Segment(VXLAN, None, vni)
    if not MIN_VNI <= segmentation_id <= MAX_VNI:
        raise InvalidInput(f"segmentation_id out of range ({MIN_VNI} through {MAX_VNI})")
    if not taken.named(service.vni_pool(), segmentation_id):
        raise TunnelIdInUse(segmentation_id)
    return Segment(VXLAN, None, segmentation_id, is_named=True)


def segment_in_use(segment: Segment) -> VlanIdInUse | TunnelIdInUse | FlatNetworkInUse:
    """The error for a segment that another network has."""
    physical_network, segmentation_id = segment.physical_network or "", segment.segmentation_id or 0
    if segment.network_type == VLAN:
        return VlanIdInUse(segmentation_id, physical_network)
    if segment.network_type == FLAT:
        return FlatNetworkInUse(physical_network)
    return TunnelIdInUse(segmentation_id)


def largest_mtu(settings: NetworkSettings, network_type: str, physical_network: str | None) -> int:
    """The largest IP packet that fits, in bytes: VXLAN over 1500 gives 1450."""
    if network_type == VXLAN:
        return settings.path_mtu - VXLAN_OVERHEAD_BYTES[settings.overlay_ip_version]
    return settings.physical_network_mtus.get(physical_network or "", settings.global_physnet_mtu)


def check_unchanged(network: Network, spec: NetworkSpec) -> None:
    """Raises InvalidInput when an update would move the network to another segment."""
    wanted = {
        "provider:network_type": (spec.network_type, network.network_type),
        "provider:physical_network": (spec.physical_network, network.physical_network),
        "provider:segmentation_id": (spec.segmentation_id, network.segmentation_id),
    }
    changed = [name for name, (new, old) in wanted.items() if new is not UNSET and new != old]
    if changed:
        raise InvalidInput(
            f"Plugin does not support updating the following provider network attributes: {', '.join(changed)}"
        )
