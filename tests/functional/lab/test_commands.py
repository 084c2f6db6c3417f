"""``patchbay lab`` as a person types it: tables and JSON out, exit codes, and words instead of tracebacks."""

import json
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from patchbay.lab.lab import Lab
from patchbay.lab.reading import load_topology
from tests.functional.lab.by_hand import build
from tests.functional.lab.machine import EXAMPLES


def lab_command(*arguments: str, text: str | None = None) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "patchbay", "lab", *arguments]
    done = subprocess.run(command, input=text, capture_output=True, text=True, timeout=60, check=False)
    assert "Traceback" not in done.stderr
    return done


@pytest.fixture(scope="module")
def lab() -> Iterator[Lab]:
    with Lab.up(load_topology(EXAMPLES / "seed002.yaml"), name="seed002", is_bare=True) as running:
        build(running)
        yield running


def test_up_ends_with_instances_endpoint_and_expectations_and_down_ends_it(tmp_path: Path) -> None:
    text = (EXAMPLES / "seed002.yaml").read_text()
    (tmp_path / "mine.yaml").write_text(text.replace("name: seed002", "name: mine"))
    up = lab_command("up", str(tmp_path / "mine.yaml"))
    assert up.returncode == 0
    assert "red1      compute1  hybrid    eth0    red      vxlan 0x22  192.168.10.11" in up.stdout
    assert "API: http://127.0.0.1:" in up.stdout
    assert re.search(r"\(VNET_WEBAPI=127\.0\.0\.1:\d+ vnctl", up.stdout), "as OpenVNet's own vnctl takes it apart"
    assert up.stdout.endswith("30 expectations, all met.\n")
    again = lab_command("up", str(tmp_path / "mine.yaml"))
    assert (again.returncode, again.stderr.count("Lab mine: runs already.")) == (1, 1)
    status = json.loads(lab_command("status", "-f", "json", "-c", "lab", "-c", "agent", "-c", "service").stdout)
    assert [row for row in status if row["lab"] == "mine"] == [{"lab": "mine", "agent": "up", "service": "up"}] * 2
    assert lab_command("down", "mine").stderr == "Lab mine is down.\n"


def test_exec_runs_on_a_host_or_in_an_instance_and_passes_the_exit_code(lab: Lab) -> None:
    assert lab_command("exec", "compute2", "--", "hostname").stdout == "compute2\n"
    assert lab_command("exec", "compute2", "ovs-vsctl", "--version").stdout.startswith("ovs-vsctl (Open vSwitch)")
    assert "192.168.10.12/24" in lab_command("exec", "red2", "--", "ip", "-br", "address").stdout
    assert lab_command("exec", "compute1", "--", "sh", "-c", "exit 7").returncode == 7
    nobody = lab_command("exec", "nobody", "--", "true")
    assert nobody.returncode == 1
    assert "nobody is neither a host nor an instance. Known: compute1, compute2, red1," in nobody.stderr


def test_a_shell_on_a_host_and_in_an_instance(lab: Lab) -> None:
    assert "compute1" in lab_command("shell", "compute1", text="hostname\n").stdout
    assert "192.168.10.11/24" in lab_command("shell", "compute1", "blue1", text="ip -br address\n").stdout


def test_ping_says_who_answered(lab: Lab) -> None:
    reached = lab_command("ping", "red1", "red2", "-f", "json")
    assert reached.returncode == 0
    assert json.loads(reached.stdout)[0]["found"] == "reaches"
    missed = lab_command("ping", "red1", "blue2")
    assert missed.returncode == 1
    assert "answered by red2" in missed.stdout


def test_check_exits_with_1_and_says_wrong_beside_what_was_expected(lab: Lab) -> None:
    assert lab_command("check").stdout.endswith("30 expectations, all met.\n")
    lab.host("compute1").run(["ip", "link", "set", "tapred1", "down"])
    try:
        failed = lab_command("check", "--patience", "0.5")
        data = lab_command("check", "--patience", "0.5", "-f", "json", "-c", "verdict", "-c", "line")
    finally:
        lab.host("compute1").run(["ip", "link", "set", "tapred1", "up"])
    assert (failed.returncode, data.returncode) == (1, 1)
    (line,) = [line for line in failed.stdout.splitlines() if line.startswith("red1   red2 ")]
    assert "reaches         does not reach  WRONG" in line
    assert "4 WRONG." in failed.stdout
    rows = json.loads(data.stdout)
    assert {row["verdict"] for row in rows} == {"met", "WRONG"}
    assert {row["line"] for row in rows} <= set(range(36, 45))


@pytest.mark.parametrize("style", ["table", "json", "yaml", "value"])
def test_status_in_every_format(style: str, lab: Lab) -> None:
    shown = lab_command("status", "-f", style)
    assert shown.returncode == 0
    assert "172.21.12.163" in shown.stdout


def test_words_for_what_is_not_there() -> None:
    assert "Lab nothing: does not run." in lab_command("down", "nothing").stderr
    assert "none.yaml: cannot be read" in lab_command("up", "none.yaml").stderr


def test_a_wrong_file_starts_nothing_and_every_problem_is_a_line(tmp_path: Path) -> None:
    text = (
        (EXAMPLES / "seed002.yaml").read_text().replace("host: compute2, network: red", "host: compute9, network: red")
    )
    (tmp_path / "wrong.yaml").write_text(text)
    refused = lab_command("up", str(tmp_path / "wrong.yaml"))
    assert refused.returncode == 1
    assert (
        "wrong.yaml:30: instances.red2.host: 'compute9' is not a host of this file; expected one of" in refused.stderr
    )
    assert '"wrong"' not in lab_command("status", "-f", "json").stdout


def test_the_demonstration_shows_flows_and_a_table_that_is_all_met() -> None:
    demo = lab_command("demo")
    assert demo.returncode == 0
    assert "table=22, dl_vlan=" in demo.stdout
    assert "30 expectations, all met." in demo.stdout
    assert "nothing is left of it" in demo.stdout


def test_a_log_is_shown(lab: Lab) -> None:
    assert "ovs-vswitchd (Open vSwitch)" in lab_command("logs", "compute1", "ovs-vswitchd", "-n", "500").stdout
    assert "compute9 is not a host" in lab_command("logs", "compute9").stderr
