"""Any flow of our text, encoded by us and read by ovs-ofctl, is the flow that ovs-ofctl itself makes of the text."""

import re
import subprocess
import tempfile
from pathlib import Path

from hypothesis import given, settings
from hypothesis import strategies as st

from patchbay.host import openflow_messages as messages
from patchbay.host.flow_encoding import encode_add, ports_named
from patchbay.hoststate import Flow

NUMBERED = re.compile(r"\(xid=\w+\)|cookie:\w+ ")

u8, u16, u32, u64 = (st.integers(0, (1 << bits) - 1) for bits in (8, 16, 32, 64))
macs = st.binary(min_size=6, max_size=6).map(lambda b: b.hex(":"))
ipv4 = st.ip_addresses(v=4).map(str)
ipv6 = st.ip_addresses(v=6).map(str)
vlans = st.integers(0, 4094)


def masked(bits: int) -> st.SearchStrategy[str]:
    """A number under a mask, with no bit outside it."""
    numbers = st.integers(0, (1 << bits) - 1)
    return st.tuples(numbers, numbers.filter(bool)).map(lambda both: f"{both[0] & both[1]:#x}/{both[1]:#x}")


def network(version: int) -> st.SearchStrategy[str]:
    """An address prefix such as 10.0.0.0/8."""
    bits = 32 if version == 4 else 128

    def clip(both) -> str:
        address, prefix = both
        kept = int(address) >> (bits - prefix) << (bits - prefix)
        return f"{type(address)(kept)}/{prefix}"

    return st.tuples(st.ip_addresses(v=version), st.integers(1, bits)).map(clip)


def term(name: str, values: st.SearchStrategy) -> st.SearchStrategy[str]:
    return values.map(lambda value: f"{name}={value}")


ct_flags = st.lists(st.sampled_from(["new", "est", "rel", "rpl", "inv"]), unique=True)
ct_states = st.tuples(ct_flags, st.lists(st.booleans(), min_size=5, max_size=5)).map(
    lambda both: "".join(("+" if on else "-") + flag for flag, on in zip(*both, strict=False)) + "+trk"
)
ANYWHERE = [
    term("in_port", st.integers(1, 0xFEFF)),
    term("tun_id", u64.map(hex) | masked(64)),
    term("metadata", masked(64)),
    term("reg3", u32.map(hex) | masked(32)),
    term("reg7", masked(32)),
    term("pkt_mark", masked(32)),
    term("conj_id", u32),
    term("dl_vlan", vlans),
    term("dl_src", macs),
    term("dl_dst", macs | st.just("01:00:00:00:00:00/01:00:00:00:00:00")),
]
TRACKED = [term("ct_state", ct_states), term("ct_zone", u16), term("ct_mark", masked(32))]
V4 = [term("nw_src", ipv4 | network(4)), term("nw_dst", ipv4 | network(4)), term("nw_ttl", u8), *TRACKED]
V6 = [term("ipv6_src", ipv6 | network(6)), term("ipv6_dst", ipv6 | network(6)), term("nw_ttl", u8), *TRACKED]
PORTS = [term("tp_src", u16 | masked(16)), term("tp_dst", u16 | masked(16))]
ICMP = [term("icmp_type", u8), term("icmp_code", u8)]
ARP = [
    term("arp_op", st.integers(1, 2)),
    term("arp_spa", ipv4 | network(4)),
    term("arp_tpa", ipv4 | network(4)),
    term("arp_sha", macs),
    term("arp_tha", macs),
]
BY_PROTOCOL = {
    "": [],
    "ip": [*V4, term("nw_proto", st.sampled_from([2, 47, 89, 112]))],
    "ipv6": [*V6, term("nw_proto", st.sampled_from([47, 89, 112]))],
    "arp": ARP,
    "tcp": V4 + PORTS,
    "udp": V4 + PORTS,
    "tcp6": V6 + PORTS,
    "udp6": V6 + PORTS,
    "icmp": V4 + ICMP,
    "icmp6": [*V6, *ICMP],
    "icmp6,icmp_type=135": [*V6, term("nd_target", ipv6 | network(6)), term("nd_sll", macs)],
    "icmp6,icmp_type=136": [*V6, term("nd_target", ipv6 | network(6)), term("nd_tll", macs)],
}


@st.composite
def matches(draw) -> str:
    """A match of our subset, in any order."""
    protocol = draw(st.sampled_from(sorted(BY_PROTOCOL)))
    chosen = draw(st.lists(st.sampled_from(ANYWHERE + BY_PROTOCOL[protocol]), unique=True, max_size=5))
    words = [word for word in protocol.split(",") if word] + [draw(one) for one in chosen]
    return ",".join(draw(st.permutations(words)))


