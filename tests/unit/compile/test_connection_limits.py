"""Limits of connections: whom they are for, in what order they come and go, and two ports with one number."""

from msgspec.structs import replace

from patchbay.compile.facts import Facts
from patchbay.compile.fragments import Compiled, compile_all
from patchbay.compile.names import meter_number
from patchbay.compile.view import HostView
from patchbay.hoststate import Bridge, ConnectionLimit, Flow, Meter
from patchbay.model import FixedIP, Instance, Network, Port
from patchbay.plan.diff import diff
from patchbay.plan.limit_operations import DelConnectionLimits, DelMeters, SetConnectionLimits, SetMeters
from patchbay.plan.observed import Observed
from patchbay.plan.operations import AddFlows, DelFlows

SAME_NUMBER = ("port-50625", "port-51313")
"""Ids of ports with the same hash."""


def put(view: HostView, state: Compiled, port_id: str, number: int, *, is_secured: bool = True) -> Port:
    """An instance here with such a port."""
    port = Port(
        id=port_id,
        network_id="net",
        mac_address=f"fa:16:3e:00:00:{number:02x}",
        fixed_ips=(FixedIP("sub", f"10.0.0.{number}"),),
        host="here",
        port_security_enabled=is_secured,
    )
    vm = Instance(id=f"vm{number}", name=f"vm{number}", host="here", plugging="direct", interfaces={"eth0": port_id})
    for value in (port, vm):
        state.refresh(view.put(value))
    return port


def world(**fields: int) -> tuple[HostView, Compiled]:
    view = HostView(Facts(host="here", datapath_type="netdev", **fields))  # type: ignore[arg-type]
    state = Compiled(view)
    state.refresh(view.fragments())
    state.refresh(view.put(Network(id="net", segmentation_id=7)))
    return view, state


def meters(state: Compiled) -> dict[int, int]:
    return {item.number: item.rate for item in state.state.values() if isinstance(item, Meter)}


def metered(state: Compiled) -> list[str]:
    return [item.match for item in state.state.values() if isinstance(item, Flow) and "meter:" in item.actions]


def test_a_port_with_port_security_has_two_meters_and_its_network_a_limit() -> None:
    view, state = world(new_connections_per_s=70, connections_per_network=900)
    put(view, state, "open", 1, is_secured=False)
    assert meters(state) == {}
    put(view, state, "closed", 2)
    assert meters(state) == {meter_number("closed", "egress"): 70, meter_number("closed", "ingress"): 70}
    assert len(metered(state)) == 4, "for each direction and IP version"
    assert all("ct_state=+new+trk,ct_label=0" in match for match in metered(state)), "nothing that is noted already"
    limits = [item for item in state.state.values() if isinstance(item, ConnectionLimit)]
    assert limits == [ConnectionLimit(zone=1, limit=900, datapath_type="netdev")]


def test_none_is_no_limit() -> None:
    view, state = world(new_connections_per_s=0, connections_per_network=0)
    put(view, state, "closed", 2)
    assert not metered(state)
    assert not [item for item in state.state.values() if isinstance(item, Meter | ConnectionLimit)]


def test_two_ports_with_one_number_share_its_meters_and_who_stays_keeps_them() -> None:
    view, state = world()
    first, second = (put(view, state, port_id, number) for number, port_id in enumerate(SAME_NUMBER, 1))
    assert len(meters(state)) == 2
    assert len(metered(state)) == 8
    state.refresh(view.put(replace(first, admin_state_up=False)))
    assert state.state == compile_all(view)
    assert len(meters(state)) == 2, "the other one needs them, though the first is down"
    for gone, left in ((first, 2), (second, 0)):
        state.refresh(view.remove(gone))
        assert state.state == compile_all(view)
        assert len(meters(state)) == left


def test_meters_come_before_flows_that_use_them_and_go_after_and_limits_with_the_network() -> None:
    bridge = Bridge(name="br-int", fail_mode="standalone")
    meter = Meter(bridge="br-int", number=1 << 30, rate=5, burst=5)
    flow = Flow(bridge="br-int", table=74, priority=9, match="ip", actions=f"meter:{meter.number},resubmit(,72)")
    limit = ConnectionLimit(zone=3, limit=10, datapath_type="netdev")
    wanted = {item.key: item for item in (bridge, meter, flow, limit)}
    there = Observed([bridge])
    assert list(map(type, diff(there, wanted))) == [SetMeters, AddFlows, SetConnectionLimits]
    assert diff(Observed(wanted.values()), wanted) == []
    left = diff(Observed(wanted.values()), {bridge.key: bridge})
    assert list(map(type, left)) == [DelFlows, DelMeters, DelConnectionLimits]
    changed = {**wanted, meter.key: replace(meter, rate=6)}
    assert list(map(type, diff(Observed(wanted.values()), changed))) == [SetMeters]
    assert left[2].command() == ["ovs-appctl dpctl/ct-del-limits netdev@ovs-netdev zone=3"]
