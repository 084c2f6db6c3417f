"""Open vSwitch's database: bridges and ports made in one transaction, seen again, changed by strangers, removed."""

import time

from patchbay.host.ovs import Switch
from patchbay.hoststate import Bridge, BridgePort, PortTag
from patchbay.plan.operations import AddBridge, AddPort, ClearPortTag, DelBridge, DelPort, SetPort, SetPortTag

BR_INT = Bridge(name="br-int", datapath_type="netdev", fail_mode="standalone")
BR_TUN = Bridge(name="br-tun", datapath_type="netdev", fail_mode="secure")
PATCH_TUN = BridgePort(name="patch-tun", bridge="br-int", type="patch", options=(("peer", "patch-int"),))
PATCH_INT = BridgePort(name="patch-int", bridge="br-tun", type="patch", options=(("peer", "patch-tun"),))
TAP = BridgePort(
    name="tap1",
    bridge="br-int",
    external_ids=(("attached-mac", "fa:16:3e:00:00:01"), ("iface-id", "port-1")),
    other_config=(("net_uuid", "network-1"), ("tag", "7")),
    tag=7,
    owner="port-1",
)
WANTED = {one.key: one for one in (BR_INT, BR_TUN, PATCH_TUN, PATCH_INT, TAP)}
OPERATIONS = [AddBridge(BR_INT), AddBridge(BR_TUN), *map(AddPort, (PATCH_TUN, PATCH_INT, TAP))]


def test_bridges_and_ports_are_made_in_one_transaction_and_seen_again(on_private_host):
    async def scenario(host):
        host.start_ovs()
        host.sh("ip link add tap1 type veth peer name other; ip link set tap1 up")
        switch = await Switch.open()
        assert switch.resources == {}
        start = time.perf_counter()
        assert await switch.apply(OPERATIONS) == []
        print(f"two bridges, a patch pair and a tap: {(time.perf_counter() - start) * 1000:.1f} ms")
        assert switch.resources == WANTED
        assert switch.bridges() == {"br-int", "br-tun"}
        assert switch.local_vlans() == {"network-1": 7}
        await host.until(lambda: len(switch.ofports.get("br-int", {})) == 3, "numbers of the ports of br-int")
        assert switch.plugged()["port-1"].ofport == switch.ofports["br-int"]["tap1"]
        assert switch.plugged()["port-1"].ours
        again = await Switch.open()
        assert again.resources == WANTED
        await again.close()
        assert await switch.apply(OPERATIONS) == []
        assert switch.resources == WANTED
        retagged = BridgePort(name="tap1", bridge="br-int", tag=8, owner="port-1")
        assert await switch.apply([SetPort(TAP, retagged)]) == []
        assert switch.resources[TAP.key] == retagged
        assert host.sh("ovs-vsctl get port tap1 tag").strip() == "8"
        gone = [DelPort("tap1", "br-int"), DelBridge("br-tun"), DelBridge("br-int")]
        assert await switch.apply(gone) == []
        assert switch.resources == {}
        assert host.sh("ovs-vsctl list-br") == ""
        assert await switch.apply(gone) == []
        await switch.close()

    on_private_host(scenario)


def test_an_interface_that_somebody_plugged_gets_only_a_tag(on_private_host):
    async def scenario(host):
        host.start_ovs()
        switch = await Switch.open()
        await switch.apply(OPERATIONS)
        host.sh(
            "ovs-vsctl add-port br-int vm1 -- set interface vm1 type=internal external_ids:iface-id=port-2"
            " -- set port vm1 external_ids:by=libvirt other_config:theirs=1"
        )
        await host.until(lambda: "port-2" in switch.plugged(), "the interface is seen")
        assert not switch.plugged()["port-2"].ours
        tag = PortTag(name="vm1", tag=9, other_config=(("net_uuid", "network-2"),))
        assert await switch.apply([SetPortTag(tag)]) == []
        assert switch.resources[tag.key] == tag
        assert switch.local_vlans() == {"network-1": 7, "network-2": 9}
        assert await switch.apply([ClearPortTag(tag)]) == []
        assert tag.key not in switch.resources
        assert host.sh("ovs-vsctl get port vm1 tag other_config").split("\n")[:2] == ["[]", '{theirs="1"}']
        await switch.close()

    on_private_host(scenario)


def test_what_a_stranger_does_and_a_missing_device_are_told(on_private_host):
    async def scenario(host):
        host.start_ovs()
        switch = await Switch.open()
        changed = set()
        switch.subscribe(lambda change: changed.update(change.keys))
        await switch.apply(OPERATIONS)
        await host.until(lambda: "tap1" in switch.errors(), "ovs-vswitchd says that tap1 is missing")
        host.sh("ip link add tap1 type veth peer name other; ip link set tap1 up")
        await host.until(lambda: "tap1" in switch.ofports["br-int"], "tap1 has a number")
        for command, key in (
            ("ovs-vsctl set port tap1 tag=99", TAP.key),
            ("ovs-vsctl del-port tap1", TAP.key),
            ("ovs-vsctl set-fail-mode br-int secure", BR_INT.key),
            ("ovs-vsctl del-br br-tun", BR_TUN.key),
            ("ovs-vsctl set interface patch-tun options:peer=nobody", PATCH_TUN.key),
        ):
            changed.clear()
            host.sh(command)
            await host.until(lambda key=key: key in changed, f"{command} is told")
            assert switch.resources.get(key) != WANTED[key]
        assert await switch.apply(OPERATIONS) == []
        assert switch.resources == WANTED
        host.kill("ovsdb-server")
        await host.until(lambda: not switch.is_in_sync, "the connection is lost")
        host.start_ovsdb()
        await host.until(lambda: switch.is_in_sync, "the connection is back")
        assert switch.resources == WANTED
        await switch.close()

    on_private_host(scenario)


def test_ports_of_strangers_are_neither_taken_nor_deleted(on_private_host):
    async def scenario(host):
        host.start_ovs()
        host.sh("ovs-vsctl add-br br-ex -- add-port br-ex tap1 -- add-br br-foreign")
        switch = await Switch.open()
        refused = await switch.apply([*OPERATIONS, DelBridge("br-foreign"), DelPort("tap1", "br-ex")])
        assert [str(error) for _, error in refused] == [
            "Port tap1 is wanted in br-int, but somebody plugged one of this name into br-ex."
            " Unplug it: ovs-vsctl del-port tap1"
        ]
        assert host.sh("ovs-vsctl list-br").split() == ["br-ex", "br-foreign", "br-int", "br-tun"]
        assert host.sh("ovs-vsctl list-ports br-ex").split() == ["tap1"]
        assert switch.resources.keys() == WANTED.keys() - {TAP.key}
        await switch.close()

    on_private_host(scenario)
