"""``/lease_policies``: addresses handed out from ranges, to interfaces and to nobody yet."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from patchbay.api.openvnet.endpoint import Endpoint, Values
from patchbay.api.openvnet.parameters import Param, text, uuid
from patchbay.api.openvnet.standard import given, kept_collection, listing, reading_and_deleting, view_of
from patchbay.model import VnetObject
from patchbay.service.context import RequestContext
from patchbay.service.service import Service
from patchbay.service.vnet import kept, lease_policies
from patchbay.service.vnet.errors import UnknownUUIDResource
from patchbay.service.vnet.interfaces import interface_view
from patchbay.service.vnet.kinds import (
    INTERFACE,
    IP_LEASE,
    IP_LEASE_CONTAINER,
    IP_RANGE_GROUP,
    IP_RETENTION_CONTAINER,
    LEASE_POLICY,
    NETWORK,
    Kind,
)
from patchbay.service.vnet.leases import ip_lease_view
from patchbay.service.vnet.networks import network_view
from patchbay.service.vnet.relation_kinds import (
    LEASE_POLICY_BASE_INTERFACE,
    LEASE_POLICY_BASE_NETWORK,
    LEASE_POLICY_IP_LEASE_CONTAINER,
    LEASE_POLICY_IP_RETENTION_CONTAINER,
)

_SHARED: tuple[Param, ...] = (text("timing", choices=lease_policies.TIMINGS, default=lease_policies.IMMEDIATE),)
_view = view_of(LEASE_POLICY)


async def _create(service: Service, context: RequestContext, values: Values) -> Mapping[str, Any]:
    new = kept.NewRow(kind=LEASE_POLICY, uuid=values.get("uuid", ""), values=given(values, "mode", "timing"))
    return _view(service, await kept.create(service, context, new))


async def _update(service: Service, _context: RequestContext, values: Values) -> Mapping[str, Any]:
    return _view(service, await kept.change(service, LEASE_POLICY, values["uuid"], given(values, "timing")))


async def _add_network(service: Service, context: RequestContext, values: Values) -> Mapping[str, Any]:
    ends = {LEASE_POLICY: values["uuid"], NETWORK: values["network_uuid"]}
    await lease_policies.add_network(service, context, ends, values["ip_range_group_uuid"])
    return {"uuid": values["uuid"]}


async def _remove_network(service: Service, _context: RequestContext, values: Values) -> Mapping[str, Any]:
    ends = {LEASE_POLICY: values["uuid"], NETWORK: values["network_uuid"]}
    await kept.unrelate(service, LEASE_POLICY_BASE_NETWORK, ends)
    return {"uuid": values["uuid"]}


async def _add_interface(service: Service, context: RequestContext, values: Values) -> Mapping[str, Any]:
    wish = lease_policies.Wish(interface=values["interface_uuid"], label=values.get("label"))
    await lease_policies.allocate(service, context, values["uuid"], wish)
    return {"uuid": values["uuid"]}


async def _remove_interface(service: Service, _context: RequestContext, values: Values) -> Mapping[str, Any]:
    ends = {LEASE_POLICY: values["uuid"], INTERFACE: values["interface_uuid"]}
    await kept.unrelate(service, LEASE_POLICY_BASE_INTERFACE, ends)
    return {"uuid": values["uuid"]}


async def _allocate(service: Service, context: RequestContext, values: Values) -> Mapping[str, Any]:
    wish = lease_policies.Wish(uuid=values.get("ip_lease_uuid", ""), label=values.get("label"))
    return ip_lease_view(service, await lease_policies.allocate(service, context, values["uuid"], wish))


def _containers(
    kind: Kind, relation: Kind, listed: Callable[[Service, str], Sequence[VnetObject]]
) -> tuple[Endpoint, ...]:
    """Adding, listing and removing containers of one kind."""
    path, named, view = f"/lease_policies/:uuid/{kind.collection}", f"{kind.name}_uuid", view_of(kind)

    async def add(service: Service, context: RequestContext, values: Values) -> Mapping[str, Any]:
        await kept.relate(service, context, relation, {LEASE_POLICY: values["uuid"], kind: values[named]})
        return view(service, kept.row_of(service, kind, values[named]))

    async def remove(service: Service, _context: RequestContext, values: Values) -> Mapping[str, Any]:
        ends = {LEASE_POLICY: values["uuid"], kind: values[named]}
        kept.check_ends(service, ends)
        if kept.relation(service, relation, *ends.values()) is None:
            raise UnknownUUIDResource(relation, " <=> ".join(ends.values()))
        await kept.unrelate(service, relation, ends)
        return view(service, kept.row_of(service, kind, values[named]))

    return (
        Endpoint("POST", f"{path}/:{named}", (), add),
        listing(path, listed, view),
        Endpoint("DELETE", f"{path}/:{named}", (), remove),
    )


ENDPOINTS: tuple[Endpoint, ...] = (
    Endpoint(
        "POST",
        "/lease_policies",
        (
            *_SHARED,
            uuid(LEASE_POLICY),
            text("mode", choices=lease_policies.MODES, default=lease_policies.SIMPLE),
        ),
        _create,
    ),
    *reading_and_deleting(kept_collection(LEASE_POLICY)),
    Endpoint("PUT", "/lease_policies/:uuid", _SHARED, _update),
    Endpoint(
        "POST",
        "/lease_policies/:uuid/networks/:network_uuid",
        (uuid(IP_RANGE_GROUP, "ip_range_group_uuid", required=True),),
        _add_network,
    ),
    listing("/lease_policies/:uuid/networks", lease_policies.networks, network_view),
    Endpoint("DELETE", "/lease_policies/:uuid/networks/:network_uuid", (), _remove_network),
    Endpoint("POST", "/lease_policies/:uuid/interfaces/:interface_uuid", (text("label"),), _add_interface),
    listing("/lease_policies/:uuid/interfaces", lease_policies.interfaces, interface_view),
    Endpoint("DELETE", "/lease_policies/:uuid/interfaces/:interface_uuid", (), _remove_interface),
    *_containers(IP_LEASE_CONTAINER, LEASE_POLICY_IP_LEASE_CONTAINER, lease_policies.lease_containers),
    *_containers(IP_RETENTION_CONTAINER, LEASE_POLICY_IP_RETENTION_CONTAINER, lease_policies.retention_containers),
    Endpoint("POST", "/lease_policies/:uuid/ip_leases", (uuid(IP_LEASE, "ip_lease_uuid"), text("label")), _allocate),
)
"""What answers for lease policies."""
