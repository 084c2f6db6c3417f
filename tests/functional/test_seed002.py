"""The two compute hosts of seed 002, built by Patchbay: its flows, its ports, its answer to a ping."""

import re
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from patchbay.lab.lab import Lab
from patchbay.lab.reading import load_topology

EXAMPLE = Path(__file__).resolve().parents[2] / "examples" / "seed002.yaml"
VNI = 0x22

# `ovs-ofctl dump-flows br-tun` on compute 1 as the seed prints it, without cookies and counters.
SEED_FLOWS = """\
table=0, priority=1,in_port=1 actions=resubmit(,2)
table=0, priority=1,in_port=8 actions=resubmit(,4)
table=0, priority=0 actions=drop
table=2, priority=0,dl_dst=00:00:00:00:00:00/01:00:00:00:00:00 actions=resubmit(,20)
table=2, priority=0,dl_dst=01:00:00:00:00:00/01:00:00:00:00:00 actions=resubmit(,22)
table=3, priority=0 actions=drop
table=4, priority=1,tun_id=0x22 actions=mod_vlan_vid:12,resubmit(,10)
table=4, priority=0 actions=drop
table=6, priority=0 actions=drop
table=10, priority=1 actions=learn(table=20,hard_timeout=300,priority=1,cookie=0xa9eb8f9011f7e038,\
NXM_OF_VLAN_TCI[0..11],NXM_OF_ETH_DST[]=NXM_OF_ETH_SRC[],load:0->NXM_OF_VLAN_TCI[],load:NXM_NX_TUN_ID[]->NXM_NX_TUN_ID[],\
output:NXM_OF_IN_PORT[]),output:1
table=20, priority=0 actions=resubmit(,22)
table=22, dl_vlan=12 actions=strip_vlan,set_tunnel:0x22,output:8
table=22, priority=0 actions=drop
"""
SEED_OPTIONS = {"df_default": "true", "dst_port": "4789", "in_key": "flow", "out_key": "flow"}


@pytest.fixture(scope="module")
def lab() -> Iterator[Lab]:
    with Lab.up(load_topology(EXAMPLE)) as running:
        assert all(outcome.is_met for outcome in running.check())
        yield running


@pytest.mark.parametrize("host", ["compute1", "compute2"])
def test_the_tunnel_bridge_has_every_flow_of_the_seed(lab: Lab, host: str) -> None:
    dumped = dump(lab, host)
    wanted = SEED_FLOWS.replace("in_port=1 ", f"in_port={ofport(lab, host, 'patch-int')} ")
    wanted = wanted.replace("output:1\n", f"output:{ofport(lab, host, 'patch-int')}\n")
    wanted = re.sub(r"(in_port=|output:)8\b", rf"\g<1>{ofport(lab, host, tunnel_to_the_other(host))}", wanted)
    wanted = re.sub(r"(mod_vlan_vid:|dl_vlan=)12\b", rf"\g<1>{local_vlan(lab, host)}", wanted)
    assert [line for line in wanted.splitlines() if line not in dumped] == []


@pytest.mark.parametrize("host", ["compute1", "compute2"])
def test_table_20_shows_what_is_known_and_what_was_learned(lab: Lab, host: str) -> None:
    vlan, tunnel = local_vlan(lab, host), ofport(lab, host, tunnel_to_the_other(host))
    mac = mac_of(lab, "red2" if host == "compute1" else "red1")
    dumped = dump(lab, host)
    assert (
        f"table=20, priority=2,dl_vlan={vlan},dl_dst={mac} actions=strip_vlan,set_tunnel:0x22,output:{tunnel}" in dumped
    )
    learned = (
        f"table=20, hard_timeout=300, priority=1,vlan_tci={vlan:#06x}/0x0fff,dl_dst={mac} "
        f"actions=load:0->NXM_OF_VLAN_TCI[],load:0x22->NXM_NX_TUN_ID[],output:{tunnel}"
    )
    assert learned in dumped


@pytest.mark.parametrize("host", ["compute1", "compute2"])
def test_nobody_but_instances_speaks_in_a_tenant_s_network(lab: Lab, host: str) -> None:
    """No device of a host (tap, qvb, qbr …) sends a frame of its own: none is ever learned."""
    learned = re.findall(r"priority=1,vlan_tci=\S+,dl_dst=(\S+)", "\n".join(dump(lab, host)))
    assert set(learned) <= {mac_of(lab, name) for name in lab.topology.instances}


@pytest.mark.parametrize("host", ["compute1", "compute2"])
def test_bridges_and_tunnels_are_set_as_in_the_seed(lab: Lab, host: str) -> None:
    assert vsctl(lab, host, "get-fail-mode", "br-tun") == "secure"
    assert vsctl(lab, host, "get-fail-mode", "br-int") == "standalone"
    assert vsctl(lab, host, "get", "interface", "patch-int", "type", "options:peer") == "patch\npatch-tun"
    assert vsctl(lab, host, "get", "interface", "patch-tun", "type", "options:peer") == "patch\npatch-int"
    tunnel = tunnel_to_the_other(host)
    for option, value in SEED_OPTIONS.items():
        assert vsctl(lab, host, "get", "interface", tunnel, f"options:{option}").strip('"') == value
    here, there = addresses(lab, host)
    assert vsctl(lab, host, "get", "interface", tunnel, "options:local_ip").strip('"') == here
    assert vsctl(lab, host, "get", "interface", tunnel, "options:remote_ip").strip('"') == there


