"""From options to request bodies, where one attribute of the API takes several options, or one option makes several.

Each shape is called by ``resources`` with the service, the body made of the options, and the object as it is ({} when
it is created); ``nouns`` names them. Promises: pure but for look-ups at the service and files that an option names.
"""

from pathlib import Path

import click

from patchbay.cli.endpoint import Endpoint, Object
from patchbay.errors import BadRequest

ICMP_NAMES = ("icmp", "icmpv6", "ipv6-icmp", "1", "58")


def of_subnet(service: Endpoint, body: Object, existing: Object) -> Object:
    """The IP version follows from the range, the pool or the gateway."""
    if not existing and "ip_version" not in body:
        written = body.get("cidr") or body.get("gateway_ip") or ""
        version = 6 if ":" in written else 4
        if not written and "subnetpool_id" in body:
            version = service.find("subnetpools", body["subnetpool_id"])["ip_version"]
        body["ip_version"] = version
    return body


def of_instance(_service: Endpoint, body: Object, _existing: Object) -> Object:
    """Keys of all files in one list, metadata in one map."""
    if "public_keys" in body:
        body["public_keys"] = [key for keys in body["public_keys"] for key in keys]
    if "metadata" in body:
        body["metadata"] = {name: value for pair in body["metadata"] for name, value in pair.items()}
    return body


def of_router(_service: Endpoint, body: Object, existing: Object) -> Object:
    """``external_gateway_info`` of the three options about the gateway; those not given stay as they are."""
    names = {"gateway_network": "network_id", "enable_snat": "enable_snat", "gateway_fixed_ips": "external_fixed_ips"}
    given = {names[name]: body.pop(name) for name in list(body) if name in names}
    if given:
        former = existing.get("external_gateway_info") or {}
        if "network_id" not in given and "network_id" not in former:
            raise click.UsageError("There is no gateway yet: give --external-gateway as well.")
        body["external_gateway_info"] = {"network_id": former.get("network_id")} | given
    return body


def of_port_forwarding(_service: Endpoint, body: Object, _existing: Object) -> Object:
    """Ports written ``80:90`` go to the attribute for ranges."""
    for name in ("internal_port", "external_port"):
        written = body.get(name)
        if written is not None and ":" in written:
            body[f"{name}_range"] = body.pop(name)
    return body


def of_port(_service: Endpoint, body: Object, _existing: Object) -> Object:
    """``--no-security-group`` is an empty list of groups."""
    if body.pop("no_security_group", False):
        if "security_groups" in body:
            raise click.UsageError("--security-group and --no-security-group contradict each other: give one of them.")
        body["security_groups"] = []
    return body


def of_security_group_rule(_service: Endpoint, body: Object, _existing: Object) -> Object:
    """The port range of ``--dst-port``, or of ICMP type and code; direction and IP version when they are not given."""
    first, _, last = body.pop("dst_port", "").partition(":")
    kind, code = body.pop("icmp_type", None), body.pop("icmp_code", None)
    if first:
        if kind is not None or code is not None:
            raise click.UsageError("--dst-port is for protocols with ports, --icmp-type for ICMP: give one of them.")
        if str(body.get("protocol", "")).lower() in ICMP_NAMES:
            raise click.UsageError("ICMP has no ports: give --icmp-type and, perhaps, --icmp-code.")
        body |= {"port_range_min": first, "port_range_max": last or first}
    else:
        given = {"port_range_min": kind, "port_range_max": code}
        body |= {name: number for name, number in given.items() if number is not None}
    version = "IPv6" if ":" in body.get("remote_ip_prefix", "") else "IPv4"
    return {"direction": "ingress", "ethertype": version} | body


def block(written: str) -> str:
    """An address alone as the CIDR of one address."""
    return written if "/" in written else f"{written}/{128 if ':' in written else 32}"


def file_text(path: str) -> str:
    """The text of a file that an option names."""
    try:
        return Path(path).read_text("utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise BadRequest(f"{path} cannot be read as text: {error}.", "Name a file with text in UTF-8.") from None


def key_lines(path: str) -> list[str]:
    """The OpenSSH keys in a file, without empty lines and comments."""
    lines = [line.strip() for line in file_text(path).splitlines()]
    return [line for line in lines if line and not line.startswith("#")]


def pair(written: str) -> dict[str, str]:
    """``role=web`` as a map of one."""
    name, equals, value = written.partition("=")
    if not equals or not name:
        raise BadRequest(f"{written!r}: no value.", "Write NAME=VALUE.")
    return {name: value}
