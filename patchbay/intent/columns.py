"""How each field of a model value is written in a column of the intent database, and read back.

``rows`` applies this table. A field has the column of its name unless ``_COLUMNS`` says otherwise. Lists whose order
matters are JSON text; sets of pairs are sets of text such as ``10.0.0.2-10.0.0.254``.
"""

import socket
from collections.abc import Callable, Mapping
from typing import Any

import msgspec

from patchbay.model import (
    AddressPair,
    AllocationPool,
    Host,
    HostRoute,
    Instance,
    Network,
    Plug,
    Port,
    Subnet,
)
from patchbay.ovsdb import Value, ovs_map, ovs_set, uuid_ref

Model = Network | Subnet | Port | Instance | Host | Plug
MODELS: dict[str, type[Model]] = {
    "Host": Host,
    "Network": Network,
    "Subnet": Subnet,
    "Port": Port,
    "Instance": Instance,
    "Plug": Plug,
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


def _read_strings(value: frozenset[str]) -> tuple[str, ...]:
    return tuple(sorted(value)) if value else ()


def _read_list(text: str) -> tuple[str, ...]:
    return tuple(msgspec.json.decode(text)) if text else ()


def _write_list(values: tuple[str, ...]) -> str:
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


def _write_interfaces(interfaces: Mapping[str, str]) -> Any:
    return ovs_map({name: uuid_ref(port_id) for name, port_id in interfaces.items()})


_Codec = tuple[Callable[[Value], Any] | None, Callable[[Any], Any]]
_PLAIN: _Codec = (None, _same)
_OPTIONAL: _Codec = (None, _write_optional)
_REFERENCE: _Codec = (None, uuid_ref)
_STRINGS: _Codec = (_read_strings, ovs_set)
_CODECS: dict[str, _Codec] = {
    "network_id": _REFERENCE,
    "port_id": _REFERENCE,
    "tags": _STRINGS,
    "service_types": _STRINGS,
    "bridge_mappings": (None, ovs_map),
    "interfaces": (None, _write_interfaces),
    "physical_network": _OPTIONAL,
    "segmentation_id": _OPTIONAL,
    "gateway_ip": _OPTIONAL,
    "ipv6_ra_mode": _OPTIONAL,
    "ipv6_address_mode": _OPTIONAL,
    "dns_nameservers": (_read_list, _write_list),
    "allocation_pools": (_read_pools, _write_pools),
    "host_routes": (_read_routes, _write_routes),
    "allowed_address_pairs": (_read_pairs, _write_pairs),
}
_COLUMNS = {"network_id": "network", "port_id": "port"}
JOINED = "fixed_ips"
"""The one field that is not a column of its own: ``Address`` rows, which ``Port.fixed_ips`` refers to."""


def fields_of(model: type[Model]) -> tuple[Field, ...]:
    """The fields of a model that are columns of its table."""
    return tuple(
        Field(name, _COLUMNS.get(name, name), *_CODECS.get(name, _PLAIN))
        for name in model.__struct_fields__
        if name not in ("id", JOINED)
    )


FIELDS: dict[str, tuple[Field, ...]] = {table: fields_of(model) for table, model in MODELS.items()}
