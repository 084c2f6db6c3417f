"""Parameters of the WebAPI: how a text (or a JSON value) becomes the value that the rules work with.

Everything comes as text (query strings, forms); JSON bodies may have the types themselves. Checked as OpenVNet checks
(the sinatra-browse library): in the order of declaration, defaults first, the first fault ends it.
"""

import re
from collections.abc import Callable, Collection, Mapping, Sequence
from ipaddress import IPv4Address
from typing import Any

import msgspec

from patchbay.service.vnet.errors import ArgumentError, InvalidUUID, MissingArgument
from patchbay.service.vnet.kinds import Kind

Read = Callable[[str, Any], Any]
"""Makes the value of a parameter (named first, for errors) from what was given; raises ArgumentError."""

TRUE, FALSE = ("y", "yes", "t", "true", "1"), ("n", "no", "f", "false", "0")
LONGEST_TEXT = 255
"""Characters that a column of OpenVNet's database has room for."""
_MAC = re.compile(r"[0-9a-fA-F]{1,2}([:-])(?:[0-9a-fA-F]{1,2}\1){4}[0-9a-fA-F]{1,2}")
_DPID = re.compile(r"(?:0[xX])?([0-9a-fA-F]{0,16})")


class Param(msgspec.Struct, frozen=True, kw_only=True):
    """One parameter. ``choices`` None allows every value; ``default`` None means that there is no default."""

    name: str
    read: Read
    required: bool = False
    choices: Collection[Any] | None = None
    default: Any = None


def read_values(params: Sequence[Param], given: Mapping[str, Any]) -> dict[str, Any]:
    """The values of the parameters that were given or have a default.

    Raises MissingArgument, ArgumentError or InvalidUUID.
    """
    values: dict[str, Any] = {}
    for param in params:
        value = given.get(param.name)
        if value is None or (value == "" and param.required):
            value = param.default
        if value is None:
            if param.required:
                raise MissingArgument(param.name)
            continue
        value = param.read(param.name, value)
        if param.choices is not None and value not in param.choices:
            raise invalid(param.name, value, "in", f"Give one of {', '.join(map(str, param.choices))}.")
        values[param.name] = value
    return values


def invalid(name: str, value: object, reason: str, remedy: str) -> ArgumentError:
    """OpenVNet's word for a value that breaks the rule ``reason`` (format, in, min, max, invalid)."""
    said = f'{{:error=>"parameter validation failed", :parameter=>:{name}, :value=>"{value}", :reason=>:{reason}}}'
    return ArgumentError(said, f"{name} has a value that it cannot have. {remedy}")


def text(name: str, *, required: bool = False, choices: Collection[str] | None = None, default: str = "") -> Param:
    """Any text; ``default`` "" is none."""
    return Param(name=name, read=_text, required=required, choices=choices, default=default or None)


def _text(name: str, value: Any) -> str:
    if isinstance(value, (dict, list)):
        raise invalid(name, value, "invalid", "Give a text.")
    if isinstance(value, bool):
        return "true" if value else "false"
    said = str(value)
    if len(said) > LONGEST_TEXT:
        raise invalid(name, f"{said[:20]}…", "max_length", f"Give at most {LONGEST_TEXT} characters.")
    return said


def boolean(name: str, *, required: bool = False, default: bool | None = None) -> Param:
    """True or false."""
    return Param(name=name, read=_boolean, required=required, default=default)


def _boolean(name: str, value: Any) -> bool:
    if isinstance(value, bool):
        return value
    given = str(value).lower()
    if given not in TRUE + FALSE:
        raise invalid(name, value, "invalid", "Give true or false.")
    return given in TRUE


def integer(
    name: str, *, required: bool = False, least: int | None = None, most: int | None = None, default: int | None = None
) -> Param:
    """A whole number, ``least`` and ``most`` included."""

    def read(given_name: str, value: Any) -> int:
        given = str(value)
        if isinstance(value, bool) or re.fullmatch(r"[+-]?[0-9]{1,18}", given, re.ASCII) is None:
            raise invalid(given_name, value, "invalid", "Give a whole number.")
        number = int(given)
        if (least is not None and number < least) or (most is not None and number > most):
            raise invalid(given_name, value, "in", f"Give a number {_between(least, most)}.")
        return number

    return Param(name=name, read=read, required=required, default=default)


def _between(least: int | None, most: int | None) -> str:
    if most is None:
        return f"not below {least}"
    return f"from {least} to {most}" if least is not None else f"up to {most}"


def ipv4(name: str, *, required: bool = False, default: str = "") -> Param:
    """An IPv4 address, or that of a network without its prefix length, in its usual form; ``default`` "" is none."""
    return Param(name=name, read=_ipv4, required=required, default=default or None)


def _ipv4(name: str, value: Any) -> str:
    try:
        return str(IPv4Address(str(value)))
    except ValueError:
        raise ArgumentError(
            f"Could not parse IPv4 address: {value}", f"Give {name} four numbers from 0 to 255 with dots between."
        ) from None


def mac(name: str, *, required: bool = False) -> Param:
    """A MAC address, as text with colons and lower case."""
    return Param(name=name, read=_mac, required=required)


def _mac(name: str, value: Any) -> str:
    given = str(value)
    if _MAC.fullmatch(given):
        return ":".join(part.zfill(2) for part in re.split("[:-]", given.lower()))
    raise ArgumentError(
        f"Could not parse MAC address: {value}",
        f"Give {name} six numbers of two hexadecimal digits, 52:54:00:00:00:01.",
    )


def dpid(name: str = "dpid", *, required: bool = False) -> Param:
    """A datapath id, with or without ``0x``, as 16 hexadecimal digits in lower case."""
    return Param(name=name, read=_dpid, required=required)


def _dpid(name: str, value: Any) -> str:
    found = _DPID.fullmatch(str(value))
    if found is None:
        raise ArgumentError(
            f'{name} must be a 16 byte hexadecimal number. Got: "{value}"',
            "Give at most 16 hexadecimal digits, as `ovs-vsctl get bridge br0 datapath_id` prints them.",
        )
    return found[1].lower().zfill(16)


def uuid(kind: Kind, name: str = "uuid", *, required: bool = False) -> Param:
    """The uuid of an object of the kind."""

    def read(given_name: str, value: Any) -> str:
        if not kind.is_uuid(value):
            raise InvalidUUID(kind, value, given_name)
        return str(value)

    return Param(name=name, read=read, required=required)
