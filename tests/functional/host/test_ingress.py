"""Programs on what comes in by a device: set, seen again, left alone by Open vSwitch; and what they let by."""

import socket
from collections.abc import Callable

import pytest
from scapy.layers.dhcp import BOOTP
from scapy.layers.inet import IP, UDP, IPOption_NOP, fragment
from scapy.layers.l2 import Ether
from scapy.packet import Packet, Raw

from patchbay.host.netlink import Kernel
from patchbay.host.netlink_apply import apply
from patchbay.hoststate import Link, Resource, Sysctl
from patchbay.hoststate.ingress import NOTHING, NOTHING_RESERVED, OWN_DHCP, ingress
from patchbay.plan.device_operations import SetSysctls
from patchbay.plan.operations import AddVeth
from patchbay.plan.shell import set_sysctls

MARK = "patchbay:instance"
NEAR = Link(name="near", kind="veth", peer="far", mtu=1450, alias=MARK)
FAR = Link(name="far", kind="veth", peer="near", mtu=1450, alias=MARK)
MAC, OTHER, BROADCAST = "fa:16:3e:00:00:01", "fa:16:3e:00:00:02", "ff:ff:ff:ff:ff:ff"


def setting(value: str) -> Sysctl:
    return Sysctl(namespace="", name=ingress("near"), value=value)


async def with_program(value: str) -> Kernel:
    """A cable, and the program at its near end."""
    wanted: dict[tuple[str, ...], Resource] = {item.key: item for item in (NEAR, FAR, setting(value))}
    kernel = await Kernel.open(wanted)
    assert await apply(kernel, [AddVeth(NEAR, FAR), SetSysctls("", (setting(value),))]) == []
    return kernel


@pytest.mark.parametrize("value", [NOTHING, NOTHING_RESERVED, OWN_DHCP])
def test_a_program_is_seen_again_and_is_what_the_script_of_a_plan_makes(on_private_host, value) -> None:
    async def scenario(host) -> None:
        kernel = await with_program(value)
        assert kernel.resources[setting(value).key] == setting(value)
        kernel.close()
        again = await Kernel.open(kernel.wanted)
        assert again.resources[setting(value).key] == setting(value)
        again.close()
        shown = host.sh("tc filter show dev near ingress")
        host.sh("tc qdisc del dev near clsact")
        missing = await Kernel.open(kernel.wanted)
        assert missing.resources[setting(value).key] != setting(value)
        missing.close()
        host.sh("\n".join(set_sysctls("", (setting(value),)) * 2))
        assert host.sh("tc filter show dev near ingress") == shown
        typed = await Kernel.open(kernel.wanted)
        assert typed.resources[setting(value).key] == setting(value)
        other = OWN_DHCP if value == NOTHING else NOTHING
        assert await apply(typed, [SetSysctls("", (setting(other),))]) == []
        assert host.sh("tc filter show dev near ingress").count("direct-action") == 1
        typed.close()

    on_private_host(scenario)


def test_open_vswitch_takes_the_port_hears_it_and_leaves_the_program(on_private_host) -> None:
    async def scenario(host) -> None:
        kernel = await with_program(NOTHING)
        host.start_ovs()
        host.sh("ovs-vsctl add-br br0 -- set bridge br0 datapath_type=netdev -- add-port br0 near")
        for _ in range(2):
            assert "direct-action" in host.sh("tc filter show dev near ingress")
            wire = wire_to("far")
            for _ in range(10):
                wire.send(bytes(Ether(src=MAC, dst=OTHER) / IP(dst="192.0.2.1") / UDP() / Raw(b"x")))
            wire.close()

            def counted() -> bool:
                return int(host.sh("ovs-vsctl get interface near statistics:rx_packets")) >= 10

            host.sh("ovs-vsctl set open . other_config:stats-update-interval=100")
            await host.until(counted, "frames that Open vSwitch has received")
            host.kill("ovs-vswitchd")
            host.start_vswitchd()
        kernel.close()

    on_private_host(scenario)


def wire_to(device: str) -> socket.socket:
    wire = socket.socket(socket.AF_PACKET, socket.SOCK_RAW)
    wire.bind((device, 0))
    return wire


def dhcp(sender: str, client: str, to: str = BROADCAST, **fields: object) -> Packet:
    """What a client says; its hardware address is in the message, too."""
    message = BOOTP(op=1, chaddr=bytes.fromhex(client.replace(":", ""))) / Raw(b"[client]")
    head = IP(src="0.0.0.0", dst="255.255.255.255", **fields) / UDP(sport=68, dport=67, chksum=0)
    return Ether(src=sender, dst=to) / head / message


def in_parts(packet: Packet) -> list[Packet]:
    return [Ether(src=MAC, dst=BROADCAST) / part for part in fragment(packet[IP], fragsize=200)]


OPTIONS = [IPOption_NOP()] * 4
LET_BY: dict[str, dict[str, list[Packet]]] = {
    NOTHING: {},
    NOTHING_RESERVED: {
        "broadcast": [dhcp(MAC, MAC)],
        "another group": [dhcp(MAC, MAC, "01:80:c2:00:00:10")],
    },
    OWN_DHCP: {
        "its own": [dhcp(MAC, MAC)],
        "its own behind options of IP": [dhcp(MAC, MAC, options=OPTIONS)],
    },
}
KEPT: dict[str, dict[str, list[Packet]]] = {
    NOTHING: {"broadcast": [dhcp(MAC, MAC)], "a reserved address": [dhcp(MAC, MAC, "01:80:c2:00:00:0e")]},
    NOTHING_RESERVED: {f"...:{last:02x}": [dhcp(MAC, MAC, f"01:80:c2:00:00:{last:02x}")] for last in range(16)},
    OWN_DHCP: {
        "another's": [dhcp(MAC, OTHER)],
        "another's by its first bytes": [dhcp(MAC, "fa:16:3f:00:00:01")],
        "another's behind options of IP": [dhcp(MAC, OTHER, options=OPTIONS)],
        "in fragments": in_parts(dhcp(MAC, OTHER)),
        "its own in fragments": in_parts(dhcp(MAC, MAC)),
    },
}


@pytest.mark.parametrize("value", [NOTHING, NOTHING_RESERVED, OWN_DHCP])
def test_what_a_program_lets_by(on_private_host: Callable[..., None], value: str) -> None:
    async def scenario(host) -> None:
        kernel = await with_program(value)
        wire = wire_to("far")
        with socket.socket(type=socket.SOCK_DGRAM) as listener:
            listener.bind(("", 67))
            listener.settimeout(0.1)

            def heard(frames: list[Packet]) -> bool:
                for frame in frames:
                    wire.send(bytes(frame))
                try:
                    return bool(listener.recv(2000))
                except TimeoutError:
                    return False

            assert [name for name, frames in LET_BY[value].items() if not heard(frames)] == []
            assert [name for name, frames in KEPT[value].items() if heard(frames)] == []
        wire.close()
        kernel.close()

    on_private_host(scenario)
