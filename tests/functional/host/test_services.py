"""Rules, tracked connections and processes of namespaces: made, seen again, changed by strangers, removed."""

import asyncio
import os
import signal
import time
from contextlib import asynccontextmanager
from pathlib import Path

from msgspec.structs import replace

from patchbay.host.services import Services
from patchbay.hoststate import Daemon, Namespace, Ruleset
from patchbay.plan.diff import diff
from patchbay.plan.observed import Observed
from patchbay.plan.rules import Translation
from patchbay.plan.service_operations import FlushConntrack

RUN_DIR = "/run/patchbay"
ROUTER = "qrouter-1"
NAT = (
    ":PREROUTING ACCEPT",
    ":INPUT ACCEPT",
    ":OUTPUT ACCEPT",
    ":POSTROUTING ACCEPT",
    ":neutron-l3-agent-PREROUTING -",
    ":neutron-l3-agent-snat -",
    "-A PREROUTING -j neutron-l3-agent-PREROUTING",
    "-A POSTROUTING -j neutron-l3-agent-snat",
    "-A neutron-l3-agent-PREROUTING -d 203.0.113.5/32 -j DNAT --to-destination 10.0.0.5",
    "-A neutron-l3-agent-snat -s 10.0.0.5/32 -j SNAT --to-source 203.0.113.5 --random-fully",
)
RULES = Ruleset(namespace=ROUTER, tables=(("nat", NAT), ("filter", ())))
RULES6 = Ruleset(
    namespace=ROUTER,
    version=6,
    tables=(("filter", (":INPUT ACCEPT", ":FORWARD DROP", ":OUTPUT ACCEPT", "-A INPUT -p ipv6-icmp -j ACCEPT")),),
)
FOLDER = f"{RUN_DIR}/dhcp/net1"


def dnsmasq(hosts: str = "fa:16:3e:00:00:05,web,10.0.0.5\n", lease: str = "3600s") -> Daemon:
    return Daemon(
        kind="dhcp",
        owner="net1",
        namespace=ROUTER,
        command=(
            "dnsmasq",
            "--no-hosts",
            "--no-resolv",
            "--port=5353",
            "--conf-file=/dev/null",
            "--bind-interfaces",
            "--interface=lo",
            f"--pid-file={FOLDER}/pid",
            f"--dhcp-hostsfile={FOLDER}/host",
            f"--dhcp-leasefile={FOLDER}/leases",
            f"--dhcp-range=10.0.0.0,static,{lease}",
        ),
        pidfile=f"{FOLDER}/pid",
        files=((f"{FOLDER}/host", hosts),),
        reload="HUP",
    )


class World:
    """Services of one run directory, and what is wanted of them."""

    def __init__(self, host, *wanted) -> None:
        self.host = host
        self.desired = {item.key: item for item in wanted}
        self.changed = set()

    async def open(self, *, is_watching: bool = True) -> None:
        self.services = Services(RUN_DIR, is_watching=is_watching)
        self.services.subscribe(self.changed.update)
        await self.services.load(self.desired)

    def plan(self):
        return diff(Observed(self.services.resources.values()), self.desired)

    async def converge(self) -> list[str]:
        """Apply the plan; returns its kinds of operations. Nothing may be left to do after it."""
        plan = self.plan()
        assert [str(failure.error) for failure in await self.services.apply(plan)] == []
        await self.host.until(lambda: not self.plan(), "nothing is left to do")
        return [type(operation).__name__ for operation in plan]

    async def refused(self) -> dict[str, str]:
        """Apply the plan until everything in it has been refused in time to be told; words by kind of operation."""
        words: dict[str, str] = {}
        end = time.monotonic() + 10
        while words.keys() != {type(operation).__name__ for operation in self.plan()}:
            assert time.monotonic() < end, f"refused was only {words}"
            for failure in await self.services.apply(self.plan()):
                words[type(failure.operation).__name__] = str(failure.error)
        return words

    def want(self, *wanted) -> None:
        self.desired.clear()
        self.desired.update({item.key: item for item in wanted})