def test_an_instance_is_plugged_through_a_linux_bridge_as_in_the_seed(lab: Lab) -> None:
    port = port_of(lab, "red1")
    host, suffix = lab.host("compute1"), port[:11]
    for device, master in ((f"qvb{suffix}", f"qbr{suffix}"), (f"tap{suffix}", f"qbr{suffix}")):
        assert f"master {master}" in host.run(["ip", "link", "show", device]).stdout
    assert vsctl(lab, "compute1", "port-to-br", f"qvo{suffix}") == "br-int"
    assert vsctl(lab, "compute1", "get", "port", f"qvo{suffix}", "tag") == str(local_vlan(lab, "compute1"))
    assert vsctl(lab, "compute1", "get", "interface", f"qvo{suffix}", "external_ids:iface-id").strip('"') == port


def test_full_sized_packets_cross_and_larger_ones_are_refused_at_the_source(lab: Lab) -> None:
    fits = ["ping", "-c1", "-w5", "-M", "do", "-s", str(1450 - 28), "192.168.10.12"]
    assert lab.host("compute1").run(fits, instance="red1").returncode == 0
    too_long = ["ping", "-c1", "-w5", "-M", "do", "-s", str(1451 - 28), "192.168.10.12"]
    refused = lab.host("compute1").run(too_long, instance="red1", check=False)
    assert "message too long" in (refused.stdout + refused.stderr).lower()


def test_a_tcp_stream_crosses_the_hosts(lab: Lab) -> None:
    lab.host("compute2").run(["iperf3", "-s", "-1", "-D"], instance="red2")
    done = run_until_connected(lab, ["iperf3", "-c", "192.168.10.12", "-n", "20M"])
    assert "receiver" in done.stdout


def test_the_switch_says_where_a_known_unicast_frame_goes(lab: Lab) -> None:
    """`ofproto/trace`, the switch's own word: one tunnel, no flood."""
    vlan = local_vlan(lab, "compute1")
    frame = f"in_port=patch-int,dl_vlan={vlan},dl_src={mac_of(lab, 'red1')},dl_dst={mac_of(lab, 'red2')},dl_type=0x0800"
    traced = lab.host("compute1").run(["ovs-appctl", "ofproto/trace", "br-tun", frame]).stdout
    assert "\n22." not in traced
    assert f"set(tunnel(tun_id={VNI:#x}" in traced or "clone(tnl_push" in traced or "tnl_push(" in traced


def test_a_unicast_frame_for_a_port_of_the_same_host_never_leaves_it(lab: Lab) -> None:
    vlan = local_vlan(lab, "compute1")
    frame = f"in_port=patch-int,dl_vlan={vlan},dl_src={mac_of(lab, 'red1')},dl_dst={mac_of(lab, 'red3')},dl_type=0x0800"
    traced = lab.host("compute1").run(["ovs-appctl", "ofproto/trace", "br-tun", frame]).stdout
    assert "Datapath actions: drop" in traced


def dump(lab: Lab, host: str) -> list[str]:
    """The flows of br-tun in the seed's form, without cookies and counters."""
    text = lab.host(host).run(["ovs-ofctl", "dump-flows", "--no-names", "br-tun"]).stdout
    lines = [line.strip() for line in text.splitlines()[1:]]
    return [re.sub(r"(cookie|duration|n_packets|n_bytes|idle_age|hard_age)=[^,]+, ", "", line) for line in lines]


def vsctl(lab: Lab, host: str, *arguments: str) -> str:
    return lab.host(host).run(["ovs-vsctl", *arguments]).stdout.strip()


def ofport(lab: Lab, host: str, interface: str) -> int:
    return int(vsctl(lab, host, "get", "interface", interface, "ofport"))


def addresses(lab: Lab, host: str) -> tuple[str, str]:
    """The tunnel addresses of this host and of the other."""
    other = "compute2" if host == "compute1" else "compute1"
    return lab.host(host).spec.tunnel_ip, lab.host(other).spec.tunnel_ip


def tunnel_to_the_other(host: str) -> str:
    return "vxlan-ac150c08" if host == "compute1" else "vxlan-ac150ca3"


def port_of(lab: Lab, instance: str) -> str:
    client = lab.client()
    found: str = client.request("GET", f"/v2.0/ports?name={instance}-eth0")["ports"][0]["id"]
    client.close()
    return found


def mac_of(lab: Lab, instance: str) -> str:
    client = lab.client()
    found: str = client.request("GET", f"/v2.0/ports?name={instance}-eth0")["ports"][0]["mac_address"]
    client.close()
    return found


def local_vlan(lab: Lab, host: str) -> int:
    """The number of VPC red on a host, from the tag of a port of it."""
    instance = "red1" if host == "compute1" else "red2"
    return int(vsctl(lab, host, "get", "port", f"qvo{port_of(lab, instance)[:11]}", "tag"))


def run_until_connected(lab: Lab, command: list[str]) -> subprocess.CompletedProcess[str]:
    """The server needs a moment to listen."""
    for _ in range(50):
        done = lab.host("compute1").run(command, instance="red1", check=False)
        if "unable to connect" not in done.stdout + done.stderr:
            return done
    raise AssertionError(done.stderr)
