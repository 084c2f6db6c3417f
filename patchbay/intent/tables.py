"""The model values of the intent database in memory: by id, and by the properties that somebody asks for.

``IntentDatabase`` is one of these, kept up to date by its replica. Mappings are live.
"""

import re
from collections.abc import Iterable, Mapping
from typing import cast

from patchbay.intent.columns import MODELS, Model, address_number
from patchbay.intent.index import Index
from patchbay.model import (
    AddressGroup,
    AddressScope,
    DefaultSecurityGroupRule,
    FloatingIP,
    Host,
    Instance,
    Network,
    Plug,
    Port,
    Quota,
    RBACPolicy,
    Router,
    SecurityGroup,
    SecurityGroupRule,
    Subnet,
    SubnetPool,
    VnetObject,
)

_COLLECTIONS: dict[str, str] = {
    "hosts": "Host",
    "networks": "Network",
    "subnets": "Subnet",
    "ports": "Port",
    "instances": "Instance",
    "plugs": "Plug",
    "routers": "Router",
    "floatingips": "FloatingIP",
    "subnetpools": "SubnetPool",
    "address_scopes": "AddressScope",
    "vnet_objects": "VnetObject",
    "address_groups": "AddressGroup",
    "security_groups": "SecurityGroup",
    "security_group_rules": "SecurityGroupRule",
    "default_security_group_rules": "DefaultSecurityGroupRule",
    "rbac_policies": "RBACPolicy",
    "quotas": "Quota",
}
_INDEXES: dict[str, tuple[str, str]] = {
    "hosts_by_name": ("Host", "name"),
    "networks_by_name": ("Network", "name"),
    "subnets_by_name": ("Subnet", "name"),
    "subnets_by_network": ("Subnet", "network_id"),
    "subnets_by_pool": ("Subnet", "subnetpool_id"),
    "ports_by_name": ("Port", "name"),
    "ports_by_network": ("Port", "network_id"),
    "ports_by_device": ("Port", "device_id"),
    "ports_by_host": ("Port", "host"),
    "ports_by_mac_address": ("Port", "mac_address"),
    "ports_by_interface_name": ("Port", "interface_name"),
    "ports_by_dns_name": ("Port", "dns_name"),
    "instances_by_name": ("Instance", "name"),
    "instances_by_host": ("Instance", "host"),
    "plugs_by_port": ("Plug", "port_id"),
    "plugs_by_host": ("Plug", "host"),
    "routers_by_name": ("Router", "name"),
    "routers_by_host": ("Router", "host"),
    "floatingips_by_router": ("FloatingIP", "router_id"),
    "floatingips_by_port": ("FloatingIP", "port_id"),
    "floatingips_by_network": ("FloatingIP", "floating_network_id"),
    "subnetpools_by_name": ("SubnetPool", "name"),
    "subnetpools_by_scope": ("SubnetPool", "address_scope_id"),
    "address_scopes_by_name": ("AddressScope", "name"),
    "vnet_objects_by_kind": ("VnetObject", "kind"),
    "vnet_objects_by_uuid": ("VnetObject", "uuid"),
    "vnet_objects_by_object": ("VnetObject", "object_id"),
    "address_groups_by_name": ("AddressGroup", "name"),
    "security_groups_by_name": ("SecurityGroup", "name"),
    "security_groups_by_project": ("SecurityGroup", "project_id"),
    "rules_by_security_group": ("SecurityGroupRule", "security_group_id"),
    "rules_by_remote_group": ("SecurityGroupRule", "remote_group_id"),
    "rules_by_address_group": ("SecurityGroupRule", "remote_address_group_id"),
    "rbac_policies_by_object": ("RBACPolicy", "object_id"),
    "rbac_policies_by_target": ("RBACPolicy", "target_project"),
    "ports_by_security_group": ("Port", "security_groups"),
}
_SERVICE_ONLY = frozenset({"ports_by_device", "ports_by_mac_address", "ports_by_interface_name", "ports_by_dns_name"})
"""Indexes that an agent, which must stay small, does without."""

BEGINNING = 8
"""Characters of a port's id that an index has."""

_MENTION = re.compile(r'"port_name":"([^"]+)"|"([a-z0-9]+[-.][a-z0-9.-]+)"')
"""Texts in ``VnetObject.data`` that may name something: OpenVNet's uuids, ids, IPv4 addresses, names of ports.

``vnet_objects_by_mention`` finds the rows that have one of them anywhere; it is the service's only.
"""


