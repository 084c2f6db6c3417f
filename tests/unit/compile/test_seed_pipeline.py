"""br-tun has every line of seed 002, and flows go only where the pipeline says."""

import re

import pytest

from patchbay.compile.pipeline import TABLES, find_table
from patchbay.hoststate import Flow
from tests.unit.compile.golden import CASES, compile_host, expected, read

LEARN = (
    "learn(table=20,hard_timeout=300,priority=1,cookie=0xa9eb8f9011f7e038,NXM_OF_VLAN_TCI[0..11],"
    "NXM_OF_ETH_DST[]=NXM_OF_ETH_SRC[],load:0->NXM_OF_VLAN_TCI[],load:NXM_NX_TUN_ID[]->NXM_NX_TUN_ID[],"
    "output:NXM_OF_IN_PORT[])"
)

COMPUTE1 = f"""
table=0, priority=1,in_port=1 actions=resubmit(,2)
table=0, priority=1,in_port=8 actions=resubmit(,4)
table=0, priority=0 actions=drop
table=2, priority=0,dl_dst=00:00:00:00:00:00/01:00:00:00:00:00 actions=resubmit(,20)
table=2, priority=0,dl_dst=01:00:00:00:00:00/01:00:00:00:00:00 actions=resubmit(,22)
table=3, priority=0 actions=drop
table=4, priority=1,tun_id=0x22 actions=mod_vlan_vid:12,resubmit(,10)
table=4, priority=0 actions=drop
table=6, priority=0 actions=drop
table=10, priority=1 actions={LEARN},output:1
table=20, priority=0 actions=resubmit(,22)
table=22, dl_vlan=12 actions=strip_vlan,set_tunnel:0x22,output:8
table=22, priority=0 actions=drop
"""
"""The seed's dump of br-tun on compute1, without cookies, durations and counters."""

COMPUTE2 = COMPUTE1.replace("in_port=8", "in_port=7").replace("output:8", "output:7").replace("12", "22")

SEED = {"compute1": (COMPUTE1, {"patch-int": "1", "vxlan-ac150c08": "8"})}
SEED["compute2"] = (COMPUTE2, {"patch-int": "1", "vxlan-ac150ca3": "7"})


def flows_of(case: str, host: str) -> list[Flow]:
    state = compile_host(read(CASES / case), host)
    return [item for item in state.values() if isinstance(item, Flow)]


def as_seed_prints(flow: Flow, ofports: dict[str, str]) -> str:
    text = re.sub(r"cookie=0x7062\w+,table=(\d+),", r"table=\1, ", flow.text)
    for name, number in ofports.items():
        text = text.replace(f"in_port={name}", f"in_port={number}").replace(f"output:{name}", f"output:{number}")
    return text


@pytest.mark.parametrize("host", ["compute1", "compute2"])
def test_br_tun_has_every_flow_of_the_seed(host: str) -> None:
    dump, ofports = SEED[host]
    ours = {as_seed_prints(flow, ofports) for flow in flows_of("seed002", host) if flow.bridge == "br-tun"}
    seeds = dump.strip().splitlines()
    assert len(seeds) == 13
    assert [line for line in seeds if line not in ours] == []


ONWARD = re.compile(r"(?:resubmit\([\w.-]*,|ct\(table=)(\d+)")
"""Tables that actions lead to."""

CASE_HOSTS = [(case.parent.name, host) for case in CASES.glob("*/intent.yaml") for host, _ in expected(case.parent)]


@pytest.mark.parametrize(("case", "host"), CASE_HOSTS)
def test_flows_stand_in_declared_tables_and_go_only_where_these_go(case: str, host: str) -> None:
    for flow in flows_of(case, host):
        table = find_table(flow.bridge, flow.table)
        assert table is not None, flow
        targets = {int(number) for number in ONWARD.findall(flow.actions)}
        assert targets <= set(table.goes_to), flow


def test_each_declared_way_between_tables_is_used() -> None:
    used = set()
    for case, host in CASE_HOSTS:
        for flow in flows_of(case, host):
            used |= {(flow.bridge, flow.table, int(item)) for item in ONWARD.findall(flow.actions)}
    declared = {(table.bridge, table.number, target) for table in TABLES for target in table.goes_to}
    assert used == declared


def test_flows_without_ports_wait_for_none_and_others_for_those_they_name() -> None:
    flows = {
        (flow.table, flow.match): flow.ports for flow in flows_of("seed002", "compute1") if flow.bridge == "br-tun"
    }
    assert flows[3, ""] == set()
    assert flows[10, ""] == {"patch-int"}
    assert flows[0, "in_port=vxlan-ac150c08"] == {"vxlan-ac150c08"}
    assert flows[22, "dl_vlan=12"] == {"vxlan-ac150c08"}


def test_a_flow_is_known_by_our_mark_and_what_it_does() -> None:
    flow = Flow(bridge="br-tun", table=4, priority=1, match="tun_id=0x22", actions="mod_vlan_vid:12,resubmit(,10)")
    other = Flow(bridge="br-tun", table=4, priority=1, match="tun_id=0x22", actions="mod_vlan_vid:13,resubmit(,10)")
    assert flow.cookie >> 48 == 0x7062
    assert flow.key == other.key
    assert flow.cookie != other.cookie
