"""What a topology becomes as bodies of requests, where that is more than a copy; boot scripts of machines outside."""

from pathlib import Path

from patchbay.lab.apply import addresses_on, port_body, ranges_without, subnet_body
from patchbay.lab.apply_routers import floating_ip_body, router_body
from patchbay.lab.lab import summary
from patchbay.lab.objects import Applied, difference, together
from patchbay.lab.outside import boot_script, dns_command
from patchbay.lab.reading import load_topology
from patchbay.lab.topology import Router

SEED = load_topology(Path(__file__).resolve().parents[3] / "examples" / "seed000.yaml")


def test_addresses_that_the_file_gives_are_cut_out_of_the_dhcp_range() -> None:
    network = SEED.networks["tag100"]
    taken = addresses_on(SEED, "tag100")
    assert taken == {"10.0.0.10", "10.0.0.11", "10.0.0.15", "10.0.0.100"}
    body = subnet_body("tag100-v4", network.subnets["tag100-v4"], network, "id", taken)
    assert [(each["start"], each["end"]) for each in body["dhcp_ranges"]] == [
        ("10.0.0.5", "10.0.0.9"),
        ("10.0.0.12", "10.0.0.14"),
        ("10.0.0.16", "10.0.0.99"),
        ("10.0.0.101", "10.0.0.150"),
    ]


def test_a_range_loses_its_ends_and_may_be_gone() -> None:
    assert list(ranges_without("10.0.0.1-10.0.0.3", {"10.0.0.1", "10.0.0.3", "10.9.9.9"})) == [("10.0.0.2", "10.0.0.2")]
    assert list(ranges_without("10.0.0.1 - 10.0.0.1", {"10.0.0.1"})) == []
    assert list(ranges_without("fd00::1-fd00::2", set())) == [("fd00::1", "fd00::2")]


def test_a_port_has_the_name_of_its_instance_and_a_dynamic_one_has_no_address() -> None:
    interface = SEED.instances["dhcp100-2net"].interfaces["eth0"]
    body = port_body(SEED, "dhcp100-2net", "eth0", interface, "id")
    assert (body["dns_name"], body["fixed_ips"]) == ("dhcp100-2net", [])


def test_a_router_s_gateway_and_a_floating_ip() -> None:
    ids = {("seed000", "ext-net"): "ext"}
    assert router_body(SEED, "routernet", SEED.routers["routernet"], ids)["external_gateway_info"] == {
        "network_id": "ext",
        "external_fixed_ips": [{"ip_address": "172.16.235.3"}],
    }
    other = load_topology(Path(__file__).resolve().parents[3] / "examples" / "seed001.yaml")
    body = floating_ip_body(other, other.floating_ips[0], {("admin", "ext-net"): "ext"}, {("cirros01-eth0",): "port"})
    assert body == {
        "project_id": "demo",
        "floating_network_id": "ext",
        "floating_ip_address": "192.168.1.246",
        "port_id": "port",
    }


def test_a_router_that_the_file_says_nothing_of_is_distributed_as_the_service_likes() -> None:
    said = [router_body(SEED, "r", Router(distributed=value), {}).get("distributed") for value in (None, True, False)]
    assert said == [None, True, False]


def test_what_the_service_adds_to_a_gateway_is_no_difference() -> None:
    wanted = {"external_gateway_info": {"network_id": "n", "external_fixed_ips": [{"ip_address": "1.2.3.4"}]}}
    found = {
        "network_id": "n",
        "enable_snat": True,
        "external_fixed_ips": [{"ip_address": "1.2.3.4", "subnet_id": "s"}],
    }
    assert difference(wanted, {"external_gateway_info": found}) == {}
    assert difference(wanted, {"external_gateway_info": None}) == wanted
    found["external_fixed_ips"] = [{"ip_address": "1.2.3.5", "subnet_id": "s"}]
    assert difference(wanted, {"external_gateway_info": found}) == wanted


def test_what_was_created_is_counted_by_kind() -> None:
    steps = [Applied((("network", "a"), ("network", "b"))), Applied((("router", "r"),), unchanged=2)]
    assert summary(together(steps)) == "2 networks, 1 router"
    assert summary(Applied()) == "nothing"


def test_a_machine_outside_passes_packets_on_and_has_its_addresses_and_routes() -> None:
    script = boot_script("internet", SEED.outside["internet"]).splitlines()
    assert "net.ipv4.conf.all.forwarding=1" in script[1]
    assert "ip address add 203.0.113.80/24 dev eth0" in script
    assert script[-1] == "ip route replace 0.0.0.0/0 via 203.0.113.1"


def test_a_name_server_outside_knows_its_names_and_asks_nobody() -> None:
    command = dns_command({"www.example.net": "203.0.113.80"})
    assert "--no-resolv" in command
    assert command[-1] == "--host-record=www.example.net,203.0.113.80"
