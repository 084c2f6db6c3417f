"""A flow's text becomes the bytes that os-ken's classes make of the same flow; bad text is named and explained."""

import pytest
from os_ken.ofproto import nicira_ext, ofproto_v1_4, ofproto_v1_4_parser
from os_ken.ofproto.ofproto_protocol import ProtocolDesc

from patchbay.host.flow_encoding import (
    Selection,
    by_cookie,
    can_encode,
    encode_add,
    encode_delete,
    learned_on,
    learned_towards,
    ports_named,
)
from patchbay.host.flow_errors import FlowTextError, UnknownPort
from patchbay.hoststate import Flow
from patchbay.hoststate.flow import LEARN_COOKIE

of, parser = ofproto_v1_4, ofproto_v1_4_parser
DATAPATH = ProtocolDesc(version=of.OFP_VERSION)
FLOW_MOD_BYTES = 48
PORTS = {"patch-int": 1, "vxlan-ac150ca3": 7, "10g.0": 9}


def flow(match: str = "", actions: str = "drop", table: int = 0, priority: int = 1) -> Flow:
    return Flow(bridge="br-tun", table=table, priority=priority, match=match, actions=actions)


def action_bytes(text: str, match: str = "") -> bytes:
    body = encode_add(flow(match, text), PORTS)
    start = FLOW_MOD_BYTES - 8
    length = int.from_bytes(body[start + 2 : start + 4], "big")
    return body[start + length + -length % 8 + 8 :]


def serialized(*actions) -> bytes:
    """What os-ken makes of these actions. It leaves the padding at the end to the message around them."""
    packed = bytearray()
    for action in actions:
        action.serialize(packed, len(packed))
        packed += bytes(-len(packed) % 8)
    return bytes(packed)


def set_field(**field):
    return parser.OFPActionSetField(**field)


SEED_LEARN = (
    "learn(table=20,hard_timeout=300,priority=1,cookie=0xa9eb8f9011f7e038,NXM_OF_VLAN_TCI[0..11],"
    "NXM_OF_ETH_DST[]=NXM_OF_ETH_SRC[],load:0->NXM_OF_VLAN_TCI[],load:NXM_NX_TUN_ID[]->NXM_NX_TUN_ID[],"
    "output:NXM_OF_IN_PORT[])"
)
SEED_LEARN_BY_OS_KEN = parser.NXActionLearn(
    table_id=20,
    hard_timeout=300,
    priority=1,
    cookie=LEARN_COOKIE,
    specs=[
        parser.NXFlowSpecMatch(src=("vlan_tci", 0), dst=("vlan_tci", 0), n_bits=12),
        parser.NXFlowSpecMatch(src=("eth_src_nxm", 0), dst=("eth_dst_nxm", 0), n_bits=48),
        parser.NXFlowSpecLoad(src=0, dst=("vlan_tci", 0), n_bits=16),
        parser.NXFlowSpecLoad(src=("tunnel_id_nxm", 0), dst=("tunnel_id_nxm", 0), n_bits=64),
        parser.NXFlowSpecOutput(src=("in_port_nxm", 0), dst="", n_bits=16),
    ],
)

