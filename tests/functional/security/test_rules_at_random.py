"""Random rules and packets on real Open vSwitch: what passes is what Neutron's semantics let pass, and answers do."""

import itertools
import random
from pathlib import Path

from scapy.layers.inet import ICMP, TCP, UDP
from scapy.layers.inet6 import ICMPv6EchoReply, IPv6
from scapy.layers.l2 import Ether
from scapy.packet import Packet as Frame
from scapy.packet import Raw

from patchbay.compile.facts import Facts
from patchbay.compile.fragments import Compiled
from patchbay.compile.view import HostView
from patchbay.host.openflow import OpenFlowConnection
from patchbay.hoststate import Flow
from patchbay.model import (
    AddressGroup,
    FixedIP,
    Instance,
    Network,
    Port,
    SecurityGroup,
    SecurityGroupRule,
    Subnet,
)
from patchbay.plan.diff import diff
from patchbay.plan.observed import Observed
from tests.functional.security import model
from tests.functional.security.frames import Wire, ip, layer_four, probe

NAMES = ("a", "b", "c", "free")
GROUPS = ("group-1", "group-2")
ROUNDS = 60
ENOUGH, MOST_ROUNDS = 8, 600
"""Rounds go on until so many packets passed, were stopped, and belonged to connections that were cut."""
PREFIXES = ("10.0.0.2/32", "10.0.0.0/30", "fd00::/127", "0.0.0.0/0", "192.0.2.0/24")
LIST = "addresses"


def mac(name: str) -> str:
    return f"fa:16:3e:00:00:{NAMES.index(name) + 1:02x}"


def address(name: str, version: int) -> str:
    number = NAMES.index(name) + 1
    return f"10.0.0.{number}" if version == 4 else f"fd00::{number}"


def port(name: str, groups: frozenset[str]) -> Port:
    return Port(
        id=f"{NAMES.index(name) + 1:08x}-0000-4000-8000-000000000000",
        network_id="net",
        mac_address=mac(name),
        fixed_ips=(FixedIP("subnet-4", address(name, 4)), FixedIP("subnet-6", address(name, 6))),
        host="private",
        port_security_enabled=name != "free",
        security_groups=tuple(groups),
    )


class World:
    """A host with three ports with port security and one without, whose rules change at random."""

    def __init__(self, chance: random.Random) -> None:
        self.chance = chance
        self.numbers = itertools.count(chance.randrange(10000))
        self.groups: dict[str, frozenset[str]] = {name: frozenset() for name in NAMES}
        self.rules: dict[str, SecurityGroupRule] = {}
        self.list: frozenset[str] = frozenset()
        self.view = HostView(Facts(host="private", datapath_type="netdev"))
        self.compiled = Compiled(self.view)
        self.put(Network(id="net", segmentation_id=5))
        self.put(Subnet(id="subnet-4", network_id="net", ip_version=4, cidr="10.0.0.0/24"))
        self.put(Subnet(id="subnet-6", network_id="net", ip_version=6, cidr="fd00::/64"))
        for group_id in GROUPS:
            self.put(SecurityGroup(id=group_id))
        for name in NAMES:
            made = port(name, frozenset())
            self.put(made)
            self.put(
                Instance(id=f"vm-{name}", name=name, host="private", plugging="direct", interfaces={"eth0": made.id})
            )
        self.compiled.refresh(self.view.fragments())

    def put(self, value: object) -> None:
        self.compiled.refresh(self.view.put(value))  # type: ignore[arg-type]

    def build(self, host) -> None:
        """The host by the commands of a plan."""
        lines = [line for one in diff(Observed(), self.compiled.state) for line in one.command()]
        host.sh("\n".join(lines))
        self.wires = {name: Wire(Path(f"/run/netns/{name}")) for name in NAMES}

    @property
    def network(self) -> model.Network:
        addresses = {name: frozenset({address(name, 4), address(name, 6)}) for name in NAMES}
        return model.Network(self.rules.values(), self.groups, addresses, {LIST: self.list})

    async def disturb(self, connection: OpenFlowConnection) -> None:
        """A few random changes of rules, members and address groups."""
        before = dict(self.compiled.state)
        for _ in range(self.chance.randrange(1, 4)):
            self.chance.choice((self._change_rule, self._change_rule, self._change_groups, self._change_list))()
        after = self.compiled.state
        old = {key: one for key, one in before.items() if isinstance(one, Flow) and one.bridge == "br-int"}
        new = {key: one for key, one in after.items() if isinstance(one, Flow) and one.bridge == "br-int"}
        gone = [one for key, one in old.items() if key not in new]
        added = [one for key, one in new.items() if old.get(key) != one]
        await connection.apply(added, gone, ports=await connection.ports())

    def _change_rule(self) -> None:
        chance, rule_id = self.chance, f"rule-{self.chance.randrange(14)}"
        if rule_id in self.rules and chance.random() < 0.2:
            self.compiled.refresh(self.view.remove(self.rules.pop(rule_id)))
            return
        kind = chance.choice(("any", "any", "prefix", "group", "group", "list"))
        protocol = chance.choice((None, None, None, "tcp", "tcp", "udp", "icmp", "ipv6-icmp", "47", "vrrp"))
        ethertype = chance.choice(("IPv4", "IPv6"))
        prefixes = [prefix for prefix in PREFIXES if (":" in prefix) == (ethertype == "IPv6")]
        low = high = None
        if protocol in ("tcp", "udp") and chance.random() < 0.7:
            low = chance.randrange(70, 90)
            high = chance.randrange(low, 100)
        elif protocol in ("icmp", "ipv6-icmp") and chance.random() < 0.5:
            low = chance.choice((8, 13) if ethertype == "IPv4" else (128, 129))
            high = chance.choice((None, 0))
        rule = SecurityGroupRule(
            id=rule_id,
            security_group_id=chance.choice(GROUPS),
            direction=chance.choice(("ingress", "egress")),
            ethertype=ethertype,
            protocol=protocol,
            port_range_min=low,
            port_range_max=high,
            remote_ip_prefix=chance.choice(prefixes) if kind == "prefix" else None,
            remote_group_id=chance.choice(GROUPS) if kind == "group" else None,
            remote_address_group_id=LIST if kind == "list" else None,
        )
        self.rules[rule_id] = rule
        self.put(rule)

    def _change_groups(self) -> None:
        name = self.chance.choice(NAMES[:3])
        self.groups[name] = frozenset(self.chance.sample(GROUPS, self.chance.choice((0, 1, 1, 2, 2))))
        self.put(port(name, self.groups[name]))

    def _change_list(self) -> None:
        self.list = frozenset(self.chance.sample(PREFIXES, self.chance.randrange(4)))
        self.put(AddressGroup(id=LIST, addresses=tuple(self.list)))

    def packet(self) -> tuple[str, str, model.Packet]:
        """A packet from one port to another."""
        sender, receiver = self.chance.sample(NAMES, 2)
        version = self.chance.choice((4, 6))
        protocol, first, second = self.chance.choice(
            (
                (6, 0, self.chance.randrange(68, 100)),
                (17, 0, self.chance.randrange(68, 100)),
                (1, 8, 0) if version == 4 else (58, 128, 0),
                (47, 0, 0),
                (112, 0, 0),
            )
        )
        return (
            sender,
            receiver,
            model.Packet(address(sender, version), address(receiver, version), protocol, first, second),
        )

    def may_pass(self, sender: str, receiver: str, packet: model.Packet) -> bool:
        may_leave = sender == "free" or model.allows(self.network, sender, "egress", packet)
        return may_leave and (receiver == "free" or model.allows(self.network, receiver, "ingress", packet))

    def passes(self, sender: str, receiver: str, frame: Frame) -> bool:
        """Send a frame and, after it, one that always arrives, twice; whether the first did.

        Of what comes in at once the datapath forwards last what it knows already: the second time it is behind that.
        """
        word = f"[{next(self.numbers):012}]".encode()
        wire = self.wires[receiver]
        wire.drain()
        self.wires[sender].send(Ether(src=mac(sender), dst=mac(receiver)) / frame / Raw(word))
        announced = bytes(probe(mac(sender), address(sender, 4)))
        frames: list[bytes] = []
        for _ in range(2):
            self.wires[sender].send(announced)
            frames += wire.frames(5, lambda frame: frame.startswith(announced))
            assert any(frame.startswith(announced) for frame in frames[-1:]), "an announcement did not arrive"
        return any(word in frame for frame in frames)


