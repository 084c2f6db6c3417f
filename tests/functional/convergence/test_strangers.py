"""Somebody deletes or changes what is ours: it comes back. Somebody adds what is theirs: it stays."""

import pytest

from patchbay.lab.lab import Lab
from tests.functional.convergence.scene import converged, device, traffic, tunnel_to, unfinished, wait_for

# Typed on compute2. {qvo:red2} is a device of an instance there, {tunnel} the VXLAN port to compute1.
# {red} is the local VLAN of red2's network.
DAMAGE = (
    "ovs-vsctl del-port br-int {qvo:red2}",
    "ovs-vsctl del-port br-tun {tunnel}",
    "ovs-vsctl del-port br-int patch-tun",
    "ovs-vsctl del-port br-tun patch-int",
    "ovs-ofctl del-flows br-tun",
    "ovs-ofctl del-flows br-int",
    "ovs-ofctl del-flows br-tun table=22",
    "ovs-ofctl --strict del-flows br-tun table=4,priority=1,tun_id=0x22",
    "ovs-ofctl add-flow br-tun priority=1,in_port=patch-int,actions=drop",
    "ovs-ofctl mod-flows br-tun table=4,tun_id=0x22,actions=drop",
    "ovs-ofctl mod-flows br-int actions=drop",
    "ovs-vsctl del-br br-tun",
    "ovs-vsctl del-br br-int",
    "ovs-vsctl del-br br-tun -- del-br br-int",
    "ovs-vsctl del-br br-tun -- add-br br-tun",
    "ovs-vsctl set-fail-mode br-tun standalone -- set-fail-mode br-int secure",
    "ovs-vsctl set port {qvo:red2} tag=77",
    "ovs-vsctl clear port {qvo:red2} other_config",
    "ovs-vsctl clear port {qvo:red2} tag other_config external_ids -- clear interface {qvo:red2} external_ids",
    "ovs-vsctl remove interface {tunnel} options remote_ip -- set interface {tunnel} options:remote_ip=172.21.12.99",
    "ovs-vsctl set interface {tunnel} options:in_key=5",
    "ovs-vsctl set interface {tunnel} ofport_request=99",
    "ovs-vsctl set interface patch-tun options:peer=nowhere",
    "ip link del {qbr:red2}",
    "ip link del {qvo:red2}",
    "ip link del {tap:red2}",
    "ip link del {tap:blue3}",
    "ip link set {qvb:red2} nomaster",
    "ip link set {qbr:red2} down",
    "ip link set {qvo:red2} down",
    "ip link set {tap:red2} mtu 600",
    "ip netns del red2",
    "ip netns del red2; ip netns del blue2; ip netns del blue3",
    "ip -n red2 address flush dev eth0",
    "ip -n red2 link set eth0 down",
    "ip -n red2 link set eth0 address 02:00:00:00:00:01",
    "ip -n red2 link del eth0",
    "ip -n red2 link set eth0 name eth7",
)


def typed(lab: Lab, command: str) -> str:
    """The command with the names of this lab's devices."""
    for kind in ("qvo", "qvb", "qbr", "tap"):
        for instance in ("red2", "blue3"):
            command = command.replace(f"{{{kind}:{instance}}}", device(lab, kind, instance) if kind in command else "")
    return command.replace("{tunnel}", tunnel_to(lab, "compute1"))


@pytest.mark.parametrize("command", DAMAGE)
def test_what_a_stranger_breaks_is_repaired(lab: Lab, command: str) -> None:
    host = lab.host("compute2")
    with traffic(lab, command, ("red1", "red2"), ("blue1", "blue2")) as seen:
        host.run(["sh", "-ec", typed(lab, command)])
        converged(lab)
    assert seen.longest_ms < 3000


