#!/usr/bin/env python3
"""What compiling distributed routers costs: 100 with 10 subnets each and 2,000 ports on one host; one more of each.

``bench/bench_compile_distributed.py [-f json] [--routers N] [--ports N]``. Needs no root and touches
nothing. Times are medians of the rounds; "one more" is from the change of intent to a plan that is ready to be
applied. Memory is what the view and the desired state hold beyond the intent values themselves.
"""

import gc
import statistics
import tracemalloc
from collections import Counter
from collections.abc import Callable, Iterator

from measuring import Figure, figure, ident, milliseconds, parser_of, print_figures, say

from patchbay.compile.facts import Facts
from patchbay.compile.fragments import Compiled
from patchbay.compile.view import HostView, Value
from patchbay.hoststate import Flow
from patchbay.model import FixedIP, Host, Instance, Network, Port, Router, Subnet
from patchbay.model.network import HostRoute
from patchbay.model.router import ROUTER_INTERFACE_DISTRIBUTED
from patchbay.plan.diff import diff
from patchbay.plan.observed import Observed

SUBNETS, ROUNDS, FULL_ROUNDS = 10, 51, 5
NETWORK, SUBNET, ROUTER, INTERFACE, PORT, INSTANCE, HOST = range(1, 8)


def main() -> None:
    """Measure, print."""
    parser = parser_of(__doc__)
    parser.add_argument("--routers", type=int, default=100)
    parser.add_argument("--ports", type=int, default=2000)
    arguments = parser.parse_args()
    print_figures(figures(arguments.routers, arguments.ports), arguments.format)


def figures(routers: int, ports: int) -> Iterator[Figure]:
    """All of them."""
    networks = routers * SUBNETS
    values = [*hosts(), *routed(routers)]
    values += [one for number in range(ports) for one in instance(number, networks)]
    plain = [
        value for value in values if not isinstance(value, Router) and getattr(value, "device_owner", "") in ("", OWNER)
    ]
    say("everything")
    flows = flows_of(values)
    routed_flows = sum(flows.values()) - sum(flows_of(plain).values())
    yield figure("flows", sum(flows.values()), "")
    yield figure("of them for routing", routed_flows, "")
    yield figure("of them for routing, for each router", routed_flows / routers, "")
    yield figure("resources besides flows", len(start(values)[1].state) - sum(flows.values()), "")
    both = [(milliseconds(lambda: start(values)), milliseconds(lambda: start(plain))) for _ in range(FULL_ROUNDS)]
    yield figure("all compiled, median", statistics.median(whole for whole, _ in both), "ms")
    yield figure("the same without the routers, median", statistics.median(without for _, without in both), "ms")
    yield figure("memory of view and state", megabytes(values), "MB")
    yield figure("memory of the same without the routers", megabytes(plain), "MB")
    yield from more(values, routers, ports)


def more(values: list[Value], routers: int, ports: int) -> Iterator[Figure]:
    """One more of each kind; each is taken away again."""
    view, compiled = start(values)
    observed = Observed(compiled.state.values())
    networks = routers * SUBNETS
    kinds: dict[str, Callable[[int], list[Value]]] = {
        "one more port here": lambda number: instance(ports + number, networks),
        "one more port on another host": lambda number: [port(ports + number, networks, host="host1")],
        "one more route": lambda number: [router(number % routers, HostRoute("192.0.2.0/24", "10.0.0.99"))],
        "one more subnet of a router": lambda number: one_subnet(networks + number, number % routers, "10.99.0.0/16"),
    }
    for name, made in kinds.items():
        say(name)
        gc.collect()
        taken, planned = [], []
        for number in range(ROUNDS):
            new, before = made(number), dict(compiled.state)
            plan: list[object] = []

            def come(new: list[Value] = new, plan: list[object] = plan) -> None:
                dirty = {fragment for value in new for fragment in view.put(value)}
                plan += diff(observed, compiled.state, compiled.refresh(dirty))

            taken.append(milliseconds(come))
            planned.append(len(plan))
            assert plan, name
            take_back(view, compiled, values, new)
            assert compiled.state.keys() == before.keys(), name
        yield figure(f"{name}, median", statistics.median(taken), "ms")
        yield figure(f"{name}, operations, median", statistics.median(planned), "")