def answer(packet: model.Packet, sent: Frame) -> Frame | None:
    """What the receiver answers to it; None where Open vSwitch follows no connections."""
    header = ip(packet.target, packet.source)
    if packet.protocol == 6:
        return header / TCP(sport=sent[TCP].dport, dport=sent[TCP].sport, flags="SA", seq=5, ack=sent[TCP].seq + 1)
    if packet.protocol == 17:
        return header / UDP(sport=sent[UDP].dport, dport=sent[UDP].sport)
    if packet.protocol == 1:
        return header / ICMP(type=0, id=sent[ICMP].id)
    return header / ICMPv6EchoReply(id=sent.payload.id) if packet.protocol == 58 else None


def test_packets_pass_as_rules_say_whatever_rules_there_are(on_private_host) -> None:
    seed = random.randrange(1 << 32)

    async def scenario(host) -> None:
        host.start_ovs()
        world = World(random.Random(seed))
        world.build(host)
        connection = OpenFlowConnection("br-int")
        await connection.open()
        passed = stopped = cut = 0
        kept: list[tuple[str, str, model.Packet, Frame]] = []
        for number in range(MOST_ROUNDS):
            if number >= ROUNDS and min(passed, stopped, cut) >= ENOUGH:
                break
            await world.disturb(connection)
            host.sh("ovs-appctl revalidator/purge")  # As the agent does: else packets may meet what is cached.
            for sender, receiver, packet, frame in kept:  # Connections of rounds before go on, or are cut.
                may = world.may_pass(sender, receiver, packet)
                again = answer(packet, frame)
                assert world.passes(receiver, sender, again) == may, said(world, receiver, "answers", packet)
                cut += not may
            kept = []
            for _ in range(6):
                sender, receiver, packet = world.packet()
                may = world.may_pass(sender, receiver, packet)
                frame = ip(packet.source, packet.target)
                if packet.protocol == 112:
                    frame = replace_protocol(frame, 112)
                frame = frame / layer_four(packet.protocol, packet.first, packet.second, next(world.numbers))
                assert world.passes(sender, receiver, frame) == may, said(world, sender, "sends", packet)
                passed, stopped = passed + may, stopped + (not may)
                reply = answer(packet, frame)
                if may and reply is not None:
                    assert world.passes(receiver, sender, reply), said(world, receiver, "answers", packet)
                    kept.append((sender, receiver, packet, frame))
        assert min(passed, stopped, cut) >= ENOUGH, f"{passed} passed, {stopped} were stopped, {cut} cut"

    def said(world: World, name: str, verb: str, packet: model.Packet) -> str:
        rules = "\n".join(map(str, world.rules.values()))
        return f"seed {seed}: {name} {verb} {packet}\n{rules}\n{world.groups} {world.list}"

    on_private_host(scenario)


def replace_protocol(header: Frame, number: int) -> Frame:
    """The header with another protocol than scapy would write."""
    header.setfieldval("nh" if isinstance(header, IPv6) else "proto", number)
    return header
