"""The commands of the API's nouns against a running service, with its own intent database."""

from collections.abc import Iterator
from pathlib import Path

import msgspec
import pytest
import yaml

from tests.functional.cli.conftest import Run


@pytest.fixture
def blue(patchbay: Run) -> Iterator[str]:
    """A network with a subnet of each IP version; all that is on it goes at the end."""
    patchbay("network", "create", "blue", "--description", "a network", "--tag", "one", "--tag", "two")
    patchbay(
        "subnet", "create", "blue-4", "--network", "blue", "--subnet-range", "10.1.0.0/24", "--gateway", "10.1.0.9"
    )
    patchbay("subnet", "create", "blue-6", "--network", "blue", "--subnet-range", "2001:db8::/64", "--gateway", "none")
    yield "blue"
    for noun in ("instance", "port"):
        for found in patchbay(noun, "list", "-f", "value", "-c", "id").stdout.split():
            patchbay(noun, "delete", found)
    patchbay("network", "delete", "blue")


def value(run: Run, noun: str, handle: str, column: str) -> str:
    return run(noun, "show", handle, "-f", "value", "-c", column).stdout.strip()


def test_a_network_is_created_shown_changed_and_listed_by_name(patchbay: Run, blue: str) -> None:
    shown = msgspec.json.decode(patchbay("network", "show", blue, "-f", "json").stdout)
    assert shown["description"] == "a network"
    assert sorted(shown["tags"]) == ["one", "two"]
    assert shown["provider:network_type"] == "vxlan"
    patchbay("network", "set", blue, "--description", "another", "--share", "--mtu", "1400", "--tag", "three")
    changed = yaml.safe_load(patchbay("network", "show", shown["id"], "-f", "yaml").stdout)
    assert (changed["description"], changed["shared"], changed["mtu"], changed["tags"]) == (
        "another",
        True,
        1400,
        ["three"],
    )
    assert changed["admin_state_up"] is True
    listed = patchbay("network", "list", "--share").stdout.splitlines()
    assert listed[0].split()[:2] == ["id", "name"]
    assert listed[1].split()[:2] == [shown["id"], "blue"]
    assert len(patchbay("network", "list", "--no-share").stdout.splitlines()) == 1


def test_a_subnet_has_the_ip_version_of_its_range_and_the_gateway_asked_for(patchbay: Run, blue: str) -> None:
    assert value(patchbay, "subnet", "blue-4", "gateway_ip") == "10.1.0.9"
    assert value(patchbay, "subnet", "blue-6", "gateway_ip") == ""
    assert value(patchbay, "subnet", "blue-6", "ip_version") == "6"
    assert patchbay("subnet", "list", "--ip-version", "6", "-c", "name").stdout.split() == ["name", "blue-6"]
    pools = ("--allocation-pool", "start=10.1.0.100,end=10.1.0.110", "--dns-nameserver", "192.0.2.53", "--no-dhcp")
    patchbay("subnet", "set", "blue-4", *pools, "--host-route", "destination=10.9.0.0/16,gateway=10.1.0.9")
    shown = msgspec.json.decode(patchbay("subnet", "show", "blue-4", "-f", "json").stdout)
    assert shown["allocation_pools"] == [{"start": "10.1.0.100", "end": "10.1.0.110"}]
    assert shown["host_routes"] == [{"destination": "10.9.0.0/16", "nexthop": "10.1.0.9"}]
    assert shown["dns_nameservers"] == ["192.0.2.53"]
    assert shown["enable_dhcp"] is False


def test_a_port_takes_addresses_by_subnet_name_and_is_found_by_address_and_host(patchbay: Run, blue: str) -> None:
    fixed = ("--fixed-ip", "subnet=blue-4,ip-address=10.1.0.7", "--fixed-ip", "subnet=blue-6")
    address = ("--mac-address", "fa:16:3e:00:00:07", "--allowed-address", "ip-address=10.1.0.200")
    patchbay("port", "create", "web", "--network", blue, *fixed, *address, "--host", "compute9", "--tag", "x")
    shown = msgspec.json.decode(patchbay("port", "show", "web", "-f", "json").stdout)
    assert [one["ip_address"].split(":")[0] for one in shown["fixed_ips"]] == ["10.1.0.7", "2001"]
    assert shown["mac_address"] == "fa:16:3e:00:00:07"
    assert shown["allowed_address_pairs"][0]["ip_address"] == "10.1.0.200"
    assert shown["tags"] == ["x"]
    for options in (
        ("--fixed-ip", "ip-address=10.1.0.7"),
        ("--host", "compute9"),
        ("--network", "blue", "--mac-address", "fa:16:3e:00:00:07"),
        ("--tag", "x"),
        ("--filter", "binding:host_id=compute9"),
    ):
        assert patchbay("port", "list", *options, "-f", "value", "-c", "name").stdout.split() == ["web"], options
    assert patchbay("port", "list", "--host", "other", "-f", "value").stdout == ""


