"""The kernel's state over netlink: made, seen, changed by strangers, removed."""

import socket
import time

import msgspec

from patchbay.host import rtnetlink
from patchbay.host.netlink import Kernel
from patchbay.host.netlink_apply import apply
from patchbay.hoststate import Address, Link, Namespace, Route
from patchbay.plan.operations import (
    AddAddress,
    AddBridgeLink,
    AddNamespace,
    AddRoute,
    AddVeth,
    DelAddress,
    DelLink,
    DelNamespace,
    DelRoute,
    SetLink,
)

MARK = "patchbay:instance"
WEB = Namespace(name="web", alias=MARK)
TAP = Link(name="tap1", kind="veth", peer="eth0", peer_namespace="web", master="qbr1", mtu=1450, alias=MARK)
ETH0 = Link(
    name="eth0",
    namespace="web",
    kind="veth",
    peer="tap1",
    mac="fa:16:3e:00:00:01",
    mtu=1450,
    ipv6=True,
    tx_checksum=False,
    alias=MARK,
)
QBR = Link(name="qbr1", kind="bridge", mtu=1450, alias=MARK)
ADDRESSES = tuple(Address(namespace="web", link="eth0", address=one) for one in ("10.0.0.5/24", "fd00::5/64"))
ROUTES = (
    Route(namespace="web", destination="0.0.0.0/0", gateway="10.0.0.1", link="eth0"),
    Route(namespace="web", destination="::/0", gateway="fd00::1", link="eth0", metric=1024),
)
RESOURCES = {resource.key: resource for resource in (WEB, TAP, ETH0, QBR, *ADDRESSES, *ROUTES)}
OPERATIONS = [
    AddNamespace(WEB),
    AddBridgeLink(QBR),
    AddVeth(TAP, ETH0),
    *map(AddAddress, ADDRESSES),
    *map(AddRoute, ROUTES),
]


def test_an_address_that_is_taken_away_as_soon_as_it_is_there_is_missed(on_private_host):
    async def scenario(host):
        kernel = await Kernel.open(RESOURCES)
        assert await apply(kernel, OPERATIONS) == []
        host.sh("ip -n web address flush dev eth0")
        run = kernel.thread.run

        async def run_and_take_away(work):
            kernel.thread.run = run
            await run(work)
            host.sh("ip -n web address flush dev eth0")
            await kernel.drain(["web"])

        kernel.thread.run = run_and_take_away
        assert await apply(kernel, list(map(AddAddress, ADDRESSES))) == []
        assert not {address.key for address in ADDRESSES} & kernel.resources.keys()

    on_private_host(scenario)


def test_settings_for_ipv6_that_come_after_a_link_was_read_are_seen(on_private_host):
    async def scenario(_host):
        kernel = await Kernel.open(RESOURCES)
        assert await apply(kernel, OPERATIONS) == []
        view, parse = kernel.views[""], rtnetlink.parse_link
        index = next(link.index for link in view.links.values() if link.name == "qbr1")
        view.links[index] = msgspec.structs.replace(view.links[index], mtu=600, ipv6=None)
        is_late = iter([True])

        def parse_late(body):
            link = parse(body)
            return msgspec.structs.replace(link, ipv6=None) if link.index == index and next(is_late, False) else link

        rtnetlink.parse_link = parse_late
        view.is_unsure = True
        await kernel.drain([""])
        assert next(is_late, None) is None
        assert view.links[index].ipv6 is not None

    on_private_host(scenario)


def test_an_instance_with_hybrid_plugging_is_made_seen_again_and_removed(on_private_host):
    async def scenario(host):
        kernel = await Kernel.open(RESOURCES)
        start = time.perf_counter()
        assert await apply(kernel, OPERATIONS) == []
        print(f"namespace, bridge and veth: {(time.perf_counter() - start) * 1000:.1f} ms")
        assert kernel.resources == RESOURCES
        assert "web" in host.sh("ip netns list")
        assert "10.0.0.5/24" in host.sh("ip netns exec web ip -br address show dev eth0")
        assert "default via fd00::1" in host.sh("ip netns exec web ip -6 route")
        assert "tx-checksumming: off" in host.sh("ip netns exec web ethtool -k eth0")
        assert host.sh("cat /proc/sys/net/ipv6/conf/tap1/disable_ipv6").strip() == "1"
        assert "alias patchbay:instance" in host.sh("ip link show master qbr1")
        again = await Kernel.open(RESOURCES, is_watching=False)
        assert again.resources == RESOURCES
        again.close()
        assert await apply(kernel, OPERATIONS) == []
        assert kernel.resources == RESOURCES
        gone = [
            *map(DelRoute, ROUTES),
            *map(DelAddress, ADDRESSES),
            DelLink(TAP),
            DelLink(QBR),
            DelNamespace("web"),
        ]
        assert await apply(kernel, gone) == []
        assert kernel.resources == {}
        assert host.sh("ip netns list; ip -br link show type veth; ip -br link show type bridge") == ""
        assert await apply(kernel, gone) == []
        kernel.close()

    on_private_host(scenario)


