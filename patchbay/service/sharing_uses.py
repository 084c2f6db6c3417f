"""What other projects have made of an object that is shared with them; while they have, it stays shared. Reads only."""

from collections.abc import Callable, Iterable

from patchbay.intent.tables import Tables
from patchbay.model import Network, RBACPolicy, SubnetPool
from patchbay.model.resource import Resource
from patchbay.model.router import ROUTER_GATEWAY, ROUTER_INTERFACES
from patchbay.service.errors import InvalidInput
from patchbay.service.policy_errors import RbacPolicyInUse
from patchbay.service.service import Service
from patchbay.service.sharing import EVERYBODY, EXTERNAL, SHARED, policies_of


def projects_using(service: Service, value: Resource, kind: str, action: str) -> set[str]:
    """The projects with something that depends on the object's being shared in this way."""
    db, id_ = service.db, value.id
    if kind == "network":
        return _of_gateways(service, id_) if action == EXTERNAL else _on_network(service, id_)
    users: dict[str, Callable[[], Iterable[Resource]]] = {
        "security_group": lambda: (db.ports[one] for one in db.ports_by_security_group.get(id_, ())),
        "subnetpool": lambda: (db.subnets[one] for one in db.subnets_by_pool.get(id_, ())),
        "address_scope": lambda: (db.subnetpools[one] for one in db.subnetpools_by_scope.get(id_, ())),
        "address_group": lambda: (db.security_group_rules[one] for one in db.rules_by_address_group.get(id_, ())),
    }
    return {user.project_id for user in users[kind]()}


def _on_network(service: Service, network_id: str) -> set[str]:
    """The projects with ports, interfaces of routers or subnets on the network."""
    db = service.db
    ports = [db.ports[one] for one in db.ports_by_network.get(network_id, ())]
    used = {port.project_id for port in ports if not port.device_owner.startswith("network:")}
    used |= {port.project_id for port in ports if port.device_owner in ROUTER_INTERFACES}
    return used | {db.subnets[one].project_id for one in db.subnets_by_network.get(network_id, ())}


def _of_gateways(service: Service, network_id: str) -> set[str]:
    """The projects with a router's gateway or a floating IP on the network."""
    db = service.db
    ports = [db.ports[one] for one in db.ports_by_network.get(network_id, ())]
    routers = [db.routers.get(port.device_id) for port in ports if port.device_owner == ROUTER_GATEWAY]
    used = {router.project_id for router in routers if router is not None}
    return used | {db.floatingips[one].project_id for one in db.floatingips_by_network.get(network_id, ())}


def check_unused(service: Service, value: Resource, policy: RBACPolicy, target: str = "") -> None:
    """Raises RbacPolicyInUse when the policy cannot go because a project needs it that no other policy serves.

    ``target`` is whom it would serve instead. An external network that is the default one stays for all.
    """
    if policy.action == EXTERNAL and policy.target_project == EVERYBODY and getattr(value, "is_default", False):
        raise RbacPolicyInUse(value.id, "Default external networks must be shared to everyone.")
    others = {target} | {
        one.target_project for one in policies_of(service.db, value.id, policy.action) if one.id != policy.id
    }
    implied = policy.action != EXTERNAL and getattr(value, "shared", False)
    if implied and policy.target_project != EVERYBODY:
        others.add(EVERYBODY)
    if EVERYBODY in others:
        return
    using = projects_using(service, value, policy.object_type, policy.action) - {value.project_id, *others}
    if policy.target_project != EVERYBODY:
        using &= {policy.target_project}
    if using:
        raise RbacPolicyInUse(value.id, f"project_id={policy.target_project}")


def check_parts_visible(db: Tables, value: Resource, policy: RBACPolicy) -> None:
    """Raises InvalidInput for a subnet pool whose address scope the policy's target does not see, as Neutron does."""
    scope = db.address_scopes.get(value.address_scope_id or "") if isinstance(value, SubnetPool) else None
    if scope is None or scope.shared or scope.project_id == policy.target_project:
        return
    targets = {one.target_project for one in policies_of(db, scope.id, SHARED)}
    if targets.isdisjoint((EVERYBODY, policy.target_project)):
        raise InvalidInput(
            f"Cannot share subnet pool {value.id} with {policy.target_project}: its address scope {scope.id} is not "
            "shared with that project"
        )


def is_last(service: Service, network: Network, policy: RBACPolicy) -> bool:
    """Whether a network is external by this policy alone."""
    return all(one.id == policy.id for one in policies_of(service.db, network.id, EXTERNAL))
