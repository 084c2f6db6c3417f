"""A whole lab: service, agents, networks, instances; what is expected holds, and holds again after every change."""

from collections.abc import Iterator
from pathlib import Path

import msgspec
import pytest

from patchbay.errors import LabError, ServiceUnavailable
from patchbay.lab.apply import apply_topology
from patchbay.lab.check import check
from patchbay.lab.lab import Lab
from patchbay.lab.places import places_of
from patchbay.lab.reading import load_topology, parse_topology
from patchbay.lab.topology import Instance, Interface, Network, Reach, Subnet, Topology
from tests.functional.lab.by_hand import wait_for, wrong
from tests.functional.lab.machine import EXAMPLES

SEED = load_topology(EXAMPLES / "seed002.yaml")

LOCAL = """
hosts: {one: {tunnel_ip: 10.0.0.1}, two: {tunnel_ip: 10.0.0.2}}
networks:
  here: {type: local, subnets: {here-v4: 10.1.0.0/24}}
  there: {type: local, subnets: {there-v4: 10.1.0.0/24}}
instances:
  a: {host: one, network: here}
  b: {host: one, network: here, plugging: direct}
  c: {host: one, network: there}
  d: {host: two, network: here}
expect:
  - {from: a, to: b, reach: yes}
  - {from: [a, b], to: d, reach: no}
  - {apart: [here, there]}
"""


@pytest.fixture(scope="module")
def lab() -> Iterator[Lab]:
    with Lab.up(SEED) as running:
        yield running


def brought_about(lab: Lab, topology: Topology) -> dict[tuple[str, str], str]:
    """Apply a topology and say what is not as it expects."""
    apply_topology(lab.client(), topology)
    lab.wait_until_active()
    spaces = {name: host.space for name, host in lab.hosts.items()}
    return wrong(check(topology, places_of(topology, spaces, lab.outside)))


def with_instances(topology: Topology, instances: dict[str, Instance], *expect: Reach) -> Topology:
    return msgspec.structs.replace(
        topology, instances={**topology.instances, **instances}, expect=(*topology.expect, *expect)
    )


@pytest.mark.parametrize("name", sorted(path.name for path in EXAMPLES.glob("*.yaml")))
def test_every_example_holds_what_it_promises(name: str) -> None:
    with Lab.up(load_topology(EXAMPLES / name)) as running:
        outcomes = running.check()
    assert outcomes
    assert wrong(outcomes) == {}


def test_local_networks_stay_on_their_host_and_addresses_may_be_left_to_the_service() -> None:
    with Lab.up(parse_topology(LOCAL, Path("local.yaml"))) as running:
        assert wrong(running.check()) == {}


def test_tunnels_over_an_ipv6_underlay_carry_whole_packets() -> None:
    text = (
        (EXAMPLES / "seed002.yaml")
        .read_text()
        .replace("172.21.12.163", '"fd00::163"')
        .replace("172.21.12.8", '"fd00::8"')
    )
    with Lab.up(parse_topology(text, Path("six.yaml"))) as running:
        assert wrong(running.check()) == {}
        mtu = running.client().request("GET", "/v2.0/networks?name=red")["networks"][0]["mtu"]
        assert mtu == 1430
        largest = ["ping", "-c", "1", "-W", "5", "-M", "do", "-s", str(mtu - 28), "192.168.10.12"]
        running.host("compute1").run(largest, instance="red1")


def test_whole_packets_of_the_network_s_mtu_cross_hosts(lab: Lab) -> None:
    brought_about(lab, SEED)
    largest = ["ping", "-c", "1", "-W", "5", "-M", "do", "-s", str(1450 - 28), "192.168.10.12"]
    lab.host("compute1").run(largest, instance="red1")
    too_large = lab.host("compute1").run([*largest[:-2], "1423", "192.168.10.12"], instance="red1", check=False)
    assert "mtu=1450" in too_large.stdout + too_large.stderr


def test_a_topology_applied_twice_changes_nothing(lab: Lab) -> None:
    brought_about(lab, SEED)
    again = apply_topology(lab.client(), SEED)
    assert (again.created, again.updated, again.unchanged) == ((), (), 16)