ranges = st.tuples(st.integers(0, 31), st.integers(0, 31)).map(sorted)
EVERYWHERE = [
    st.integers(1, 0xFEFF).map(lambda port: f"output:{port}"),
    st.sampled_from(
        ["NORMAL", "IN_PORT", "LOCAL", "FLOOD", "ALL", "output:NXM_NX_REG1[]", "output:NXM_NX_REG1[4..19]"]
    ),
    st.integers(0, 254).map(lambda table: f"resubmit(,{table})"),
    st.tuples(st.integers(1, 0xFEFF), st.integers(0, 254)).map(lambda both: f"resubmit({both[0]},{both[1]})"),
    macs.map(lambda mac: f"set_field:{mac}->eth_src"),
    macs.map(lambda mac: f"set_field:{mac}->eth_dst"),
    u64.map(lambda tun_id: f"set_field:{tun_id:#x}->tun_id"),
    st.tuples(u32, ranges).map(
        lambda both: (
            f"load:{both[0] & (1 << both[1][1] - both[1][0] + 1) - 1:#x}->NXM_NX_REG2[{both[1][0]}..{both[1][1]}]"
        )
    ),
    ranges.map(lambda r: f"move:NXM_NX_REG1[{r[0]}..{r[1]}]->NXM_NX_REG5[{31 - r[1]}..{31 - r[0]}]"),
    st.just("move:NXM_OF_ETH_SRC[]->NXM_OF_ETH_DST[]"),
    st.tuples(u16, u16, u16, u64).map(
        lambda n: (
            f"learn(table={n[0] % 255},idle_timeout={n[1]},priority={n[2]},cookie={n[3]:#x},"
            "NXM_OF_VLAN_TCI[0..11],NXM_OF_ETH_DST[]=NXM_OF_ETH_SRC[],load:0->NXM_OF_VLAN_TCI[],"
            f"load:NXM_NX_TUN_ID[]->NXM_NX_TUN_ID[],load:{n[0]:#x}->NXM_NX_REG0[3..18],output:NXM_OF_IN_PORT[])"
        )
    ),
]
CT = [
    st.tuples(st.integers(1, 0xFFFF), st.integers(0, 254)).map(lambda n: f"ct(commit,table={n[1]},zone={n[0]})"),
    u32.map(lambda mark: f"ct(commit,zone=NXM_NX_REG6[0..15],exec(set_field:{mark:#x}->ct_mark))"),
    st.just("ct(table=5,nat)"),
]
IP_ACTIONS = [st.just("dec_ttl"), *CT]
NAT4 = [
    st.tuples(ipv4, u16, u16).map(
        lambda n: f"ct(commit,nat(src={n[0]}:{min(n[1:]) or 1}-{max(n[1:]) or 1}))" if n[0] != "0.0.0.0" else "exit"
    ),
    ipv4.map(lambda address: f"set_field:{address}->ip_dst"),
]
NAT6 = [ipv6.map(lambda address: f"set_field:{address}->ipv6_src")]


@st.composite
def flows(draw) -> Flow:
    """A flow whose actions agree with its match."""
    match = draw(matches())
    words = set(match.split(","))
    kinds = list(EVERYWHERE)
    if words & {"ip", "tcp", "udp", "icmp"}:
        kinds += IP_ACTIONS + NAT4
    if words & {"ipv6", "tcp6", "udp6", "icmp6"}:
        kinds += IP_ACTIONS + NAT6
    if "arp" in words:
        kinds.append(ipv4.map(lambda address: f"set_field:{address}->arp_spa"))
    if "+inv" in match:
        kinds = EVERYWHERE  # what is invalid cannot be committed
    actions = draw(st.lists(st.sampled_from(kinds), max_size=5))
    text = ",".join(draw(action) for action in actions) or "drop"
    return Flow(
        bridge="br-tun",
        table=draw(st.integers(0, 254)),
        priority=draw(st.integers(0, 65535)),
        match=match,
        actions=text,
    )


def read_back(*command: str) -> list[str]:
    """What ovs-ofctl prints of flow_mods, without transaction ids and cookies."""
    done = subprocess.run(["ovs-ofctl", *command], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return [NUMBERED.sub("", line) for line in done.stdout.splitlines() if "OFPT_FLOW_MOD" in line]


@settings(max_examples=50, deadline=None)
@given(st.lists(flows(), min_size=1, max_size=20))
def test_ovs_ofctl_reads_in_our_bytes_what_it_makes_of_the_text(batch):
    sent = b"".join(messages.message(messages.FLOW_MOD, n, encode_add(flow, {})) for n, flow in enumerate(batch))
    assert all(ports_named(flow) == frozenset() for flow in batch)
    lines = (f"table={f.table},priority={f.priority},{f.match} actions={f.actions}" for f in batch)
    with tempfile.TemporaryDirectory() as folder:
        binary, text = Path(folder, "sent"), Path(folder, "text")
        binary.write_bytes(sent)
        text.write_text("\n".join(lines))
        ours = read_back("ofp-parse", str(binary))
        theirs = read_back("-O", "OpenFlow14", "parse-flows", str(text))
    assert ours == theirs
