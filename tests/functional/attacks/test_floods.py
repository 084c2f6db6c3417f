"""Floods: an instance asks for more than its share, of many kinds, and what others do goes on, on its own network too.

Every frame of a flood is one that an instance may send: nothing is forged. What is bounded is how much comes of it.
"""

import re
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from patchbay.compile import names
from patchbay.compile.facts import CONNECTIONS_PER_NETWORK, NEW_CONNECTIONS_PER_S
from tests.functional.attacks.flooding import Flood
from tests.functional.convergence.conversation import conversing
from tests.functional.security.town import Town, wait_for

MALLORY, MALLORY6, NEIGHBOUR, WEB = "10.0.1.66", "fd00:1::66", "10.0.1.12", "10.0.1.31"
LIMITS = "ovs-appctl dpctl/ct-get-limits netdev@ovs-netdev"
AGENT = "$(cat /run/patchbay/agent.pid)"
LOST_SHARE = 0.05
"""Of pings that others send while one thread switches for all and two processors do everything else."""
SERVE = "import http.server as h; h.HTTPServer(('', 80), h.BaseHTTPRequestHandler).serve_forever()"


def flood(town: Town, kind: str, count: int, mac: str, address: str) -> Flood:
    """Of mallory's, to this MAC and address."""
    own = (town.port("mallory")["mac_address"], MALLORY6 if ":" in address else MALLORY)
    return Flood(town.lab.places()["mallory"].path, kind, count, own, (mac, address))


def mac_of_router(town: Town, router: str, prefix: str) -> str:
    """The MAC of a router's interface with an address that begins so."""
    ports = town.client.request("GET", f"/v2.0/ports?device_id={town.get('routers', router)['id']}")["ports"]
    addressed = {port["fixed_ips"][0]["ip_address"]: port["mac_address"] for port in ports}
    return next(mac for address, mac in addressed.items() if address.startswith(prefix))


def connections(town: Town, instance: str) -> int:
    """How many are tracked in the zone of an instance's network on compute1."""
    found = re.findall(r"zone=(\d+),limit=\d+,count=(\d+)", limits(town))
    return int(dict(found)[zone_of(town, instance)])


def zone_of(town: Town, instance: str) -> str:
    """The zone of an instance's network on compute1: its local VLAN."""
    return town.on("compute1", f"ovs-vsctl get port tap{town.port(instance)['id'][:11]} tag").strip()


def limits(town: Town) -> str:
    """The limits of zones on compute1, as Open vSwitch says them."""
    return town.on("compute1", LIMITS)


@contextmanager
def others_go_on(town: Town) -> Iterator[None]:
    """blue's instances talk from host to host, and two of red's beside mallory on its own host, old and new."""
    server = subprocess.Popen(
        ["nsenter", f"--net={town.lab.places()['web'].path}", "--", "python3", "-c", SERVE], stderr=subprocess.DEVNULL
    )
    try:
        wait_for(lambda: town.connects("neighbour", WEB, 80), "web answers before the flood")
        with (
            conversing(town.lab, "blue1", "blue2", "10.0.2.12", "10.0.2.12", 0.02) as far,
            conversing(town.lab, "mallory2", "neighbour", NEIGHBOUR, NEIGHBOUR, 0.02) as near,
            town.lab.ping_stream("blue1", "blue2", 0.02) as pings,
        ):
            assert pings.wait_for_replies(3), "blue's instances do not reach each other before the flood"
            yield
            assert pings.wait_for_replies(3), "blue's instances do not reach each other any more"
            report = pings.stop()
            for talk in (far, near):
                talk.stop()
                assert talk.returned == talk.sent > 0
        assert report.lost <= LOST_SHARE * report.sent, report
    finally:
        server.kill()
        server.wait()


@pytest.mark.parametrize("kind", ["syn", "scan", "udp", "random addresses"])
def test_new_connections_beyond_the_limit_are_dropped_and_others_begin_theirs(town: Town, kind: str) -> None:
    mac, address = town.port("neighbour")["mac_address"], NEIGHBOUR
    if kind == "scan":
        mac, address = town.port("web")["mac_address"], WEB
    elif kind == "random addresses":
        mac = mac_of_router(town, "red-router", "10.0.1.")
    town.on("compute1", "ovs-appctl dpctl/flush-conntrack")
    with others_go_on(town):
        start = time.monotonic()
        with flood(town, kind, 150_000, mac, address):
            tried = [town.connects("neighbour", WEB, 80) for _ in range(3)]
        allowed = NEW_CONNECTIONS_PER_S * (1 + time.monotonic() - start)
        assert tried == [True, True, True]
        assert connections(town, "mallory") <= allowed + 100, "only what the meter lets through is tracked"
    assert dropped(town, "mallory") > 0