@asynccontextmanager
async def world(host, *wanted):
    host.sh(f"ip netns add {ROUTER}; ip -n {ROUTER} link set lo up; mkdir -p {RUN_DIR}")
    one = World(host, *wanted)
    await one.open()
    try:
        yield one
    finally:
        one.services.close()


def pid_of(daemon: Daemon) -> int:
    return int(Path(daemon.pidfile).read_text())


def hosts_file() -> str:
    return Path(FOLDER, "host").read_text()


def has_folder() -> bool:
    return Path(FOLDER).exists()


def inode(path: str) -> int:
    return Path(path).stat().st_ino


def save(host, program: str = "iptables-save") -> str:
    return host.sh(f"ip netns exec {ROUTER} {program}")


def test_rules_are_written_whole_and_read_back_as_they_are_wanted(on_private_host):
    async def scenario(host):
        async with world(host, RULES, RULES6) as one:
            assert await one.converge() == ["SetRuleset", "SetRuleset"]
            assert "-A neutron-l3-agent-snat -s 10.0.0.5/32 -j SNAT --to-source 203.0.113.5 --random-fully" in save(
                host
            )
            assert ":FORWARD DROP" in save(host, "ip6tables-save")
            fresh = World(host, RULES, RULES6)
            await fresh.open(is_watching=False)
            assert fresh.services.resources == one.desired
            fresh.services.close()

    on_private_host(scenario)


def test_a_strangers_flush_is_noticed_and_repaired(on_private_host):
    async def scenario(host):
        async with world(host, RULES, RULES6) as one:
            await one.converge()
            before = save(host)
            for command in ("iptables -t nat -F", "ip6tables -P FORWARD ACCEPT", "iptables -t raw -A OUTPUT -j ACCEPT"):
                one.changed.clear()
                host.sh(f"ip netns exec {ROUTER} {command}")
                await host.until(lambda: one.changed and one.plan(), f"{command} is noticed")
                assert await one.converge() == ["SetRuleset"]
            assert {line for line in before.splitlines() if line[0] in ":-"} <= set(save(host).splitlines())
            assert "-A OUTPUT" not in save(host)

    on_private_host(scenario)


def test_rules_that_iptables_spells_differently_are_complained_about_and_left(on_private_host, caplog):
    loose = replace(RULES, tables=(("nat", ("-A PREROUTING -d 203.0.113.5 -j DNAT --to-destination 10.0.0.5",)),))

    async def scenario(host):
        async with world(host, loose) as one:
            assert await one.converge() == ["SetRuleset"]
            assert "rules of qrouter-1 are read back differently than they were written" in caplog.text
            host.sh(f"ip netns exec {ROUTER} iptables -t nat -F")
            await host.until(one.plan, "the flush is noticed")
            assert await one.converge() == ["SetRuleset"]

    on_private_host(scenario)


def test_reading_rules_changes_none(on_private_host):
    async def scenario(host):
        async with world(host, RULES, RULES6) as one:
            await one.converge()
            one.services._rulesets.note_namespace(ROUTER)
            feed = one.services._rulesets._feeds[ROUTER]
            host.sh(f"ip netns exec {ROUTER} iptables-save; ip netns exec {ROUTER} ip6tables -L -n")
            assert not feed.drain()

    on_private_host(scenario)


