"""Random histories of intent and facts: the incremental result is the full one, and plans lead there step by step."""

from collections.abc import Mapping

from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec.structs import replace

from patchbay.compile.facts import Facts
from patchbay.compile.fragments import Compiled, compile_all
from patchbay.compile.view import HostView, Value
from patchbay.hoststate import Address, Bridge, BridgePort, Flow, HostState, Link, PortTag, Route
from patchbay.plan import device_operations as dev
from patchbay.plan import operations as op
from patchbay.plan import service_operations as srv
from patchbay.plan.diff import diff
from patchbay.plan.observed import Observed, ObservedFlow
from tests.property.compiled_values import ME, VALUES, WORLD, facts

CHANGES = st.lists(
    st.one_of(
        st.tuples(st.sampled_from(("put", "put", "put", "remove")), VALUES),
        st.tuples(st.sampled_from(("put", "remove")), st.sampled_from(WORLD)),
        st.tuples(st.just("facts"), facts()),
    ),
    max_size=30,
)
STEPS = st.one_of(CHANGES, CHANGES.map(lambda changes: [*(("put", value) for value in WORLD), *changes]))


def shown_local_vlans(state: HostState) -> dict[str, int]:
    """What a restarted agent reads from the ports of its host."""
    configs = (dict(item.other_config) for item in state.values() if isinstance(item, BridgePort | PortTag))
    return {config["net_uuid"]: int(config["tag"]) for config in configs if config}


def follow(
    view: HostView, values: dict[tuple[type, str], Value], step: tuple[str, Value | Facts]
) -> set[tuple[str, ...]]:
    """One step of a history, in the view and in the plain record of what there is."""
    verb, value = step
    if isinstance(value, Facts):
        return view.set_facts(replace(value, local_vlans=view.facts.local_vlans))
    if verb == "put":
        values[type(value), value.id] = value
        return view.put(value)
    values.pop((type(value), value.id), None)
    return view.remove(value)


def fresh_view(facts: Facts, values: Mapping[tuple[type, str], Value], local_vlans: Mapping[str, int]) -> HostView:
    """What an agent knows that starts now, and gets the values in another order."""
    view = HostView(replace(facts, local_vlans=local_vlans))
    for key in sorted(values, key=lambda item: (item[1], item[0].__name__), reverse=True):
        view.put(values[key])
    return view


def fresh(facts: Facts, values: Mapping[tuple[type, str], Value], local_vlans: Mapping[str, int]) -> HostState:
    """What such an agent compiles."""
    return compile_all(fresh_view(facts, values, local_vlans))


@settings(max_examples=400, deadline=None)
@given(STEPS, st.sets(st.integers(0, 50), max_size=5))
def test_compiling_what_changed_gives_what_compiling_all_gives(
    steps: list[tuple[str, Value | Facts]], restarts: set[int]
) -> None:
    view = HostView(Facts(host=ME, tunnel_ip="10.1.0.1"))
    values: dict[tuple[type, str], Value] = {}
    compiled = Compiled(view)
    compiled.refresh(view.fragments())
    for number, step in enumerate(steps):
        compiled.refresh(follow(view, values, step))
        local_vlans = shown_local_vlans(compiled.state)
        other = fresh_view(view.facts, values, local_vlans)
        assert compiled.state == compile_all(other)
        assert (view.networks_here(), view.routers_wanted()) == (other.networks_here(), other.routers_wanted())
        if number in restarts:
            view = HostView(replace(view.facts, local_vlans=local_vlans))
            for value in values.values():
                view.put(value)
            before, compiled = compiled.state, Compiled(view)
            compiled.refresh(view.fragments())
            assert compiled.state == before


@settings(max_examples=200, deadline=None)
@given(STEPS)
def test_changes_of_one_round_may_come_in_any_order(steps: list[tuple[str, Value | Facts]]) -> None:
    view = HostView(Facts(host=ME, tunnel_ip="10.1.0.1"))
    values: dict[tuple[type, str], Value] = {}
    dirty = set(view.fragments())
    for step in steps:
        dirty |= follow(view, values, step)
    compiled = Compiled(view)
    compiled.refresh(dirty)
    assert compiled.state == fresh(view.facts, values, {})


