"""What distributed routers forward in flows, with packets: between subnets, hosts and routers, and never astray."""

import re

import pytest

from tests.functional.routing.conftest import Town, wait_for

FAST = [
    ("red1", "10.0.2.11", 63),
    ("red1", "10.0.2.12", 63),
    ("red1", "fd00:2::11", 63),
    ("red1", "fd00:2::12", 63),
    ("blue2", "10.0.1.11", 63),
    ("red3", "fd00:2::12", 63),
    ("red1", "10.0.3.11", 62),
    ("red1", "10.0.3.12", 62),
    ("red1", "fd00:3::11", 62),
    ("red1", "fd00:3::12", 62),
    ("green2", "10.0.1.11", 62),
    ("green2", "fd00:1::13", 62),
]
"""Who asks whom, and the time to live of the answer."""


@pytest.mark.parametrize(("name", "target", "ttl"), FAST)
def test_packets_go_by_flows_alone_and_each_router_takes_one_from_their_life(
    town: Town, name: str, target: str, ttl: int
) -> None:
    before = {host: town.slow(host) for host in town.lab.hosts}
    words = town.ping(name, target)
    assert words.count(f"ttl={ttl} ") == 3, words
    assert {host: town.slow(host) for host in town.lab.hosts} == before


@pytest.mark.parametrize(
    ("name", "target", "hops"),
    [
        ("red1", "10.0.3.12", ["10.0.1.1", "10.0.2.254"]),
        ("green1", "10.0.1.13", ["10.0.3.1", "10.0.2.1"]),
        ("red1", "fd00:3::12", ["fd00:1::1", "fd00:(2::fe|3::1)"]),
        ("red1", "198.51.100.1", ["10.0.1.1"]),
    ],
)
def test_a_traced_route_shows_every_router(town: Town, name: str, target: str, hops: list[str]) -> None:
    for number, hop in enumerate(hops, 1):
        words = town.ping(name, target, f"-t {number}", 1)
        assert re.search(rf"From {hop} icmp_seq=1 Time (to live )?exceeded", words), words
    assert "1 received" in town.ping(name, target, f"-t {len(hops) + 1}", 1)


@pytest.mark.parametrize("target", ["10.0.1.1", "10.0.2.1", "fd00:1::1", "fd00:2::1", "fd00:4::1"])
@pytest.mark.parametrize("size", [8, 56, 1372, 4000])
def test_every_address_of_a_router_answers_echo_requests_of_any_size(town: Town, target: str, size: int) -> None:
    for name in ("red1", "blue2"):
        words = town.ping(name, target, f"-s {size}")
        assert "3 received" in words, words
        assert len(re.findall(r"ttl=64\b", words)) == 3, words


@pytest.mark.parametrize("target", ["10.0.2.254", "10.0.3.1", "fd00:2::fe", "fd00:3::1"])
def test_the_addresses_of_a_router_behind_a_router_answer(town: Town, target: str) -> None:
    for name in ("red1", "red3", "green2"):
        words = town.ping(name, target)
        assert "3 received" in words, words


def test_a_router_with_time_to_live_one_left_answers_for_itself(town: Town) -> None:
    assert "1 received" in town.ping("red1", "10.0.2.1", "-t 1", 1)


def test_what_is_too_large_is_told_and_what_may_be_fragmented_is(town: Town) -> None:
    assert "mtu = 1400" in town.ping("red1", "10.0.2.12", "-M do -s 1422", 1)
    words = town.ping("red1", "fd00:2::12", "-M do -s 1402", 1)
    assert "Packet too big: mtu=1400" in words or "mtu: 1400" in words, words
    town.within("red1", "ip route flush cache; ip -6 route flush cache")
    for target in ("10.0.2.11", "10.0.2.12"):
        words = town.ping("red1", target, "-M dont -s 1422")
        assert "3 received" in words, words
    assert "1 received" in town.ping("red1", "10.0.2.12", "-M do -s 1372", 1)
    assert "3 received" in town.ping("red1", "10.0.2.12", "-s 5000")
    town.ping("red1", "fd00:2::12", "-s 5000", 1)  # its sender is told the MTU, and sends smaller fragments then
    assert "3 received" in town.ping("red1", "fd00:2::12", "-s 5000")


