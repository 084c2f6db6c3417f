"""One agent and the processes of its networks: kept running, taken over, given up; and its rules."""

import os
import signal
from pathlib import Path

from msgspec.structs import replace

from patchbay.agent import AgentSettings, plan
from patchbay.intent.database import Insert, Update
from patchbay.model import Router
from patchbay.model.port import DHCP_SERVER
from patchbay.plan.script import render_script
from tests.functional.agent.conftest import RUN_DIR
from tests.functional.agent.intent_by_hand import new_id


async def served_network(one):
    """A network with DHCP on this host, and an instance in it."""
    red = await one.writer.network("red", 0x22)
    server = replace(one.writer.make_port(red, "10.0.0.2", "compute1"), device_owner=DHCP_SERVER)
    server = replace(server, device_id=f"dhcp-{red.id}")
    await one.writer.database.transact(Insert(server))
    port = await one.writer.instance("red1", red, "10.0.0.11")
    return red, server, port


def folder(network) -> Path:
    return Path(RUN_DIR, "dhcp", network.id)


def pid_of(network) -> int | None:
    try:
        return int(Path(folder(network), "pid").read_text())
    except (OSError, ValueError):
        return None


def is_running(number: int | None) -> bool:
    try:
        return Path(f"/proc/{number}/stat").read_text().rpartition(")")[2].split()[0] not in "ZX"
    except OSError:
        return False


def inode(path: str) -> int:
    return Path(path).stat().st_ino


async def until_served(one, network, *, but: int | None = None) -> int:
    """Wait for a dnsmasq other than ``but``; returns its process id."""
    await one.host.until(lambda: pid_of(network) != but and is_running(pid_of(network)), "dnsmasq runs")
    await one.settled()
    return pid_of(network)


def test_dnsmasq_is_kept_running_and_survives_the_agent(on_compute):
    async def scenario(one):
        await one.start_agent()
        red, _server, port = await served_network(one)
        await one.up(port)
        first = await until_served(one, red)
        os.kill(first, signal.SIGKILL)
        second = await until_served(one, red, but=first)
        await one.stop_agent()
        assert is_running(second)
        await one.start_agent()
        await one.host.until(lambda: one.agent.machine.flows.ready == {"br-int", "br-tun"}, "flows are seen")
        await one.settled()
        assert (one.agent.operations, pid_of(red)) == (0, second)
        other = await one.writer.instance("red2", red, "10.0.0.12")
        await one.up(other)
        await one.host.until(lambda: "10.0.0.12" in (folder(red) / "host").read_text(), "the new host is served")
        assert pid_of(red) == second

    on_compute(scenario)


def test_a_namespace_that_a_stranger_deleted_comes_back_with_its_dnsmasq(on_compute):
    async def scenario(one):
        await one.start_agent()
        red, _server, port = await served_network(one)
        await one.up(port)
        first = await until_served(one, red)
        one.host.sh(f"ip netns del qdhcp-{red.id}")
        second = await until_served(one, red, but=first)
        await one.host.until(lambda: not is_running(first), "the lost dnsmasq has ended")
        assert inode(f"/proc/{second}/ns/net") == inode(f"/run/netns/qdhcp-{red.id}")

    on_compute(scenario)


def test_dnsmasq_listens_on_the_device_that_a_restarted_switch_makes(on_compute):
    async def scenario(one):
        await one.start_agent()
        red, server, port = await served_network(one)
        await one.up(port)
        first = await until_served(one, red)
        one.host.kill("ovs-vswitchd")
        one.host.start_vswitchd()
        second = await until_served(one, red, but=first)
        device = f"tap{server.id[:11]}"
        number = one.host.sh(f"ip netns exec qdhcp-{red.id} cat /sys/class/net/{device}/ifindex")
        assert (folder(red) / "device").read_text() == number.strip()
        assert not is_running(first)
        assert is_running(second)

    on_compute(scenario)


def test_a_server_that_went_while_no_agent_ran_is_stopped(on_compute):
    async def scenario(one):
        await one.start_agent()
        red, server, port = await served_network(one)
        await one.up(port)
        number = await until_served(one, red)
        await one.stop_agent()
        await one.writer.delete(server)
        await one.start_agent()
        await one.host.until(lambda: not is_running(number), "dnsmasq has ended")
        await one.settled()
        assert not folder(red).exists()
        assert red.id not in one.host.sh("ip netns list")

    on_compute(scenario)


def test_a_script_starts_what_an_agent_then_takes_over(on_compute):
    async def scenario(one):
        red, _server, _port = await served_network(one)
        settings = AgentSettings(
            host="compute1",
            intent=(one.server.remote,),
            tunnel_ip="198.51.100.1",
            datapath_type="netdev",
            run_dir=RUN_DIR,
        )
        script = render_script(await plan(settings), "compute1")
        assert not folder(red).exists()
        one.host.sh(script)
        number = pid_of(red)
        assert is_running(number)
        await one.start_agent()
        await one.settled()
        assert pid_of(red) == number

    on_compute(scenario)


def test_rules_of_a_router_are_repaired(on_compute):
    async def scenario(one):
        await one.start_agent()
        router = Router(id=new_id(), name="r", host="compute1", created_at="2026-01-01T00:00:00Z")
        await one.writer.database.transact(Insert(router))
        space = f"qrouter-{router.id}"
        save = f"ip netns exec {space} iptables-save 2>/dev/null | grep -- '^-A' || true"
        await one.host.until(lambda: "-A" in one.host.sh(save), "the router has rules")
        await one.settled()
        rules = one.host.sh(save)
        one.host.sh(f"ip netns exec {space} iptables -t nat -F; ip netns exec {space} iptables -F")
        await one.host.until(lambda: one.host.sh(save) == rules, "the rules are back")
        await one.settled()
        await one.writer.database.transact(Update(router, replace(router, host="")))
        await one.host.until(lambda: space not in one.host.sh("ip netns list"), "the router is gone")
        await one.settled()

    on_compute(scenario)
