"""The OpenFlow connection to a real switch: flows go in, are seen, and what strangers do to them is told."""

import asyncio

import pytest
import uvloop

from patchbay.host.openflow import (
    BridgeUnreachable,
    FlowRefused,
    FlowsRefused,
    FlowTextError,
    OpenFlowConnection,
)
from patchbay.hoststate import Flow

KNOWN = (20, 2, "dl_vlan=12,dl_dst=fa:16:3e:00:00:01", "strip_vlan,set_tunnel:0x22,output:7")
DEFAULT = (20, 0, "", "resubmit(,22)")


def flow(table: int, priority: int, match: str, actions: str) -> Flow:
    return Flow(bridge="br-tun", table=table, priority=priority, match=match, actions=actions)


class Heard(list):
    """What the connection told: (kind, table, cookie) of changes, "up", "down"."""

    def changed(self, changes) -> None:
        self.extend((change.kind, change.flow.table, change.flow.cookie) for change in changes)

    def callbacks(self) -> dict:
        return {
            "on_change": self.changed,
            "on_connect": lambda: self.append("up"),
            "on_disconnect": lambda: self.append("down"),
        }


async def on_bridge(host, heard=None) -> OpenFlowConnection:
    host.start_ovs()
    host.sh("ovs-vsctl add-br br-tun -- set bridge br-tun datapath_type=netdev fail_mode=secure")
    connection = OpenFlowConnection("br-tun", **(heard.callbacks() if heard is not None else {}))
    await connection.open()
    return connection


def dumped(host) -> list[str]:
    """The flows that ovs-ofctl shows, without counters."""
    lines = host.sh("ovs-ofctl --no-stats dump-flows br-tun").splitlines()
    return sorted(line.strip() for line in lines if "actions=" in line)


def written(*flows: Flow) -> list[str]:
    """How these flows should read there."""
    return sorted(f.text.replace(",table=0", "").replace(",", ", ", 2).replace(", ", ",", 0) for f in flows)


def test_flows_are_added_replaced_and_deleted_in_one_step(on_private_host):
    async def scenario(host):
        connection = await on_bridge(host)
        old, kept, new = flow(*KNOWN), flow(*DEFAULT), flow(*KNOWN[:3], "drop")
        assert await connection.apply([old, kept]) == ()
        assert await connection.apply([new], [old]) == ()
        seen = sorted((f.table, f.cookie, f.priority) for f in await connection.observe())
        assert seen == sorted((f.table, f.cookie, f.priority) for f in (new, kept))
        assert await connection.count() == 2
        await connection.apply(delete=[new, kept])
        assert await connection.observe() == []

    on_private_host(scenario)


def test_a_flow_whose_port_got_another_number_is_deleted_first_and_added_again(on_private_host):
    async def scenario(host):
        connection = await on_bridge(host)
        tap = flow(0, 1, "in_port=tap1", "resubmit(,2)")
        assert await connection.apply([tap]) == (tap,)
        assert await connection.count() == 0
        await connection.apply([tap], ports={"tap1": 5})
        await connection.apply([tap], ports={"tap1": 6}, delete_first=[tap])
        assert [line.split()[-2] for line in dumped(host)] == ["priority=1,in_port=6"]

    on_private_host(scenario)


def test_a_replaced_flow_keeps_its_counters(on_private_host):
    async def scenario(host):
        connection = await on_bridge(host)
        host.sh("ovs-vsctl add-port br-tun p1 -- set interface p1 type=internal ofport_request=1; ip link set p1 up")
        await connection.apply([flow(0, 1, "in_port=1", "drop")])
        host.sh("ovs-appctl netdev-dummy/receive 2>/dev/null || true; ip addr add 10.9.9.1/24 dev p1")
        host.sh("ping -c 1 -W 0.2 10.9.9.2 || true")

        def packets() -> int:
            line = host.sh("ovs-ofctl dump-flows br-tun table=0 | grep in_port=1")
            return int(line.split("n_packets=")[1].split(",")[0])

        await host.until(lambda: packets() > 0, "a packet counted")
        before = packets()
        await connection.apply([flow(0, 1, "in_port=1", "resubmit(,2)")])
        assert packets() >= before

    on_private_host(scenario)


def test_a_refused_flow_is_named_and_all_others_are_installed(on_private_host):
    async def scenario(host):
        connection = await on_bridge(host)
        good = [flow(20, 2, f"dl_vlan=12,dl_dst=fa:16:3e:00:00:{n:02x}", "strip_vlan,output:7") for n in range(20)]
        untagged = flow(22, 5, "", "strip_vlan,output:7")
        nonsense = flow(22, 6, "dl_vlan=1", "fly:away")
        with pytest.raises(FlowsRefused) as caught:
            await connection.apply([*good[:10], untagged, nonsense, *good[10:]])
        refused = {type(one): one for one in caught.value.refused}
        assert refused[FlowRefused].flow == untagged
        assert "inconsistent" in refused[FlowRefused].message
        assert "dl_vlan" in refused[FlowRefused].remedy
        assert "fly" in refused[FlowTextError].message
        assert await connection.count() == 20
        with pytest.raises(FlowsRefused, match="table=22"):
            await connection.apply([untagged])

    on_private_host(scenario)