def test_a_daemon_is_started_reloaded_and_stopped(on_private_host):
    async def scenario(host):
        first = dnsmasq()
        async with world(host, first) as one:
            start = time.perf_counter()
            assert await one.converge() == ["StartDaemon"]
            print(f"start of dnsmasq: {(time.perf_counter() - start) * 1000:.1f} ms")
            number = pid_of(first)
            second = dnsmasq("fa:16:3e:00:00:06,db,10.0.0.6\n")
            one.want(second)
            start = time.perf_counter()
            assert await one.converge() == ["ReloadDaemon"]
            print(f"reload of dnsmasq: {(time.perf_counter() - start) * 1000:.1f} ms")
            assert pid_of(second) == number
            assert hosts_file() == second.files[0][1]
            one.want(dnsmasq(lease="60s"))
            assert await one.converge() == ["StopDaemon", "StartDaemon"]
            assert pid_of(first) != number
            number = pid_of(first)
            one.want()
            assert await one.converge() == ["StopDaemon"]
            await host.until(lambda: not is_alive(number), "dnsmasq has ended")
            assert not has_folder()

    on_private_host(scenario)


def is_alive(number: int) -> bool:
    try:
        return Path(f"/proc/{number}/stat").read_text().rpartition(")")[2].split()[0] not in "ZX"
    except OSError:
        return False


def test_a_killed_daemon_is_missed_at_once_and_started_again(on_private_host):
    async def scenario(host):
        async with world(host, dnsmasq()) as one:
            await one.converge()
            one.changed.clear()
            os.kill(pid_of(dnsmasq()), signal.SIGKILL)
            await host.until(lambda: dnsmasq().key in one.changed, "the death is told")
            assert await one.converge() == ["StartDaemon"]
            os.kill(pid_of(dnsmasq()), signal.SIGKILL)
            await host.until(one.plan, "the second death is told")
            (failure,) = await one.services.apply(one.plan())
            assert "ended 2 times soon after its start" in str(failure.error)

            async def is_back() -> None:
                end = time.monotonic() + 5
                while await one.services.apply(one.plan()):
                    assert time.monotonic() < end, "it is not started again"
                    await asyncio.sleep(0.01)

            await is_back()
            assert one.plan() == []

    on_private_host(scenario)


def test_a_new_agent_takes_over_what_runs_and_stops_what_nobody_wants(on_private_host):
    async def scenario(host):
        async with world(host, dnsmasq(), RULES) as one:
            await one.converge()
            number = pid_of(dnsmasq())
            fresh = World(host, dnsmasq(), RULES)
            await fresh.open()
            assert fresh.plan() == []
            assert pid_of(dnsmasq()) == number
            fresh.services.close()
            host.sh(f"echo strange >{FOLDER}/host")
            await fresh.open()
            assert await fresh.converge() == ["ReloadDaemon"]
            assert pid_of(dnsmasq()) == number
            fresh.services.close()
            unwanted = World(host, RULES)
            await unwanted.open()
            assert await unwanted.converge() == ["StopDaemon"]
            await host.until(lambda: not is_alive(number), "dnsmasq has ended")
            assert not has_folder()
            unwanted.services.close()

    on_private_host(scenario)


def test_a_process_whose_folder_was_removed_makes_room_for_a_new_one(on_private_host):
    async def scenario(host):
        async with world(host, dnsmasq()) as one:
            await one.converge()
            number = pid_of(dnsmasq())
            one.services.close()
            host.sh(f"rm -rf {FOLDER}")
            fresh = World(host, dnsmasq())
            await fresh.open()
            assert await fresh.converge() == ["StartDaemon"]
            assert not is_alive(number)
            fresh.services.close()

    on_private_host(scenario)


def test_a_daemon_of_a_namespace_that_was_made_anew_is_started_in_the_new_one(on_private_host):
    async def scenario(host):
        async with world(host, dnsmasq(), RULES) as one:
            await one.converge()
            number = pid_of(dnsmasq())
            host.sh(f"ip netns del {ROUTER}; ip netns add {ROUTER}; ip -n {ROUTER} link set lo up")
            one.services.note_namespaces([ROUTER])
            await host.until(lambda: len(one.plan()) == 2, "rules and process are missed")
            assert await one.converge() == ["SetRuleset", "StartDaemon"]
            await host.until(lambda: not is_alive(number), "the lost process has ended")
            there = inode(f"/proc/{pid_of(dnsmasq())}/ns/net")
            assert there == inode(f"/run/netns/{ROUTER}")

    on_private_host(scenario)


