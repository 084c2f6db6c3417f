"""``patchbay serve`` answers as OpenVNet beside Neutron's API; the calls of seed 003 are made with curl, as there."""

import contextlib
import json
import os
import re
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

ROOT = Path(__file__).resolve().parents[3]
GATEWAYS = (("if-vnet1gw", "nw-net1", "52:54:00:74:00:00", "172.16.1.254"),)
GATEWAYS += (("if-vnet2gw", "nw-net2", "52:54:00:74:22:22", "172.16.2.254"),)


class Served:
    """A running service: the ports of Neutron's API and of OpenVNet's (None: there is none)."""

    def __init__(self, process: subprocess.Popen[str], log: Path) -> None:
        self.process, self.log = process, log
        self.neutron_port = self._port("listening", "port")
        answers = "answering as OpenVNet" in log.read_text()
        self.vnet_port = self._port("answering as OpenVNet", "vnet_port") if answers else None

    def _port(self, words: str, name: str) -> int:
        end = time.monotonic() + 20
        while not (found := re.search(rf"{words}.* {name}=(\d+)", self.log.read_text())):
            assert self.process.poll() is None, self.log.read_text()
            assert time.monotonic() < end, f"no word of {words}: {self.log.read_text()}"
            time.sleep(0.02)
        return int(found[1])


def start(tmp_path: Path, *options: str) -> Iterator[Served]:
    """``patchbay serve`` as a child process, until the test is over."""
    log = tmp_path / "serve.log"
    command = [sys.executable, "-m", "patchbay", "serve", "--state-dir", str(tmp_path / "state")]
    with log.open("w") as stderr:
        process = subprocess.Popen(
            [*command, "--listen", "127.0.0.1:0", *options],
            cwd=ROOT,
            stderr=stderr,
            text=True,
            env={**os.environ, "PYTHONPATH": str(ROOT)},
        )
    yield Served(process, log)
    process.send_signal(signal.SIGTERM)
    assert process.wait(15) == 0, log.read_text()


@pytest.fixture
def served(tmp_path: Path) -> Iterator[Served]:
    """A service that answers as OpenVNet too."""
    yield from start(tmp_path, "--vnet-listen", "127.0.0.1:0")


@pytest.fixture
def silent(tmp_path: Path) -> Iterator[Served]:
    """A service without OpenVNet's WebAPI."""
    yield from start(tmp_path, "--vnet-listen", "none")


def curl(served: Served, path: str, **values: str) -> Any:
    """The answer to a call as the seed makes it."""
    data = [part for name, value in values.items() for part in ("--data-urlencode", f"{name}={value}")]
    url = f"http://localhost:{served.vnet_port}/api/{path}"
    result = subprocess.run(["curl", "-s", "-X", "POST", *data, url], capture_output=True, text=True, check=True)
    return json.loads(result.stdout)


def test_the_calls_of_the_seed_s_router_are_answered(served: Served) -> None:
    base = f"http://localhost:{served.vnet_port}/api"
    for number in (1, 2):
        values = {"ipv4_network": f"172.16.{number}.0", "ipv4_prefix": "24", "network_mode": "virtual"}
        made = httpx.post(f"{base}/networks", params={"uuid": f"nw-net{number}", "domain_name": "dom1", **values})
        assert made.json()["ipv4_network"] == f"172.16.{number}.0"
    for uuid, network, mac, address in GATEWAYS:
        values = {"uuid": uuid, "network_uuid": network, "mac_address": mac, "ipv4_address": address}
        made = curl(served, "interfaces", **values, mode="simulated")
        assert made.items() >= {**values, "mode": "simulated"}.items()
    addresses = {
        ip["ip_address"]
        for port in httpx.get(f"http://127.0.0.1:{served.neutron_port}/v2.0/ports").json()["ports"]
        for ip in port["fixed_ips"]
    }
    assert addresses == {"172.16.1.254", "172.16.2.254"}


def test_without_openvnet_the_service_answers_as_neutron_only(silent: Served) -> None:
    assert silent.vnet_port is None
    assert httpx.get(f"http://127.0.0.1:{silent.neutron_port}/v2.0/networks").json() == {"networks": []}
    assert httpx.get(f"http://127.0.0.1:{silent.neutron_port}/api/networks").status_code == 404


def test_a_usual_port_that_another_program_has_is_told_and_done_without(tmp_path: Path) -> None:
    with socket.socket() as other:
        with contextlib.suppress(OSError):  # if another program has it already, that is the same
            other.bind(("127.0.0.1", 9090))
            other.listen()
        service = start(tmp_path)
        served = next(service)
        told = [line for line in served.log.read_text().splitlines() if "OpenVNet" in line]
        answer = httpx.get(f"http://127.0.0.1:{served.neutron_port}/v2.0/networks")
        assert next(service, None) is None
    assert answer.status_code == 200
    assert served.vnet_port is None
    assert len(told) == 1
    assert "127.0.0.1:9090" in told[0]
    assert "--vnet-listen" in told[0]


@pytest.mark.parametrize("listen", ["nowhere", "127.0.0.1", "192.0.2.1:9090"])
def test_a_service_that_cannot_listen_says_why_in_one_line(tmp_path: Path, listen: str) -> None:
    command = [sys.executable, "-m", "patchbay", "serve", "--state-dir", str(tmp_path)]
    result = subprocess.run(
        [*command, "--listen", "127.0.0.1:0", "--vnet-listen", listen],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
    )
    assert result.returncode == 1
    assert listen in result.stderr
    assert len(result.stderr.splitlines()) == 1
