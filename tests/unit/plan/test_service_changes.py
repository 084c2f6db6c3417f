"""Plans of rules and processes: their order, their text, and which connections a change of rules breaks off."""

from msgspec.structs import replace

from patchbay.hoststate import Address, Daemon, HostState, Link, Namespace, Resource, Ruleset
from patchbay.plan import operations as op
from patchbay.plan.diff import diff
from patchbay.plan.observed import Observed
from patchbay.plan.rules import Translation, find_untranslated, has_rules, is_equivalent, parse_saved, restore_text
from patchbay.plan.service_changes import NOT_RUNNING
from patchbay.plan.service_operations import (
    ClearRuleset,
    FlushConntrack,
    ReloadDaemon,
    SetRuleset,
    StartDaemon,
    StopDaemon,
)

SPACE = Namespace(name="qrouter-1", alias="patchbay:1")
OUTSIDE = Link(name="qg-1", namespace="qrouter-1", kind="bridge", alias="patchbay:1")
ADDRESS = Address(namespace="qrouter-1", link="qg-1", address="203.0.113.2/24")
FLOATING = (
    "-A neutron-l3-agent-PREROUTING -d 203.0.113.5/32 -j DNAT --to-destination 10.0.0.5",
    "-A neutron-l3-agent-float-snat -s 10.0.0.5/32 -j SNAT --to-source 203.0.113.5 --random-fully",
)
CHAINS = (
    ":PREROUTING ACCEPT",
    ":POSTROUTING ACCEPT",
    ":neutron-l3-agent-float-snat -",
    ":neutron-l3-agent-PREROUTING -",
)
RULES = Ruleset(namespace="qrouter-1", tables=(("nat", (*CHAINS, *FLOATING)),))
PROXY = Daemon(
    kind="radvd",
    owner="r1",
    namespace="qrouter-1",
    command=("radvd", "-C", "/run/patchbay/radvd/r1/conf"),
    pidfile="/run/patchbay/radvd/r1/pid",
    files=(("/run/patchbay/radvd/r1/conf", "interface qr-1 {};\n"),),
    reload="HUP",
)
ROUTER = (SPACE, OUTSIDE, ADDRESS, RULES, PROXY)


def state(*resources: Resource) -> HostState:
    return {item.key: item for item in resources}


def nat(*rules: str) -> Ruleset:
    return replace(RULES, tables=(("nat", (*CHAINS, *rules)),))


def kinds(plan: list[op.Operation]) -> list[str]:
    return [type(operation).__name__ for operation in plan]


def test_rules_come_before_devices_and_processes_after_them() -> None:
    plan = diff(Observed(), state(*ROUTER))
    assert kinds(plan) == ["AddNamespace", "SetRuleset", "AddBridgeLink", "AddAddress", "StartDaemon"]
    assert diff(Observed(ROUTER), state(*ROUTER)) == []


def test_a_gateway_that_goes_translates_to_the_last() -> None:
    inside, other = replace(OUTSIDE, name="qr-1"), replace(OUTSIDE, name="qg-2")
    rest = state(SPACE, inside, nat(), PROXY)
    assert kinds(diff(Observed([*ROUTER, inside]), rest)) == ["DelLink", "SetRuleset", "FlushConntrack"]
    moved = diff(Observed([*ROUTER, inside]), state(SPACE, inside, other, nat(), PROXY))
    assert kinds(moved) == ["SetRuleset", "AddBridgeLink", "DelLink", "FlushConntrack"]


def test_a_process_ends_before_what_it_runs_in_goes() -> None:
    assert kinds(diff(Observed(ROUTER), {})) == ["StopDaemon", "DelLink", "DelNamespace"]


def test_rules_that_nobody_wants_leave_a_namespace_that_stays() -> None:
    assert diff(Observed(ROUTER), state(SPACE, OUTSIDE, ADDRESS, PROXY)) == [ClearRuleset(RULES)]


def test_rules_are_gone_with_their_namespace_but_processes_are_not() -> None:
    observed = Observed(ROUTER)
    assert observed.drop(SPACE.key) >= {SPACE.key, RULES.key}
    assert observed.get(PROXY.key) == PROXY