@settings(max_examples=300, deadline=None)
@given(STEPS, st.integers(1, 4))
def test_plans_of_changes_lead_where_a_fresh_host_gets_in_one_plan(
    steps: list[tuple[str, Value | Facts]], at_once: int
) -> None:
    view = HostView(Facts(host=ME, tunnel_ip="10.1.0.1"))
    values: dict[tuple[type, str], Value] = {}
    compiled, observed = Compiled(view), Observed()
    dirty = set(view.fragments())
    for number, step in enumerate(steps):
        dirty |= follow(view, values, step)
        if number % at_once == 0:
            run(diff(observed, compiled.state, compiled.refresh(dirty)), observed)
            dirty = set()
            assert observed.state() == compiled.state
    run(diff(observed, compiled.state, compiled.refresh(dirty)), observed)
    assert diff(observed, compiled.state) == []
    whole = Observed()
    run(diff(whole, compiled.state), whole)
    assert whole.state() == observed.state() == compiled.state


@settings(max_examples=200, deadline=None)
@given(STEPS, st.data())
def test_what_strangers_delete_comes_back_and_a_restarted_agent_recognises_its_flows(
    steps: list[tuple[str, Value | Facts]], data: st.DataObject
) -> None:
    view = HostView(Facts(host=ME, tunnel_ip="10.1.0.1"))
    values: dict[tuple[type, str], Value] = {}
    for step in steps:
        follow(view, values, step)
    desired = compile_all(view)
    observed = Observed(desired.values())
    lost = set()
    for key in data.draw(st.lists(st.sampled_from(sorted(desired)), max_size=4)):
        lost |= observed.drop(key)
    run(diff(observed, desired, lost), observed)
    assert observed.state() == desired

    seen = (as_switch_shows(item) if isinstance(item, Flow) else item for item in desired.values())
    restarted = Observed(seen)
    assert diff(restarted, {}) != [] or not desired
    restarted.recognise(item for item in desired.values() if isinstance(item, Flow))
    assert diff(restarted, desired) == []


def as_switch_shows(flow: Flow) -> ObservedFlow:
    return ObservedFlow(bridge=flow.bridge, table=flow.table, cookie=flow.cookie)


def run(plan: list[op.Operation], observed: Observed) -> None:
    """Apply a plan to what is observed, as a host would: what an operation refers to must be there."""
    for operation in plan:
        missing = [need for need in needs(operation) if observed.get(need) is None]
        assert not missing, f"{operation.sentence()} needs {missing}"
        assert operation.command()
        observed.record(operation)


def needs(operation: op.Operation) -> list[tuple[str, ...]]:
    """Keys of what must be there before an operation."""
    match operation:
        case op.AddPort(port):
            return [("bridge", port.bridge)] if port.bridge in ("br-int", "br-tun") else []
        case op.SetPort(old, _):
            return [old.key]
        case op.AddVeth(a, b):
            masters = [("link", end.namespace, end.master) for end in (a, b) if end.master]
            return masters + [("netns", end.namespace) for end in (a, b) if end.namespace]
        case op.AddAddress(Address() as item) | op.AddRoute(Route() as item):
            return [("link", item.namespace, item.link)]
        case op.SetLink(Link() as old, _) | op.DelLink(Link() as old):
            return [old.key]
        case op.AddFlows(bridge, _) | op.DelFlows(bridge, _):
            return [("bridge", bridge)] if bridge in ("br-int", "br-tun") else []
        case dev.AdoptDevice(link):
            return [("bridge-port", link.name), ("netns", link.namespace)]
        case dev.SetSysctls(namespace, _) | srv.FlushConntrack(namespace, _, _):
            return [("netns", namespace)] if namespace else []
        case srv.SetRuleset(_, new) | srv.ReloadDaemon(_, new) | srv.StartDaemon(new):
            return [("netns", new.namespace)] if new.namespace else []
        case op.SetBridge(Bridge() as old, _):
            return [old.key]
    return []
