"""Networks: create, change, delete, show (Neutron API reference, "Networks")."""

from collections.abc import Callable, Sequence

import msgspec
from msgspec import UNSET

from patchbay.intent.database import Delete, Duplicate, Insert, Write
from patchbay.model import Network
from patchbay.model.router import FLOATING_GATEWAY
from patchbay.service.access import (
    Attempt,
    beginning,
    carry_out,
    check_revision,
    is_visible,
    revise,
)
from patchbay.service.context import RequestContext
from patchbay.service.errors import (
    DefaultExternalNetworkExists,
    InvalidInput,
    InvalidSharedSetting,
    NetworkInUse,
    NetworkMTUSubnetConflict,
    NetworkNotFound,
    NoNetworkAvailable,
    TooMuchContention,
)
from patchbay.service.external_networks import check_may_be_internal, unused_floatingips
from patchbay.service.port_uses import deletion
from patchbay.service.router_errors import ExternalNetworkInUse
from patchbay.service.segments import Segment, check_unchanged, choose_segment, largest_mtu, segment_in_use
from patchbay.service.service import ATTEMPTS, Reservations, Service, reservations
from patchbay.service.sharing import SHARED, policies_of
from patchbay.service.sharing_uses import projects_using
from patchbay.service.specs import NetworkSpec
from patchbay.service.subnet_rules import MIN_MTU

AUTO_DELETE_OWNERS = ("network:dhcp", "network:distributed", FLOATING_GATEWAY)
"""Owners of ports that go with their network."""


def get_network(service: Service, context: RequestContext, network_id: str) -> Network:
    """The network, or NetworkNotFound."""
    network = service.db.networks.get(network_id)
    if network is None or not is_visible(context, network):
        raise NetworkNotFound(network_id)
    return network


async def create_networks(service: Service, context: RequestContext, specs: Sequence[NetworkSpec]) -> list[Network]:
    """New networks, all or none.

    Raises the errors of ``choose_segment`` and InvalidInput.
    """
    for attempt in range(ATTEMPTS):
        with reservations() as taken:
            pairs = [new_network(service, context, spec, taken, spread=attempt > 0) for spec in specs]
            try:
                await service.commit(*(Insert(network) for network, _ in pairs))
            except Duplicate as error:
                named = [segment for _, segment in pairs if segment.is_named]
                if len(named) == len(pairs) or attempt + 1 == ATTEMPTS:
                    raise (segment_in_use(named[0]) if named else NoNetworkAvailable()) from error
            else:
                return [network for network, _ in pairs]
    raise AssertionError


def new_network(
    service: Service, context: RequestContext, spec: NetworkSpec, taken: Reservations, spread: bool
) -> tuple[Network, Segment]:
    """A network as asked for and its segment, with what was left open chosen; not yet in the database."""
    segment = choose_segment(service, spec, taken, spread)
    network = Network(
        **beginning(context, spec),
        admin_state_up=True if spec.admin_state_up is UNSET else spec.admin_state_up,
        shared=False if spec.shared is UNSET else spec.shared,
        external=False if spec.external is UNSET else spec.external,
        network_type=segment.network_type,
        physical_network=segment.physical_network,
        segmentation_id=segment.segmentation_id,
        dns_domain="" if spec.dns_domain is UNSET else spec.dns_domain,
        is_default=spec.is_default is True and spec.external is True,
        port_security_enabled=spec.port_security_enabled is not False,
    )
    _check_default(service, network)
    return msgspec.structs.replace(network, mtu=_checked_mtu(service, network, spec)), segment


def _checked_mtu(service: Service, network: Network, spec: NetworkSpec) -> int:
    largest = largest_mtu(service.settings, network.network_type, network.physical_network)
    if spec.mtu is UNSET or spec.mtu == 0:
        return largest
    if spec.mtu > largest:
        raise InvalidInput(f"Requested MTU is too big, maximum is {largest}")
    versions = {service.db.subnets[id_].ip_version for id_ in service.db.subnets_by_network.get(network.id, ())}
    smallest = max((MIN_MTU[version] for version in versions), default=MIN_MTU[4])
    if spec.mtu < smallest:
        raise NetworkMTUSubnetConflict(network.id, smallest)
    return spec.mtu


