"""The OpenFlow connection to a real switch: flows go in, are seen, and what strangers do to them is told."""

import asyncio

from patchbay.host.openflow import OpenFlowConnection
from patchbay.hoststate import Flow

SEED_002 = [
    (0, 1, "in_port=1", "resubmit(,2)"),
    (0, 0, "", "drop"),
    (2, 0, "dl_dst=00:00:00:00:00:00/01:00:00:00:00:00", "resubmit(,20)"),
    (2, 0, "dl_dst=01:00:00:00:00:00/01:00:00:00:00:00", "resubmit(,22)"),
    (4, 1, "tun_id=0x22", "mod_vlan_vid:12,resubmit(,10)"),
    (
        10,
        1,
        "",
        "learn(table=20,hard_timeout=300,priority=1,cookie=0xa9eb8f9011f7e038,NXM_OF_VLAN_TCI[0..11],"
        "NXM_OF_ETH_DST[]=NXM_OF_ETH_SRC[],load:0->NXM_OF_VLAN_TCI[],load:NXM_NX_TUN_ID[]->NXM_NX_TUN_ID[],"
        "output:NXM_OF_IN_PORT[]),output:1",
    ),
    (20, 0, "", "resubmit(,22)"),
    (20, 2, "dl_vlan=12,dl_dst=fa:16:3e:00:00:01", "strip_vlan,set_tunnel:0x22,output:7"),
    (22, 32768, "dl_vlan=12", "strip_vlan,set_tunnel:0x22,output:8"),
]
"""Table, priority, match and actions as ``ovs-ofctl dump-flows`` prints them (seed 002, and table 20 beyond it)."""


def flow(table: int, priority: int, match: str, actions: str) -> Flow:
    return Flow(bridge="br-tun", table=table, priority=priority, match=match, actions=actions)


async def on_bridge(host, **callbacks) -> OpenFlowConnection:
    host.start_ovs()
    host.sh("ovs-vsctl add-br br-tun -- set bridge br-tun datapath_type=netdev fail_mode=secure")
    connection = OpenFlowConnection("br-tun", **callbacks)
    await connection.open()
    return connection


def dumped(host) -> set[str]:
    """The flows that ovs-ofctl shows, without cookie and counters."""
    lines = host.sh("ovs-ofctl dump-flows br-tun --no-stats").splitlines()
    return {line.strip() for line in lines if "actions=" in line}


def test_each_flow_of_seed_002_reads_in_the_switch_as_it_was_written(on_private_host):
    async def scenario(host):
        connection = await on_bridge(host)
        flows = [flow(*parts) for parts in SEED_002]
        assert await connection.apply(flows) == ()
        print("\n".join(dumped(host)))
        assert sorted(await connection.observe()) == sorted((f.table, f.cookie, f.priority) for f in flows)
        await connection.close()

    on_private_host(scenario)
