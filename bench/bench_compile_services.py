#!/usr/bin/env python3
"""What compiling routers and DHCP servers costs, and what one more floating IP or port among many does.

``-f json`` prints a JSON list of figures, else a table. Needs no root and touches nothing. Medians of the rounds; "one
more" is from the change of intent to a plan that is ready to be applied.
"""

import gc
import statistics
from collections.abc import Iterable, Iterator

from measuring import Figure, figure, ident, milliseconds, parser_of, print_figures, say

from patchbay.compile.facts import Facts
from patchbay.compile.fragments import Compiled
from patchbay.compile.view import HostView, Value
from patchbay.model import FixedIP, FloatingIP, Host, Network, Port, Router, Subnet
from patchbay.model.port import DHCP_SERVER
from patchbay.model.router import FLOATING_IP, ROUTER_GATEWAY, ROUTER_INTERFACE
from patchbay.plan.diff import diff
from patchbay.plan.observed import Observed

ROUNDS = 51
FACTS = Facts(
    host="host0",
    tunnel_ip="10.0.0.1",
    bridge_mappings={"physnet1": "br-ex"},
    bridges=frozenset({"br-ex"}),
    services=("dhcp", "l3", "metadata"),
)


def main() -> None:
    """Measure, print."""
    parser = parser_of(__doc__)
    print_figures(figures(), parser.parse_args().format)


def figures() -> Iterator[Figure]:
    """All of them."""
    for count in (1, 200):
        say(f"router with {count} floating IPs")
        values = [*network(), *router(), *(one for number in range(count) for one in floating_ip(number))]
        all_ms, more_ms = measure(values, [floating_ip(count + number) for number in range(ROUNDS)])
        yield figure(f"a host with a router and {count} floating IPs compiled", all_ms, "ms")
        yield figure(f"one more floating IP among {count}", more_ms, "ms")
    for count in (10, 1000):
        say(f"DHCP server of {count} ports")
        server = port(1, DHCP_SERVER, "10.0.0.2", host="host0", device_id=f"dhcp-{ident(7, 0)}")
        values = [*network(), server, *(client(number) for number in range(count))]
        all_ms, more_ms = measure(values, [[client(count + number)] for number in range(ROUNDS)])
        yield figure(f"a host with the DHCP server of {count} ports compiled", all_ms, "ms")
        yield figure(f"one more port served among {count}", more_ms, "ms")


def measure(values: list[Value], more: Iterable[list[Value]]) -> tuple[float, float]:
    """Milliseconds for all, and for each of ``more`` (median), which is taken away again."""
    all_ms = statistics.median(milliseconds(lambda: start(values)) for _ in range(5))
    view, compiled = start(values)
    observed = Observed(compiled.state.values())
    gc.collect()
    taken = []
    for new in more:

        def come(new: list[Value] = new) -> None:
            dirty = {fragment for value in new for fragment in view.put(value)}
            assert diff(observed, compiled.state, compiled.refresh(dirty))

        taken.append(milliseconds(come))
        compiled.refresh({fragment for value in new for fragment in view.remove(value)})
    return all_ms, statistics.median(taken)


def start(values: list[Value]) -> tuple[HostView, Compiled]:
    """What an agent compiles when it starts."""
    view = HostView(FACTS)
    for value in values:
        view.put(value)
    compiled = Compiled(view)
    compiled.refresh(view.fragments())
    return view, compiled


def network() -> Iterator[Value]:
    """This host, a tenant's network and the one outside."""
    yield Host(id=ident(9, 0), name="host0", tunnel_ip="10.0.0.1")
    yield Network(id=ident(7, 0), segmentation_id=7)
    yield Network(id=ident(7, 1), network_type="flat", physical_network="physnet1", external=True)
    yield Subnet(id=ident(6, 0), network_id=ident(7, 0), ip_version=4, cidr="10.0.0.0/16", gateway_ip="10.0.0.1")
    outside = "198.51.100.0/22"
    yield Subnet(id=ident(6, 1), network_id=ident(7, 1), ip_version=4, cidr=outside, gateway_ip="198.51.100.1")


def router() -> Iterator[Value]:
    """A router between the two."""
    yield Router(id=ident(5, 0), host="host0", gateway_port_id=ident(1, 3))
    yield port(2, ROUTER_INTERFACE, "10.0.0.1", host="host0", device_id=ident(5, 0))
    yield port(3, ROUTER_GATEWAY, "198.51.100.2", host="host0", device_id=ident(5, 0), outside=True)


def floating_ip(number: int) -> list[Value]:
    """One of the router's floating IPs, with the port that holds its address."""
    address = f"198.51.{101 + number // 250}.{number % 250 + 1}"
    holder = port(10_000 + number, FLOATING_IP, address, outside=True)
    floating = FloatingIP(
        id=ident(4, number),
        floating_network_id=ident(7, 1),
        floating_ip_address=address,
        floating_port_id=holder.id,
        port_id=ident(1, 20_000 + number),
        fixed_ip_address=f"10.0.{number // 250 + 1}.{number % 250 + 1}",
        router_id=ident(5, 0),
    )
    return [holder, floating]


def client(number: int) -> Port:
    """A port of another host, on the tenant's network."""
    return port(20_000 + number, "compute:vm", f"10.0.{number // 250 + 1}.{number % 250 + 1}", host="host1")


def port(number: int, owner: str, address: str, *, host: str = "", device_id: str = "", outside: bool = False) -> Port:
    """A port with one address."""
    return Port(
        id=ident(1, number),
        network_id=ident(7, int(outside)),
        mac_address=":".join(f"{byte:02x}" for byte in (number + 0xFA163E000000).to_bytes(6, "big")),
        fixed_ips=(FixedIP(ident(6, int(outside)), address),),
        device_owner=owner,
        device_id=device_id,
        host=host,
    )


if __name__ == "__main__":
    main()
