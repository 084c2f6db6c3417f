"""Meters and limits of tracked connections on a real switch: set, read back, changed, and gone with ovs-vswitchd."""

from pathlib import Path

import pytest

from patchbay.errors import HostError
from patchbay.host.connection_limits import delete_limits, read_limits, set_limits
from patchbay.host.flow_errors import FlowsRefused, MeterRefused
from patchbay.host.openflow import OpenFlowConnection
from patchbay.hoststate import ConnectionLimit, Flow, Meter

RUNDIR = Path("/run/openvswitch")


def meter(number: int, rate: int = 100) -> Meter:
    return Meter(bridge="br-int", number=number, rate=rate, burst=2 * rate)


async def with_bridge(host) -> OpenFlowConnection:
    host.start_ovs()
    host.sh("ovs-vsctl add-br br-int -- set bridge br-int datapath_type=netdev fail_mode=secure")
    connection = OpenFlowConnection("br-int")
    await connection.open()
    return connection


def test_meters_are_set_changed_read_and_deleted_with_their_flows(on_private_host):
    flow = Flow(bridge="br-int", table=74, priority=9, match="ip,in_port=1", actions="meter:1024,resubmit(,75)")

    async def scenario(host):
        connection = await with_bridge(host)
        with pytest.raises(FlowsRefused):
            await connection.apply([flow])
        wanted = [meter(1024), meter(2147483647)]
        await connection.set_meters(wanted)
        assert await connection.meters() == wanted
        await connection.apply([flow])
        assert "actions=meter:1024,resubmit(,75)" in host.sh("ovs-ofctl -O OpenFlow14 dump-flows br-int")
        changed = [meter(1024, 50), meter(1030), meter(2147483647)]
        await connection.set_meters(changed)
        assert await connection.meters() == changed
        assert await connection.count() == 1, "a meter that changes keeps its flows"
        assert await connection.dropped() == {1024: 0, 1030: 0, 2147483647: 0}
        host.sh("ovs-ofctl -O OpenFlow14 add-meter br-int meter=1,kbps,bands=type=drop,rate=7")
        assert Meter(bridge="br-int", number=1, rate=0, burst=0) in await connection.meters(), "not one of our kind"
        await connection.delete_meters([meter(1024), meter(2000)])
        assert {one.number for one in await connection.meters()} == {1, 1030, 2147483647}
        assert await connection.count() == 0
        with pytest.raises(MeterRefused, match="Meter 4294967040 of br-int was refused"):
            await connection.set_meters([meter(0xFFFFFF00), meter(1031)])
        assert 1031 in {one.number for one in await connection.meters()}, "one that is refused keeps no other away"
        await connection.close()

    on_private_host(scenario)


def test_limits_of_zones_are_set_and_read_and_go_with_ovs_vswitchd(on_private_host):
    limits = tuple(ConnectionLimit(zone=zone, limit=10 * zone, datapath_type="netdev") for zone in range(1, 4095))

    async def scenario(host):
        with pytest.raises(HostError, match="cannot be asked"):
            await read_limits(RUNDIR, "netdev")
        connection = await with_bridge(host)
        await connection.close()
        assert await read_limits(RUNDIR, "netdev") == []
        await set_limits(RUNDIR, "netdev", limits)
        assert {use.limit for use in await read_limits(RUNDIR, "netdev")} == set(limits), "as many as there are zones"
        await delete_limits(RUNDIR, "netdev", limits[1:])
        assert [use.limit for use in await read_limits(RUNDIR, "netdev")] == [limits[0]]
        with pytest.raises(HostError, match="refused"):
            await set_limits(RUNDIR, "system", limits)
        host.kill("ovs-vswitchd")
        host.start_vswitchd()
        assert await read_limits(RUNDIR, "netdev") == []

    on_private_host(scenario)
