"""``patchbay show host`` and ``patchbay doctor`` on a host with real bridges."""

import os
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec
import pytest

from patchbay.cli.doctor import check_services
from patchbay.hoststate import Daemon

SEED_HOST = """
for bridge in br-int br-tun; do
  ovs-vsctl add-br $bridge -- set bridge $bridge datapath_type=netdev external_ids:patchbay=host
done
ovs-vsctl set-fail-mode br-tun secure -- set-fail-mode br-int standalone
ovs-vsctl add-br br-ex -- set bridge br-ex datapath_type=netdev
ovs-vsctl add-port br-tun patch-int -- set interface patch-int type=patch options:peer=patch-tun
ovs-vsctl add-port br-int patch-tun -- set interface patch-tun type=patch options:peer=patch-int
ovs-vsctl add-port br-tun vxlan-ac150c08 -- set interface vxlan-ac150c08 type=vxlan \
  options:remote_ip=172.21.12.8 options:local_ip=172.21.12.163
ip link add qbr123 type bridge; ip link set qbr123 up
ip link add qvo123 type veth peer name qvb123; ip link set qvo123 up; ip link set qvb123 master qbr123 up
ovs-vsctl add-port br-int qvo123 tag=12 -- set interface qvo123 external_ids:iface-id=11111111-2222-3333-4444-5555 \
  -- set port qvo123 other_config:net_uuid=net1 other_config:network_type=vxlan other_config:segmentation_id=34 \
     other_config:tag=12
ip netns add test; ip link add veth1 type veth peer name veth1p; ip link set veth1 netns test
ip link set veth1p master qbr123 up; ip -n test link set veth1 up; ip -n test addr add 192.168.10.12/24 dev veth1
"""


