"""Whose address it is: from the place that a request came in at and its source address to a ``Guest``.

Asked of the intent database at the time of the request, in four or five short reads. An address that is not exactly one
port's of the networks behind that place belongs to nobody.
"""

from collections.abc import Collection, Mapping

import msgspec

from patchbay.intent.select import Query, Rows, address_ids, as_ports, as_values, select, with_id
from patchbay.metadata.guest import (
    COMPUTE,
    Guest,
    Interface,
    floating_addresses,
    guest_of_instance,
    guest_of_port,
    is_owner,
)
from patchbay.model import FloatingIP, Instance, Network, Port, Subnet
from patchbay.model.router import ROUTER_INTERFACES
from patchbay.ovsdb import Connection, ovs_set, uuid_ref

UUID_LENGTH = 36
SERVICES = "network:"


class Place(msgspec.Struct, frozen=True):
    """Where a request came in: the namespace of a router, or that of a network's DHCP server."""

    router_id: str = ""
    network_id: str = ""


async def find_guest(connection: Connection, place: Place, address: str) -> Guest | None:
    """Who has this address there; None if nobody has, or a router or DHCP server. Raises Unavailable."""
    networks = await _networks_behind(connection, place)
    port = await _port_with(connection, networks, address)
    if port is None or port.device_owner.startswith(SERVICES):
        return None
    instance = await _instance_of(connection, port)
    ports = await _ports_of(connection, port, instance)
    interfaces = await _interfaces(connection, ports)
    return guest_of_instance(instance, interfaces) if instance else guest_of_port(port, interfaces)


async def _networks_behind(connection: Connection, place: Place) -> set[str]:
    if place.network_id:
        return {place.network_id}
    of_router = ("device_id", "==", place.router_id)
    queries = [Query("Port", (of_router, ("device_owner", "==", owner))) for owner in ROUTER_INTERFACES]
    return {row["network"] for row in _joined(await select(connection, queries)).values()}


async def _port_with(connection: Connection, networks: Collection[str], address: str) -> Port | None:
    """The one port of these networks with this address."""
    (addresses,) = await select(connection, [Query("Address", (("ip_address", "==", address),))])
    wanted = [Query("Port", (("fixed_ips", "includes", uuid_ref(row_id)),)) for row_id in addresses]
    if not wanted:
        return None
    on_networks = [
        Query(query.table, (*query.where, ("network", "==", uuid_ref(network))))
        for query in wanted
        for network in sorted(networks)
    ]
    found = {row_id: row for rows in await select(connection, on_networks) for row_id, row in rows.items()}
    ports = as_ports(found, addresses)
    return next(iter(ports.values())) if len(ports) == 1 else None


async def _instance_of(connection: Connection, port: Port) -> Instance | None:
    queries = [Query("Instance", (("host", "==", port.host),))] if port.host else []
    if len(port.device_id) == UUID_LENGTH:
        queries.append(with_id("Instance", port.device_id))
    found = [each for rows in await select(connection, queries) for each in as_values(Instance, rows).values()]
    owners = [instance for instance in found if is_owner(instance, port)]
    return min(owners, key=lambda each: (port.id not in each.interfaces.values(), each.id), default=None)


async def _ports_of(connection: Connection, port: Port, instance: Instance | None) -> dict[str, Port]:
    """The port, and the others of the same guest."""
    if instance is not None:
        queries = [with_id("Port", port_id) for port_id in instance.interfaces.values() if port_id != port.id]
    elif port.device_id and port.device_owner.startswith(COMPUTE):
        same = (("device_id", "==", port.device_id), ("project_id", "==", port.project_id))
        queries = [Query("Port", same)]
    else:
        queries = []
    rows = {row_id: row for found in await select(connection, queries) for row_id, row in found.items()}
    addresses = _joined(await select(connection, [with_id("Address", row_id) for row_id in address_ids(rows)]))
    found = as_ports(rows, addresses)
    others = {port_id: each for port_id, each in found.items() if not each.device_owner.startswith(SERVICES)}
    return {**others, port.id: port}


async def _interfaces(connection: Connection, ports: Mapping[str, Port]) -> list[Interface]:
    network_ids = sorted({port.network_id for port in ports.values()})
    queries = [with_id("Network", network_id) for network_id in network_ids]
    queries += [Query("Subnet", (("network", "==", uuid_ref(network_id)),)) for network_id in network_ids]
    queries += [Query("FloatingIP", (("port", "==", ovs_set([uuid_ref(port_id)])),)) for port_id in ports]
    found = await select(connection, queries)
    networks = as_values(Network, _joined(found[: len(network_ids)]))
    subnets = as_values(Subnet, _joined(found[len(network_ids) : 2 * len(network_ids)]))
    floatingips = as_values(FloatingIP, _joined(found[2 * len(network_ids) :]))
    return [
        Interface(
            port,
            networks[port.network_id],
            {row_id: subnet for row_id, subnet in subnets.items() if subnet.network_id == port.network_id},
            floating_addresses(port.id, floatingips.values()),
        )
        for port in ports.values()
        if port.network_id in networks
    ]


def _joined(found: Collection[Rows]) -> Rows:
    return {row_id: row for rows in found for row_id, row in rows.items()}
