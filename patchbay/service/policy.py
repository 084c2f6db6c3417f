"""Who may do what: Neutron's default policies as a table (neutron ``conf/policies``), and how a request is held to it.

Keys are ``<verb>_<resource>`` or the name of an action, then the attributes that not everybody may write (or, after
``get_``, see). What is not in the table only administrators may. Who *sees* an object decides
``patchbay.service.access.is_visible``: what a caller cannot see does not exist for it (404), what it sees and may not
do is forbidden (403).
"""

from collections.abc import Mapping
from functools import cache

from patchbay.service.context import RequestContext
from patchbay.service.policy_errors import PolicyNotAuthorized
from patchbay.service.policy_rules import (
    Rule,
    Target,
    any_member,
    any_of,
    anybody,
    group_member,
    network_manager,
    network_member,
    nobody,
    one_project,
    ordinary_device,
    project_member,
    project_reader,
    shared_network,
)


def _owned(resource: str) -> dict[str, Rule]:
    """What the project's members may create, change and delete."""
    return {f"{verb}_{resource}": project_member for verb in ("create", "update", "delete")} | {
        f"get_{resource}": anybody
    }


def _both(attributes: Mapping[str, Rule], *verbs_and_resource: str) -> dict[str, Rule]:
    return {f"{action}:{name}": rule for action in verbs_and_resource for name, rule in attributes.items()}


_PROVIDER = {f"provider:{name}": nobody for name in ("network_type", "physical_network", "segmentation_id")}
_GATEWAY = {
    "external_gateway_info": project_member,
    "external_gateway_info:enable_snat": nobody,
    "external_gateway_info:external_fixed_ips": nobody,
}
_PORT = {
    "device_owner": any_of(ordinary_device, network_member),
    "fixed_ips:ip_address": network_member,
    "fixed_ips:subnet_id": any_of(network_member, shared_network),
    "port_security_enabled": network_member,
    "allowed_address_pairs": network_member,
    "binding:host_id": nobody,
    "binding:profile": nobody,
}
_AGENT_SCHEDULING = (
    *(f"{verb}_{kind}" for kind in ("dhcp-network", "l3-router") for verb in ("create", "delete")),
    *(f"get_{kind}" for kind in ("dhcp-networks", "l3-routers", "dhcp-agents", "l3-agents")),
)

POLICIES: Mapping[str, Rule] = {
    **_owned("network"),
    **_both(
        {**_PROVIDER, "shared": nobody, "router:external": nobody, "is_default": nobody},
        "create_network",
        "update_network",
    ),
    **_both(_PROVIDER, "get_network"),
    **_owned("subnet"),
    "create_subnet": network_member,
    "update_subnet": any_of(project_member, network_member),
    "delete_subnet": any_of(project_member, network_member),
    **_both({"dhcp_ranges": network_member}, "create_subnet", "update_subnet"),
    **_owned("port"),
    "create_port": any_of(network_member, shared_network),
    "delete_port": any_of(project_member, network_member),
    **_both(_PORT, "create_port", "update_port"),
    "create_port:mac_address": network_member,
    "update_port:mac_address": network_manager,
    "create_port:fixed_ips": any_of(network_member, shared_network),
    "update_port:fixed_ips": network_member,
    **_both(
        {f"binding:{name}": nobody for name in ("host_id", "profile", "vif_type", "vif_details")},
        "get_port",
    ),
    **_owned("router"),
    **_both({**_GATEWAY, "distributed": nobody, "ha": nobody}, "create_router", "update_router"),
    **_both({"distributed": nobody, "ha": nobody}, "get_router"),
    **dict.fromkeys(
        ("add_router_interface", "remove_router_interface", "add_extraroutes", "remove_extraroutes"), project_member
    ),
    **_owned("floatingip"),
    "create_floatingip:floating_ip_address": nobody,
    "get_port_forwarding": anybody,
    **dict.fromkeys((f"{verb}_port_forwarding" for verb in ("create", "update", "delete")), any_member),
    **_owned("address_scope"),
    **_both({"shared": nobody}, "create_address_scope", "update_address_scope"),
    **_owned("subnetpool"),
    **_both({"shared": nobody, "is_default": nobody}, "create_subnetpool", "update_subnetpool"),
    **dict.fromkeys(("add_prefixes", "remove_prefixes"), project_member),
    **_owned("security_group"),
    "get_security_group_rule": anybody,
    "create_security_group_rule": group_member,
    "delete_security_group_rule": group_member,
    "get_default_security_group_rule": anybody,
    **dict.fromkeys((f"{verb}_default_security_group_rule" for verb in ("create", "delete")), nobody),
    **_owned("address_group"),
    **dict.fromkeys(("add_addresses", "remove_addresses"), project_member),
    **_owned("rbac_policy"),
    **_both({"target_tenant": one_project, "target_project": one_project}, "create_rbac_policy", "update_rbac_policy"),
    "get_quota": project_reader,
    **dict.fromkeys(("update_quota", "delete_quota"), nobody),
    **_owned("instance"),
    **dict.fromkeys((f"{verb}_agent" for verb in ("get", "update", "delete")), nobody),
    **dict.fromkeys(_AGENT_SCHEDULING, nobody),
}

UNREMARKABLE: Mapping[str, object] = {
    "shared": False,
    "router:external": False,
    "is_default": False,
    "port_security_enabled": True,
    "device_owner": "",
    "binding:host_id": "",
    "external_gateway_info": None,
}
"""Values that a new object has anyway; to name one of them in a creation takes no further permission."""


def rule_of(action: str) -> Rule:
    """The rule of an action."""
    return POLICIES.get(action, nobody)


def is_allowed(context: RequestContext, action: str, target: Target) -> bool:
    """Whether the caller may do this, whatever attributes it names."""
    return context.is_admin or rule_of(action)(context, target)


def authorize(context: RequestContext, action: str, target: Target, named: Mapping[str, object] | None = None) -> None:
    """Raises PolicyNotAuthorized unless the caller may do this with the attributes that the request names."""
    if context.is_admin:
        return
    text = f"rule:{action}"
    rules = [action]
    for name, value in (named or {}).items():
        key = f"{action}:{name}"
        if key not in POLICIES or (action.startswith("create_") and UNREMARKABLE.get(name, ...) == value):
            continue
        parts = [key, *(inner for inner in _inner(key, value) if inner in POLICIES)]
        written = [f"rule:{part}" for part in parts]
        text = f"({text} and {written[0] if len(parts) == 1 else '(' + ' and '.join(written) + ')'})"
        rules += parts
    if not all(rule_of(one)(context, target) for one in rules):
        raise PolicyNotAuthorized(text)


def _inner(key: str, value: object) -> list[str]:
    """The keys of what an attribute holds: of an object, or of the objects in a list."""
    objects = value if isinstance(value, (list, tuple)) else [value]
    names = [name for one in objects if isinstance(one, Mapping) for name in one]
    return [f"{key}:{name}" for name in dict.fromkeys(names)]


@cache
def _restricted(resource: str) -> frozenset[str]:
    prefix = f"get_{resource}:"
    return frozenset(key.removeprefix(prefix) for key in POLICIES if key.startswith(prefix))


def hidden_attributes(context: RequestContext, resource: str) -> frozenset[str]:
    """The attributes of a kind of resource that are not shown to the caller: administrators see them only."""
    return frozenset() if context.is_admin else _restricted(resource)


def may_look(context: RequestContext, resource: str) -> bool:
    """Whether the caller may ask for this kind of resource at all."""
    return context.is_admin or rule_of(f"get_{resource}") is not nobody
