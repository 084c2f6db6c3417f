"""DHCP clients of instances: the real dhclient for each interface, as in a virtual machine (seed 000).

Also what a person needs who types ``dhclient -r eth0; dhclient eth0`` after ``ip netns exec <instance>``: a
configuration and a script that ``ip netns exec`` mounts over ``/etc/dhcp``, so that the host's resolv.conf stays as it
is. The leases are there too; a lab's host leads dhclient's own name for them, ``/var/lib/dhcp/dhclient.leases``, to
that place. On another host a person adds ``-lf /etc/dhcp/dhclient.leases``.
"""

from collections.abc import Iterator

import msgspec

from patchbay.compile import names
from patchbay.compile.dhcp_client_script import ASKER, client_script, farewell_script
from patchbay.compile.dhcp_hosts import SLAAC, STATEFUL, STATELESS
from patchbay.compile.view import HostView
from patchbay.hoststate import Daemon, Resource, Sysctl
from patchbay.model import Instance, Network, Port, Subnet
from patchbay.model.instance import DHCP

MTU_OPTION = ("mtu", "26")
SMALLEST_MTU = 576

CONFIG = """\
# Written by patchbay. A server answers at once or is not there yet: ask again soon.
option rfc3442-classless-static-routes code 121 = array of unsigned integer 8;
request subnet-mask, broadcast-address, interface-mtu, rfc3442-classless-static-routes, routers,
    domain-name, domain-search, domain-name-servers, dhcp6.name-servers, dhcp6.domain-search;
timeout 60;
retry 1;
reboot 1;
select-timeout 0;
initial-interval 1;
backoff-cutoff 2;
"""


def is_leased(instance: Instance, subnet: Subnet) -> bool:
    """The instance gets its address in this subnet, and the routes that go with it, from the network."""
    automatic = subnet.ip_version == 4 or subnet.ipv6_address_mode in (STATEFUL, STATELESS, SLAAC)
    return instance.addressing == DHCP and subnet.enable_dhcp and automatic


def link_mtu(instance: Instance, port: Port, network: Network) -> int:
    """The network's MTU, or the smaller one that the client is told by an option of its port."""
    if instance.addressing != DHCP:
        return network.mtu
    told = [
        int(option.value) for option in port.extra_dhcp_opts if option.name in MTU_OPTION and option.value.isdigit()
    ]
    return min([network.mtu, *(mtu for mtu in told if mtu >= SMALLEST_MTU)])


def compile_clients(
    view: HostView, instance: Instance, device: str, port: Port, *, is_first: bool
) -> Iterator[Resource]:
    """The clients of one interface. The first one's brings what a person's own dhclient in the instance reads."""
    subnets = [view.subnets.get(fixed.subnet_id) for fixed in port.fixed_ips]
    if not port.fixed_ips:  # a client that is lent an address, as any that the intent does not know (seed 000)
        subnets += [subnet for subnet in view.subnets_of(port.network_id) if subnet.dhcp_ranges]
    leased = [subnet for subnet in subnets if subnet is not None and is_leased(instance, subnet)]
    modes = {subnet.ipv6_address_mode for subnet in leased if subnet.ip_version == 6}
    at = _Interface(view.facts.run_dir, names.namespace(instance), device, port.id)
    has_ipv4 = any(subnet.ip_version == 4 for subnet in leased)
    if has_ipv4:
        yield _client("dhclient", ("-4",), at, is_shared=is_first)
    if STATEFUL in modes:
        # Known by its MAC (DUID-LL): a client that lost its files must get the address that it had.
        yield _client("dhclient6", ("-6", "-D", "LL"), at, is_shared=is_first and not has_ipv4)
    elif STATELESS in modes:
        yield _asker(at)
    if modes:
        # Addresses are the service's to give, and until they are checked for duplicates dhclient -S does not start.
        yield Sysctl(namespace=at.namespace, name="net.ipv6.conf.default.accept_dad", value="0")
        for setting, value in (("accept_ra", "1"), ("addr_gen_mode", "0"), ("use_tempaddr", "0")):
            yield Sysctl(namespace=at.namespace, name=f"net.ipv6.conf.{device}.{setting}", value=value)


class _Interface(msgspec.Struct, frozen=True):
    """Where a client runs: folder of run time files, namespace, device in it and its port."""

    run_dir: str
    namespace: str
    device: str
    port_id: str


def _client(kind: str, family: tuple[str, ...], at: _Interface, *, is_shared: bool) -> Daemon:
    """One process. When it ends it gives the lease back."""
    directory = f"{at.run_dir}/{kind}/{at.port_id}"
    etc = f"/etc/netns/{at.namespace}/dhcp"
    pidfile = f"{directory}/pid"
    leases = f"{etc}/dhclient.leases" if is_shared else f"{directory}/leases"
    files = {
        f"{directory}/dhclient.conf": CONFIG,
        f"{directory}/script": client_script(at.namespace),
        f"{directory}/farewell": farewell_script(at.namespace, is_shared=is_shared),
    }
    if is_shared:
        files[f"{etc}/dhclient.conf"] = CONFIG + 'script "/etc/dhcp/dhclient-script";\n'
        files[f"{etc}/dhclient-script"] = client_script(at.namespace)
    command = ("dhclient", *family, *_paths(directory, leases))
    release = (command[0], "-r", *command[1:], at.device)
    return Daemon(
        kind=kind,
        owner=at.port_id,
        namespace=at.namespace,
        command=(*command, "-nw", at.device),
        pidfile=pidfile,
        files=tuple(sorted(files.items())),
        last_words=("sh", f"{directory}/farewell", *release),
        link=at.device,
    )


def _asker(at: _Interface) -> Daemon:
    """Stateless DHCPv6: no lease, only what to know besides the address."""
    kind = "dhclient6"
    directory = f"{at.run_dir}/{kind}/{at.port_id}"
    files = {
        f"{directory}/asker": ASKER,
        f"{directory}/dhclient.conf": CONFIG,
        f"{directory}/script": client_script(at.namespace),
        f"{directory}/farewell": farewell_script(at.namespace, is_shared=False),
    }
    client = ("dhclient", "-6", "-S", "-d", *_paths(directory, f"{directory}/leases", pidfile="client.pid"), at.device)
    forget = ("env", "reason=STOP6", f"interface={at.device}", f"{directory}/script")
    return Daemon(
        kind=kind,
        owner=at.port_id,
        namespace=at.namespace,
        command=("sh", f"{directory}/asker", f"{directory}/pid", *client),
        pidfile=f"{directory}/pid",
        files=tuple(sorted(files.items())),
        last_words=("sh", f"{directory}/farewell", *forget),
        link=at.device,
    )


def _paths(directory: str, leases: str, *, pidfile: str = "pid") -> tuple[str, ...]:
    """Options of dhclient for its files."""
    ours = ("-pf", f"{directory}/{pidfile}", "-lf", leases)
    return ("-q", *ours, "-cf", f"{directory}/dhclient.conf", "-sf", f"{directory}/script")
