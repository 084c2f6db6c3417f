"""Filters of interfaces and their static rules: kept and shown; no packet is filtered by them.

A static rule has no uuid: it is known by all of its members but the action.
"""

from collections.abc import Mapping, Sequence
from ipaddress import AddressValueError, IPv4Interface, NetmaskValueError
from typing import Any

import msgspec

from patchbay.intent.database import Delete, Insert, Write
from patchbay.model import VnetObject
from patchbay.service.access import Attempt, carry_out
from patchbay.service.context import RequestContext
from patchbay.service.service import Service
from patchbay.service.vnet.errors import ArgumentError, RelationAlreadyExists, UnknownResource
from patchbay.service.vnet.kept import holding, related, row_of
from patchbay.service.vnet.kinds import FILTER, FILTER_STATIC
from patchbay.service.vnet.objects import data_of, new_row, relation_uuid

STATIC = "static"
MODES = (STATIC,)
TCP, UDP, ICMP, ARP, IP = "tcp", "udp", "icmp", "arp", "ip"
PROTOCOLS = (TCP, UDP, ICMP, ARP, IP)
HIGHEST_PORT = 0xFFFF


class StaticRule(msgspec.Struct, frozen=True, kw_only=True):
    """Packets that a static rule is about. Address and prefix 0 are any address, port 0 any port.

    The ports are None for protocols without.
    """

    protocol: str
    src_address: str = "0.0.0.0"  # noqa: S104 - any address
    src_prefix: int = 0
    dst_address: str = "0.0.0.0"  # noqa: S104
    dst_prefix: int = 0
    port_src: int | None = None
    port_dst: int | None = None

    def members(self) -> dict[str, Any]:
        """What the row keeps of it."""
        return msgspec.structs.asdict(self)


def static_rule(
    protocol: str, addresses: tuple[str | None, str | None], ports: tuple[int | None, int | None]
) -> StaticRule:
    """The rule of these parameters, source before destination; an address may have a prefix length.

    Raises ArgumentError. Ports of protocols without are left out.
    """
    source, destination = _prefix("src_address", addresses[0]), _prefix("dst_address", addresses[1])
    has_ports = protocol in (TCP, UDP)
    return StaticRule(
        protocol=protocol,
        src_address=str(source.ip),
        src_prefix=source.network.prefixlen,
        dst_address=str(destination.ip),
        dst_prefix=destination.network.prefixlen,
        port_src=_port("src_port", ports[0] or 0) if has_ports else None,
        port_dst=_port("dst_port", ports[1] or 0) if has_ports else None,
    )


def _prefix(name: str, text: str | None) -> IPv4Interface:
    if text is None:
        return IPv4Interface("0.0.0.0/0")
    try:
        found = IPv4Interface(text)
    except (AddressValueError, NetmaskValueError, ValueError):
        raise ArgumentError(
            f"Could not parse IPv4 address: {text}.", f"Give {name} as 192.0.2.1, or 192.0.2.0/24 for all of these."
        ) from None
    if int(found.ip) == 0 and found.network.prefixlen != 0:
        raise ArgumentError(
            f"{name} {text}: the prefix length of 0.0.0.0 needs to be 0.", f"Leave {name} out to mean any address."
        )
    return found


def _port(name: str, number: int) -> int:
    if number > HIGHEST_PORT:
        raise ArgumentError(f"{name} {number} is not in valid range.", f"Give a port up to {HIGHEST_PORT}; 0 is any.")
    return number


def check_static(row: VnetObject) -> None:
    """Raises ArgumentError unless the filter has static rules."""
    if data_of(row)["mode"] != STATIC:
        raise ArgumentError(f"Filter mode must be '{STATIC}'.", "Make another filter with this mode.")


def statics(service: Service, uuid: str) -> list[VnetObject]:
    """The static rules of a filter, in the order of their creation. Raises InvalidUUID or UnknownUUIDResource."""
    return related(service, FILTER, uuid, FILTER_STATIC)


async def add_static(service: Service, context: RequestContext, uuid: str, rule: StaticRule, action: str) -> VnetObject:
    """A static rule of the filter. Raises UnknownUUIDResource, ArgumentError, RelationAlreadyExists."""

    def plan(_attempt: Attempt) -> tuple[VnetObject, list[Write]]:
        filter_ = row_of(service, FILTER, uuid)
        check_static(filter_)
        if _same(statics(service, uuid), rule) is not None:
            raise RelationAlreadyExists(
                f"{uuid} <=> {rule.protocol}. The filter has this static rule already.",
                "Delete it first to give it another action.",
            )
        known_by = relation_uuid(uuid, STATIC, *map(str, rule.members().values()))
        row = new_row(context, FILTER_STATIC, known_by, filter_uuid=uuid, action=action, **rule.members())
        return row, [Insert(row), *holding(service, {FILTER: uuid})]

    return await carry_out(service, f"filter {uuid}", plan)


async def remove_static(service: Service, uuid: str, rule: StaticRule, given: Mapping[str, Any]) -> VnetObject:
    """The static rule goes. Raises UnknownUUIDResource, or UnknownResource, which tells what was ``given``."""

    def plan(_attempt: Attempt) -> tuple[VnetObject, list[Write]]:
        row = _same(statics(service, uuid), rule)
        if row is None:
            words = msgspec.json.encode(given).decode()
            raise UnknownResource(
                f"Couldn't find resource with parameters: {words}.", f"GET filters/{uuid}/static lists those there are."
            )
        return row, [Delete(row)]

    return await carry_out(service, f"filter {uuid}", plan)


def _same(found: Sequence[VnetObject], rule: StaticRule) -> VnetObject | None:
    wanted = rule.members()
    for row in found:
        data = data_of(row)
        if all(data.get(name) == value for name, value in wanted.items()):
            return row
    return None
