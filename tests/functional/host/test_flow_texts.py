"""Every kind of flow that Patchbay writes reads in ``ovs-ofctl dump-flows`` as it was written."""

import re

import pytest

from patchbay.compile.br_tun import LEARN
from patchbay.host.openflow import FlowsRefused, OpenFlowConnection, ports_named
from patchbay.hoststate import Flow, Meter
from tests.unit.compile.golden import CASES, compile_host, read

COUNTERS = re.compile(r"duration=[^,]+, |n_packets=\d+, n_bytes=\d+, |idle_age=\d+, |hard_age=\d+, ")

WRITTEN = [
    # br-tun: seed 002, and what is known of other hosts
    ("in_port=1", "resubmit(,2)"),
    ("dl_dst=00:00:00:00:00:00/01:00:00:00:00:00", "resubmit(,20)"),
    ("tun_id=0x22", "mod_vlan_vid:12,resubmit(,10)"),
    ("", f"{LEARN},output:1"),
    ("dl_vlan=12,dl_dst=fa:16:3e:00:00:01", "strip_vlan,set_tunnel:0x22,output:7"),
    ("dl_vlan=12", "strip_vlan,set_tunnel:0x22,output:7,output:8"),
    ("", "drop"),
    # provider bridges
    ("in_port=1,dl_vlan=100", "mod_vlan_vid:12,NORMAL"),
    ("in_port=1,vlan_tci=0x0000/0x1fff", "mod_vlan_vid:12,NORMAL"),
    ("in_port=1,dl_vlan=12", "strip_vlan,NORMAL"),
    ("", "NORMAL"),
    # routing in flows
    ("ip,dl_vlan=12,dl_dst=fa:16:3e:00:00:01,nw_dst=10.0.0.0/24",
     "mod_dl_src:fa:16:3e:00:00:02,mod_dl_dst:fa:16:3e:00:00:03,dec_ttl,mod_vlan_vid:13,output:1"),
    ("ip,dl_vlan=12,nw_ttl=1", "drop"),
    ("ipv6,dl_vlan=12,ipv6_dst=fd00:1::/64", "dec_ttl,load:0xd->NXM_NX_REG1[],resubmit(,23)"),
    ("ip,metadata=0x1234567890abcdef,nw_dst=10.0.0.0/24,nw_frag=no", "dec_ttl,resubmit(,7),exit"),
    *((f"ip,nw_ttl=1,nw_frag={kind}", "drop") for kind in ("no", "yes", "first", "later", "not_later")),
    ("ipv6,nw_ttl=0,nw_frag=later", "drop"),
    ("ip,reg6=0xc,metadata=0x1234567890abcdef,in_port=3,dl_vlan=3,dl_dst=fa:16:3e:00:00:01,nw_dst=10.0.0.5,nw_ttl=64,"
     "nw_frag=no", "drop"),
    ("reg0=0xfd000000,reg1=0,reg2=0,reg3=0x1", "load:0x1234567890abcdef->OXM_OF_METADATA[],resubmit(,7)"),
    ("", "load:0x1->NXM_NX_XXREG0[0..63],load:0xfd00000000000000->NXM_NX_XXREG0[64..127]"),
    ("ip", "move:NXM_OF_ETH_SRC[]->NXM_NX_XXREG2[0..47],move:NXM_OF_ETH_DST[]->NXM_OF_ETH_SRC[],"
     "move:NXM_NX_XXREG2[0..47]->NXM_OF_ETH_DST[],move:NXM_OF_IP_SRC[]->NXM_NX_XXREG3[0..31],"
     "move:NXM_OF_IP_DST[]->NXM_OF_IP_SRC[],move:NXM_NX_XXREG3[0..31]->NXM_OF_IP_DST[],move:NXM_NX_REG0[]->NXM_OF_IP_DST[]"),
    ("ipv6", "move:NXM_NX_IPV6_SRC[]->NXM_NX_XXREG3[],move:NXM_NX_IPV6_DST[]->NXM_NX_IPV6_SRC[],"
     "move:NXM_NX_XXREG3[]->NXM_NX_IPV6_DST[],move:NXM_NX_XXREG2[]->NXM_NX_XXREG0[]"),
    ("", "check_pkt_larger(1514)->NXM_NX_REG5[0],resubmit(,8)"),
    ("", "multipath(symmetric_l4,1024,hrw,3,0,NXM_NX_REG4[]),resubmit(,8)"),
    ("", "multipath(symmetric_l3l4+udp,1024,modulo_n,4,0,NXM_NX_REG4[0..7])"),
    ("", "load:0xffff->NXM_OF_IN_PORT[],output:3"),
    ("ip", "mod_nw_src:10.0.0.1,mod_nw_dst:10.0.0.2"),
    ("icmp6,icmp_type=128", "load:0x81->NXM_NX_ICMPV6_TYPE[],IN_PORT"),
    ("icmp,dl_vlan=12,nw_dst=10.0.0.1,icmp_type=8,icmp_code=0",
     "move:NXM_OF_ETH_SRC[]->NXM_OF_ETH_DST[],mod_dl_src:fa:16:3e:00:00:02,"
     "move:NXM_OF_IP_SRC[]->NXM_OF_IP_DST[],mod_nw_src:10.0.0.1,load:0->NXM_OF_ICMP_TYPE[],load:0xff->NXM_NX_IP_TTL[],"
     "IN_PORT"),
    ("ip,nw_src=10.0.0.5", "mod_nw_src:172.16.0.5,output:1"),
    ("tcp,nw_dst=172.16.0.5,tp_dst=80", "mod_nw_dst:10.0.0.5,mod_tp_dst:8080,output:1"),
    # security groups
    ("ct_state=-trk,ip,in_port=5", "ct(table=72,zone=12)"),
    ("ct_state=+new-est,ip,reg5=0x5", "ct(commit,zone=NXM_NX_REG6[0..15]),output:5"),
    ("ct_state=+est-rel+rpl,ip,reg5=0x5,reg6=0xc/0xff", "output:NXM_NX_REG5[]"),
    ("ct_state=+inv+trk", "drop"),
    ("ct_mark=0x1,ip,reg5=0x5", "drop"),
    ("ip,reg5=0x5", "ct(commit,zone=12,exec(load:0x1->NXM_NX_CT_MARK[]))"),
    ("ip,nw_dst=10.0.0.9", "ct(commit,table=4,zone=7,nat(dst=10.1.0.9))"),
    ("ip,nw_dst=10.0.0.8", "ct(commit,table=4,zone=7,nat(src=10.1.0.1-10.1.0.9:1024-65535,random))"),
    ("conj_id=7,ip", "ct(table=72,zone=12,nat)"),
    ("tcp,reg5=0x5,tp_dst=0x400/0xfc00", "conjunction(7,2/2)"),
    ("udp6,ipv6_src=fe80::/64,tp_src=547,tp_dst=546", "output:5"),
    ("arp,in_port=5,dl_src=fa:16:3e:00:00:01,arp_spa=10.0.0.5,arp_sha=fa:16:3e:00:00:01", "NORMAL"),
    ("icmp6,in_port=5,ipv6_src=fe80::1,icmp_type=136,nd_target=fe80::1", "NORMAL"),
    ("icmp6,icmp_type=135,nd_sll=fa:16:3e:00:00:01", "drop"),
    ("pkt_mark=0x1,metadata=0x5/0xff", "load:0x1->NXM_NX_PKT_MARK[],LOCAL"),
    ("", "load:0x5->NXM_NX_REG0[4..7],move:NXM_NX_REG0[0..15]->NXM_NX_REG1[16..31],FLOOD"),
    ("", "resubmit(5,10),resubmit:6,ALL"),
    ("dl_type=0x88cc", "drop"),
    ("ip,nw_proto=89", "drop"),
    ("dl_vlan=12,dl_vlan_pcp=3", "mod_vlan_pcp:0,output:1"),
]  # fmt: skip
"""Match and actions in the words of ovs-ofctl, names of ports replaced by numbers."""


