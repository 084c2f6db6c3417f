"""``patchbay plan``: made anew without an agent, asked of the agent where one runs, and true in both."""

import os
import signal
import socket
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec

ROOT = Path(__file__).resolve().parents[3]
HOST = [
    "--host",
    "compute1",
    "--tunnel-ip",
    "192.0.2.1",
    "--datapath-type",
    "netdev",
    "--intent",
    "unix:/run/intent.sock",
]


def patchbay(*arguments: str) -> str:
    command = [sys.executable, "-m", "patchbay", *arguments]
    done = subprocess.run(command, capture_output=True, text=True, check=False, cwd=ROOT)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def start(*arguments: str, **options: Any) -> subprocess.Popen[bytes]:
    log = Path(f"/run/{arguments[0]}.log").open("w")  # noqa: SIM115  # the process keeps it
    return subprocess.Popen([sys.executable, "-m", "patchbay", *arguments], stderr=log, cwd=ROOT, **options)


def start_service() -> None:
    listener = socket.create_server(("127.0.0.1", 9696))
    start(
        "serve",
        "--state-dir",
        "/run",
        "--listen-fd",
        str(listener.fileno()),
        "--vnet-listen",
        "none",
        pass_fds=[listener.fileno()],
    )
    listener.close()


def plan(*arguments: str) -> list[str]:
    return [step["operation"] for step in msgspec.json.decode(patchbay("plan", "-f", "json", *arguments))]


def test_a_plan_leads_from_an_empty_host_to_nothing_to_do(on_private_host: Callable[..., None]) -> None:
    async def scenario(host: Any) -> None:
        os.environ.pop("PATCHBAY_ENDPOINT", None)
        host.start_ovs()
        start_service()
        await host.until(lambda: Path("/run/intent.sock").exists(), "the intent database listens")
        patchbay("apply", "-f", "examples/seed002.yaml")
        assert plan(*HOST)[:2] == ["AddBridge", "AddBridge"]
        assert "AddFlows" in plan(*HOST)

        agent = start("agent", *HOST)
        await host.until(lambda: Path("/run/patchbay/agent.ctl").exists(), "the agent has its control socket")
        await host.until(lambda: plan() == [], "the agent has nothing left to do")
        assert plan(*HOST) == []
        assert patchbay("plan") == "Nothing to do: this host is as it should be.\n"

        agent.send_signal(signal.SIGTERM)
        assert agent.wait() == 0
        host.sh("ovs-vsctl del-port br-tun patch-int")
        assert {"AddPort", "AddFlows"} <= set(plan(*HOST))
        host.sh(patchbay("plan", "--script", *HOST))
        assert plan(*HOST) == []

    on_private_host(scenario)