def test_only_files_differ_so_the_process_stays() -> None:
    changed = replace(PROXY, files=(("/run/patchbay/radvd/r1/conf", "interface qr-2 {};\n"),))
    plan = diff(Observed([PROXY]), state(changed))
    assert plan == [ReloadDaemon(PROXY, changed)]
    assert plan[0].command() == [
        "cat >/run/patchbay/radvd/r1/conf <<'END'",
        "interface qr-2 {};",
        "END",
        "kill -HUP $(cat /run/patchbay/radvd/r1/pid)",
    ]
    assert plan[0].sentence() == "Write 1 file of radvd (radvd of r1) in qrouter-1."


def test_anything_else_that_differs_starts_the_process_anew() -> None:
    changed = replace(PROXY, command=("radvd", "-n"))
    assert diff(Observed([PROXY]), state(changed)) == [StopDaemon(PROXY), StartDaemon(changed)]


def test_a_process_that_died_is_started_or_if_nobody_wants_it_forgotten() -> None:
    dead = replace(PROXY, command=NOT_RUNNING)
    assert diff(Observed([dead]), state(PROXY)) == [StartDaemon(PROXY)]
    plan = diff(Observed([dead]), {})
    assert plan == [StopDaemon(dead)]
    assert plan[0].command() == ["rm -rf /run/patchbay/radvd/r1"]


def test_a_floating_address_that_goes_breaks_its_connections_off_after_its_rules() -> None:
    without = nat()
    plan = diff(Observed([SPACE, RULES]), state(SPACE, without))
    assert plan == [SetRuleset(RULES, without), FlushConntrack("qrouter-1", 4, (Translation("203.0.113.5"),))]
    assert plan[1].command() == [
        "ip netns exec qrouter-1 conntrack -D -f ipv4 -d 203.0.113.5 2>/dev/null || true",
        "ip netns exec qrouter-1 conntrack -D -f ipv4 -q 203.0.113.5 2>/dev/null || true",
    ]


def test_what_is_translated_as_before_keeps_its_connections() -> None:
    other = "-A neutron-l3-agent-PREROUTING -d 203.0.113.6/32 -j DNAT --to-destination 10.0.0.6"
    assert find_untranslated(nat(*FLOATING), nat(*FLOATING, other)) == ()
    assert find_untranslated(nat(), nat(*FLOATING)) == ()
    elsewhere = tuple(rule.replace("10.0.0.5", "10.0.0.6") for rule in FLOATING)
    assert find_untranslated(nat(*FLOATING), nat(*elsewhere)) == (Translation("203.0.113.5"),)


def test_a_forwarded_port_breaks_off_only_its_own_connections() -> None:
    one = "-A pf -d 203.0.113.5/32 -p tcp -m tcp --dport 2222 -j DNAT --to-destination 10.0.0.5:22"
    some = "-A pf -d 203.0.113.5/32 -p udp -m udp --dport 7:8 -j DNAT --to-destination 10.0.0.5:7-8/7"
    many = "-A pf -d 203.0.113.6/32 -p udp -m udp --dport 1000:2000 -j DNAT --to-destination 10.0.0.5"
    assert find_untranslated(nat(one, some, many), nat()) == (
        Translation("203.0.113.5", "tcp", "2222"),
        Translation("203.0.113.5", "udp", "7"),
        Translation("203.0.113.5", "udp", "8"),
        Translation("203.0.113.6", "udp"),
    )
    flush = FlushConntrack("r", 4, (Translation("203.0.113.5", "tcp", "2222"),))
    assert flush.command() == [
        "ip netns exec r conntrack -D -f ipv4 -d 203.0.113.5 -p tcp --dport 2222 2>/dev/null || true"
    ]
    assert flush.sentence() == "Break off connections of 203.0.113.5:2222/tcp in r."


