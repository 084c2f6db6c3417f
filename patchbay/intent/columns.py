"""How each field of a model value is written in a column of the intent database, and read back.

``rows`` applies this table. A field has the column of its name unless ``_COLUMNS`` says otherwise. Lists whose order
matters are JSON text; sets of pairs are sets of text such as ``10.0.0.2-10.0.0.254``.
"""

import socket
from collections.abc import Callable, Mapping
from typing import Any

import msgspec

from patchbay.model import (
    AddressGroup,
    AddressPair,
    AddressScope,
    AllocationPool,
    DefaultSecurityGroupRule,
    DhcpOption,
    FloatingIP,
    Host,
    HostRoute,
    Instance,
    Network,
    Plug,
    Port,
    PortForwarding,
    Quota,
    RBACPolicy,
    Router,
    SecurityGroup,
    SecurityGroupRule,
    Subnet,
    SubnetPool,
    VnetObject,
)
from patchbay.ovsdb import Value, ovs_map, ovs_set, uuid_ref

Model = (
    Network
    | Subnet
    | Port
    | Instance
    | Host
    | Plug
    | Router
    | FloatingIP
    | SubnetPool
    | AddressScope
    | VnetObject
    | AddressGroup
    | SecurityGroup
    | SecurityGroupRule
    | DefaultSecurityGroupRule
    | RBACPolicy
    | Quota
)
MODELS: dict[str, type[Model]] = {
    "Host": Host,
    "AddressScope": AddressScope,
    "SubnetPool": SubnetPool,
    "AddressGroup": AddressGroup,
    "SecurityGroup": SecurityGroup,
    "SecurityGroupRule": SecurityGroupRule,
    "DefaultSecurityGroupRule": DefaultSecurityGroupRule,
    "Network": Network,
    "Subnet": Subnet,
    "Port": Port,
    "Router": Router,
    "FloatingIP": FloatingIP,
    "Instance": Instance,
    "Plug": Plug,
    "VnetObject": VnetObject,
    "RBACPolicy": RBACPolicy,
    "Quota": Quota,
}
TABLES: dict[type[Model], str] = {model: table for table, model in MODELS.items()}


class Field(msgspec.Struct, frozen=True):
    """One field of a model: its column, and the way there (``write``, OVSDB notation) and back (``read``)."""

    name: str
    column: str
    read: Callable[[Value], Any] | None
    write: Callable[[Any], Any]


def address_number(address: str) -> int:
    """An IPv4 or IPv6 address as an integer."""
    return int.from_bytes(socket.inet_pton(socket.AF_INET6 if ":" in address else socket.AF_INET, address), "big")


def address_order(address: str) -> tuple[bool, int]:
    """Sorts IPv4 before IPv6, then by number."""
    return ":" in address, address_number(address)


def _same(value: Any) -> Any:
    return value


def _write_optional(value: Any) -> Any:
    return ovs_set(()) if value is None else value


def _write_optional_reference(value: str | None) -> Any:
    return ovs_set(()) if value is None else uuid_ref(value)


def _write_references(values: tuple[str, ...]) -> Any:
    return ovs_set(uuid_ref(value) for value in values)


def _read_strings(value: frozenset[str]) -> tuple[str, ...]:
    return tuple(sorted(value)) if value else ()


def _read_list(text: str) -> tuple[str, ...]:
    return tuple(msgspec.json.decode(text)) if text else ()


def _write_list(values: tuple[Any, ...]) -> str:
    return msgspec.json.encode(values).decode() if values else ""


def _read_pools(value: frozenset[str]) -> tuple[AllocationPool, ...]:
    pools = (AllocationPool(*text.split("-")) for text in value)
    return tuple(sorted(pools, key=lambda pool: address_order(pool.start)))


def _write_pools(pools: tuple[AllocationPool, ...]) -> Any:
    return ovs_set(f"{pool.start}-{pool.end}" for pool in pools)


def _read_routes(value: frozenset[str]) -> tuple[HostRoute, ...]:
    return tuple(HostRoute(*text.split(",")) for text in sorted(value)) if value else ()


def _write_routes(routes: tuple[HostRoute, ...]) -> Any:
    return ovs_set(sorted({f"{route.destination},{route.nexthop}" for route in routes}))


def _read_pairs(value: frozenset[str]) -> tuple[AddressPair, ...]:
    return tuple(AddressPair(*text.split(",")) for text in sorted(value)) if value else ()


def _write_pairs(pairs: tuple[AddressPair, ...]) -> Any:
    return ovs_set(sorted({f"{pair.ip_address},{pair.mac_address}" for pair in pairs}))


