"""What holds whatever was asked: of the intent database, of what a project sees, and of every host compiled from it."""

import subprocess
from collections import Counter
from collections.abc import Iterator
from ipaddress import ip_address, ip_network
from typing import Any

from patchbay.compile.facts import Facts
from patchbay.compile.fragments import compile_all
from patchbay.compile.view import HostView
from patchbay.intent.database import IntentDatabase
from patchbay.model import Host
from patchbay.plan.diff import diff
from patchbay.plan.observed import Observed
from patchbay.plan.script import render_script
from patchbay.service.quotas import DEFAULTS, KINDS, Usage
from patchbay.service.service import Service
from patchbay.service.sharing import EVERYBODY, is_for_all

Listing = dict[str, dict[str, Any]]


def broken_rules(service: Service) -> list[str]:
    """Every rule of the intent database that does not hold."""
    db = service.db
    return [*_addresses(db), *_references(db), *_segments(db), *_pools(db), *_quotas(service)]


def _addresses(db: IntentDatabase) -> Iterator[str]:
    fixed = Counter((ip.subnet_id, ip.ip_address) for port in db.ports.values() for ip in port.fixed_ips)
    macs = Counter((port.network_id, port.mac_address) for port in db.ports.values())
    yield from (f"address {key} is used {count} times" for key, count in fixed.items() if count > 1)
    yield from (f"MAC {key} is used {count} times" for key, count in macs.items() if count > 1)
    for port in db.ports.values():
        for ip in port.fixed_ips:
            subnet = db.subnets.get(ip.subnet_id)
            if subnet is None or subnet.network_id != port.network_id:
                yield f"port {port.id} has an address of subnet {ip.subnet_id}, which is not on its network"
            elif ip_address(ip.ip_address) not in ip_network(subnet.cidr):
                yield f"port {port.id} has {ip.ip_address}, which is not in {subnet.cidr}"
    for network_id in db.networks:
        blocks = [ip_network(db.subnets[one].cidr) for one in db.subnets_by_network.get(network_id, ())]
        for index, block in enumerate(blocks):
            if any(block.version == other.version and block.overlaps(other) for other in blocks[:index]):
                yield f"subnets of network {network_id} overlap: {blocks}"


def _references(db: IntentDatabase) -> Iterator[str]:
    for port in db.ports.values():
        if port.network_id not in db.networks:
            yield f"port {port.id} has lost its network"
        yield from (
            f"port {port.id} has lost group {one}" for one in port.security_groups if one not in db.security_groups
        )
    yield from (
        f"subnet {one.id} has lost its network" for one in db.subnets.values() if one.network_id not in db.networks
    )
    for router in db.routers.values():
        if router.gateway_port_id is not None and router.gateway_port_id not in db.ports:
            yield f"router {router.id} has lost its gateway"
    for one in db.floatingips.values():
        if one.floating_port_id not in db.ports:
            yield f"floating IP {one.id} has lost its port"
        if one.port_id is not None and (one.port_id not in db.ports or one.router_id not in db.routers):
            yield f"floating IP {one.id} leads to {one.port_id} by {one.router_id}"
        for forwarding in one.port_forwardings:
            if forwarding.internal_port_id not in db.ports:
                yield f"port forwarding {forwarding.id} leads nowhere"
    for rule in db.security_group_rules.values():
        groups = {rule.security_group_id, rule.remote_group_id} - {None}
        if not groups <= db.security_groups.keys():
            yield f"rule {rule.id} has lost a group"
        if rule.remote_address_group_id is not None and rule.remote_address_group_id not in db.address_groups:
            yield f"rule {rule.id} has lost its address group"
    shared = (db.networks, db.security_groups, db.subnetpools, db.address_scopes, db.address_groups)
    for policy in db.rbac_policies.values():
        if not any(policy.object_id in table for table in shared):
            yield f"policy {policy.id} shares what is not there"


def _segments(db: IntentDatabase) -> Iterator[str]:
    used = Counter(
        (one.network_type, one.physical_network, one.segmentation_id)
        for one in db.networks.values()
        if one.network_type != "local"
    )
    yield from (f"segment {key} is used {count} times" for key, count in used.items() if count > 1)


def _pools(db: IntentDatabase) -> Iterator[str]:
    for subnet in db.subnets.values():
        pool = db.subnetpools.get(subnet.subnetpool_id or "")
        if subnet.subnetpool_id is not None and pool is None:
            yield f"subnet {subnet.id} has lost its pool"
    for pool in db.subnetpools.values():
        if pool.address_scope_id is not None and pool.address_scope_id not in db.address_scopes:
            yield f"pool {pool.id} has lost its scope"


