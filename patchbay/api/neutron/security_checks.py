"""Checks and conversions of the attributes of security groups and rules (neutron ``extensions/securitygroup.py``)."""

from ipaddress import ip_interface

from patchbay.api.neutron import checks
from patchbay.model.protocols import IP_PROTOCOLS
from patchbay.model.security import DEFAULT_GROUP, IPV4, IPV6
from patchbay.service.security_errors import (
    InvalidCIDR,
    SecurityGroupDefaultAlreadyExists,
    SecurityGroupInvalidPortValue,
    SecurityGroupRuleInvalidEtherType,
    SecurityGroupRuleInvalidProtocol,
)

ETHERTYPES = (IPV4, IPV6)


def _whole(value: object, last: int) -> int | None:
    """A number from 0 to ``last``, also as text; None for everything else."""
    text = str(value) if isinstance(value, (int, str)) and not isinstance(value, bool) else ""
    return int(text) if text.isascii() and text.isdecimal() and len(text) < 10 and int(text) <= last else None


def to_protocol(value: object) -> object:
    """A name in small letters or a number as text; None for ``any``."""
    if value is None or value == "any":
        return None
    number = _whole(value, 255)
    if number is not None:
        return str(number)
    name = value.lower() if isinstance(value, str) else ""
    if name == "any":
        return None
    if name not in IP_PROTOCOLS:
        raise SecurityGroupRuleInvalidProtocol(value)
    return name


def to_ethertype(value: object) -> object:
    """IPv4 or IPv6, however capitals are set."""
    for ethertype in ETHERTYPES:
        if isinstance(value, str) and value.lower() == ethertype.lower():
            return ethertype
    raise SecurityGroupRuleInvalidEtherType(value, ETHERTYPES)


def to_port(value: object) -> object:
    """A number of 16 bits, or None."""
    if value is None:
        return None
    number = _whole(value, 65535)
    if number is None:
        raise SecurityGroupInvalidPortValue(value)
    return number


def to_prefix(value: object) -> object:
    """A CIDR, host bits included as they were given; an address alone is all of its prefix. None for nothing."""
    if not value:
        return None
    try:
        if not isinstance(value, str) or "%" in value or any(char.isspace() for char in value):
            raise ValueError(value)
        return str(ip_interface(value))
    except ValueError:
        raise InvalidCIDR(value) from None


def group_name(value: object) -> str | None:
    """A name of a group other than the one that every project has."""
    if reason := checks.text(255)(value):
        return reason
    if str(value).lower() == DEFAULT_GROUP:
        raise SecurityGroupDefaultAlreadyExists
    return None


def uuids(value: object) -> str | None:
    """A list of different UUIDs."""
    return _each(value, checks.uuid)


def blocks(value: object) -> str | None:
    """A list of different CIDRs."""
    return _each(value, checks.subnet)


def addresses(value: object) -> str | None:
    """A list of different addresses and CIDRs."""
    return _each(value, lambda item: checks.subnet(item) if checks.address(item) else None)


def _each(value: object, check: checks.Check) -> str | None:
    if reason := checks.unique_texts(64)(value):
        return reason
    assert isinstance(value, list)
    return next((reason for item in value if (reason := check(item))), None)