ACTIONS = [
    ("", "output:7", [parser.OFPActionOutput(7, 0)]),
    ("", "7", [parser.OFPActionOutput(7, 0)]),
    ("", "output:vxlan-ac150ca3", [parser.OFPActionOutput(7, 0)]),
    ("", "IN_PORT", [parser.OFPActionOutput(of.OFPP_IN_PORT, 0)]),
    ("", "NORMAL", [parser.OFPActionOutput(of.OFPP_NORMAL, 0)]),
    ("", "LOCAL", [parser.OFPActionOutput(of.OFPP_LOCAL, 0)]),
    ("", "FLOOD,ALL", [parser.OFPActionOutput(of.OFPP_FLOOD, 0), parser.OFPActionOutput(of.OFPP_ALL, 0)]),
    ("", "output:NXM_NX_REG0[]", [parser.NXActionOutputReg(nicira_ext.ofs_nbits(0, 31), "reg0", 0xFFFF)]),
    ("", "output:NXM_NX_REG0[0..15]", [parser.NXActionOutputReg(nicira_ext.ofs_nbits(0, 15), "reg0", 0xFFFF)]),
    ("", "resubmit(,10)", [parser.NXActionResubmitTable(of.OFPP_IN_PORT & 0xFFFF, 10)]),
    ("", "resubmit(5,10)", [parser.NXActionResubmitTable(5, 10)]),
    ("", "resubmit(patch-int,10)", [parser.NXActionResubmitTable(1, 10)]),
    ("", "resubmit:5", [parser.NXActionResubmit(5)]),
    ("dl_vlan=12", "strip_vlan", [parser.OFPActionPopVlan()]),
    ("", "push_vlan:0x8100", [parser.OFPActionPushVlan(0x8100)]),
    ("", "mod_vlan_vid:12", [parser.OFPActionPushVlan(0x8100), set_field(vlan_vid=0x100C)]),
    ("dl_vlan=100", "mod_vlan_vid:12", [set_field(vlan_vid=0x100C)]),
    ("vlan_tci=0x1000/0x1000", "mod_vlan_vid:12", [set_field(vlan_vid=0x100C)]),
    ("vlan_tci=0x0000/0x1fff", "mod_vlan_vid:12", [parser.OFPActionPushVlan(0x8100), set_field(vlan_vid=0x100C)]),
    (
        "dl_vlan=1",
        "strip_vlan,mod_vlan_vid:12",
        [parser.OFPActionPopVlan(), parser.OFPActionPushVlan(0x8100), set_field(vlan_vid=0x100C)],
    ),
    ("", "mod_dl_src:fa:16:3e:00:00:01", [set_field(eth_src="fa:16:3e:00:00:01")]),
    ("", "mod_dl_dst:fa:16:3e:00:00:01", [set_field(eth_dst="fa:16:3e:00:00:01")]),
    ("ip", "mod_nw_src:10.0.0.1,mod_nw_dst:10.0.0.2", [set_field(ipv4_src="10.0.0.1"), set_field(ipv4_dst="10.0.0.2")]),
    ("tcp", "mod_tp_dst:80", [set_field(tcp_dst=80)]),
    ("udp6", "mod_tp_src:53", [set_field(udp_src=53)]),
    ("ip", "dec_ttl", [parser.OFPActionDecNwTtl()]),
    ("", "set_tunnel:0x22", [parser.NXActionSetTunnel(0x22)]),
    ("", "set_tunnel64:0x122000000", [parser.NXActionSetTunnel64(0x122000000)]),
    ("", "set_field:0x22->tun_id", [set_field(tunnel_id=0x22)]),
    ("ipv6", "set_field:fd00::1->ipv6_dst", [set_field(ipv6_dst="fd00::1")]),
    ("arp", "set_field:2->arp_op", [set_field(arp_op=2)]),
    ("", "set_field:0x1/0xf->reg1", [parser.NXActionRegLoad2(dst="reg1", value=1, mask=0xF)]),
    ("", "load:0x5->NXM_NX_REG0[]", [parser.NXActionRegLoad(nicira_ext.ofs_nbits(0, 31), "reg0", 5)]),
    ("", "load:0x5->NXM_NX_REG0[4..7]", [parser.NXActionRegLoad(nicira_ext.ofs_nbits(4, 7), "reg0", 5)]),
    ("", "load:0->NXM_OF_VLAN_TCI[]", [parser.NXActionRegLoad(nicira_ext.ofs_nbits(0, 15), "vlan_tci", 0)]),
    ("arp", "load:0x2->NXM_OF_ARP_OP[]", [parser.NXActionRegLoad(nicira_ext.ofs_nbits(0, 15), "arp_op_nxm", 2)]),
    (
        "ipv6",
        "load:0xb->NXM_NX_IPV6_SRC[0..63]",
        [parser.NXActionRegLoad(nicira_ext.ofs_nbits(0, 63), "ipv6_src_nxm", 0xB)],
    ),
    ("", "move:NXM_OF_ETH_SRC[]->NXM_OF_ETH_DST[]", [parser.NXActionRegMove("eth_src_nxm", "eth_dst_nxm", 48)]),
    (
        "",
        "move:NXM_NX_REG0[0..15]->NXM_NX_REG1[16..31]",
        [parser.NXActionRegMove("reg0", "reg1", 16, src_ofs=0, dst_ofs=16)],
    ),
    ("", "load:0x7062->OXM_OF_METADATA[]", [parser.NXActionRegLoad(nicira_ext.ofs_nbits(0, 63), "metadata", 0x7062)]),
    ("", "load:0xffff->NXM_OF_IN_PORT[]", [parser.NXActionRegLoad(nicira_ext.ofs_nbits(0, 15), "in_port_nxm", 0xFFFF)]),
    ("icmp", "load:0->NXM_OF_ICMP_TYPE[]", [parser.NXActionRegLoad(nicira_ext.ofs_nbits(0, 7), "icmpv4_type_nxm", 0)]),
    (
        "icmp6",
        "load:0x81->NXM_NX_ICMPV6_TYPE[]",
        [parser.NXActionRegLoad(nicira_ext.ofs_nbits(0, 7), "icmpv6_type_nxm", 0x81)],
    ),
    ("ipv6", "set_field:fd00::1->ipv6_src", [set_field(ipv6_src="fd00::1")]),
    ("", "move:NXM_NX_XXREG2[]->NXM_NX_XXREG3[]", [parser.NXActionRegMove("xxreg2", "xxreg3", 128)]),
    (
        "",
        "move:NXM_OF_ETH_SRC[]->NXM_NX_XXREG2[0..47]",
        [parser.NXActionRegMove("eth_src_nxm", "xxreg2", 48)],
    ),
    (
        "ip",
        "move:NXM_OF_IP_DST[]->NXM_NX_XXREG2[96..127]",
        [parser.NXActionRegMove("ipv4_dst_nxm", "xxreg2", 32, dst_ofs=96)],
    ),
    (
        "ipv6",
        "move:NXM_NX_IPV6_DST[]->NXM_NX_XXREG0[]",
        [parser.NXActionRegMove("ipv6_dst_nxm", "xxreg0", 128)],
    ),
    ("", "resubmit(,5),exit", [parser.NXActionResubmitTable(of.OFPP_IN_PORT & 0xFFFF, 5), parser.NXActionExit()]),
    (
        "",
        "multipath(symmetric_l4,1024,hrw,3,0,NXM_NX_REG4[])",
        [parser.NXActionMultipath(1, 1024, 2, 2, 0, nicira_ext.ofs_nbits(0, 31), "reg4")],
    ),
    (
        "",
        "multipath(eth_src,50,modulo_n,1,7,NXM_NX_REG4[8..15])",
        [parser.NXActionMultipath(0, 50, 0, 0, 7, nicira_ext.ofs_nbits(8, 15), "reg4")],
    ),
    ("", SEED_LEARN, [SEED_LEARN_BY_OS_KEN]),
    ("", f"{SEED_LEARN},output:1", [SEED_LEARN_BY_OS_KEN, parser.OFPActionOutput(1, 0)]),
    (
        "",
        "learn(table=20,idle_timeout=60,NXM_OF_ETH_TYPE[]=0x800,load:0x7->NXM_NX_REG0[0..3])",
        [
            parser.NXActionLearn(
                table_id=20,
                idle_timeout=60,
                priority=0x8000,
                specs=[
                    parser.NXFlowSpecMatch(src=0x800, dst=("eth_type_nxm", 0), n_bits=16),
                    parser.NXFlowSpecLoad(src=7, dst=("reg0", 0), n_bits=4),
                ],
            )
        ],
    ),
    (
        "",
        "conjunction(7,1/2),conjunction(8,2/3)",
        [parser.NXActionConjunction(0, 2, 7), parser.NXActionConjunction(1, 3, 8)],
    ),
    ("ip", "ct(table=4)", [parser.NXActionCT(0, "", 0, 4, 0, [])]),
    ("ip", "ct(commit,zone=12)", [parser.NXActionCT(1, "", 12, 255, 0, [])]),
    (
        "ip",
        "ct(commit,force,table=4,zone=NXM_NX_REG0[0..15])",
        [parser.NXActionCT(3, "reg0", nicira_ext.ofs_nbits(0, 15), 4, 0, [])],
    ),
    ("tcp", "ct(commit,alg=ftp)", [parser.NXActionCT(1, "", 0, 255, 21, [])]),
    ("ip", "ct(table=4,zone=1,nat)", [parser.NXActionCT(0, "", 1, 4, 0, [parser.NXActionNAT(0)])]),
    (
        "ip",
        "ct(commit,zone=1,nat(src=10.0.0.1-10.0.0.9:1024-65535,random))",
        [
            parser.NXActionCT(
                1,
                "",
                1,
                255,
                0,
                [
                    parser.NXActionNAT(
                        1 | 16,
                        range_ipv4_min="10.0.0.1",
                        range_ipv4_max="10.0.0.9",
                        range_proto_min=1024,
                        range_proto_max=65535,
                    )
                ],
            )
        ],
    ),
    (
        "ipv6",
        "ct(commit,nat(dst=[fd00::1]))",
        [parser.NXActionCT(1, "", 0, 255, 0, [parser.NXActionNAT(2, range_ipv6_min="fd00::1")])],
    ),
    (
        "ip",
        "ct(commit,exec(load:0x1->NXM_NX_CT_MARK[]))",
        [parser.NXActionCT(1, "", 0, 255, 0, [parser.NXActionRegLoad(nicira_ext.ofs_nbits(0, 31), "ct_mark", 1)])],
    ),
    ("", "drop", []),
]