def test_an_instance_gets_its_ports_as_eth0_and_by_name_of_device(patchbay: Run, blue: str) -> None:
    for name in ("first", "second"):
        patchbay("port", "create", name, "--network", blue)
    patchbay("instance", "create", "vm", "--host", "compute1", "--port", "first", "--port", "eth7=second")
    shown = msgspec.json.decode(patchbay("instance", "show", "vm", "-f", "json").stdout)
    ids = {name: value(patchbay, "port", name, "id") for name in ("first", "second")}
    assert shown["interfaces"] == {"eth0": ids["first"], "eth7": ids["second"]}
    assert shown["plugging"] == "hybrid"
    assert value(patchbay, "port", "second", "device_owner") == "compute:patchbay"


def test_what_the_service_refuses_is_said_in_its_words_and_exits_with_1(patchbay: Run, blue: str) -> None:
    patchbay("port", "create", "web", "--network", blue)
    assert "ports still in use on the network" in patchbay("network", "delete", blue, code=1).stderr
    overlap = patchbay("subnet", "create", "--network", blue, "--subnet-range", "10.1.0.0/16", "again", code=1)
    assert "overlap" in overlap.stderr.lower()
    assert "10.1.0.0/16" in overlap.stderr


def test_a_name_that_does_not_exist_says_where_to_look(patchbay: Run) -> None:
    missing = patchbay("port", "show", "nobody", code=1)
    assert missing.stderr == "patchbay: port nobody does not exist. `patchbay port list` shows what does.\n"


def test_a_name_that_two_objects_have_asks_for_the_id(patchbay: Run, blue: str) -> None:
    for _ in range(2):
        patchbay("port", "create", "twin", "--network", blue)
    assert "2 objects have this name. Use the id instead." in patchbay("port", "show", "twin", code=1).stderr


@pytest.mark.parametrize(
    ("arguments", "remedy"),
    [
        (("port", "create", "--network", "blue", "--fixed-ip", "10.1.0.7"), "Write subnet=…,ip-address=…"),
        (("port", "list", "--filter", "name"), "Write --filter ATTRIBUTE=VALUE."),
    ],
)
def test_an_option_that_is_not_understood_says_how_to_write_it(
    patchbay: Run, blue: str, arguments: tuple[str, ...], remedy: str
) -> None:
    assert remedy in patchbay(*arguments, code=1).stderr


def test_setting_nothing_is_wrong_usage(patchbay: Run) -> None:
    assert "Nothing to set" in patchbay("port", "set", "any", code=2).stderr


def test_applying_a_topology_twice_changes_nothing_the_second_time(patchbay: Run, tmp_path: Path) -> None:
    path = tmp_path / "two.yaml"
    path.write_text(
        "name: two\nhosts: {h1: {tunnel_ip: 192.0.2.1}}\n"
        "networks: {green: {project: p, subnets: {green-4: 10.7.0.0/24}}}\n"
        "instances: {g1: {host: h1, network: green, address: 10.7.0.5}}\n"
    )
    first = patchbay("apply", "-f", str(path))
    assert [line.split() for line in first.stdout.splitlines()[1:]] == [
        ["created", "network", "green"],
        ["created", "subnet", "green-4"],
        ["created", "port", "g1-eth0"],
        ["created", "instance", "g1"],
    ]
    assert patchbay("apply", "-f", str(path)).stderr == "0 created, 0 updated, 4 unchanged.\n"
    for noun, name in (("instance", "g1"), ("port", "g1-eth0"), ("network", "green")):
        patchbay(noun, "delete", name)