def patchbay(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run([sys.executable, "-m", "patchbay", *arguments], capture_output=True, text=True, check=False)


def test_show_host_follows_a_port_from_the_switch_to_the_instance(on_private_host: Callable[..., None]) -> None:
    async def scenario(host: Any) -> None:
        host.start_ovs()
        host.sh(SEED_HOST)
        shown = patchbay("show", "host")
        assert shown.returncode == 0, shown.stderr
        text = shown.stdout
        assert "br-int  standalone, datapath netdev\n" in text
        assert "br-tun  secure, datapath netdev\n" in text
        assert "br-ex  standalone, datapath netdev  (not made by Patchbay)\n" in text
        assert "patch to patch-int on br-tun" in text
        assert "VXLAN to 172.21.12.8 from 172.21.12.163" in text
        assert "VLAN 12" in text
        assert "qvb123 ─ qbr123 ─ veth1p ─ veth1 in test (192.168.10.12/24)" in text
        assert "12          net1     vxlan 34  1" in text
        assert "namespace test\n└─ veth1 " in text

    on_private_host(scenario)


def test_doctor_finds_a_sound_host_sound(on_private_host: Callable[..., None]) -> None:
    async def scenario(host: Any) -> None:
        host.start_ovs()
        host.sh("ip link add eth0 type veth peer name other; ip link set eth0 up; ip addr add 192.0.2.1/24 dev eth0")
        done = patchbay("doctor", "--tunnel-ip", "192.0.2.1", "-f", "json")
        assert done.returncode == 0, done.stdout + done.stderr
        findings = {finding["check"]: finding for finding in msgspec.json.decode(done.stdout)}
        assert findings["tunnel address"]["found"] == "192.0.2.1 on eth0"
        assert findings["MTU"]["found"] == "eth0 1500: VXLAN networks over it carry 1450"
        assert not [finding for finding in findings.values() if finding["verdict"] == "FAILED"]
        assert findings["DHCP and DNS"]["found"] == "dnsmasq, dhcp_release, dhcp_release6"
        assert findings["IPv6 routers"]["verdict"] == "ok"

    on_private_host(scenario)


def test_doctor_names_networks_that_have_nearly_all_connections_that_they_may(
    on_private_host: Callable[..., None],
) -> None:
    async def scenario(host: Any) -> None:
        host.start_ovs()
        host.sh(SEED_HOST)

        def found() -> tuple[str, str]:
            done = patchbay("doctor", "-f", "json")
            findings = {finding["check"]: finding for finding in msgspec.json.decode(done.stdout)}
            return findings["connections"]["verdict"], findings["connections"]["found"]

        limit = "ovs-appctl dpctl/ct-set-limits netdev@ovs-netdev zone=1,limit=100 zone=2,limit="
        host.sh(f"{limit}100")
        assert found() == ("ok", "0 tracked in 2 networks, none near its limit")
        host.sh(f"{limit}0")
        assert found() == ("note", "0 of the network with local VLAN 2, which may have 0")

    on_private_host(scenario)


def test_doctor_says_what_to_do_when_open_vswitch_is_not_running(on_private_host: Callable[..., None]) -> None:
    async def scenario(host: Any) -> None:
        done = patchbay("doctor", "--tunnel-ip", "192.0.2.1")
        assert done.returncode == 1
        assert "→ Start Open vSwitch on this host: systemctl start openvswitch-switch." in done.stdout
        assert "192.0.2.1 is on no link of this host" in done.stdout
        assert "Traceback" not in done.stderr

    on_private_host(scenario)


def test_doctor_warns_of_a_bridge_that_somebody_else_made(on_private_host: Callable[..., None]) -> None:
    async def scenario(host: Any) -> None:
        host.start_ovs()
        host.sh("ovs-vsctl add-br br-int -- set bridge br-int datapath_type=netdev")
        assert "br-int made by somebody else" in patchbay("doctor").stdout

    on_private_host(scenario)


def test_showing_a_host_without_open_vswitch_is_one_sentence_with_a_remedy(
    on_private_host: Callable[..., None],
) -> None:
    async def scenario(host: Any) -> None:
        shown = patchbay("show", "host")
        assert shown.returncode == 1
        assert shown.stderr.startswith("patchbay: ovs-vsctl: ")
        assert "Start Open vSwitch" in shown.stderr

    on_private_host(scenario)


def test_doctor_names_the_package_of_a_program_that_is_missing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("dnsmasq", "iptables-restore", "iptables-save", "ip6tables-restore", "ip6tables-save", "conntrack"):
        (tmp_path / name).symlink_to("/bin/true")
    monkeypatch.setattr("patchbay.cli.doctor.search_path", lambda: str(tmp_path))
    findings = {finding.check: finding for finding in check_services()}
    assert findings["routers"].verdict == "ok"
    assert findings["DHCP and DNS"].verdict == "note"
    assert findings["DHCP and DNS"].found.startswith("missing: dhcp_release, dhcp_release6;")
    assert findings["DHCP and DNS"].remedy == "apt-get install dnsmasq-utils"
    assert findings["IPv6 routers"].remedy == "apt-get install radvd"
    assert "get no address here" in findings["DHCP clients"].found


def test_doctor_and_show_tell_which_processes_of_the_agent_run(
    on_private_host: Callable[..., None], tmp_path: Path
) -> None:
    async def scenario(host: Any) -> None:
        host.start_ovs()
        folder = tmp_path / "dhcp/net1"
        folder.mkdir(parents=True)
        command = ("sleep", "1234567")
        daemon = Daemon(kind="dhcp", owner="net1", namespace="qdhcp-net1", command=command, pidfile=f"{folder}/pid")
        (folder / "daemon.json").write_bytes(msgspec.json.encode(daemon))
        host.sh("ip netns add qdhcp-net1")
        host.sh(f"ip netns exec qdhcp-net1 {' '.join(command)} >/dev/null 2>&1 & echo $! > {folder}/pid")
        number = int((folder / "pid").read_text())
        await host.until(
            lambda: Path(f"/proc/{number}/cmdline").read_bytes().startswith(b"sleep\0"), "the process in its namespace"
        )
        assert "all 1 of the agent's run" in patchbay("doctor", "--run-dir", str(tmp_path)).stdout
        shown = patchbay("show", "host", "--run-dir", str(tmp_path)).stdout
        assert f"namespace qdhcp-net1\n├─ no link besides lo\n└─ sleep: process {number}\n" in shown
        os.kill(number, signal.SIGKILL)
        done = patchbay("doctor", "--run-dir", str(tmp_path))
        assert done.returncode == 1
        assert "sleep of dhcp net1 does not run in qdhcp-net1" in done.stdout
        assert f"→ A running agent starts it again: see that it runs, then {folder}/log." in done.stdout
        assert "sleep: does not run; see" in patchbay("show", "host", "--run-dir", str(tmp_path)).stdout

    on_private_host(scenario)


def test_a_plan_without_an_agent_says_that_none_was_asked(on_private_host: Callable[..., None]) -> None:
    async def scenario(host: Any) -> None:
        planned = patchbay("plan")
        assert planned.returncode == 1
        assert "No agent answers in /run/patchbay: planned as one with the options given here." in planned.stderr
        assert "Traceback" not in planned.stderr

    on_private_host(scenario)
