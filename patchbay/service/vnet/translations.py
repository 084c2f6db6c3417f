"""Translations of interfaces and their static addresses: kept and shown; no packet is translated by them.

A static address has no uuid: it is known by its addresses and ports.
"""

from collections.abc import Mapping
from typing import Any

import msgspec

from patchbay.intent.database import Delete, Insert, Write
from patchbay.model import VnetObject
from patchbay.service.access import Attempt, carry_out
from patchbay.service.context import RequestContext
from patchbay.service.service import Service
from patchbay.service.vnet.errors import ArgumentError, RelationAlreadyExists, UnknownResource
from patchbay.service.vnet.kept import check_references, holding, related, row_of
from patchbay.service.vnet.kinds import NETWORK, ROUTE_LINK, TRANSLATION, TRANSLATION_STATIC_ADDRESS
from patchbay.service.vnet.objects import data_of, get, new_row, relation_uuid

STATIC_ADDRESS = "static_address"
MODES = (STATIC_ADDRESS,)

ADDRESSES = ("ingress_ipv4_address", "egress_ipv4_address")
PORTS = ("ingress_port_number", "egress_port_number")


def check_static_address(row: VnetObject) -> None:
    """Raises ArgumentError unless the translation is one of static addresses."""
    if data_of(row)["mode"] != STATIC_ADDRESS:
        raise ArgumentError(f"Translation mode must be '{STATIC_ADDRESS}'.", "Make another translation with this mode.")


def static_addresses(service: Service, uuid: str) -> list[VnetObject]:
    """The static addresses of a translation, in the order of their creation."""
    return related(service, TRANSLATION, uuid, TRANSLATION_STATIC_ADDRESS)


async def add_static_address(
    service: Service, context: RequestContext, uuid: str, values: Mapping[str, Any]
) -> VnetObject:
    """A static address with these parameters. Raises UnknownUUIDResource, ArgumentError, RelationAlreadyExists."""
    wanted = {name: values.get(name) for name in (*ADDRESSES, *PORTS)}
    networks = {name: values.get(name) for name in ("ingress_network_uuid", "egress_network_uuid")}
    route_link = values.get("route_link_uuid")

    def plan(_attempt: Attempt) -> tuple[VnetObject, list[Write]]:
        translation = row_of(service, TRANSLATION, uuid)
        check_references(service, {ROUTE_LINK: route_link})
        for name, network in networks.items():
            if network is not None:
                get(service, NETWORK, network, name)
        check_static_address(translation)
        if any(_has(row, wanted) for row in static_addresses(service, uuid)):
            raise RelationAlreadyExists(
                f"{uuid} <=> {values[ADDRESSES[0]]}. The translation has this static address already.",
                "Delete it first to give it another route link.",
            )
        members: dict[str, Any] = {"translation_uuid": uuid, "route_link_uuid": route_link, **wanted, **networks}
        known_by = relation_uuid(uuid, STATIC_ADDRESS, *map(str, wanted.values()))
        row = new_row(context, TRANSLATION_STATIC_ADDRESS, known_by, **members)
        return row, [Insert(row), *holding(service, {TRANSLATION: uuid})]

    return await carry_out(service, f"translation {uuid}", plan)


async def remove_static_address(service: Service, uuid: str, values: Mapping[str, Any]) -> VnetObject:
    """The first static address goes that has the values given; the translation that had it.

    Raises UnknownUUIDResource, ArgumentError, or UnknownResource when there is none.
    """
    wanted = {name: values[name] for name in (*ADDRESSES, *PORTS) if name in values}

    def plan(_attempt: Attempt) -> tuple[VnetObject, list[Write]]:
        translation = row_of(service, TRANSLATION, uuid)
        check_static_address(translation)
        row = next((row for row in static_addresses(service, uuid) if _has(row, wanted)), None)
        if row is None:
            words = msgspec.json.encode(wanted).decode()
            raise UnknownResource(
                f"Couldn't find resource with parameters: {words}.",
                f"GET translations/{uuid}/static_address lists those there are.",
            )
        return translation, [Delete(row)]

    return await carry_out(service, f"translation {uuid}", plan)


def _has(row: VnetObject, wanted: Mapping[str, Any]) -> bool:
    data = data_of(row)
    return all(data.get(name) == value for name, value in wanted.items())
