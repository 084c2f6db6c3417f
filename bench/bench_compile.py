#!/usr/bin/env python3
"""What compiling costs: all of a host that knows many ports of other hosts, and one more port among them.

``bench/bench_compile.py [-f json] [counts…]``. Needs no root and touches nothing. Times are medians of the rounds;
memory is what the view and the desired state hold beyond the intent values themselves.
"""

import gc
import statistics
import tracemalloc
from collections.abc import Iterator

from measuring import milliseconds, parser_of, print_figures, say

from patchbay.compile.facts import Facts
from patchbay.compile.fragments import Compiled
from patchbay.compile.view import HostView, Value
from patchbay.hoststate import Flow
from patchbay.model import FixedIP, Host, Instance, Network, Port, Subnet
from patchbay.plan.diff import diff
from patchbay.plan.observed import Observed, ObservedFlow

ROUNDS = 51
OTHER_HOSTS = 20


def world(count: int) -> Iterator[Value]:
    """One network on this host and twenty others, ``count`` ports on the others, ten here."""
    for number in range(OTHER_HOSTS + 1):
        yield Host(id=f"host-{number}", name=f"host{number}", tunnel_ip=f"10.0.0.{number + 1}")
    yield Network(id="net", segmentation_id=7)
    yield Subnet(id="sub", network_id="net", ip_version=4, cidr="10.128.0.0/12", gateway_ip="10.128.0.1")
    for number in range(10):
        yield port(number, "host0")
        interfaces = {"eth0": port(number, "host0").id}
        yield Instance(id=f"vm-{number}", name=f"vm{number}", host="host0", interfaces=interfaces)
    for number in range(10, count + 10):
        yield port(number, f"host{number % OTHER_HOSTS + 1}")


def port(number: int, host: str) -> Port:
    mac = ":".join(f"{byte:02x}" for byte in (number + 2).to_bytes(6, "big"))
    fixed = FixedIP("sub", f"10.{128 + (number >> 16)}.{number >> 8 & 255}.{number & 255}")
    name = f"{number:08x}-0000-4000-8000-000000000000"
    return Port(id=name, network_id="net", mac_address=mac, fixed_ips=(fixed,), host=host)


def start_agent(values: list[Value]) -> tuple[HostView, Compiled]:
    """What an agent compiles when it starts."""
    view = HostView(Facts(host="host0", tunnel_ip="10.0.0.1", local_vlans={"net": 1}))
    for value in values:
        view.put(value)
    compiled = Compiled(view)
    compiled.refresh(view.fragments())
    return view, compiled


def measure(count: int) -> dict[str, float]:
    """The figures for ``count`` ports on other hosts."""
    values = list(world(count))
    gc.collect()
    tracemalloc.start()
    kept = start_agent(values)
    gc.collect()
    compiled_mb = tracemalloc.get_traced_memory()[0] / 1e6
    observed = Observed(kept[1].state.values())
    gc.collect()
    both_mb = tracemalloc.get_traced_memory()[0] / 1e6
    tracemalloc.stop()
    del observed, kept
    all_ms = statistics.median(milliseconds(lambda: start_agent(values)) for _ in range(3))
    view, compiled = start_agent(values)
    observed = Observed(compiled.state.values())
    return {
        "ports": count,
        "flows": sum(isinstance(item, Flow) for item in compiled.state.values()),
        "compile all, ms": round(all_ms, 1),
        "recognise and diff all, ms": round(milliseconds(lambda: restart(compiled)), 1),
        "one more port there, ms": round(one_more(view, compiled, observed, count, "host1"), 3),
        "one more port here, ms": round(one_more(view, compiled, observed, count, "host0"), 3),
        "view and state, MB": round(compiled_mb, 1),
        "and observed, MB": round(both_mb, 1),
    }


def restart(compiled: Compiled) -> None:
    """What an agent does with what it finds when nothing has changed."""
    flows = [item for item in compiled.state.values() if isinstance(item, Flow)]
    others = [item for item in compiled.state.values() if not isinstance(item, Flow)]
    seen = [ObservedFlow(bridge=flow.bridge, table=flow.table, cookie=flow.cookie) for flow in flows]
    observed = Observed([*others, *seen])
    observed.recognise(flows)
    assert diff(observed, compiled.state) == []


def one_more(view: HostView, compiled: Compiled, observed: Observed, count: int, host: str) -> float:
    """From the change of intent to a plan that is applied: median over ports that come and go."""
    times = []
    for number in range(count + 10, count + 10 + ROUNDS):
        new = port(number, host)
        instance = Instance(id=f"vm-{number}", name=f"vm{number}", host="host0", interfaces={"eth0": new.id})
        values: list[Value] = [new, instance] if host == "host0" else [new]
        plan = []

        def come(values: list[Value] = values, plan: list[object] = plan) -> None:
            dirty = {fragment for value in values for fragment in view.put(value)}
            plan += diff(observed, compiled.state, compiled.refresh(dirty))

        times.append(milliseconds(come))
        assert plan
        for value in values:
            compiled.refresh(view.remove(value))
    return statistics.median(times)


def main() -> None:
    parser = parser_of(__doc__)
    parser.add_argument("counts", nargs="*", type=int, default=[10, 1_000, 10_000])
    arguments = parser.parse_args()
    figures = []
    for count in arguments.counts:
        say(f"{count} ports …")
        figures.append(measure(count))
    print_figures(figures, arguments.format, list(figures[0]))


if __name__ == "__main__":
    main()