class Tables:
    """All values that are in scope. A key that nothing has is in no index."""

    hosts: Mapping[str, Host]
    networks: Mapping[str, Network]
    subnets: Mapping[str, Subnet]
    ports: Mapping[str, Port]
    instances: Mapping[str, Instance]
    plugs: Mapping[str, Plug]
    routers: Mapping[str, Router]
    floatingips: Mapping[str, FloatingIP]
    subnetpools: Mapping[str, SubnetPool]
    address_scopes: Mapping[str, AddressScope]
    vnet_objects: Mapping[str, VnetObject]
    address_groups: Mapping[str, AddressGroup]
    security_groups: Mapping[str, SecurityGroup]
    security_group_rules: Mapping[str, SecurityGroupRule]
    default_security_group_rules: Mapping[str, DefaultSecurityGroupRule]
    rbac_policies: Mapping[str, RBACPolicy]
    quotas: Mapping[str, Quota]
    hosts_by_name: Index
    networks_by_name: Index
    subnets_by_name: Index
    subnets_by_network: Index
    subnets_by_pool: Index
    ports_by_name: Index
    ports_by_network: Index
    ports_by_device: Index
    ports_by_host: Index
    ports_by_mac_address: Index
    ports_by_interface_name: Index
    ports_by_dns_name: Index
    instances_by_name: Index
    instances_by_host: Index
    plugs_by_port: Index
    plugs_by_host: Index
    routers_by_name: Index
    routers_by_host: Index
    floatingips_by_router: Index
    floatingips_by_port: Index
    floatingips_by_network: Index
    subnetpools_by_name: Index
    subnetpools_by_scope: Index
    address_scopes_by_name: Index
    vnet_objects_by_kind: Index
    vnet_objects_by_uuid: Index
    vnet_objects_by_object: Index
    address_groups_by_name: Index
    security_groups_by_name: Index
    security_groups_by_project: Index
    rules_by_security_group: Index
    rules_by_remote_group: Index
    rules_by_address_group: Index
    rbac_policies_by_object: Index
    rbac_policies_by_target: Index
    ports_by_security_group: Index

    def __init__(self, *, is_whole: bool) -> None:
        self._is_whole = is_whole
        self._used: dict[str, dict[int, str]] = {}
        self._tables: dict[str, dict[str, Model]] = {table: {} for table in MODELS}
        for name, table in _COLLECTIONS.items():
            setattr(self, name, self._tables[table])
        for name in _INDEXES:
            setattr(self, name, Index())
        self.vnet_objects_by_mention = Index()
        self._ports_by_beginning = Index()
        self._indexes = self._by_table()

    def _by_table(self) -> dict[str, list[tuple[str, Index]]]:
        indexes: dict[str, list[tuple[str, Index]]] = {table: [] for table in MODELS}
        for name, (table, field) in _INDEXES.items():
            if self._is_whole or name not in _SERVICE_ONLY:
                indexes[table].append((field, getattr(self, name)))
        return indexes

    def addresses(self, subnet_id: str) -> Mapping[int, str]:
        """The used addresses of a subnet, as integers, and the port of each; live. Not kept in an agent's scope."""
        return self._used.setdefault(subnet_id, {})

    def ports_beginning(self, text: str) -> list[Port]:
        """The ports whose ids begin so (with 8 characters at least). Not kept in an agent's scope."""
        ids = self._ports_by_beginning.get(text[:BEGINNING], ())
        return [self.ports[id_] for id_ in ids if id_.startswith(text)]

    def host_named(self, name: str) -> Host | None:
        """The host of this name; names of hosts are unique."""
        return next((self.hosts[row] for row in self.hosts_by_name.get(name, ())), None)

    def _put(self, table: str, old: Model | None, new: Model | None) -> None:
        """``new`` takes the place of ``old``, in all indexes."""
        values = self._tables[table]
        if new is not None:
            values[new.id] = new
        elif old is not None:
            del values[old.id]
        for field, index in self._indexes[table]:
            before = None if old is None else getattr(old, field)
            after = None if new is None else getattr(new, field)
            if before == after:
                continue
            for key in _keys(before):
                index.discard(key, old.id if old is not None else "")
            for key in _keys(after):
                index.add(key, new.id if new is not None else "")
        if table == "Port" and self._is_whole:
            self._put_addresses(cast(Port | None, old), cast(Port | None, new))
            if old is None and new is not None:
                self._ports_by_beginning.add(new.id[:BEGINNING], new.id)
            elif old is not None and new is None:
                self._ports_by_beginning.discard(old.id[:BEGINNING], old.id)
        if table == "VnetObject" and self._is_whole:
            self._put_mentions(cast(VnetObject | None, old), cast(VnetObject | None, new))

    def _put_mentions(self, old: VnetObject | None, new: VnetObject | None) -> None:
        row = new or old
        assert row is not None
        before, after = _mentions(old), _mentions(new)
        for text in before - after:
            self.vnet_objects_by_mention.discard(text, row.id)
        for text in after - before:
            self.vnet_objects_by_mention.add(text, row.id)

    def _put_addresses(self, old: Port | None, new: Port | None) -> None:
        before = old.fixed_ips if old is not None else ()
        after = new.fixed_ips if new is not None else ()
        if before == after:
            return
        for ip in before:
            number = address_number(ip.ip_address)
            if old is not None and self._used[ip.subnet_id].get(number) == old.id:
                del self._used[ip.subnet_id][number]
        for ip in after:
            assert new is not None
            self._used.setdefault(ip.subnet_id, {})[address_number(ip.ip_address)] = new.id


def _keys(value: str | tuple[str, ...] | None) -> Iterable[str]:
    """The keys under which a field's value is found: each of several, none for what is empty."""
    return ((value,) if isinstance(value, str) else value) if value else ()


def _mentions(row: VnetObject | None) -> set[str]:
    return set() if row is None else {port_name or text for port_name, text in _MENTION.findall(row.data)}