def take_back(view: HostView, compiled: Compiled, values: list[Value], new: list[Value]) -> None:
    """What was new goes, and what was changed is again as it was."""
    old = {value.id: value for value in values if isinstance(value, Router)}
    dirty = set()
    for value in reversed(new):
        dirty |= view.put(old[value.id]) if value.id in old else view.remove(value)
    compiled.refresh(dirty)


def start(values: list[Value]) -> tuple[HostView, Compiled]:
    """What an agent compiles when it starts."""
    view = HostView(Facts(host="host0", tunnel_ip="10.255.0.1", services=("l3",)))
    for value in values:
        view.put(value)
    compiled = Compiled(view)
    compiled.refresh(view.fragments())
    return view, compiled


def flows_of(values: list[Value]) -> Counter[str]:
    """How many flows each bridge has."""
    return Counter(item.bridge for item in start(values)[1].state.values() if isinstance(item, Flow))


def megabytes(values: list[Value]) -> float:
    """What view and desired state hold."""
    gc.collect()
    tracemalloc.start()
    kept = start(values)
    gc.collect()
    held = tracemalloc.get_traced_memory()[0] / 1e6
    tracemalloc.stop()
    assert kept
    return held


def hosts() -> Iterator[Value]:
    """This host and another one."""
    for number in range(2):
        yield Host(id=ident(HOST, number), name=f"host{number}", tunnel_ip=f"10.255.0.{number + 1}")


def routed(routers: int) -> Iterator[Value]:
    """Routers with their networks; every router has the same subnets, as tenants have."""
    for number in range(routers):
        yield router(number)
        for index in range(SUBNETS):
            yield from one_subnet(number * SUBNETS + index, number, f"10.{index}.0.0/16")


def router(number: int, *routes: HostRoute) -> Router:
    """A router whose home is this host for half of them."""
    name = ident(ROUTER, number)
    return Router(id=name, name=f"r{number}", distributed=True, host=f"host{number % 2}", routes=routes)


def one_subnet(number: int, router_number: int, cidr: str) -> list[Value]:
    """A network with a subnet and the router's interface on it."""
    gateway = cidr.replace(".0/16", ".1")
    network, subnet = ident(NETWORK, number), ident(SUBNET, number)
    interface = Port(
        id=ident(INTERFACE, number),
        network_id=network,
        mac_address=mac(INTERFACE, number),
        fixed_ips=(FixedIP(subnet, gateway),),
        device_owner=ROUTER_INTERFACE_DISTRIBUTED,
        device_id=ident(ROUTER, router_number),
    )
    return [
        Network(id=network, segmentation_id=1000 + number),
        Subnet(id=subnet, network_id=network, ip_version=4, cidr=cidr, gateway_ip=gateway),
        interface,
    ]


OWNER = "compute:vm"


def instance(number: int, networks: int) -> list[Value]:
    """An instance of this host with one port."""
    found = port(number, networks, host="host0")
    return [
        found,
        Instance(
            id=ident(INSTANCE, number),
            name=f"vm{number}",
            host="host0",
            plugging="direct",
            interfaces={"eth0": found.id},
        ),
    ]


def port(number: int, networks: int, *, host: str) -> Port:
    """A port with one address; ports are dealt out to the networks in turn."""
    index, network = divmod(number, networks)
    address = f"10.{network % SUBNETS}.{index // 200 + 1}.{index % 200 + 20}"
    return Port(
        id=ident(PORT, number),
        network_id=ident(NETWORK, network),
        mac_address=mac(PORT, number),
        fixed_ips=(FixedIP(ident(SUBNET, network), address),),
        device_owner=OWNER,
        host=host,
    )


def mac(kind: int, number: int) -> str:
    """A MAC."""
    return ":".join(f"{byte:02x}" for byte in (number + (kind << 24) + 0xFA1600000000).to_bytes(6, "big"))


if __name__ == "__main__":
    main()
