"""Plans for devices of internal ports and for kernel settings: order, adoption, repair, removal."""

from msgspec.structs import replace

from patchbay.hoststate import Address, Bridge, BridgePort, HostState, Link, Namespace, Resource, Route, Ruleset, Sysctl
from patchbay.plan import operations as op
from patchbay.plan.device_operations import AdoptDevice, SetSysctls, device_of
from patchbay.plan.diff import diff, is_ours
from patchbay.plan.observed import Observed
from patchbay.plan.service_operations import SetRuleset

BR_INT = Bridge(name="br-int", fail_mode="secure")
ROUTER = Namespace(name="qrouter-1", alias="patchbay:r")
PORT = BridgePort(name="qr-1", bridge="br-int", type="internal", tag=1, owner="p")
DEVICE = Link(
    name="qr-1",
    namespace="qrouter-1",
    kind="internal",
    mac="fa:16:3e:00:00:01",
    mtu=1450,
    ipv6=True,
    tx_checksum=False,
    alias="patchbay:p",
)
WAITING = Link(name="qr-1", kind="internal", alias="")
SECOND = Address(namespace="qrouter-1", link="qr-1", address="192.168.1.9/24")
FIRST = Address(namespace="qrouter-1", link="qr-1", address="192.168.1.10/24")
DEFAULT = Route(namespace="qrouter-1", destination="0.0.0.0/0", gateway="192.168.1.1", link="qr-1")
EXTRA = Route(namespace="qrouter-1", destination="198.51.100.0/24", gateway="192.168.1.7", link="")
FORWARD = Sysctl(namespace="qrouter-1", name="net.ipv4.ip_forward", value="1")
NO_RA = Sysctl(namespace="qrouter-1", name="net.ipv6.conf.qr-1.accept_ra", value="0")
RULES = Ruleset(namespace="qrouter-1", tables=(("filter", (":INPUT ACCEPT",)),))
ALL = (BR_INT, ROUTER, PORT, DEVICE, FIRST, SECOND, DEFAULT, EXTRA, FORWARD, NO_RA, RULES)

ON_THE_DEVICE = [
    AdoptDevice(DEVICE),
    SetSysctls("qrouter-1", (NO_RA,)),
    op.AddAddress(FIRST),
    op.AddAddress(SECOND),
    op.AddRoute(DEFAULT),
    op.AddRoute(EXTRA),
]


def state(*resources: Resource) -> HostState:
    return {item.key: item for item in resources}


def without(*gone: Resource) -> Observed:
    """A host on which all is as desired, but for these."""
    return Observed(item for item in ALL if item not in gone)


def test_an_unchanged_host_gives_no_operation() -> None:
    assert diff(Observed(ALL), state(*ALL)) == []


def test_on_an_empty_host_rules_come_before_devices_and_devices_before_what_is_on_them() -> None:
    assert diff(Observed(), state(*ALL)) == [
        op.AddBridge(BR_INT),
        op.AddNamespace(ROUTER),
        SetSysctls("qrouter-1", (FORWARD,)),
        SetRuleset(None, RULES),
        op.AddPort(PORT),
        *ON_THE_DEVICE,
    ]


def test_a_router_that_goes_loses_its_port_first_and_the_device_with_it() -> None:
    plan = diff(Observed(ALL), state(BR_INT))
    assert [item for item in plan if not isinstance(item, SetRuleset)][-2:] == [
        op.DelPort("qr-1", "br-int"),
        op.DelNamespace("qrouter-1"),
    ]
    assert not [item for item in plan if isinstance(item, op.DelLink | op.DelAddress | op.DelRoute)]


def test_an_interface_that_goes_leaves_the_namespace_and_its_settings() -> None:
    plan = diff(Observed(ALL), state(BR_INT, ROUTER, FORWARD, RULES))
    assert plan == [op.DelPort("qr-1", "br-int"), op.DelRoute(EXTRA)]


def test_the_dead_device_of_a_restarted_switch_makes_room_for_the_new_one() -> None:
    plan = diff(Observed([*ALL, WAITING]), state(*ALL), {DEVICE.key, WAITING.key})
    assert plan == [op.DelLink(DEVICE), *ON_THE_DEVICE]


def test_a_device_that_waits_is_adopted_without_touching_its_port() -> None:
    observed = without(DEVICE, FIRST, SECOND, DEFAULT, EXTRA, NO_RA)
    observed.put(WAITING)
    assert diff(observed, state(*ALL)) == ON_THE_DEVICE