def _read_options(text: str) -> tuple[DhcpOption, ...]:
    return msgspec.json.decode(text, type=tuple[DhcpOption, ...]) if text else ()


def _read_forwardings(text: str) -> tuple[PortForwarding, ...]:
    return msgspec.json.decode(text, type=tuple[PortForwarding, ...]) if text else ()


def _write_interfaces(interfaces: Mapping[str, str]) -> Any:
    return ovs_map({name: uuid_ref(port_id) for name, port_id in interfaces.items()})


_Codec = tuple[Callable[[Value], Any] | None, Callable[[Any], Any]]
_PLAIN: _Codec = (None, _same)
_OPTIONAL: _Codec = (None, _write_optional)
_REFERENCE: _Codec = (None, uuid_ref)
_OPTIONAL_REFERENCE: _Codec = (None, _write_optional_reference)
_STRINGS: _Codec = (_read_strings, ovs_set)
_CODECS: dict[str, _Codec] = {
    "network_id": _REFERENCE,
    "port_id": _REFERENCE,
    "tags": _STRINGS,
    "service_types": _STRINGS,
    "bridge_mappings": (None, ovs_map),
    "metadata": (None, ovs_map),
    "neighbours": (None, ovs_map),
    "datapaths": (None, ovs_map),
    "services": _STRINGS,
    "disabled_services": _STRINGS,
    "interfaces": (None, _write_interfaces),
    "physical_network": _OPTIONAL,
    "segmentation_id": _OPTIONAL,
    "gateway_ip": _OPTIONAL,
    "ipv6_ra_mode": _OPTIONAL,
    "ipv6_address_mode": _OPTIONAL,
    "dns_nameservers": (_read_list, _write_list),
    "allocation_pools": (_read_pools, _write_pools),
    "host_routes": (_read_routes, _write_routes),
    "routes": (_read_routes, _write_routes),
    "dhcp_ranges": (_read_pools, _write_pools),
    "public_keys": (_read_list, _write_list),
    "prefixes": (_read_list, _write_list),
    "default_quota": _OPTIONAL,
    "address_scope_id": _OPTIONAL_REFERENCE,
    "subnetpool_id": _OPTIONAL_REFERENCE,
    "gateway_port_id": _OPTIONAL_REFERENCE,
    "floating_network_id": _REFERENCE,
    "floating_port_id": _REFERENCE,
    "router_id": _OPTIONAL_REFERENCE,
    "security_groups": (_read_strings, _write_references),
    "security_group_id": _REFERENCE,
    "remote_group_id": _OPTIONAL_REFERENCE,
    "remote_address_group_id": _OPTIONAL_REFERENCE,
    "protocol": _OPTIONAL,
    "port_range_min": _OPTIONAL,
    "port_range_max": _OPTIONAL,
    "remote_ip_prefix": _OPTIONAL,
    "addresses": _STRINGS,
    "limits": (None, ovs_map),
    "fixed_ip_address": _OPTIONAL,
    "port_forwardings": (_read_forwardings, _write_list),
    "extra_dhcp_opts": (_read_options, _write_list),
    "allowed_address_pairs": (_read_pairs, _write_pairs),
}
_OF_MODEL: dict[tuple[type[Model], str], _Codec] = {
    (FloatingIP, "port_id"): _OPTIONAL_REFERENCE,
    (RBACPolicy, "object_id"): _REFERENCE,
    (DefaultSecurityGroupRule, "remote_group_id"): _OPTIONAL,
    (DefaultSecurityGroupRule, "remote_address_group_id"): _OPTIONAL,
}
"""Where a model's field of a common name is written in another way."""
_REFERENCES = {
    "network_id",
    "port_id",
    "address_scope_id",
    "subnetpool_id",
    "gateway_port_id",
    "floating_network_id",
    "floating_port_id",
    "router_id",
    "security_group_id",
    "remote_group_id",
    "remote_address_group_id",
}
_COLUMNS = {name: name.removesuffix("_id") for name in (*_REFERENCES, "object_id")}
JOINED = "fixed_ips"
"""The one field that is not a column of its own: ``Address`` rows, which ``Port.fixed_ips`` refers to."""


def fields_of(model: type[Model]) -> tuple[Field, ...]:
    """The fields of a model that are columns of its table."""
    return tuple(
        Field(name, _COLUMNS.get(name, name), *_OF_MODEL.get((model, name), _CODECS.get(name, _PLAIN)))
        for name in model.__struct_fields__
        if name not in ("id", JOINED)
    )


FIELDS: dict[str, tuple[Field, ...]] = {table: fields_of(model) for table, model in MODELS.items()}
