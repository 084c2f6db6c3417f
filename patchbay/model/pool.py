"""Subnet pools and address scopes (Neutron API reference: "Subnet pools", "Address scopes")."""

from patchbay.model.resource import Resource


class AddressScope(Resource, frozen=True, kw_only=True):
    """Subnet pools whose prefixes never overlap."""

    ip_version: int
    shared: bool = False


class SubnetPool(Resource, frozen=True, kw_only=True):
    """Prefixes that subnets are cut from. Quotas count addresses (IPv4) or /64 blocks (IPv6) of one project."""

    ip_version: int
    prefixes: tuple[str, ...] = ()
    default_prefixlen: int
    min_prefixlen: int
    max_prefixlen: int
    default_quota: int | None = None
    address_scope_id: str | None = None
    shared: bool = False
    is_default: bool = False
