#!/usr/bin/env python3
"""What security groups cost a host to compile: flows, all of it, and one more rule, member or port.

``bench/bench_compile_security.py [-f json]``. Needs no root and touches nothing. A hundred ports here, and as many on
other hosts as the group has further members; its rules name the group itself and ports of TCP. Times are medians.
"""

import statistics
from collections.abc import Iterator

from measuring import milliseconds, parser_of, print_figures, say

from patchbay.compile.facts import Facts
from patchbay.compile.fragments import Compiled
from patchbay.compile.view import HostView, Value
from patchbay.hoststate import Flow
from patchbay.model import FixedIP, Instance, Network, Port, SecurityGroup, SecurityGroupRule, Subnet

HERE = 100
ROUNDS = 15
CASES = (
    (False, 0, 0, False),
    (True, 0, 0, False),
    (True, 10, 0, False),
    (True, 1_000, 0, False),
    (True, 10, 1_000, False),
    (True, 1_000, 1_000, False),
    (True, 1_000, 1_000, True),
    (True, 10, 10_000, False),
)
"""Port security, rules, members on other hosts, whether each rule names the group (else one more does)."""
Case = tuple[bool, int, int, bool]


def port(number: int, host: str, *, is_secured: bool = True) -> Port:
    """One of a network of 65,000 addresses."""
    return Port(
        id=f"{number:08x}-0000-4000-8000-000000000000",
        network_id="net",
        mac_address=f"fa:16:3e:00:{number >> 8:02x}:{number & 255:02x}",
        fixed_ips=(FixedIP("sub", f"10.0.{number >> 8}.{number & 255}"),),
        host=host,
        port_security_enabled=is_secured,
        security_groups=("group",) if is_secured else (),
    )


def rule(number: int, remote_group_id: str | None = None) -> SecurityGroupRule:
    """A range of two ports."""
    low = 1_000 + 4 * number
    return SecurityGroupRule(
        id=f"rule-{number}",
        security_group_id="group",
        direction="ingress",
        protocol="tcp",
        port_range_min=low,
        port_range_max=low + 1,
        remote_group_id=remote_group_id,
    )


def rule_for_members() -> SecurityGroupRule:
    """All that members send."""
    return SecurityGroupRule(id="members", security_group_id="group", direction="ingress", remote_group_id="group")


def world(is_secured: bool, rules: int, members: int, is_named: bool) -> Iterator[Value]:
    """All that the host knows."""
    yield Network(id="net", segmentation_id=7)
    yield Subnet(id="sub", network_id="net", ip_version=4, cidr="10.0.0.0/16")
    yield SecurityGroup(id="group")
    yield from (rule(number, "group" if is_named else None) for number in range(rules))
    yield rule_for_members()
    for number in range(1, HERE + 1):
        yield port(number, "here", is_secured=is_secured)
        interfaces = {"eth0": port(number, "here").id}
        yield Instance(id=f"vm-{number}", name=f"vm{number}", host="here", plugging="direct", interfaces=interfaces)
    yield from (port(HERE + number, "there", is_secured=is_secured) for number in range(1, members + 1))


def compiled_world(case: Case) -> Compiled:
    """A host that has just started."""
    view = HostView(Facts(host="here", datapath_type="netdev"))
    for value in world(*case):
        view.put(value)
    compiled = Compiled(view)
    compiled.refresh(view.fragments())
    return compiled


def one_more(compiled: Compiled, values: list[Value]) -> float:
    """Each comes and goes; how long its coming takes."""
    times = []
    for value in values:
        times.append(milliseconds(lambda value=value: compiled.refresh(compiled.view.put(value))))
        compiled.refresh(compiled.view.remove(value))
    return statistics.median(times)


def measure(case: Case) -> dict[str, object]:
    """The figures of one case."""
    all_ms = statistics.median(milliseconds(lambda: compiled_world(case)) for _ in range(3))
    compiled = compiled_world(case)
    is_secured, rules, members, is_named = case
    numbers = range(50_000, 50_000 + ROUNDS)
    return {
        "port security": is_secured,
        "rules": rules,
        "each names the group": is_named,
        "members elsewhere": members,
        "flows of br-int": sum(isinstance(one, Flow) and one.bridge == "br-int" for one in compiled.state.values()),
        "compile all, ms": round(all_ms, 1),
        "one more rule, ms": round(
            one_more(compiled, [rule(number - 45_000, "group" if is_named else None) for number in numbers]), 2
        ),
        "one more member, ms": round(one_more(compiled, members_of(case, numbers)), 2),
    }


def members_of(case: Case, numbers: range) -> list[Value]:
    """New ports elsewhere."""
    return [port(number, "there", is_secured=case[0]) for number in numbers]


def main() -> None:
    parser = parser_of(__doc__)
    arguments = parser.parse_args()
    figures = []
    for case in CASES:
        say(f"{case} …")
        figures.append(measure(case))
    print_figures(figures, arguments.format, list(figures[0]))


if __name__ == "__main__":
    main()
