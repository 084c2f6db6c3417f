"""The agent as a process of its own: started, asked, stopped, killed, with traffic running."""

import asyncio
import os
import re
import signal
import sys
from pathlib import Path

from patchbay.agent.control import ask

ROOT = Path(__file__).parents[3]
RUN_DIR = "/run/patchbay"


class Process:
    """``patchbay agent`` as an administrator starts it."""

    def __init__(self, one) -> None:
        self.one = one
        self.process = None

    async def start(self) -> None:
        """Start it, and wait until it has nothing left to do."""
        words = ["agent", "--host", "compute1", "--intent", self.one.server.remote, "--tunnel-ip", "198.51.100.1"]
        words += ["--datapath-type", "netdev", "--run-dir", RUN_DIR]
        log = os.open("/run/agent.log", os.O_WRONLY | os.O_CREAT | os.O_APPEND)
        command = [sys.executable, "-m", "patchbay", *words]
        self.process = await asyncio.create_subprocess_exec(*command, stderr=log, cwd=ROOT)
        os.close(log)
        await self.settled()

    async def settled(self) -> dict:
        """Wait until the agent says, asked over its control socket, that all is as it should be."""
        end = asyncio.get_running_loop().time() + 15
        while True:
            try:
                status = await ask(RUN_DIR, "status")
                checked = await ask(RUN_DIR, "check")
                if checked["ok"] and not status["unsettled"]:
                    return status
            except OSError as error:
                checked = error
            assert asyncio.get_running_loop().time() < end, checked
            await asyncio.sleep(0.05)

    async def stop(self, number: signal.Signals = signal.SIGTERM) -> int:
        self.process.send_signal(number)
        return await asyncio.wait_for(self.process.wait(), 5)


class Ping:
    """Packets every 10 ms, counted."""

    def __init__(self, one, namespace: str, address: str) -> None:
        self.one, self.namespace, self.address = one, namespace, address

    async def __aenter__(self):
        words = ["ip", "netns", "exec", self.namespace, "ping", "-i", "0.01", "-W", "1", self.address]
        self.process = await asyncio.create_subprocess_exec(*words, stdout=asyncio.subprocess.PIPE)
        await self.process.stdout.readline()
        await self.process.stdout.readline()
        return self

    async def __aexit__(self, *_):
        self.process.send_signal(signal.SIGINT)
        said = (await self.process.stdout.read()).decode()
        sent, received = map(int, re.search(r"(\d+) packets transmitted, (\d+) received", said).groups())
        self.sent, self.lost = sent, max(sent - received - 1, 0)  # the last may still be under way


async def instances(one):
    red = await one.writer.network("red", 0x22)
    return [
        await one.writer.instance("red1", red, "10.0.0.11"),
        await one.writer.instance("red2", red, "10.0.0.12", "direct"),
    ]


def test_an_agent_that_is_stopped_or_killed_and_started_again_loses_no_packet(on_compute):
    async def scenario(one):
        agent = Process(one)
        await agent.start()
        await one.up(*await instances(one))
        await agent.settled()
        async with Ping(one, "red1", "10.0.0.12") as ping:
            assert await agent.stop() == 0
            assert "agent.ctl" not in one.host.sh(f"ls {RUN_DIR}")
            await agent.start()
            assert (await agent.settled())["operations"] == 0
            assert await agent.stop(signal.SIGKILL) == -signal.SIGKILL
            await agent.start()
            assert (await agent.settled())["operations"] == 0
        print(f"{ping.lost} of {ping.sent} packets lost")
        assert ping.lost == 0
        await agent.stop()

    on_compute(scenario)


def test_packets_lost_when_the_switch_is_killed_are_counted(on_compute):
    async def scenario(one):
        agent = Process(one)
        await agent.start()
        await one.up(*await instances(one))
        await agent.settled()
        for daemon, start in (("ovs-vswitchd", one.host.start_vswitchd), ("ovsdb-server", one.host.start_ovsdb)):
            async with Ping(one, "red1", "10.0.0.12") as ping:
                one.host.kill(daemon)
                await asyncio.to_thread(start)
                await agent.settled()
                await one.host.until(lambda: one.reaches("red1", "10.0.0.12"), f"traffic after {daemon} was killed")
            print(f"{daemon} killed: {ping.lost} of {ping.sent} packets lost, {ping.lost * 10} ms")
            assert ping.lost * 10 < 8000
        await agent.stop()

    on_compute(scenario)


def test_the_control_socket_answers_and_refuses_in_words(on_compute):
    async def scenario(one):
        agent = Process(one)
        await agent.start()
        await one.up(*await instances(one))
        status = await agent.settled()
        assert status["host"] == "compute1"
        assert status["bridges_ready"] == ["br-int", "br-tun"]
        assert (await ask(RUN_DIR, "plan")) == {"operations": []}
        assert "Send one of check, plan, status" in (await ask(RUN_DIR, "dance"))["error"]
        assert one.host.sh(f"stat -c %a {RUN_DIR}/agent.ctl").strip() == "600"
        log = one.host.sh("cat /run/agent.log")
        assert re.search(r"level=info at=agent\.loop msg=applied operations=\d+ ms=[\d.]+", log)
        assert "level=warning" not in log
        await agent.stop()

    on_compute(scenario)


def test_a_second_agent_on_one_host_is_refused(on_compute):
    async def scenario(one):
        agent = Process(one)
        await agent.start()
        said = one.host.sh(f"{sys.executable} -m patchbay agent --run-dir {RUN_DIR} 2>&1 || true")
        assert "Another agent runs on this host." in said
        assert "Traceback" not in said
        await agent.stop()

    on_compute(scenario)