@pytest.mark.parametrize(("match", "text", "by_os_ken"), ACTIONS, ids=[text for _, text, _ in ACTIONS])
def test_actions_are_encoded_as_by_os_ken(match, text, by_os_ken):
    assert action_bytes(text, match).hex() == serialized(*by_os_ken).hex()


def test_the_size_of_a_packet_is_asked_in_the_form_of_nicira_action_49():
    """os-ken has no class for it: header, size 1514 in bytes, offset 3, NXM_NX_REG5, padding."""
    expected = "ffff 0018 00002320 0031" + "05ea 0003 00010a04" + "000000000000"
    assert action_bytes("check_pkt_larger(1514)->NXM_NX_REG5[3]").hex() == expected.replace(" ", "")


def test_a_whole_flow_is_the_flow_mod_that_os_ken_makes():
    ours = flow("dl_vlan=12", "strip_vlan,set_tunnel:0x22,output:7", table=22, priority=5)
    actions = [parser.OFPActionPopVlan(), parser.NXActionSetTunnel(0x22), parser.OFPActionOutput(7, 0)]
    theirs = parser.OFPFlowMod(
        DATAPATH,
        cookie=ours.cookie,
        table_id=22,
        priority=5,
        out_port=of.OFPP_ANY,
        out_group=of.OFPG_ANY,
        match=parser.OFPMatch(vlan_vid=0x100C),
        instructions=[parser.OFPInstructionActions(of.OFPIT_APPLY_ACTIONS, actions)],
    )
    theirs.serialize()
    assert encode_add(ours, {}).hex() == bytes(theirs.buf[8:]).hex()