def test_what_a_stranger_changes_is_told_at_once(on_private_host):
    async def scenario(host):
        kernel = await Kernel.open(RESOURCES)
        await apply(kernel, OPERATIONS)
        changed = set()
        kernel.subscribe(changed.update)
        for command, key in (
            ("ip netns exec web ip addr del 10.0.0.5/24 dev eth0", ADDRESSES[0].key),
            ("ip netns exec web ip route del default via 10.0.0.1 || true", ROUTES[0].key),
            ("ip netns exec web ip -6 route del default", ROUTES[1].key),
            ("ip netns exec web ip addr flush dev eth0", ADDRESSES[1].key),
            ("ip netns exec web ip link set eth0 mtu 1400", ETH0.key),
            ("ip netns exec web ethtool -K eth0 tx on", ETH0.key),
            ("ip link set tap1 down", TAP.key),
            ("ip link set tap1 nomaster", TAP.key),
            ("ip link del qbr1", QBR.key),
            ("ip netns del web", WEB.key),
        ):
            host.sh(command)
            await host.until(lambda key=key: kernel.resources.get(key) != RESOURCES[key], f"{command} is told")
        await host.until(lambda: not kernel.resources, "the whole instance is gone")
        assert await apply(kernel, OPERATIONS) == []
        assert sorted(map(str, kernel.resources.values())) == sorted(map(str, RESOURCES.values()))
        kernel.close()

    on_private_host(scenario)


def test_settings_are_set_back_on_links_that_are_there(on_private_host):
    async def scenario(host):
        kernel = await Kernel.open(RESOURCES)
        await apply(kernel, OPERATIONS)
        host.sh("ip link set tap1 down; ip link set tap1 nomaster mtu 1300; ip link set tap1 alias ''")
        host.sh("ip netns exec web ip link set eth0 address 02:00:00:00:00:09")
        host.sh("ip netns exec web sysctl -qw net.ipv6.conf.eth0.disable_ipv6=1")
        host.sh("ip netns exec web ethtool -K eth0 tx on")
        assert await apply(kernel, [SetLink(TAP, TAP), SetLink(ETH0, ETH0)]) == []
        assert kernel.resources[TAP.key] == TAP
        assert kernel.resources[ETH0.key] == ETH0
        kernel.close()

    on_private_host(scenario)


def test_foreign_namespaces_and_links_are_neither_seen_nor_touched(on_private_host):
    async def scenario(host):
        host.sh("ip netns add web; ip link add qbr1 type bridge; ip link set qbr1 alias somebody")
        kernel = await Kernel.open(RESOURCES)
        assert kernel.resources == {}
        failures = await apply(kernel, OPERATIONS)
        words = [str(failure.error) for failure in failures if failure.error]
        assert words == [
            "Namespace web exists and is not Patchbay's. "
            "Rename the instance, or delete the namespace: ip netns del web",
            "Link qbr1 exists and is not Patchbay's. Rename or delete it: ip link del qbr1",
        ]
        assert [failure.operation for failure in failures if not failure.error] == OPERATIONS[2:]
        assert host.sh("ip netns exec web ip -br link | grep -v ^lo || true") == ""
        kernel.close()

    on_private_host(scenario)


def test_one_refused_link_does_not_stop_its_neighbours(on_private_host):
    async def scenario(host):
        kernel = await Kernel.open(RESOURCES)
        bad = AddVeth(
            Link(name="tapbad", kind="veth", peer="eth0", peer_namespace="nowhere", alias=MARK),
            Link(name="eth0", namespace="nowhere", kind="veth", peer="tapbad", alias=MARK),
        )
        failures = await apply(kernel, [*OPERATIONS[:2], bad, *OPERATIONS[2:]])
        assert [failure.operation for failure in failures] == [bad]
        assert kernel.resources == RESOURCES
        kernel.close()

    on_private_host(scenario)


def test_events_that_the_kernel_dropped_are_made_good_by_reading_anew(on_private_host):
    async def scenario(host):
        kernel = await Kernel.open(RESOURCES)
        await apply(kernel, OPERATIONS)
        for view in kernel.views.values():
            view.events.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1)
        host.sh(
            "ip link set tap1 mtu 1300\n"
            "for i in $(seq 50); do ip link add x$i type bridge; ip netns exec web ip link add y$i type bridge; done\n"
            "ip netns exec web ip addr del 10.0.0.5/24 dev eth0; ip link set qbr1 down"
        )
        await host.until(lambda: kernel.resources[TAP.key].mtu == 1300, "the new MTU is known")
        await host.until(lambda: ADDRESSES[0].key not in kernel.resources, "the lost address is known")
        await host.until(lambda: kernel.resources[QBR.key] != QBR, "the bridge that is down is known")
        kernel.close()

    on_private_host(scenario)
