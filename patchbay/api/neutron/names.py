"""Checks of DNS names, with Neutron's messages (neutron-lib ``api/validators/dns``; RFC 1123, RFC 1035)."""

from patchbay.api.neutron import checks
from patchbay.service.dns_names import MAX_NAME, is_label


def to_lower(value: object) -> object:
    """Names in small letters; "" for null."""
    value = checks.none_to_text(value)
    return value.lower() if isinstance(value, str) else value


def _labels(name: str) -> str | None:
    """Why the name is no sequence of labels."""
    trimmed = name.removesuffix(".")
    reason = None
    if len(trimmed) > MAX_NAME:
        reason = f"'{trimmed}' exceeds the {MAX_NAME} character FQDN limit"
    parts = trimmed.split(".")
    for label in parts:
        if not label:
            reason = reason or "Encountered an empty component"
        elif label[0] == "-" or label[-1] == "-":
            reason = reason or f"Name '{label}' must not start or end with a hyphen"
        elif not is_label(label):
            reason = reason or (
                f"Name '{label}' must be 1-63 characters long, each of which can only be alphanumeric or a hyphen"
            )
    if len(parts) > 1 and parts[-1].isdecimal():
        reason = reason or f"TLD '{parts[-1]}' must not be all numeric"
    return None if reason is None else f"'{name}' not a valid PQDN or FQDN. Reason: {reason}"


def host_name(value: object) -> str | None:
    """The name of a port: "" or labels without a dot at the end, short enough for a domain behind them."""
    if reason := checks.text(MAX_NAME)(value):
        return reason
    name = str(value)
    if not name:
        return None
    if name.endswith("."):
        return f"'{name}' is a FQDN. It should be a relative domain name"
    if reason := _labels(name):
        return reason
    if len(name) > MAX_NAME - 3:
        return (
            f"'{name}' contains {len(name)} characters. Adding a domain name will cause it to exceed the maximum "
            f"length of a FQDN of '{MAX_NAME}'"
        )
    return None


def domain(value: object) -> str | None:
    """ "" or a domain that ends with a dot."""
    if reason := checks.text(MAX_NAME)(value):
        return reason
    name = str(value)
    if not name:
        return None
    if not name.endswith("."):
        return f"'{name}' is not a FQDN"
    if reason := _labels(name):
        return reason
    if len(name) > MAX_NAME - 2:
        return (
            f"'{name}' contains {len(name)} characters. Adding a sub-domain will cause it to exceed the maximum "
            f"length of a FQDN of '{MAX_NAME}'"
        )
    return None