def test_a_flow_that_drops_has_no_instruction():
    assert len(encode_add(flow(), {})) == FLOW_MOD_BYTES - 8 + 8


@pytest.mark.parametrize(
    ("what", "cookie", "table", "fields"),
    [
        (flow("in_port=gone", "output:gone", table=3), flow("in_port=gone", "output:gone", table=3).cookie, 3, {}),
        (by_cookie(4, 0x7062000000000001), 0x7062000000000001, 4, {}),
        (learned_on(12), LEARN_COOKIE, 20, {"vlan_tci": (12, 0x0FFF)}),
    ],
)
def test_a_deletion_selects_by_table_cookie_and_match(what, cookie, table, fields):
    theirs = parser.OFPFlowMod(
        DATAPATH,
        cookie=cookie,
        cookie_mask=(1 << 64) - 1,
        table_id=table,
        command=of.OFPFC_DELETE,
        priority=0,
        out_port=of.OFPP_ANY,
        out_group=of.OFPG_ANY,
        match=parser.OFPMatch(**fields),
    )
    theirs.serialize()
    assert encode_delete(what).hex() == bytes(theirs.buf[8:]).hex()


def test_what_was_learned_from_one_tunnel_is_selected_by_its_port():
    assert encode_delete(learned_towards(7))[28:32] == (7).to_bytes(4, "big")
    assert encode_delete(Selection())[16:18] == bytes((255, of.OFPFC_DELETE))