def _quotas(service: Service) -> Iterator[str]:
    anew = Usage(service.db)
    projects = {value.project_id for value in (*service.db.ports.values(), *service.db.networks.values())}
    for project in projects:
        for kind in KINDS.values():
            counted, there = service.quotas.usage.of(kind, project), anew.of(kind, project)
            if counted != there:
                yield f"project {project} has {there} of {kind}, and {counted} are counted"
    rows = Counter(row.project_id for row in service.db.quotas.values())
    yield from (f"project {project} has {count} quotas" for project, count in rows.items() if count > 1)
    for kind, limit in DEFAULTS.items():
        for project in projects:
            is_usual = not any(row.limits.get(kind) for row in service.db.quotas.values() if row.project_id == project)
            made_by_service = kind in ("port", "security_group", "security_group_rule")
            if is_usual and not made_by_service and -1 < limit < anew.of(kind, project):
                yield f"project {project} has {anew.of(kind, project)} of {kind}, more than {limit}"


def own(listing: Listing, project: str) -> Listing:
    """What is the project's own, and nobody else's business.

    Left out is what others may change by right: ports on another's network, whose owner may delete them, and what
    follows from those; addresses from a subnet of another's on one's own network.
    """
    networks = {id_ for id_, one in listing["networks"].items() if one["project_id"] == project}
    subnets = {id_ for id_, one in listing["subnets"].items() if one["project_id"] == project}
    kept: Listing = {}
    for kind, objects in listing.items():
        kept[kind] = {id_: one for id_, one in objects.items() if one.get("project_id") == project}
    kept["networks"] = {
        id_: {**one, "subnets": [each for each in one["subnets"] if each in subnets]}
        for id_, one in kept["networks"].items()
    }
    kept["ports"] = {
        id_: one
        for id_, one in kept["ports"].items()
        if one["network_id"] in networks and {ip["subnet_id"] for ip in one["fixed_ips"]} <= subnets
    }
    bound = {None, *kept["ports"]}
    for kind, name in (("floatingips", "port_id"), ("port_forwardings", "internal_port_id")):
        kept[kind] = {id_: one for id_, one in kept.get(kind, {}).items() if one.get(name) in bound}
    return kept


def intruders(db: IntentDatabase, listing: Listing, project: str) -> list[str]:
    """What a project sees that is another's and was not shared with it, by the rules as the documents have them."""
    shared = {one.object_id for one in db.rbac_policies.values() if one.target_project in (EVERYBODY, project)}
    networks = {
        id_
        for id_, one in db.networks.items()
        if one.project_id == project or one.shared or id_ in shared or is_for_all(db, one)
    }
    mine = {id_ for id_, one in db.networks.items() if one.project_id == project}
    pools = {id_ for id_, one in db.subnetpools.items() if one.shared} | shared
    scopes = {id_ for id_, one in db.address_scopes.items() if one.shared} | shared
    groups = {id_ for id_, one in db.security_groups.items() if one.project_id == project} | shared
    allowed = {
        "networks": lambda one: one["id"] in networks,
        "subnets": lambda one: one["network_id"] in networks,
        "ports": lambda one: one["network_id"] in mine,
        "subnetpools": lambda one: one["id"] in pools,
        "address-scopes": lambda one: one["id"] in scopes,
        "security-groups": lambda one: one["id"] in groups,
        "security-group-rules": lambda one: one["security_group_id"] in groups,
        "address-groups": lambda one: one["id"] in shared,
        "default-security-group-rules": lambda one: True,
        "rbac-policies": lambda one: one["target_tenant"] in (EVERYBODY, project),
    }
    return [
        f"{kind} {id_} of {one.get('project_id')}"
        for kind, objects in listing.items()
        if kind != "port_forwardings"
        for id_, one in objects.items()
        if one.get("project_id") != project and not allowed.get(kind, lambda _one: False)(one)
    ]


def scripts(db: IntentDatabase, hosts: list[Host]) -> Iterator[str]:
    """Every host compiled from the intent, as the script that would make it, whose form bash accepts."""
    for host in hosts:
        view = HostView(
            Facts(
                host=host.name,
                datapath_type=host.datapath_type,
                tunnel_ip=host.tunnel_ip,
                bridge_mappings=host.bridge_mappings,
                bridges=frozenset(host.bridge_mappings.values()),
                datapaths=host.datapaths,
                bridge_ports={"br0": frozenset({"a", "if-a", "1", "10"})},
                services=host.services,
            )
        )
        tables = (db.hosts, db.networks, db.subnets, db.ports, db.instances, db.plugs, db.routers, db.floatingips)
        secured = (db.security_groups, db.security_group_rules, db.address_groups, db.vnet_objects)
        for table in (*tables, *secured):
            for value in table.values():
                view.put(value)  # type: ignore[arg-type]
        script = render_script(diff(Observed(), compile_all(view)), host.name)
        read = subprocess.run(["bash", "-n"], input=script, capture_output=True, text=True, check=False)
        assert read.returncode == 0, read.stderr
        yield script
