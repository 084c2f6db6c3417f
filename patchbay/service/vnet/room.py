"""Makes room for an address that a user names: a DHCP server, whose own address nobody chose, takes another one.

OpenVNet's users name every address. Whether they do that before or after DHCP is on should make no difference.
"""

from collections.abc import Mapping
from ipaddress import IPv4Address
from typing import Any

import msgspec

from patchbay.intent.database import Update, Write
from patchbay.model import FixedIP, Port, Subnet
from patchbay.model.port import DHCP_SERVER
from patchbay.service.access import Attempt, carry_out, revised
from patchbay.service.addresses import in_order, pool_ranges
from patchbay.service.service import Service
from patchbay.service.vnet.kinds import IP_LEASE, NETWORK
from patchbay.service.vnet.objects import data_of, find, rows
from patchbay.service.vnet.ranges import DECREMENTAL, choose


async def make_room(service: Service, values: Mapping[str, Any]) -> None:
    """The address ``ipv4_address`` of the network ``network_uuid`` is free, if only a DHCP server has it.

    The server gets the highest free one, which is the least likely to be wanted next.
    """
    if _server_with(service, values) is None:
        return

    def plan(_attempt: Attempt) -> tuple[None, list[Write]]:
        found = _server_with(service, values)
        if found is None:
            return None, []
        port, subnet = found
        number = choose(pool_ranges(subnet.allocation_pools), in_use(service, subnet), DECREMENTAL)
        if number is None:
            return None, []
        kept = [ip for ip in port.fixed_ips if ip != FixedIP(subnet.id, values["ipv4_address"])]
        fixed_ips = in_order((*kept, FixedIP(subnet.id, str(IPv4Address(number)))))
        return None, [Update(port, revised(port, msgspec.structs.replace(port, fixed_ips=fixed_ips)))]

    await carry_out(service, f"the DHCP server of network {values['network_uuid']}", plan)


def _server_with(service: Service, values: Mapping[str, Any]) -> tuple[Port, Subnet] | None:
    network, address = values.get("network_uuid"), values.get("ipv4_address")
    face = find(service, NETWORK, network) if network is not None and address is not None else None
    if face is None:
        return None
    subnet = service.db.subnets[face.object_id]
    port = service.db.ports.get(service.db.addresses(subnet.id).get(int(IPv4Address(address)), ""))
    return (port, subnet) if port is not None and port.device_owner == DHCP_SERVER else None


def in_use(service: Service, subnet: Subnet) -> set[int]:
    """The addresses of a subnet, as integers, that a port or an IP lease has."""
    leases = (data_of(row)["ipv4_address"] for row in rows(service, IP_LEASE, subnet_id=subnet.id))
    return {*service.db.addresses(subnet.id), *(int(IPv4Address(address)) for address in leases)}