FOREIGN = """\
ovs-vsctl add-br theirs -- set bridge theirs datapath_type={datapath} -- add-port theirs inside \
-- set interface inside type=internal
ovs-vsctl add-port br-int theirs0 tag=4000 -- set interface theirs0 type=internal external_ids:theirs=1
ovs-vsctl add-port br-tun theirs1 -- set interface theirs1 type=internal
ovs-vsctl set bridge br-int external_ids:theirs=1 other_config:theirs=1
ovs-ofctl add-flow theirs cookie=0x1,priority=7,dl_vlan=7,actions=drop
ovs-ofctl add-flow br-int cookie=0x2,table=60,priority=7,dl_vlan=7,actions=drop
ovs-ofctl add-flow br-tun cookie=0x3,table=61,priority=7,dl_vlan=7,actions=drop
ip netns add theirs
ip link add theirs2 type veth peer name eth0 netns theirs
ip link add name qbr-theirs type bridge
ip -n red2 address add 203.0.113.1/24 dev lo
"""
PRESENT = """\
set -e
ovs-vsctl list-ports theirs | grep -x inside
ovs-ofctl dump-flows theirs | grep cookie=0x1
ip netns list | grep theirs
ip link show theirs2; ip -n theirs link show eth0; ip link show qbr-theirs
"""
IN_BR_INT = """\
[ "$(ovs-vsctl get port theirs0 tag)" = 4000 ]; ovs-vsctl port-to-br theirs0 | grep -x br-int
ovs-vsctl get bridge br-int external_ids:theirs other_config:theirs
ovs-ofctl dump-flows br-int | grep cookie=0x2
"""
IN_BR_TUN = """\
ovs-vsctl port-to-br theirs1 | grep -x br-tun
ovs-ofctl dump-flows br-tun | grep cookie=0x3
"""
UNDONE = """\
ovs-vsctl --if-exists del-br theirs -- --if-exists del-port theirs0 -- --if-exists del-port theirs1
ip netns del theirs; ip link del qbr-theirs; ip -n red2 address del 203.0.113.1/24 dev lo
"""


def test_what_is_a_stranger_s_own_survives_everything(lab: Lab) -> None:
    host = lab.host("compute2")

    def is_present(what: str) -> None:
        found = host.run(["sh", "-ec", what], check=False)
        assert found.returncode == 0, f"{what}\n{found.stdout}{found.stderr}"

    with traffic(lab, "foreign bridge, ports, flows, links and namespace added"):
        host.run(["sh", "-ec", FOREIGN.format(datapath=host.datapath_type)])
        converged(lab)
    is_present(PRESENT + IN_BR_INT + IN_BR_TUN)
    for command in (
        "del-flows br-tun table=4",
        "del-flows br-int table=0",
        "del-flows br-tun cookie=0x7062000000000000/0xffff000000000000",
    ):
        host.run(["ovs-ofctl", *command.split()])
        converged(lab)
        is_present(PRESENT + IN_BR_INT + IN_BR_TUN)
    host.agent_stop()
    host.agent_start()
    converged(lab)
    is_present(PRESENT + IN_BR_INT + IN_BR_TUN)
    host.run(["ovs-vsctl", "del-br", "br-tun"])
    converged(lab)
    is_present(PRESENT + IN_BR_INT)
    host.run(["ovs-vsctl", "del-br", "br-int"])
    converged(lab)
    is_present(PRESENT)
    host.run(["sh", "-c", UNDONE])
    converged(lab)


def test_a_stranger_who_never_stops_does_not_win(lab: Lab) -> None:
    host = lab.host("compute1")
    with traffic(lab, "forty times del-flows, del-port, tag changed, one after the other"):
        qvo, tunnel = device(lab, "qvo", "red1"), tunnel_to(lab, "compute2")
        lines = [
            "ovs-ofctl del-flows br-tun",
            f"ovs-vsctl --no-wait --if-exists del-port {qvo}",
            f"ovs-vsctl --no-wait --if-exists del-port {tunnel}",
            f"ovs-vsctl --no-wait set port {qvo} tag=99",
        ]
        host.run(["sh", "-c", "\n".join(lines * 10)])
        converged(lab)


def test_a_stranger_s_port_of_our_name_is_told_and_ours_comes_when_it_goes(lab: Lab) -> None:
    host = lab.host("compute1")
    qvo = device(lab, "qvo", "red1")
    host.run(["ovs-vsctl", "add-br", "theirs", "--", "set", "bridge", "theirs", f"datapath_type={host.datapath_type}"])
    host.run(["ovs-vsctl", "del-port", qvo, "--", "add-port", "theirs", qvo])
    wait_for(lambda: "somebody plugged" in host.log("agent", 5), lambda: host.log("agent", 5))
    assert unfinished(host)
    host.run(["ovs-vsctl", "del-br", "theirs"])
    converged(lab)