def shown(host) -> dict[tuple[int, int], tuple[str, str]]:
    """Match and actions of each flow in ovs-ofctl's default dump, by table and priority."""
    found = {}
    for line in host.sh("ovs-ofctl dump-flows br-tun").splitlines():
        if "actions=" not in line:
            continue
        head, actions = COUNTERS.sub("", line.strip()).split(" actions=")
        table = int(re.search(r"table=(\d+)", head)[1])
        words = head.split(", ")[-1].split(",")
        priority = int(words.pop(0).removeprefix("priority=")) if words[0].startswith("priority=") else 32768
        found[table, priority] = (",".join(words), actions)
    return found


async def on_bridge(host) -> OpenFlowConnection:
    host.start_ovs()
    host.sh("ovs-vsctl add-br br-tun -- set bridge br-tun datapath_type=netdev fail_mode=secure")
    connection = OpenFlowConnection("br-tun")
    await connection.open()
    return connection


def numbered(pairs) -> list[Flow]:
    """A flow of its own priority for each match and actions."""
    return [
        Flow(bridge="br-tun", table=5, priority=number, match=match, actions=actions)
        for number, (match, actions) in enumerate(pairs, 1)
    ]


async def refusals(connection: OpenFlowConnection, flows: list[Flow], ports=None) -> list[str]:
    try:
        await connection.apply(flows, ports=ports)
    except FlowsRefused as refused:
        return [one.message for one in refused.refused]
    return []


