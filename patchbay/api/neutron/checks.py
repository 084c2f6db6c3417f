"""Checks and conversions of single attribute values, with Neutron's messages (neutron-lib ``api/validators``).

A check returns None or the reason why a value is wrong; a conversion returns the value or raises InvalidInput.
"""

import re
import unicodedata
from collections.abc import Callable, Collection
from ipaddress import IPv6Address, ip_address, ip_interface, ip_network
from uuid import UUID

from patchbay.service.errors import InvalidInput

Check = Callable[[object], str | None]
Convert = Callable[[object], object]

_TRUE = frozenset(("1", "t", "true", "on", "y", "yes"))
_FALSE = frozenset(("0", "f", "false", "off", "n", "no"))
_MAC = re.compile(
    r"(?:[0-9a-f]{1,2}(?::[0-9a-f]{1,2}){5}|[0-9a-f]{1,2}(?:-[0-9a-f]{1,2}){5}"
    r"|[0-9a-f]{4}\.[0-9a-f]{4}\.[0-9a-f]{4}|[0-9a-f]{12})",
    re.IGNORECASE,
)


def to_bool(value: object) -> object:
    """true/false, also as the words and digits that oslo.utils takes."""
    if isinstance(value, bool):
        return value
    text = str(value).strip().lower()
    if text in _TRUE:
        return True
    if text in _FALSE:
        return False
    raise InvalidInput(f"'{value}' cannot be converted to boolean")


def to_int(value: object) -> object:
    """A whole number, also as text."""
    try:
        if isinstance(value, float) and not value.is_integer():
            raise ValueError(value)
        return int(value)  # type: ignore[call-overload]
    except (ValueError, TypeError, OverflowError):
        raise InvalidInput(f"'{value}' is not an integer") from None


def to_mac(value: object) -> object:
    """A MAC as ``xx:xx:xx:xx:xx:xx``; what is none is left for the check to reject."""
    if not isinstance(value, str) or not _MAC.fullmatch(value):
        return value
    parts = re.split("[:-]", value)
    if len(parts) == 6:
        return ":".join(part.zfill(2) for part in parts).lower()
    digits = value.replace(".", "").lower()
    return ":".join(digits[i : i + 2] for i in range(0, 12, 2))


def to_address(value: object) -> object:
    """IPv6 addresses in canonical spelling; everything else as it is."""
    try:
        address = ip_address(value) if isinstance(value, str) else None
    except ValueError:
        return value
    return str(address) if isinstance(address, IPv6Address) else value


def to_cidr(value: object) -> object:
    """A CIDR in canonical spelling."""
    try:
        if not isinstance(value, str) or not re.fullmatch(r"[^/\s]+/\d+", value):
            raise ValueError(value)
        interface = ip_interface(value)
    except ValueError:
        raise InvalidInput(f"{value} is not in a CIDR format") from None
    return str(interface)


def none_to_list(value: object) -> object:
    """[] for null."""
    return [] if value is None else value


def none_to_dict(value: object) -> object:
    """{} for null."""
    return {} if value is None else value


def none_to_text(value: object) -> object:
    """ "" for null."""
    return "" if value is None else value


def text(max_length: int) -> Check:
    """Text of at most so many characters."""

    def check(value: object) -> str | None:
        if not isinstance(value, str) or "\0" in value:
            return f"'{value}' is not a valid string"
        if len(value) > max_length:
            return f"'{value}' exceeds maximum length of {max_length}"
        return None

    return check


def name(value: object) -> str | None:
    """A name: printable text of at most 255 characters without white space at its ends."""
    reason = text(255)(value)
    is_name = isinstance(value, str) and value == value.strip() and all(_is_printable(char) for char in value)
    return reason or (None if is_name else f"'{value}' is not a valid string")


def _is_printable(char: str) -> bool:
    category = unicodedata.category(char)
    return char.isprintable() or category == "Zs" or (category[0] not in "CZ")


def uuid(value: object) -> str | None:
    """A UUID."""
    try:
        if isinstance(value, str) and str(UUID(value)) == value.lower():
            return None
    except ValueError:
        pass
    return f"'{value}' is not a valid UUID"


def one_of(values: Collection[object]) -> Check:
    """One of the values."""

    def check(value: object) -> str | None:
        if isinstance(value, (dict, list)) or value not in values:
            return f"{value} is not in {list(values)}"
        return None

    return check


def non_negative(value: object) -> str | None:
    """A number that is zero or more."""
    return f"'{value}' should be non-negative" if isinstance(value, int) and value < 0 else None


def int64(value: object) -> str | None:
    """A number that any database can hold."""
    return f"'{value}' is too large" if isinstance(value, int) and abs(value) >= 2**63 else None


def or_none(check: Check) -> Check:
    """null, or what ``check`` accepts."""
    return lambda value: None if value is None else check(value)


def is_dict(value: object) -> str | None:
    """A JSON object."""
    return None if isinstance(value, dict) else f"'{value}' is not a dictionary"


def mac(value: object) -> str | None:
    """A unicast MAC other than all zeros."""
    if isinstance(value, str) and _MAC.fullmatch(value):
        octets = bytes.fromhex(str(to_mac(value)).replace(":", ""))
        if any(octets) and not octets[0] & 1:
            return None
    return f"'{value}' is not a valid MAC address"


def address(value: object) -> str | None:
    """An IPv4 or IPv6 address."""
    try:
        if isinstance(value, str) and "%" not in value:
            ip_address(value)
            return None
    except ValueError:
        pass
    return f"'{value}' is not a valid IP address"


def subnet(value: object) -> str | None:
    """A CIDR."""
    try:
        if isinstance(value, str) and re.fullmatch(r"[^/\s%]+/\d+", value):
            ip_network(value, strict=False)
            return None
    except ValueError:
        pass
    return f"'{value}' is not a valid IP subnet"


def route_cidr(value: object) -> str | None:
    """A CIDR without host bits that a packet can be routed to."""
    try:
        if isinstance(value, str) and re.fullmatch(r"[^/\s%]+/\d+", value):
            return f"'{value}' is not a routable CIDR" if ip_network(value).is_loopback else None
    except ValueError:
        pass
    return f"'{value}' is not a valid CIDR"


def exact_keys(keys: Collection[str], value: object) -> str | None:
    """A JSON object with just these keys."""
    if not isinstance(value, dict):
        return f"Invalid input. '{value}' must be a dictionary with keys: {list(keys)}"
    if set(value) != set(keys):
        return (
            f"Validation of dictionary's keys failed. Expected keys: {sorted(keys)} "
            f"Provided keys: {sorted(map(str, value))}"
        )
    return None


def unique_texts(max_length: int) -> Check:
    """A list of different texts."""

    def check(value: object) -> str | None:
        if not isinstance(value, list):
            return f"'{value}' is not a list"
        texts: set[str] = set()
        for item in value:
            if isinstance(item, str):
                if item in texts:
                    return f"Duplicate items in the list: '{item}'"
                texts.add(item)
        return next((reason for item in value if (reason := text(max_length)(item))), None)

    return check