@pytest.mark.parametrize(("name", "address"), [("blue2", "172.16.0.1"), ("blue2", "fd00:9::1")])
def test_an_extra_route_leads_to_what_is_behind_an_instance(town: Town, name: str, address: str) -> None:
    town.within(name, f"ip addr replace {address} dev lo")
    for asker in ("red1", "green1"):
        words = town.ping(asker, address)
        assert "3 received" in words, words
    assert "1 received" not in town.ping("orange1", address, count=1)


SEND = """
import socket, time
for port in range(20000, 20040):
    one = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    one.bind(("", port))
    for _ in range(3):
        one.sendto(b"x", ("172.17.0.1", 9))
        time.sleep(0.001)  # a burst would overflow the queue of the device
"""


def test_connections_are_spread_over_next_hops_of_equal_cost(town: Town) -> None:
    """Each connection stays on its path: the counts are multiples of what each sends."""
    choices = re.findall(r"reg4=(0x\w+),", town.on("compute1", "ovs-ofctl dump-flows br-int table=44"))
    before = [town.packets("compute1", 44, f"reg4={choice},") for choice in choices]
    town.lab.run_in("red1", ["python3", "-c", SEND])
    after = [town.packets("compute1", 44, f"reg4={choice},") for choice in choices]
    counts = [now - was for was, now in zip(before, after, strict=True)]
    assert sum(counts) == 120, counts
    assert all(count >= 24 and count % 3 == 0 for count in counts), counts


def test_routers_with_the_same_subnets_stay_apart(town: Town) -> None:
    assert "ttl=63" in town.ping("orange1", "10.0.2.12")
    seen = {}
    for name in ("lemon2", "blue2"):
        seen[name] = town.received(name)
    town.ping("orange1", "10.0.2.12", count=20)
    for name, least, most in (("lemon2", 20, 60), ("blue2", 0, 15)):
        assert least <= town.received(name) - seen[name] <= most, name


@pytest.mark.parametrize(
    ("holder", "address"),
    [("blue1", "10.0.2.77/24"), ("blue1", "fd00:2::77/64"), ("blue2", "10.0.2.78/24"), ("blue2", "fd00:2::78/64")],
)
def test_an_address_that_nobody_knows_is_found_by_asking(town: Town, address: str, holder: str) -> None:
    target = address.partition("/")[0]
    nodad = "nodad" if ":" in address else ""
    town.within(
        holder,
        "ip link add link eth0 name other type macvlan mode bridge; ethtool -K other tx off; ip link set other up\n"
        f"ip addr add {address} dev other {nodad}",
    )
    try:
        before = town.slow("compute1")
        words = town.ping("red1", target, count=5)
        assert re.search("[45] received", words), words
        assert town.slow("compute1") > before
    finally:
        town.within(holder, "ip link del other")


def test_what_routers_elsewhere_send_to_an_instance_is_not_flooded(town: Town) -> None:
    """Its own host never switches what it sends to routers, so it does not learn where it is."""
    town.ping("blue2", "10.0.1.11", count=1)
    town.on("compute1", "ovs-appctl fdb/flush br-int")
    before = town.received("red2")
    for name in ("blue2", "green2"):
        assert "20 received" in town.ping(name, "10.0.1.11", count=20)
    assert town.received("red2") - before < 10


