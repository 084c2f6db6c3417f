"""How dnsmasq of a network is started: the options of seed 001 in its order, and what is needed besides.

Nothing here depends on ports: when they come and go dnsmasq reads its files again and is not started anew.

Different from the seed: ``--bind-dynamic`` for ``--bind-interfaces`` (an address that comes later, or an IPv6 address
that is still being checked, is listened on without a restart). Further, with why:

- ``--user=nobody``: as the seed's process list shows; Debian's default is another.
- ``--dhcp-leasefile`` for ``--leasefile-ro`` where others than ports have leases, which only it knows, and for DHCPv6,
  where a lease can be given back only by who knows the client's DUID. It is beside the folder, which goes with the
  process: leases outlive a restart.
- ``--dhcp-authoritative``: leases are kept by intent and not in a file, so a client that renews after a restart, or at
  another server of the network, must get its answer and no refusal.
- ``--no-ident``: its version and its servers' addresses are none of the instances' business (names in .bind).
- ``--no-ping``: the intent knows who has an address; asking the network first takes 3 s and nobody is served meanwhile.
- ``--dhcp-option-force=option:mtu``: also for clients that do not ask for it, which would lose large packets.
- ``--dhcp-match``, ``--dhcp-userclass``: tags that options of a port may hang on (Neutron: network boot with iPXE).
- ``--domain-needed``, ``--local``: unknown names of ports are not asked of anybody else.
- ``--servers-file``: the name servers of the subnets; without any every other name is refused. ``--no-resolv`` keeps
  the host's own out.

No ``--enable-ra``: routers advertise, see the router's radvd. An IPv6 subnet with a mode for advertisements but without
a router here has none.
"""

from collections.abc import Iterable, Sequence
from ipaddress import ip_network

import msgspec

from patchbay.compile.dhcp_hosts import DEFAULT_DOMAIN, SLAAC, is_stateful
from patchbay.compile.dhcp_options import NO_NAME_SERVER, ServedSubnet, is_address
from patchbay.model import AllocationPool, Subnet

LEASE_S = 86400
LEASE_MAX = 2**24
"""Neutron's limit (dnsmasq_lease_max): an IPv6 subnet has more addresses than any server has memory."""


class Server(msgspec.Struct, frozen=True, kw_only=True):
    """One server of a network: its folder, its device, what the network says.

    ``share``: its number among the servers of the network, from 0, and how many there are.
    """

    directory: str
    tap: str
    domain: str
    mtu: int
    share: tuple[int, int] = (0, 1)


def dnsmasq_command(server: Server, subnets: Sequence[ServedSubnet]) -> tuple[str, ...]:
    """The whole command."""
    directory = server.directory
    ranges = [line for each in subnets for line in dhcp_ranges(each, server.share)]
    needs_file = any(each.subnet.dhcp_ranges or is_lent_ipv6(each.subnet) for each in subnets)
    limit = min(sum(ip_network(each.subnet.cidr).num_addresses for each in subnets), LEASE_MAX)
    return (
        "dnsmasq",
        "--no-hosts",
        "--no-resolv",
        "--strict-order",
        "--bind-dynamic",
        f"--interface={server.tap}",
        "--except-interface=lo",
        f"--pid-file={directory}/pid",
        f"--dhcp-hostsfile={directory}/host",
        f"--addn-hosts={directory}/addn_hosts",
        f"--dhcp-optsfile={directory}/opts",
        f"--dhcp-leasefile={directory}.leases" if needs_file else "--leasefile-ro",
        *ranges,
        f"--dhcp-lease-max={limit}",
        "--conf-file=",
        f"--domain={server.domain}",
        "--user=nobody",
        "--dhcp-authoritative",
        "--no-ident",
        "--no-ping",
        f"--dhcp-option-force=option:mtu,{server.mtu}",
        "--dhcp-match=set:ipxe,175",
        "--dhcp-userclass=set:ipxe6,iPXE",
        "--domain-needed",
        f"--local=/{DEFAULT_DOMAIN}/",
        f"--servers-file={directory}/servers",
    )


def is_lent_ipv6(subnet: Subnet) -> bool:
    """DHCPv6 lends its addresses."""
    return subnet.ip_version == 6 and is_stateful(subnet)


def dhcp_ranges(each: ServedSubnet, share: tuple[int, int]) -> Iterable[str]:
    """``--dhcp-range=set:tag0,10.0.1.0,static,86400s``, and a range for each that is lent to others than ports.

    None while the server has no address in the subnet: dnsmasq takes the netmask from it, and would guess one.
    """
    subnet = each.subnet
    network = ip_network(subnet.cidr)
    if not each.own:
        return
    if subnet.ip_version == 6 and (subnet.ipv6_address_mode == SLAAC or network.prefixlen < 64):
        return
    length = f"{network.prefixlen}," if network.version == 6 else ""
    yield f"--dhcp-range=set:{each.tag},{network.network_address},static,{length}{LEASE_S}s"
    for pool in subnet.dhcp_ranges:
        part = _part(pool, share)
        if part:
            yield f"--dhcp-range=set:{each.tag},{part.start},{part.end},{length}{LEASE_S}s"


def _part(pool: AllocationPool, share: tuple[int, int]) -> AllocationPool | None:
    """Servers of one network do not know each other's leases, so each lends addresses of its own."""
    kind = ip_network(pool.start).network_address.__class__
    first, size = int(kind(pool.start)), int(kind(pool.end)) - int(kind(pool.start)) + 1
    number, count = share
    start, end = first + size * number // count, first + size * (number + 1) // count - 1
    return AllocationPool(str(kind(start)), str(kind(end))) if start <= end else None


def forwarders(subnets: Sequence[ServedSubnet]) -> list[str]:
    """The name servers of all served subnets, each once, in their order."""
    return list(
        dict.fromkeys(
            address
            for each in subnets
            for address in each.subnet.dns_nameservers
            if address not in NO_NAME_SERVER and (is_address(address, 4) or is_address(address, 6))
        )
    )