def test_flows_that_do_not_fit_into_a_table_are_named_and_the_others_are_there(on_private_host):
    async def scenario(host):
        connection = await on_bridge(host)
        host.sh(
            "ovs-vsctl -- --id=@small create Flow_Table flow_limit=100 overflow_policy=refuse"
            " -- set bridge br-tun flow_tables:20=@small"
        )
        flows = [flow(20, 2, f"dl_vlan=12,dl_dst=fa:16:3e:00:{n >> 8:02x}:{n & 255:02x}", "drop") for n in range(1000)]
        with pytest.raises(FlowsRefused, match="full") as caught:
            await connection.apply([*flows, flow(22, 0, "", "drop")])
        assert len(caught.value.refused) == 900
        assert await connection.count() == 101
        assert "flow_limit" in caught.value.remedy

    on_private_host(scenario)


def test_what_strangers_do_to_our_flows_is_told_and_what_we_do_is_not(on_private_host):
    async def scenario(host):
        heard = Heard()
        connection = await on_bridge(host, heard)
        known, default = flow(*KNOWN), flow(*DEFAULT)
        await connection.apply([known, default])
        await connection.apply([flow(3, 0, "", "drop")])
        await connection.apply(delete=[flow(3, 0, "", "drop")])
        await connection.count()
        assert heard == ["up"]

        async def next_heard(command, *expected):
            heard.clear()
            host.sh(command)
            await host.until(lambda: set(expected) <= set(heard), f"{expected} after {command}; heard {heard}", 3)
            assert set(heard) == set(expected)

        tampered = known.text.replace("output:7", "output:8")
        await next_heard(f"ovs-ofctl add-flow br-tun '{tampered}'", ("changed", 20, known.cookie))
        await next_heard("ovs-ofctl mod-flows br-tun table=20,dl_vlan=12,actions=drop", ("foreign", 20, 0))
        assert await connection.count() == 1
        await connection.apply([known])
        assert await connection.count() == 2
        await next_heard(f"ovs-ofctl add-flow br-tun '{known.text.split(',', 1)[1]}'", ("foreign", 20, 0))
        assert await connection.count() == 1
        await connection.apply([known])
        assert await connection.count() == 2
        await next_heard("ovs-ofctl add-flow br-tun table=99,actions=drop", ("foreign", 99, 0))
        await next_heard("ovs-ofctl del-flows br-tun", ("removed", 20, known.cookie), ("removed", 20, default.cookie))
        assert await connection.observe() == []
        await connection.close()

    on_private_host(scenario)


def test_thousands_of_flows_deleted_by_a_stranger_are_all_reported(on_private_host):
    async def scenario(host):
        heard = Heard()
        connection = await on_bridge(host, heard)
        flows = [flow(20, 2, f"dl_vlan=12,dl_dst=fa:16:3e:00:{n >> 8:02x}:{n & 255:02x}", "drop") for n in range(20000)]
        await connection.apply(flows)
        heard.clear()
        host.sh("ovs-ofctl del-flows br-tun table=20")
        await host.until(lambda: len(heard) >= len(flows), f"20,000 removals; heard {len(heard)}")
        assert {cookie for _, _, cookie in heard} == {f.cookie for f in flows}
        heard.clear()
        await connection.apply(flows)
        assert await connection.count() == len(flows)

    on_private_host(scenario)


def test_whoever_restores_what_is_removed_ends_with_all_flows_however_often_a_stranger_deletes_them(on_private_host):
    async def scenario(host):
        flows = [flow(20, 2, f"dl_vlan=12,dl_dst=fa:16:3e:00:{n >> 8:02x}:{n & 255:02x}", "drop") for n in range(5000)]
        by_cookie = {one.cookie: one for one in flows}
        missing = dict(by_cookie)

        def note(changes) -> None:
            missing.update((c.flow.cookie, by_cookie[c.flow.cookie]) for c in changes if c.kind == "removed")

        host.start_ovs()
        host.sh("ovs-vsctl add-br br-tun -- set bridge br-tun datapath_type=netdev fail_mode=secure")
        connection = OpenFlowConnection("br-tun", on_change=note)
        await connection.open()
        stranger = await asyncio.create_subprocess_shell("for n in 1 2 3 4 5 6; do ovs-ofctl del-flows br-tun; done")
        ended = asyncio.create_task(stranger.wait())
        quiet = 0
        while not ended.done() or missing or quiet < 5:
            batch = list(missing.values())
            missing.clear()
            if batch:
                await connection.apply(batch)
            quiet = 0 if batch or not ended.done() else quiet + 1
            await connection.count()
        assert await connection.count() == len(flows)
        assert {one.cookie for one in await connection.observe()} == set(by_cookie)

    on_private_host(scenario)