@pytest.mark.parametrize(
    ("match", "actions", "names"),
    [
        ("in_port=patch-int", "resubmit(,2)", {"patch-int"}),
        ("in_port=1", "output:7", set()),
        ("in_port=LOCAL", "IN_PORT,NORMAL,output:LOCAL", set()),
        (
            "dl_vlan=12,in_port=int-br-ex",
            "strip_vlan,output:vxlan-ac150ca3,output:vxlan-ac150ca4",
            {"int-br-ex", "vxlan-ac150ca3", "vxlan-ac150ca4"},
        ),
        ("", f"{SEED_LEARN},output:patch-int", {"patch-int"}),
        ("", "output:NXM_NX_REG0[],resubmit(tap1,3)", {"tap1"}),
        ("", "set_tunnel:0x22,output:10g.0", {"10g.0"}),
    ],
)
def test_the_ports_that_a_flow_names_are_known_without_encoding_it(match, actions, names):
    assert ports_named(flow(match, actions)) == names
    assert can_encode(flow(match, actions), names)
    assert not names or not can_encode(flow(match, actions), {})


def test_a_port_without_a_number_is_named():
    for text in ("output:vxlan-00000000", "resubmit(vxlan-00000000,3)"):
        with pytest.raises(UnknownPort, match="vxlan-00000000") as caught:
            encode_add(flow("", text), PORTS)
        assert caught.value.name == "vxlan-00000000"
    with pytest.raises(UnknownPort, match="tap1"):
        encode_add(flow("in_port=tap1"), PORTS)


@pytest.mark.parametrize(
    ("match", "actions", "words"),
    [
        ("dl_vlan=5000", "drop", "VLAN"),
        ("tp_dst=80", "drop", "needs its protocol"),
        ("nw_src=10.0.0.1", "drop", "needs ip"),
        ("ip,nw_src=10.0.0.1/24", "drop", "outside its mask"),
        ("ip,nw_src=10.0.0.256", "drop", "not a value of ip_src"),
        ("ip,nw_src=10.0.0.0/33", "drop", "prefix"),
        ("icmp6,icmp_type=136,nd_sll=fa:16:3e:00:00:01", "drop", "icmp_type=135"),
        ("dl_src=fa:16:3e:00:00", "drop", "not a value"),
        ("dl_src=fa:16:3e:00:00:100", "drop", "not a value"),
        ("dl_src=fa:16:3e:00:0:100", "drop", "not a value"),
        ("reg99=1", "drop", "reg99"),
        ("ct_state=+foo", "drop", "ct_state"),
        ("in_port=1/2", "drop", "in_port"),
        ("nonsense", "drop", "nonsense"),
        ("", "fly:away", "fly"),
        ("", "mod_vlan_vid:4096", "range"),
        ("", "resubmit(,255)", "255"),
        ("", "resubmit(,300)", "range"),
        ("", "load:0x100->NXM_NX_REG0[0..7]", "range"),
        ("", "load:1->NXM_NX_REG0[8..40]", "bits 0 to 31"),
        ("", "load:1", "target"),
        ("", "move:NXM_OF_ETH_SRC[]->NXM_OF_VLAN_TCI[]", "widths"),
        ("", "set_field:10.0.0.1->eth_src", "eth_src"),
        ("", "conjunction(1,3/2)", "range"),
        ("", "conjunction(1)", "malformed"),
        ("", "learn(NXM_OF_ETH_DST[]=NXM_OF_VLAN_TCI[])", "widths"),
        ("ip,nw_frag=maybe", "drop", "nw_frag"),
        ("nw_frag=no", "drop", "needs ip"),
        ("", "check_pkt_larger(1500)->NXM_NX_REG5[]", "one bit"),
        ("", "check_pkt_larger(65536)->NXM_NX_REG5[0]", "range"),
        ("", "multipath(symmetric_l4,1024,hrw,3,0)", "malformed"),
        ("", "multipath(l7,1024,hrw,3,0,NXM_NX_REG4[])", "malformed"),
        ("", "multipath(symmetric_l4,1024,hrw,0,0,NXM_NX_REG4[])", "links"),
        ("", "multipath(symmetric_l4,1024,hrw,5,0,NXM_NX_REG4[0..1])", "2 bits"),
        ("ip", "ct(force)", "commit"),
        ("ip", "ct(nat(src=10.0.0.1,dst=10.0.0.2))", "contradicts"),
        ("ip", "ct(commit,foo)", "foo"),
        ("", "output:70000", "port"),
    ],
)
def test_text_that_the_switch_would_not_take_is_refused_with_a_reason(match, actions, words):
    with pytest.raises(FlowTextError) as caught:
        encode_add(flow(match, actions), PORTS)
    assert words in str(caught.value)
    assert "br-tun" in caught.value.message
    assert caught.value.remedy
