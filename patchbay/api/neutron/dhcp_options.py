"""``extra_dhcp_opts`` in requests (neutron-lib ``api/definitions/extra_dhcp_opt``)."""

import re

from patchbay.api.neutron import checks
from patchbay.service.dhcp_options import BLANK_OPTIONS
from patchbay.service.errors import InvalidInput
from patchbay.service.guests import CLIENT_ID

MAX_NAME, MAX_VALUE, MAX_OPTIONS = 64, 255, 100
_NAME = re.compile(r"[A-Za-z0-9_-]+")
_FIELDS = {"opt_name": "name", "opt_value": "value", "ip_version": "ip_version"}


def to_options(value: object) -> object:
    """The options under the names of ``WantedOption``; null means no change."""
    if value is None:
        return []
    if not isinstance(value, list):
        return value
    return [_to_option(item) if isinstance(item, dict) else item for item in value]


def _to_option(item: dict[str, object]) -> dict[str, object]:
    unknown = [str(key) for key in item if key not in _FIELDS]
    missing = [key for key in ("opt_name", "opt_value") if key not in item]
    if unknown or missing:
        wrong = f"unknown {unknown}" if unknown else f"missing {missing}"
        raise InvalidInput(f"extra_dhcp_opts: {wrong}; an option has opt_name, opt_value and perhaps ip_version")
    option = {_FIELDS[key]: given for key, given in item.items()}
    if "ip_version" in option:
        option["ip_version"] = checks.to_int(option["ip_version"])
    return option


def options(value: object) -> str | None:
    """A list of options, none named twice for one IP version, all on one line (they end up in a file of lines)."""
    if not isinstance(value, list):
        return f"'{value}' is not a list"
    if len(value) > MAX_OPTIONS:
        return f"More than {MAX_OPTIONS} options"
    seen: set[tuple[object, object]] = set()
    for item in value:
        if reason := checks.is_dict(item) or _option(item):
            return reason
        key = (item["name"], item.get("ip_version", 4))
        if key in seen:
            return f"Duplicate option '{item['name']}'"
        seen.add(key)
    return None


def _option(item: dict[str, object]) -> str | None:
    name, value = item["name"], item["value"]
    if isinstance(name, str) and name and not _NAME.fullmatch(name):
        return f"'{name}' is not the name or number of an option"
    if reason := _line(name, MAX_NAME) or checks.one_of((4, 6))(item.get("ip_version", 4)):
        return reason
    if value is None or (value == "" and name in BLANK_OPTIONS):
        return None
    if name in CLIENT_ID and "," in str(value):
        return f"'{value}' is no client-id: what is behind a comma would be about another client"
    return _line(value, MAX_VALUE)


def _line(value: object, max_length: int) -> str | None:
    if reason := checks.text(max_length)(value):
        return reason
    text = str(value)
    if not text.strip():
        return f"'{text}' Blank strings are not permitted"
    return None if text.isprintable() else f"'{text}' is not one printable line"