def test_after_a_crash_of_the_switch_the_connection_returns_and_finds_no_flows(on_private_host):
    async def scenario(host):
        heard = Heard()
        connection = await on_bridge(host, heard)
        await connection.apply([flow(*KNOWN), flow(*DEFAULT)])
        host.kill("ovs-vswitchd")
        await host.until(lambda: heard == ["up", "down"], f"down; heard {heard}")
        with pytest.raises(BridgeUnreachable, match="br-tun"):
            await connection.observe()
        host.start_vswitchd()
        await host.until(lambda: heard == ["up", "down", "up"], f"up again; heard {heard}")
        assert await connection.observe() == []
        await connection.apply([flow(*KNOWN)])
        assert await connection.count() == 1
        host.sh("ovs-vsctl del-br br-tun")
        await host.until(lambda: not connection.connected, "down")
        await connection.close()

    on_private_host(scenario)


def test_a_bridge_that_does_not_exist_is_an_error_that_says_so(on_private_host):
    async def scenario(host):
        connection = OpenFlowConnection("br-none")
        with pytest.raises(BridgeUnreachable, match="br-none"):
            await connection.open(timeout_s=0.1)
        await connection.close()
        host.start_ovs()
        host.sh("ovs-vsctl add-br br-old -- set bridge br-old datapath_type=netdev protocols=OpenFlow10")
        connection = OpenFlowConnection("br-old")
        with pytest.raises(BridgeUnreachable, match="OpenFlow"):
            await connection.open(timeout_s=0.3)
        await connection.close()

    on_private_host(scenario)


def test_the_port_numbers_in_flows_are_seen(on_private_host):
    async def scenario(host):
        connection = await on_bridge(host)
        flows = {
            flow(0, 1, "in_port=tap1,dl_vlan=12", "strip_vlan,output:tun1,output:tun2,IN_PORT"): {5, 6, 7},
            flow(0, 2, "in_port=LOCAL", "NORMAL"): set(),
            flow(10, 1, "", "learn(table=20,NXM_OF_ETH_DST[]=NXM_OF_ETH_SRC[],output:NXM_OF_IN_PORT[]),output:tun2"): {
                7
            },
            flow(20, 1, "ipv6,ipv6_dst=8000:4:8000:4:8000:4:8000:4", "ct(commit,nat(dst=[fd00::1])),output:5"): {5},
            flow(20, 0, "", "drop"): set(),
        }
        await connection.apply(list(flows), ports={"tap1": 5, "tun1": 6, "tun2": 7})
        seen = {one.cookie: ports for one, ports in await connection.observe_ports()}
        assert seen == {one.cookie: ports for one, ports in flows.items()}

    on_private_host(scenario)


def test_a_callback_that_fails_does_not_end_the_connection(on_private_host):
    async def scenario(host):
        heard = []

        def fails(changes) -> None:
            heard.extend(changes)
            raise ValueError("a defect of the caller")

        failures = []
        asyncio.get_running_loop().set_exception_handler(lambda _, context: failures.append(context["exception"]))
        host.start_ovs()
        host.sh("ovs-vsctl add-br br-tun -- set bridge br-tun datapath_type=netdev")
        connection = OpenFlowConnection("br-tun", on_change=fails)
        await connection.open()
        for _ in range(2):
            await connection.apply([flow(*KNOWN)])
            heard.clear()
            host.sh("ovs-ofctl del-flows br-tun")
            await host.until(lambda: heard, "the deletion")
        assert [str(failure) for failure in failures] == ["a defect of the caller"] * 2

    on_private_host(scenario)


def test_it_works_on_uvloop_as_well(on_private_host):
    async def scenario(host):
        await (await on_bridge(host)).close()

        async def on_uvloop() -> int:
            connection = OpenFlowConnection("br-tun")
            await connection.open()
            await connection.apply([flow(*KNOWN), flow(*DEFAULT)])
            return await connection.count()

        assert await asyncio.to_thread(uvloop.run, on_uvloop()) == 2

    on_private_host(scenario)


def test_two_appliers_at_once_take_turns(on_private_host):
    async def scenario(host):
        connection = await on_bridge(host)
        batches = [
            [flow(20, 2, f"dl_vlan={v},dl_dst=fa:16:3e:00:00:{n:02x}", "drop") for n in range(50)] for v in range(1, 9)
        ]
        await asyncio.gather(*(connection.apply(batch) for batch in batches), connection.observe())
        assert await connection.count() == 400

    on_private_host(scenario)