def test_a_daemon_whose_device_was_made_anew_is_started_anew(on_private_host):
    async def scenario(host):
        make = f"ip -n {ROUTER} link add tap1 type veth peer name other; ip -n {ROUTER} link set tap1 up"
        daemon = replace(dnsmasq(), link="tap1")
        async with world(host) as one:
            host.sh(make)
            one.want(daemon)
            await one.converge()
            number = pid_of(daemon)
            host.sh(f"ip -n {ROUTER} link set tap1 mtu 1400")
            one.services.note_links({(ROUTER, "tap1")})
            await host.until(lambda: not one.services._daemons._checks, "the device was looked at")
            host.sh(f"ip -n {ROUTER} link del tap1; {make}")
            fresh = World(host, daemon)
            await fresh.open(is_watching=False)
            assert [type(operation).__name__ for operation in fresh.plan()] == ["StartDaemon"]
            fresh.services.close()
            assert one.plan() == []
            one.services.note_links({(ROUTER, "tap1")})
            await host.until(one.plan, "the new device is noticed")
            assert await one.converge() == ["StartDaemon"]
            assert pid_of(daemon) != number
            assert not is_alive(number)

    on_private_host(scenario)


def test_what_cannot_start_says_what_to_do(on_private_host):
    async def scenario(host):
        missing = replace(dnsmasq(), command=("no-such-program", "-x"))
        async with world(host, missing, replace(RULES, namespace="nowhere")) as one:
            assert await one.refused() == {
                "SetRuleset": "Namespace nowhere is not there to have rules: No such file or directory.",
                "StartDaemon": "no-such-program is not on this host. Install no-such-program, or correct its path.",
            }
            one.want(replace(dnsmasq(), command=(*dnsmasq().command, "--no-such-option")), Namespace(name="", alias=""))
            del one.desired["netns", ""]
            assert "ends at once (status 1)" in (await one.refused())["StartDaemon"]
            one.want()
            assert await one.converge() == ["StopDaemon"]
            assert not has_folder()

    on_private_host(scenario)


def test_connections_of_an_address_are_broken_off(on_private_host):
    async def scenario(host):
        async with world(host, RULES) as one:
            await one.converge()
            host.sh(
                f"ip -n {ROUTER} link add d0 type veth peer name d1; ip -n {ROUTER} link set d0 up\n"
                f"ip -n {ROUTER} addr add 203.0.113.1/24 dev d0\n"
                f"for to in 203.0.113.5 203.0.113.6; do ip netns exec {ROUTER}"
                " conntrack -I -s 198.51.100.9 -d $to -p tcp --sport 1000 --dport 80"
                " --state ESTABLISHED -t 300; done"
            )
            gone = FlushConntrack(ROUTER, 4, (Translation("203.0.113.5"), Translation("203.0.113.6", "tcp", "81")))
            assert await one.services.apply([gone, gone]) == []
            left = host.sh(f"ip netns exec {ROUTER} conntrack -L 2>/dev/null")
            assert "203.0.113.6" in left
            assert "203.0.113.5" not in left

    on_private_host(scenario)


def test_six_hundred_rules_are_written_fast(on_private_host):
    async def scenario(host):
        many = tuple(
            f"-A PREROUTING -d 203.0.{number // 250}.{number % 250}/32 -j DNAT --to-destination 10.0.0.9"
            for number in range(600)
        )
        async with world(host, replace(RULES, tables=(("nat", (*NAT, *many)),))) as one:
            start = time.perf_counter()
            assert await one.converge() == ["SetRuleset"]
            print(f"600 rules written and read back: {(time.perf_counter() - start) * 1000:.1f} ms")

    on_private_host(scenario)