def test_the_address_of_a_gateway_that_changes_breaks_off_what_it_stood_for() -> None:
    gateway = "-A neutron-l3-agent-snat -o qg-1 -j SNAT --to-source {} --random-fully"
    redirect = "-A PREROUTING -d 169.254.169.254/32 -i qr-+ -p tcp -m tcp --dport 80 -j REDIRECT --to-ports 9697"
    old, new = nat(redirect, gateway.format("203.0.113.2")), nat(gateway.format("203.0.113.3"))
    assert find_untranslated(old, new) == (Translation("203.0.113.2"),)


def test_rules_as_a_person_would_type_them() -> None:
    small = Ruleset(namespace="qrouter-1", tables=(("nat", (":PREROUTING ACCEPT", "-A PREROUTING -j RETURN")),))
    old = replace(small, tables=(("raw", (":OUTPUT ACCEPT", "-A OUTPUT -j ACCEPT")),))
    operation = SetRuleset(old, small)
    assert operation.command() == [
        "ip netns exec qrouter-1 iptables-restore <<'END'",
        *("*nat", ":PREROUTING ACCEPT", "-A PREROUTING -j RETURN", "COMMIT"),
        *("*raw", ":PREROUTING ACCEPT", ":OUTPUT ACCEPT", "COMMIT"),
        "END",
    ]
    assert operation.sentence() == "Set 1 iptables rule of qrouter-1 (nat)."
    assert ClearRuleset(replace(small, version=6)).command()[0] == "ip netns exec qrouter-1 ip6tables-restore <<'END'"


def test_what_iptables_save_prints_is_read_whole() -> None:
    saved = "# Generated\n*nat\n:PREROUTING ACCEPT [12:34]\n:mine - [0:0]\n-A mine -j RETURN\nCOMMIT\n# Completed\n"
    tables = (("nat", (":PREROUTING ACCEPT", ":mine -", "-A mine -j RETURN")),)
    assert parse_saved(saved) == tables
    assert parse_saved("\n".join(restore_text((), tables))) == tables


def test_tables_mean_the_same_when_each_chain_does() -> None:
    one = (("nat", (":a -", ":b -", "-A a -j RETURN", "-A b -j ACCEPT")), ("filter", (":INPUT ACCEPT",)))
    other = (("nat", (":b -", "-A b -j ACCEPT", ":a -", "-A a -j RETURN")),)
    assert is_equivalent(one, other)
    assert not is_equivalent(one, (("nat", (":a -", ":b -", "-A a -j RETURN")),))
    assert not is_equivalent((("nat", ("-A a -j X", "-A a -j Y")),), (("nat", ("-A a -j Y", "-A a -j X")),))
    assert not is_equivalent((("filter", (":INPUT DROP",)),), ())
    assert has_rules(one)
    assert not has_rules((("filter", (":INPUT ACCEPT", ":FORWARD ACCEPT")),))


def test_a_process_as_a_person_would_start_it() -> None:
    client = Daemon(
        kind="dhclient",
        owner="p1",
        namespace="web",
        command=("dhclient", "-pf", "/run/patchbay/dhclient/p1/pid", "eth0"),
        pidfile="/run/patchbay/dhclient/p1/pid",
        files=(("/etc/netns/web/resolv.conf", ""), ("/run/patchbay/dhclient/p1/conf", "timeout 1;")),
        environment=(("HOME", "/run/with space"),),
        last_words=("dhclient", "-r", "eth0"),
    )
    assert StartDaemon(client).command() == [
        "mkdir -p /run/patchbay/dhclient/p1",
        "mkdir -p /etc/netns/web",
        ": >/etc/netns/web/resolv.conf",
        "printf %s 'timeout 1;' >/run/patchbay/dhclient/p1/conf",
        "ip netns exec web env HOME='/run/with space' dhclient -pf /run/patchbay/dhclient/p1/pid eth0",
    ]
    assert StopDaemon(client).command() == [
        "ip netns exec web env HOME='/run/with space' dhclient -r eth0 || true",
        "kill $(cat /run/patchbay/dhclient/p1/pid) 2>/dev/null || true",
        "rm -rf /run/patchbay/dhclient/p1 /etc/netns/web/resolv.conf",
    ]
    assert StartDaemon(client).sentence() == "Start dhclient (dhclient of p1) in web."