def test_what_the_namespaces_send_to_an_instance_is_not_flooded(town: Town) -> None:
    """Answers from outside come from the router's home, metadata from the instance's host."""
    town.ping("red1", "198.51.100.1", count=1)
    for host in ("compute1", "gateway1"):
        town.on(host, "ovs-appctl fdb/flush br-int")
    before = {name: town.received(name) for name in ("red2", "red3")}
    assert "30 received" in town.ping("red1", "198.51.100.1", count=30)
    for _ in range(5):
        assert town.read("red1", "http://169.254.169.254/latest/meta-data/hostname").startswith("red1.")
    for name, count in before.items():
        assert town.received(name) - count < 8, name


def test_neighbours_know_one_mac_of_the_router_and_its_hosts_none(town: Town) -> None:
    """Whatever the kernel of a namespace says, an instance remembers the interface's MAC for the router's address."""
    ports = town.list("ports", f"?device_id={town.routers['edge']['id']}")
    macs = {fixed["ip_address"]: port["mac_address"] for port in ports for fixed in port["fixed_ips"]}
    town.ping("red1", "10.0.2.1", "-s 4000")
    town.ping("red1", "fd00:2::1", "-s 4000")
    for name, addresses in (("red1", ("10.0.1.1", "fd00:1::1")), ("blue2", ("10.0.2.1", "fd00:2::1"))):
        town.ping(name, addresses[0], count=1)
        town.ping(name, addresses[1], count=1)
        known = town.within(name, "ip neigh")
        for address in addresses:
            assert re.search(f"{address} dev eth0 lladdr {macs[address]} ", known), known


def test_instances_configure_themselves_by_their_own_host_s_advertisements(town: Town) -> None:
    (port,) = (
        port
        for port in town.list("ports", "?device_owner=network:router_interface_distributed")
        if any(fixed["ip_address"] == "fd00:4::1" for fixed in port["fixed_ips"])
    )
    first, *rest = (int(part, 16) for part in port["mac_address"].split(":"))
    parts = [first ^ 2, *rest]
    router = f"fe80::{parts[0]:x}{parts[1]:02x}:{parts[2]:x}ff:fe{parts[3]:02x}:{parts[4] << 8 | parts[5]:x}"
    for name in ("sand1", "sand2"):
        wait_for(lambda name=name: "default" in town.within(name, "ip -6 route"), f"{name} has a way out")
        routes = town.within(name, "ip -6 route show default")
        assert re.findall(r"via (\S+)", routes) == [router], routes
        assert "3 received" in town.ping(name, "fd00:2::12")
        assert "3 received" in town.ping(name, f"{router}%eth0")
        known = town.within(name, f"ip neigh show {router}")
        assert port["mac_address"] in known, known


@pytest.mark.parametrize("name", ["red1", "red3", "green2", "orange1"])
def test_each_instance_reads_its_own_metadata_on_its_own_host(town: Town, name: str) -> None:
    def read() -> str:
        return town.read(name, "http://169.254.169.254/latest/meta-data/hostname")

    wait_for(lambda: read().startswith(f"{name}."), f"{name} reads its name, not {read()}")


@pytest.mark.parametrize(
    ("name", "seen"),
    [
        ("red1", "198.51.100.5"),
        ("blue1", "198.51.100.5"),
        ("green1", "198.51.100.5"),
        ("red3", "198.51.100.13"),
        ("blue2", "198.51.100.12"),
    ],
)
def test_what_goes_out_is_translated_at_home(town: Town, name: str, seen: str) -> None:
    words = town.read(name, "http://198.51.100.1/")
    assert seen in words
    if seen != "198.51.100.5":
        assert "3 received" in town.ping("internet", seen)
    assert "3 received" in town.ping("internet", "198.51.100.5")


def test_no_flow_hands_a_packet_to_a_controller(town: Town) -> None:
    for host in town.lab.hosts:
        flows = "".join(town.on(host, f"ovs-ofctl dump-flows {bridge}") for bridge in ("br-int", "br-tun"))
        assert "n_packets" in flows
        assert not re.search("CONTROLLER|controller|userspace", flows)
        assert town.on(host, "ovs-vsctl get-controller br-int; ovs-vsctl get-fail-mode br-int") == "standalone\n"
