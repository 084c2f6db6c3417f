"""The systemd units: accepted by systemd, and fit for what the services do."""

import configparser
import shutil
import subprocess
from pathlib import Path

import pytest

UNITS = sorted((Path(__file__).resolve().parents[2] / "packaging/systemd").glob("*.service"))
OWN_MOUNTS = ("ProtectHome", "ProtectSystem", "PrivateTmp", "PrivateDevices", "ProtectKernelModules", "ReadOnlyPaths")


def read(path: Path) -> configparser.ConfigParser:
    unit = configparser.ConfigParser(interpolation=None, strict=False)  # a setting may stand there twice
    unit.optionxform = str  # type: ignore[assignment,method-assign]
    unit.read_string(path.read_text())
    return unit


def test_there_is_a_unit_for_each_service() -> None:
    assert [path.name for path in UNITS] == ["patchbay-agent.service", "patchbay-serve.service"]


@pytest.mark.parametrize("path", UNITS, ids=lambda path: path.name)
def test_a_unit_starts_its_command_and_restarts_it_on_failure(path: Path) -> None:
    unit = read(path)
    assert unit["Service"]["ExecStart"].endswith("patchbay " + path.stem.removeprefix("patchbay-"))
    assert unit["Service"]["Restart"] == "on-failure"
    assert unit["Install"]["WantedBy"] == "multi-user.target"


@pytest.mark.parametrize("path", UNITS, ids=lambda path: path.name)
def test_systemd_accepts_a_unit(path: Path) -> None:
    tool = shutil.which("systemd-analyze")
    if tool is None:  # the parser above has read it; systemd's own word needs systemd
        assert read(path).sections() == ["Unit", "Service", "Install"]
        return
    done = subprocess.run([tool, "verify", str(path)], capture_output=True, text=True, check=False)
    assert path.name not in done.stderr, done.stderr


def test_the_agent_starts_after_open_vswitch_and_shares_the_host_s_mounts() -> None:
    unit = read(UNITS[0])
    assert "openvswitch-switch.service" in unit["Unit"]["After"]
    # A mount namespace of its own would hide the network namespaces that it makes in /run/netns from everybody else.
    assert not [name for name in OWN_MOUNTS if name in unit["Service"]]
    assert unit["Service"]["KillMode"] == "process"


def test_the_agent_may_start_and_look_after_processes_of_other_users() -> None:
    service = read(UNITS[0])["Service"]
    needed = {"CAP_NET_BIND_SERVICE", "CAP_SETUID", "CAP_SETGID", "CAP_KILL", "CAP_SYS_PTRACE"}
    assert needed <= set(service["CapabilityBoundingSet"].split())


def test_the_service_runs_without_privileges() -> None:
    service = read(UNITS[1])["Service"]
    assert service["DynamicUser"] == "yes"
    assert service["CapabilityBoundingSet"] == ""
    assert service["StateDirectory"] == "patchbay"