def test_a_port_that_lost_its_device_is_unplugged_and_plugged_again() -> None:
    observed = without(DEVICE, FIRST, SECOND, DEFAULT, EXTRA, NO_RA)
    again = [op.DelPort("qr-1", "br-int"), op.AddPort(PORT), *ON_THE_DEVICE]
    assert diff(observed, state(*ALL)) == again
    device_only = {DEVICE.key, FIRST.key, SECOND.key, DEFAULT.key, EXTRA.key, NO_RA.key}
    assert diff(observed, state(*ALL), device_only) == again


def test_a_port_that_a_stranger_deleted_is_plugged_and_its_device_adopted() -> None:
    observed = Observed(ALL)
    lost = observed.drop(PORT.key)
    assert {DEVICE.key, FIRST.key, DEFAULT.key, NO_RA.key} <= lost
    assert diff(observed, state(*ALL), lost | {EXTRA.key})[:2] == [op.AddPort(PORT), AdoptDevice(DEVICE)]


def test_a_namespace_that_a_stranger_deleted_takes_the_port_along() -> None:
    observed = Observed(ALL)
    lost = observed.drop(ROUTER.key)
    assert diff(observed, state(*ALL), lost) == [
        op.DelPort("qr-1", "br-int"),
        op.AddNamespace(ROUTER),
        SetSysctls("qrouter-1", (FORWARD,)),
        SetRuleset(None, RULES),
        op.AddPort(PORT),
        *ON_THE_DEVICE,
    ]


def test_a_port_that_changes_its_bridge_brings_a_new_device() -> None:
    moved = replace(PORT, bridge="br-ex")
    plan = diff(Observed(ALL), state(*(moved if item == PORT else item for item in ALL)), {PORT.key})
    assert plan == [op.DelPort("qr-1", "br-int"), op.AddPort(moved), *ON_THE_DEVICE]


def test_a_dead_device_whose_port_is_gone_is_deleted() -> None:
    assert diff(without(PORT), state(BR_INT, ROUTER, FORWARD, RULES))[-1] == op.DelLink(DEVICE)


def test_a_waiting_device_of_nobody_s_is_left_alone() -> None:
    assert diff(Observed([BR_INT, WAITING]), state(BR_INT)) == []
    assert not is_ours(WAITING)


def test_settings_of_a_device_that_changes_in_place_stay() -> None:
    smaller = replace(DEVICE, mtu=1400)
    plan = diff(Observed(ALL), state(*(smaller if item == DEVICE else item for item in ALL)))
    assert plan == [op.SetLink(DEVICE, smaller)]


def test_a_setting_is_changed_but_not_taken_back() -> None:
    off = replace(FORWARD, value="0")
    plan = diff(Observed(ALL), state(*(off if item == FORWARD else item for item in ALL)))
    assert plan == [SetSysctls("qrouter-1", (off,))]
    assert diff(Observed(ALL), state(*(item for item in ALL if item != FORWARD))) == []


def test_which_device_a_setting_belongs_to() -> None:
    assert device_of("net.ipv6.conf.qr-1.accept_ra") == "qr-1"
    assert device_of("net/ipv4/conf/eth0.5/forwarding") == "eth0.5"
    assert device_of("net.ipv4.neigh.qg-2.gc_stale_time") == "qg-2"
    assert [device_of(name) for name in ("net.ipv4.conf.all.arp_ignore", "net.ipv6.conf.default.forwarding")] == [
        "",
        "",
    ]
    assert device_of("net.ipv4.ip_forward") == ""


def test_each_step_is_what_a_person_would_type() -> None:
    lines = [line for item in ON_THE_DEVICE for line in item.command()]
    assert lines == [
        "ip link set qr-1 netns qrouter-1",
        "ip netns exec qrouter-1 ethtool -K qr-1 tx off >/dev/null",
        "ip netns exec qrouter-1 ip link set dev qr-1 address fa:16:3e:00:00:01 mtu 1450 alias patchbay:p up",
        "ip netns exec qrouter-1 sysctl -w net.ipv6.conf.qr-1.accept_ra=0",
        "ip netns exec qrouter-1 ip addr add 192.168.1.10/24 dev qr-1",
        "ip netns exec qrouter-1 ip addr add 192.168.1.9/24 dev qr-1",
        "ip netns exec qrouter-1 ip route replace default via 192.168.1.1 dev qr-1",
        "ip netns exec qrouter-1 ip route replace 198.51.100.0/24 via 192.168.1.7",
    ]
    assert AdoptDevice(DEVICE).sentence() == "Move qr-1, which Open vSwitch made, into qrouter-1."
    assert SetSysctls("qrouter-1", (FORWARD,)).sentence() == "Set net.ipv4.ip_forward=1 in qrouter-1."