async def update_network(
    service: Service, context: RequestContext, network_id: str, spec: NetworkSpec, if_match: int | None = None
) -> Network:
    """The network as changed.

    Raises NetworkNotFound, InvalidInput, NetworkMTUSubnetConflict, InvalidSharedSetting, ExternalNetworkInUse or
    RevisionNumberConstraintFailed.
    """

    def get() -> Network:
        return get_network(service, context, network_id)

    was_shared = get().shared
    network = await revise(service, f"network {network_id}", get, lambda old: _changed(service, old, spec), if_match)
    if was_shared and not network.shared:
        await _check_again(service, get, lambda: _check_unshared(service, network), shared=True)
    if spec.external is False:
        await _check_again(service, get, lambda: check_may_be_internal(service, network), external=True)
    return network


async def _check_again(
    service: Service, get: Callable[[], Network], check: Callable[[], object], **before: bool
) -> None:
    """Nobody begins to use from now on what the network is no more. If somebody did just before, perhaps at another
    server, it becomes again what it was before."""
    await service.catch_up()
    try:
        check()
    except (InvalidSharedSetting, ExternalNetworkInUse):
        await revise(service, f"network {get().id}", get, lambda old: msgspec.structs.replace(old, **before))
        raise


def _changed(service: Service, old: Network, spec: NetworkSpec) -> Network:
    check_unchanged(old, spec)
    if old.shared and spec.shared is False:
        _check_unshared(service, old)
    if old.external and spec.external is False:
        check_may_be_internal(service, old)
    external = old.external if spec.external is UNSET else spec.external
    new = msgspec.structs.replace(
        old,
        name=old.name if spec.name is UNSET else spec.name,
        description=old.description if spec.description is UNSET else spec.description,
        admin_state_up=old.admin_state_up if spec.admin_state_up is UNSET else spec.admin_state_up,
        shared=old.shared if spec.shared is UNSET else spec.shared,
        external=external,
        mtu=old.mtu if spec.mtu is UNSET else _checked_mtu(service, old, spec),
        dns_domain=old.dns_domain if spec.dns_domain is UNSET else spec.dns_domain,
        is_default=(old.is_default if spec.is_default is UNSET else spec.is_default) and external,
        port_security_enabled=(
            old.port_security_enabled if spec.port_security_enabled is UNSET else spec.port_security_enabled
        ),
    )
    if not old.is_default:
        _check_default(service, new)
    return new


def _check_default(service: Service, network: Network) -> None:
    """One external network may be the default; of networks inside none is."""
    if network.is_default:
        for other in service.db.networks.values():
            if other.is_default and other.id != network.id:
                raise DefaultExternalNetworkExists(other.id)


def _check_unshared(service: Service, network: Network) -> None:
    served = {policy.target_project for policy in policies_of(service.db, network.id, SHARED)}
    if projects_using(service, network, "network", SHARED) - {network.project_id, *served}:
        raise InvalidSharedSetting(network.name)


async def delete_network(
    service: Service, context: RequestContext, network_id: str, if_match: int | None = None
) -> None:
    """The network goes with its subnets, its servers' ports, and floating IPs that lead nowhere.

    Raises NetworkNotFound, or NetworkInUse while it has other ports.
    """

    def plan(_attempt: Attempt) -> tuple[None, list[Write]]:
        network = get_network(service, context, network_id)
        check_revision(network, if_match)
        return None, network_deletion(service, network)

    try:
        await carry_out(service, f"network {network_id}", plan)
    except TooMuchContention as error:
        raise NetworkInUse(network_id, "There are one or more ports still in use on the network") from error


def network_deletion(service: Service, network: Network) -> list[Write]:
    """The writes that delete the network with what goes along. Raises NetworkInUse while it has other ports."""
    db = service.db
    unused = unused_floatingips(service, network.id)
    along = {one.floating_port_id for one in unused}
    ports = [db.ports[id_] for id_ in db.ports_by_network.get(network.id, ())]
    in_use = [port.id for port in ports if port.device_owner not in AUTO_DELETE_OWNERS and port.id not in along]
    if in_use:
        reason = "There are one or more ports still in use on the network, id for these ports is: "
        raise NetworkInUse(network.id, reason + ",".join(in_use))
    subnets = [db.subnets[id_] for id_ in db.subnets_by_network.get(network.id, ())]
    of_ports = [write for port in ports for write in deletion(service, port)]
    return [*map(Delete, unused), *of_ports, *map(Delete, subnets), Delete(network)]
