"""Reading what ``ovs-ofctl dump-flows`` prints, and drawing it table by table."""

from patchbay.cli.flows import draw_rule_sets, draw_table, parse_flows
from patchbay.compile.pipeline import find_table

DUMP = """NXST_FLOW reply (xid=0x4):
 cookie=0x7062a6988d9a014c, duration=470.541s, table=4, n_packets=12, n_bytes=1064, idle_age=470, priority=1,tun_id=0x22 actions=mod_vlan_vid:12,resubmit(,10)
 cookie=0xa9eb8f9011f7e038, duration=22.636s, table=20, n_packets=12, n_bytes=1064, hard_timeout=300, idle_age=8, hard_age=7, priority=1,vlan_tci=0x0016/0x0fff,dl_dst=0c:eb:1e:c1:ff:8c actions=load:0->NXM_OF_VLAN_TCI[],output:"vxlan-ac150c08"
 cookie=0x79, duration=47.240s, table=22, n_packets=0, n_bytes=0, idle_age=47, dl_vlan=12 actions=strip_vlan,set_tunnel:0x22,output:8
 cookie=0x0, duration=1.2s, table=0, n_packets=5, n_bytes=50, idle_age=0, priority=0 actions=NORMAL
"""  # noqa: E501  # as the tool prints it


def test_each_line_becomes_a_flow_with_its_counters_and_its_owner() -> None:
    found = list(parse_flows("br-tun", DUMP.splitlines()))
    assert [(flow.table, flow.priority, flow.match, flow.packets, flow.owner) for flow in found] == [
        (4, 1, "tun_id=0x22", 12, "patchbay"),
        (20, 1, "vlan_tci=0x0016/0x0fff,dl_dst=0c:eb:1e:c1:ff:8c", 12, "learned"),
        (22, 32768, "dl_vlan=12", 0, "other"),
        (0, 0, "", 5, "other"),
    ]
    assert found[0].actions == "mod_vlan_vid:12,resubmit(,10)"


def test_a_table_is_drawn_with_its_name_what_it_decides_and_who_made_what() -> None:
    learned = [flow for flow in parse_flows("br-tun", DUMP.splitlines()) if flow.table == 20]
    lines = draw_table(find_table("br-tun", 20), 20, learned)
    assert lines[0] == "  table 20  UCAST_TO_TUN"
    assert lines[1].startswith("    entered from: table 2")
    assert lines[2].startswith("    decides: ")
    assert lines[-1].endswith("(learned)")


def test_a_table_that_is_not_ours_says_so() -> None:
    assert draw_table(find_table("br-tun", 99), 99, [])[0] == "  table 99  (not one of Patchbay's)"


def test_the_numbers_of_rule_sets_are_told_by_their_ports() -> None:
    line = (
        " cookie=0x7062a6988d9a014c, duration=1s, table=62, n_packets=0, n_bytes=0, priority=1,in_port={} "
        "actions=load:0x1de1c43f->NXM_NX_REG14[],load:0x2501f26c93188f92->OXM_OF_METADATA[]"
    )
    found = list(parse_flows("br-int", [line.format('"qvo1"'), line.format('"tap2"')]))
    assert draw_rule_sets(found)[1:] == ["    0x2501f26c93188f92  qvo1, tap2"]
    assert draw_rule_sets(parse_flows("br-int", DUMP.splitlines())) == []
