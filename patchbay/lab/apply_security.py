"""A topology's security groups and address groups, brought about through the Neutron API.

Called by ``apply``. Rules that a group has already are not asked for again; none is ever deleted.
"""

from collections.abc import Iterable, Mapping, Sequence
from urllib.parse import urlencode

from patchbay.lab.client import Client
from patchbay.lab.objects import Applied, Key, Object, bring_about
from patchbay.lab.topology import Instance, Interface, Network, Topology
from patchbay.lab.topology_security import DEFAULT, SecurityGroup, SecurityRule
from patchbay.service.security_rules import rule_key
from patchbay.service.security_specs import SecurityGroupRuleSpec

Ids = Mapping[Key, str]


def speaks_of_security(topology: Topology) -> bool:
    """Whether the file says anything of security groups or port security.

    The networks of one that says nothing are made without port security: everybody reaches everybody, as it says.
    """
    named: tuple[Network | Instance, ...] = (*topology.networks.values(), *topology.instances.values())
    return bool(topology.security_groups) or any(
        each.port_security is not None or each.security_groups is not None for each in named
    )


def apply_security(client: Client, topology: Topology, projects: Iterable[str], steps: list[Applied]) -> Ids:
    """The ids of all groups that ports may be in, by project and name, after groups and rules were made."""
    if not speaks_of_security(topology):
        return {}
    wanted: dict[Key, Object] = {
        (group.project, name): {"name": name, "project_id": group.project, "stateful": group.stateful}
        for name, group in topology.security_groups.items()
        if name != DEFAULT
    }
    ids = bring_about(client, "security-groups", wanted, steps)
    owners = {*projects, *(group.project for group in topology.security_groups.values())}
    for project in sorted(owners):
        path = "/v2.0/security-groups?" + urlencode({"name": DEFAULT, "project_id": project})
        ids[project, DEFAULT] = client.request("GET", path)["security_groups"][0]["id"]
    owner = topology.name
    blocks: dict[Key, Object] = {
        (owner, name): {"name": name, "project_id": owner, "addresses": list(addresses)}
        for name, addresses in topology.address_groups.items()
    }
    address_ids = bring_about(client, "address-groups", blocks, steps)
    _apply_addresses(client, {address_ids[key]: body for key, body in blocks.items()}, steps)
    for name, group in topology.security_groups.items():
        of_group = {"security_group_id": ids[group.project, name]}
        bodies = [of_group | rule_body(topology, group, rule, ids, address_ids) for rule in group.rules]
        _apply_rules(client, name, of_group["security_group_id"], bodies, steps)
    return ids


def _apply_addresses(client: Client, wanted: Mapping[str, Object], steps: list[Applied]) -> None:
    """The address groups that are there already get the addresses of the file."""
    for found in client.request("GET", "/v2.0/address-groups")["address_groups"] if wanted else ():
        there, listed = set(found["addresses"]), set(wanted.get(found["id"], found)["addresses"])
        for action, addresses in (("add", listed - there), ("remove", there - listed)):
            if addresses:
                path = f"/v2.0/address-groups/{found['id']}/{action}_addresses"
                client.request("PUT", path, {"addresses": sorted(addresses)})
        if there != listed:
            steps.append(Applied(updated=(("address group", found["name"]),)))


def _apply_rules(client: Client, name: str, group_id: str, bodies: Sequence[Object], steps: list[Applied]) -> None:
    found = client.request("GET", f"/v2.0/security-group-rules?security_group_id={group_id}")["security_group_rules"]
    there = {rule_key(_spec(each)) for each in found}
    missing = {key: body for body in bodies if (key := rule_key(_spec(body))) not in there}
    if missing:
        client.request("POST", "/v2.0/security-group-rules", {"security_group_rules": list(missing.values())})
    made = tuple(("security group rule", name) for _ in missing)
    steps.append(Applied(created=made, unchanged=len(bodies) - len(missing)))


def rule_body(topology: Topology, group: SecurityGroup, rule: SecurityRule, ids: Ids, blocks: Ids) -> Object:
    """A rule as the API takes it, but for its group."""
    body: Object = {"project_id": group.project, "direction": rule.direction, "ethertype": rule.ethertype}
    given = {"protocol": rule.protocol, "port_range_min": rule.first, "port_range_max": rule.last}
    if rule.remote in topology.address_groups:
        given["remote_address_group_id"] = blocks[topology.name, rule.remote]
    elif rule.remote in topology.security_groups and rule.remote != DEFAULT:
        given["remote_group_id"] = ids[topology.security_groups[rule.remote].project, rule.remote]
    elif rule.remote == DEFAULT:
        given["remote_group_id"] = ids[group.project, DEFAULT]
    elif rule.remote:
        given["remote_ip_prefix"] = rule.remote
    return body | {name: value for name, value in given.items() if value is not None}


def _spec(body: Object) -> SecurityGroupRuleSpec:
    fields = {name: body[name] for name in SecurityGroupRuleSpec.__struct_fields__ if name in body}
    return SecurityGroupRuleSpec(**fields)


def port_security_body(topology: Topology, instance: Instance, interface: Interface, project: str, ids: Ids) -> Object:
    """What the file says of a port's security and groups; nothing where it leaves that to the network."""
    network = topology.networks[interface.network]
    enabled = instance.port_security
    named = instance.security_groups if instance.security_groups is not None else network.security_groups
    if enabled is False:
        return {"port_security_enabled": False, "security_groups": []}
    body: Object = {} if enabled is None else {"port_security_enabled": enabled}
    if named is not None:
        owners = {name: project if name == DEFAULT else topology.security_groups[name].project for name in named}
        body["security_groups"] = sorted(ids[owner, name] for name, owner in owners.items())
    return body