def test_every_kind_of_flow_reads_in_the_switch_as_it_was_written(on_private_host):
    async def scenario(host):
        connection = await on_bridge(host)
        flows = numbered(WRITTEN)
        assert await refusals(connection, flows) == []
        seen = shown(host)
        differing = {
            f"{flow.match} actions={flow.actions}": seen.get((flow.table, flow.priority))
            for flow in flows
            if seen.get((flow.table, flow.priority)) != (flow.match, flow.actions)
        }
        assert not differing, "\n".join(f"{a}\n  {b}" for a, b in differing.items())

    on_private_host(scenario)


def test_all_flows_of_all_golden_hosts_read_as_they_were_compiled(on_private_host):
    async def scenario(host):
        connection = await on_bridge(host)
        batches: dict[str, list[Flow]] = {}
        meters: dict[int, Meter] = {}
        for case in sorted(CASES.glob("*/intent.yaml")):
            for name in read(case.parent)["hosts"]:
                for item in compile_host(read(case.parent), name).values():
                    if isinstance(item, Meter):
                        meters[item.number] = item
                    if isinstance(item, Flow):
                        batches.setdefault(f"{case.parent.name} {name} {item.bridge}", []).append(item)
        assert sum(map(len, batches.values())) > 100
        await connection.set_meters(list(meters.values()))
        wrong = []
        for where, flows in batches.items():
            names = sorted({name for one in flows for name in ports_named(one)})
            ports = {name: number for number, name in enumerate(names, 1)}
            wrong += [f"{where}: {message}" for message in await refusals(connection, flows, ports)]
            text = dumped(host)
            wrong += [f"{where}: {one.text}" for one in flows if numbered_text(one, ports) not in text]
            assert len(text) == len(flows), where
            host.sh("ovs-ofctl del-flows br-tun")
        assert not wrong, "\n".join(wrong)

    on_private_host(scenario)


def numbered_text(flow: Flow, ports: dict[str, int]) -> str:
    """The flow as ovs-ofctl dumps it, with numbers for names, and without the meter, which OpenFlow 1.0 has not."""
    match = ",".join(word for word in (f"priority={flow.priority}", flow.match) if word and word != "priority=32768")
    for name, number in ports.items():
        match = re.sub(rf"in_port={re.escape(name)}(?![\w.-])", f"in_port={number}", match)
    actions = re.sub(r"^meter:\d+,", "", flow.actions).replace("output:LOCAL", "LOCAL")
    for name, number in ports.items():
        actions = re.sub(rf"(output:|resubmit\(){re.escape(name)}(?![\w.-])", rf"\g<1>{number}", actions)
    return f"cookie={flow.cookie:#x}, table={flow.table}, {match} actions={actions}"


def dumped(host) -> set[str]:
    """The lines of ovs-ofctl's default dump without what counts."""
    lines = (COUNTERS.sub("", line.strip()) for line in host.sh("ovs-ofctl dump-flows br-tun").splitlines())
    return {line for line in lines if "actions=" in line}


@pytest.mark.parametrize(
    ("written", "shown_as"),
    [
        (("tcp6", "set_field:80->tcp_dst"), "mod_tp_dst:80"),
        (("", "set_field:0x22->tun_id"), "load:0x22->NXM_NX_TUN_ID[]"),
        (
            ("ipv6", "set_field:fd00::b->ipv6_dst"),
            "load:0xb->NXM_NX_IPV6_DST[0..63],load:0xfd00000000000000->NXM_NX_IPV6_DST[64..127]",
        ),
        (
            ("ipv6", "set_field:fd00::b->ipv6_src"),
            "load:0xb->NXM_NX_IPV6_SRC[0..63],load:0xfd00000000000000->NXM_NX_IPV6_SRC[64..127]",
        ),
        (("icmp6,icmp_type=135", "set_field:136->icmpv6_type"), "load:0x88->NXM_NX_ICMPV6_TYPE[]"),
    ],
    ids=["tcp_dst", "tun_id", "ipv6_dst", "ipv6_src", "icmpv6_type"],
)
def test_set_field_is_shown_as_load_by_openflow_1_0(on_private_host, written, shown_as):
    async def scenario(host):
        connection = await on_bridge(host)
        assert await refusals(connection, numbered([written])) == []
        assert shown(host)[5, 1] == (written[0], shown_as)

    on_private_host(scenario)