def dropped(town: Town, instance: str) -> int:
    """How many packets the meter of what an instance sends has dropped."""
    number = names.meter_number(town.port(instance)["id"], "egress")
    found = town.on("compute1", f"ovs-ofctl -O OpenFlow14 meter-stats br-int meter={number}")
    match = re.search(r"0: packet_count:(\d+)", found)
    assert match, found
    return int(match[1])


def test_the_agent_says_who_begins_too_many(town: Town) -> None:
    port = town.port("mallory")["id"]
    said = f"port {port} begins more than {NEW_CONNECTIONS_PER_S} new connections in a second"
    with flood(town, "udp", 60_000, town.port("neighbour")["mac_address"], NEIGHBOUR):
        pass
    wait_for(lambda: said in town.lab.host("compute1").log("agent", 200), "the agent names the port")


@pytest.mark.parametrize("kind", ["random macs", "arp"])
def test_what_the_switch_has_to_look_up_each_time_stops_nobody(town: Town, kind: str) -> None:
    with others_go_on(town), flood(town, kind, 20_000, town.port("neighbour")["mac_address"], NEIGHBOUR):
        assert town.connects("neighbour", WEB, 80)


def test_neighbours_that_nobody_is_leave_room_for_those_of_other_routers(town: Town) -> None:
    """The kernel has one table of neighbours, of 1,024 entries, for all namespaces."""
    mac = mac_of_router(town, "red-router", "fd00:1:")
    blue = f"qrouter-{town.get('routers', 'blue-router')['id']}"
    found = []
    with flood(town, "random neighbours", 200_000, mac, "fd00:1::1"):
        for _ in range(3):
            town.on("compute1", f"ip netns exec {blue} ip -6 neigh flush all")
            found.append(town.reaches("blue1", "fd00:2::1"))
    assert found == [True, True, True]


def test_one_connection_may_send_as_much_as_it_likes(town: Town) -> None:
    """Also one that nobody answers: it is noted, so its packets begin nothing."""
    before = dropped(town, "mallory")
    with flood(town, "one connection", 50_000, town.port("neighbour")["mac_address"], NEIGHBOUR):
        pass
    assert dropped(town, "mallory") == before


def test_a_network_that_has_all_its_connections_takes_none_of_others(town: Town) -> None:
    zone = zone_of(town, "mallory")
    town.on("compute1", f"kill -STOP {AGENT}; ovs-appctl dpctl/flush-conntrack")
    try:
        town.on("compute1", f"ovs-appctl dpctl/ct-set-limits netdev@ovs-netdev zone={zone},limit=50")
        with flood(town, "udp", 2_000, town.port("neighbour")["mac_address"], NEIGHBOUR):
            pass
        assert connections(town, "mallory") == 50
        assert town.reaches("blue1", "10.0.2.12"), "blue has its own"
    finally:
        town.on("compute1", f"kill -CONT {AGENT}")
    wait_for(lambda: f"zone={zone},limit={CONNECTIONS_PER_NETWORK}," in limits(town), "the limit is as it was")
    town.on("compute1", "ovs-appctl dpctl/flush-conntrack")


def test_limits_that_somebody_takes_away_come_back(town: Town) -> None:
    number = names.meter_number(town.port("mallory")["id"], "egress")
    zone = zone_of(town, "mallory")
    flows = "ovs-ofctl -O OpenFlow14 --no-stats dump-flows br-int table=74"
    town.on("compute1", f"ovs-appctl dpctl/ct-del-limits netdev@ovs-netdev zone={zone}")
    town.on("compute1", "ovs-ofctl -O OpenFlow14 del-meters br-int")
    wait_for(lambda: f"zone={zone},limit={CONNECTIONS_PER_NETWORK}," in limits(town), "the limit of the zone is back")
    wait_for(
        lambda: (
            f"rate={NEW_CONNECTIONS_PER_S}"
            in town.on("compute1", f"ovs-ofctl -O OpenFlow14 dump-meter br-int meter={number}")
        ),
        "the meter is back",
    )
    wait_for(lambda: f"meter:{number}" in town.on("compute1", flows), "the flows that use it are back")