def test_a_topology_that_grew_is_applied_on_top(lab: Lab) -> None:
    more = with_instances(
        SEED,
        {
            "red4": Instance("compute2", "hybrid", interfaces={"eth0": Interface("red", ("192.168.10.14",))}),
            "chosen": Instance("compute1", "direct", interfaces={"eth0": Interface("red")}),
        },
        Reach(("red4", "chosen"), ("red1", "red2"), True),
        Reach(("red1", "red2"), ("red4", "chosen"), True),
        Reach(("red4", "chosen"), ("blue1", "blue2"), False),
    )
    assert brought_about(lab, more) == {}


def test_an_instance_that_moved_to_another_host_is_reached_there(lab: Lab) -> None:
    moved = msgspec.structs.replace(
        SEED,
        instances={**SEED.instances, "red3": msgspec.structs.replace(SEED.instances["red3"], host="compute2")},
    )
    apply_topology(lab.client(), moved)
    wait_for(lambda: "red3" in lab.host("compute2").run(["ip", "netns"]).stdout, "red3 is on compute2")
    wait_for(lambda: "red3" not in lab.host("compute1").run(["ip", "netns"]).stdout, "red3 has left compute1")
    assert brought_about(lab, moved) == {}
    assert brought_about(lab, SEED) == {}


def test_networks_and_subnets_are_updated_in_place(lab: Lab) -> None:
    green = Network(
        project="green", segmentation_id=0x77, subnets={"green-v4": Subnet("10.7.0.0/24", gateway="10.7.0.1")}
    )
    before = Topology(name="green", hosts=SEED.hosts, networks={"green": green})
    assert apply_topology(lab.client(), before).created == (("network", "green"), ("subnet", "green-v4"))
    subnets = {"green-v4": Subnet("10.7.0.0/24", gateway="10.7.0.1", dns=("10.7.0.2",))}
    after = msgspec.structs.replace(
        before, networks={"green": msgspec.structs.replace(green, mtu=1400, subnets=subnets)}
    )
    done = apply_topology(lab.client(), after)
    assert (done.created, done.updated) == ((), (("network", "green"), ("subnet", "green-v4")))
    shown = lab.client().request("GET", "/v2.0/subnets?name=green-v4")["subnets"][0]
    assert (shown["gateway_ip"], shown["dns_nameservers"]) == ("10.7.0.1", ["10.7.0.2"])


def test_what_the_service_refuses_is_told_in_its_words(lab: Lab) -> None:
    clash = Topology(name="x", hosts=SEED.hosts, networks={"x": Network(project="x", segmentation_id=0x22)})
    with pytest.raises(LabError, match=r"POST /v2.0/networks: 409 .*34"):
        apply_topology(lab.client(), clash)


def test_traffic_goes_on_while_the_service_is_away_and_its_data_are_there_afterwards(lab: Lab) -> None:
    networks = lab.client().request("GET", "/v2.0/networks")["networks"]
    with lab.ping_stream("red1", "red2") as stream:
        assert stream.wait_for_replies(5)
        lab.stop_service(9)
        assert not lab.is_serving()
        with pytest.raises(ServiceUnavailable):
            lab.client().request("GET", "/v2.0/networks")
        assert stream.wait_for_replies(5)
        lab.start_service()
        assert stream.wait_for_replies(5)
        report = stream.stop()
    assert report.lost == 0
    assert lab.client().request("GET", "/v2.0/networks")["networks"] == networks


def test_an_agent_stops_and_starts(lab: Lab) -> None:
    host = lab.host("compute1")
    host.agent_stop()
    assert not host.is_running("agent")
    host.agent_start()
    wait_for(lambda: host.is_running("agent"), "the agent runs")
    assert wrong(lab.check()) == {}


def test_a_host_that_rebooted_gets_everything_back(lab: Lab) -> None:
    lab.reboot("compute2")
    assert wrong(lab.check(patience_s=15.0)) == {}
    assert Lab.attach(lab.name).host("compute2").space == lab.host("compute2").space


def test_the_table_of_flows_has_the_seed_s_tables(lab: Lab) -> None:
    assert wrong(lab.check()) == {}
    flows = lab.host("compute1").run(["ovs-ofctl", "--no-stats", "dump-flows", "br-tun"]).stdout
    for table in (2, 3, 4, 6, 10, 20, 21, 22):
        assert f"table={table}," in flows
    assert "cookie=0xa9eb8f9011f7e038, table=20, hard_timeout=300" in flows
