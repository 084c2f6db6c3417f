"""The commands for routers, floating IPs, subnet pools, names and what instances are told."""

import asyncio
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec
import pytest

from patchbay.intent.database import Insert, IntentDatabase
from patchbay.model import Host
from tests.functional.cli.conftest import Run


def show(run: Run, noun: str, *handle: str) -> Any:
    return msgspec.json.decode(run(noun, "show", *handle, "-f", "json").stdout)


def names(run: Run, noun: str, *options: str) -> list[str]:
    return run(noun, "list", *options, "-f", "value", "-c", "name").stdout.split()


@pytest.fixture
def networks(patchbay: Run) -> Iterator[None]:
    """An external network and one inside; all that is on them goes at the end."""
    patchbay("network", "create", "out", "--external", "--provider-network-type", "local")
    patchbay("subnet", "create", "out-4", "--network", "out", "--subnet-range", "203.0.113.0/24", "--no-dhcp")
    patchbay("network", "create", "in", "--dns-domain", "in.example.")
    patchbay("subnet", "create", "in-4", "--network", "in", "--subnet-range", "10.0.1.0/28")
    yield
    for found in patchbay("floating-ip", "list", "-f", "value", "-c", "id").stdout.split():
        patchbay("floating-ip", "delete", found)
    for router in names(patchbay, "router"):
        patchbay("router", "unset", router, "--route")
        patchbay("router", "remove", "subnet", router, "in-4")
        patchbay("router", "delete", router)
    for instance in names(patchbay, "instance"):
        patchbay("instance", "delete", instance)
    for port in names(patchbay, "port", "--network", "in"):
        patchbay("port", "delete", port)
    for network in ("in", "out"):
        patchbay("network", "delete", network)


@pytest.mark.usefixtures("networks")
def test_a_router_gets_and_loses_subnets_ports_routes_and_its_gateway(patchbay: Run) -> None:
    fixed = ("--fixed-ip", "subnet=out-4,ip-address=203.0.113.9")
    patchbay("router", "create", "r", "--external-gateway", "out", "--disable-snat", *fixed)
    shown = show(patchbay, "router", "r")["external_gateway_info"]
    assert (shown["enable_snat"], shown["external_fixed_ips"][0]["ip_address"]) == (False, "203.0.113.9")
    patchbay("router", "set", "r", "--enable-snat", "--description", "d")
    changed = show(patchbay, "router", "r")
    assert changed["external_gateway_info"] == shown | {"enable_snat": True}
    assert changed["description"] == "d"
    added = msgspec.json.decode(patchbay("router", "add", "subnet", "r", "in-4", "-f", "json").stdout)
    assert added["subnet_id"] == show(patchbay, "subnet", "in-4")["id"]
    patchbay("port", "create", "second", "--network", "in")
    assert "already has a port on subnet" in patchbay("router", "add", "port", "r", "second", code=1).stderr
    patchbay("port", "delete", "second")
    routes = [f"destination=10.{n}.0.0/16,gateway=10.0.1.9" for n in (7, 8)]
    patchbay("router", "add", "route", "r", *routes)
    patchbay("router", "remove", "route", "r", routes[0])
    assert show(patchbay, "router", "r")["routes"] == [{"destination": "10.8.0.0/16", "nexthop": "10.0.1.9"}]
    patchbay("router", "unset", "r", "--external-gateway")
    assert show(patchbay, "router", "r")["external_gateway_info"] is None
    assert "give --external-gateway as well" in patchbay("router", "set", "r", "--disable-snat", code=2).stderr
    assert "Nothing to unset" in patchbay("router", "unset", "r", code=2).stderr
    assert "required by one or more routes" in patchbay("router", "remove", "subnet", "r", "in-4", code=1).stderr
    patchbay("router", "unset", "r", "--route")
    assert "admin_state_up to False" in patchbay("router", "set", "r", "--distributed", code=1).stderr
    patchbay("router", "set", "r", "--disable", "--distributed")
    assert names(patchbay, "router", "--distributed") == ["r"]
    patchbay("router", "set", "r", "--enable")
    assert "distributed, home on no host" in patchbay("show", "router", "r").stdout
    patchbay("router", "remove", "port", "r", added["port_id"])
    patchbay("router", "add", "subnet", "r", "in-4")
    assert names(patchbay, "router", "--enable") == ["r"]


@pytest.mark.usefixtures("networks")
def test_a_floating_ip_is_named_by_its_address_and_leads_to_ports(patchbay: Run) -> None:
    patchbay("router", "create", "r", "--external-gateway", "out")
    patchbay("router", "add", "subnet", "r", "in-4")
    ids = {}
    for name in ("web", "db"):
        patchbay("port", "create", name, "--network", "in")
        ids[name] = show(patchbay, "port", name)["id"]
    address = ("--floating-ip-address", "203.0.113.77")
    patchbay("floating-ip", "create", "--network", "out", *address, "--port", "web")
    assert show(patchbay, "floating-ip", "203.0.113.77")["port_id"] == ids["web"]
    patchbay("floating-ip", "set", "203.0.113.77", "--port", "db")
    listed = patchbay(
        "floating-ip", "list", "--port", "db", "--network", "out", "-f", "value", "-c", "floating_ip_address"
    )
    assert listed.stdout.split() == ["203.0.113.77"]
    patchbay("floating-ip", "unset", "203.0.113.77", "--port")
    assert show(patchbay, "floating-ip", "203.0.113.77")["port_id"] is None
    inner = show(patchbay, "port", "web")["fixed_ips"][0]["ip_address"]
    options = ("--port", "web", "--internal-ip-address", inner, "--protocol", "tcp")
    numbers = ("--external-port", "2222", "--internal-port", "22")
    made = patchbay("port-forwarding", "create", "203.0.113.77", *options, *numbers, "-f", "value", "-c", "id")
    forwarding = ("203.0.113.77", made.stdout.strip())
    shown = show(patchbay, "port-forwarding", *forwarding)
    assert (shown["external_port"], shown["internal_port"], shown["internal_ip_address"]) == (2222, 22, inner)
    patchbay("port-forwarding", "set", *forwarding, "--external-port", "2223")
    listed = patchbay("port-forwarding", "list", "203.0.113.77", "-f", "value", "-c", "external_port")
    assert listed.stdout.split() == ["2223"]
    patchbay("port-forwarding", "delete", *forwarding)
    assert patchbay("port-forwarding", "list", "203.0.113.77", "-f", "value").stdout == ""


def test_a_subnet_pool_in_an_address_scope_gives_subnets(patchbay: Run) -> None:
    patchbay("address-scope", "create", "campus", "--ip-version", "4", "--share")
    prefixes = ("--pool-prefix", "10.0.0.0/16", "--pool-prefix", "10.2.0.0/16")
    lengths = ("--default-prefix-length", "26", "--min-prefix-length", "20", "--max-prefix-length", "28")
    patchbay(
        "subnet-pool", "create", "pool", *prefixes, *lengths, "--address-scope", "campus", "--tag", "t", "--default"
    )
    shown = show(patchbay, "subnet-pool", "pool")
    assert shown["prefixes"] == ["10.0.0.0/16", "10.2.0.0/16"]
    assert (shown["address_scope_id"], shown["tags"]) == (show(patchbay, "address-scope", "campus")["id"], ["t"])
    patchbay("network", "create", "cut")
    patchbay("subnet", "create", "one", "--network", "cut", "--subnet-pool", "pool", "--prefix-length", "24")
    patchbay("subnet", "create", "two", "--network", "cut", "--use-default-subnet-pool")
    assert [show(patchbay, "subnet", name)["cidr"] for name in ("one", "two")] == ["10.0.0.0/24", "10.0.1.0/26"]
    assert sorted(names(patchbay, "subnet", "--subnet-pool", "pool")) == ["one", "two"]
    assert names(patchbay, "subnet-pool", "--address-scope", "campus", "--default") == ["pool"]
    patchbay("network", "delete", "cut")
    patchbay("subnet-pool", "set", "pool", "--default-quota", "512", "--no-default")
    patchbay("subnet-pool", "unset", "pool", "--address-scope")
    changed = show(patchbay, "subnet-pool", "pool")
    assert (changed["default_quota"], changed["is_default"], changed["address_scope_id"]) == (512, False, None)
    patchbay("subnet-pool", "delete", "pool")
    patchbay("address-scope", "delete", "campus")
    missing = patchbay("subnet-pool", "show", "pool", code=1).stderr
    assert missing == "patchbay: subnetpool pool does not exist. `patchbay subnet-pool list` shows what does.\n"


@pytest.mark.usefixtures("networks")
def test_names_options_ranges_and_what_an_instance_is_told(patchbay: Run, tmp_path: Path) -> None:
    option = ("--extra-dhcp-option", "name=bootfile-name,value=pxelinux.0", "--dns-name", "www")
    patchbay("port", "create", "web", "--network", "in", *option)
    port = show(patchbay, "port", "web")
    assert port["dns_assignment"][0]["fqdn"] == "www.in.example."
    assert port["extra_dhcp_opts"] == [{"opt_name": "bootfile-name", "opt_value": "pxelinux.0", "ip_version": 4}]
    span = "start=203.0.113.200,end=203.0.113.210"
    pools = ("--allocation-pool", "start=203.0.113.2,end=203.0.113.99")
    patchbay("subnet", "set", "out-4", "--dhcp-range", span, *pools)
    assert show(patchbay, "subnet", "out-4")["dhcp_ranges"] == [{"start": "203.0.113.200", "end": "203.0.113.210"}]
    keys, script = tmp_path / "keys", tmp_path / "script"
    keys.write_text("# mine\nssh-ed25519 AAAA me\n\nssh-rsa BBBB\n")
    script.write_text("#!/bin/sh\necho ü\n")
    told = ("--addressing", "dhcp", "--public-key", str(keys), "--user-data", str(script))
    facts = ("--metadata", "role=web", "--metadata", "empty=")
    patchbay("instance", "create", "vm", "--host", "compute1", "--port", "web", *told, *facts)
    shown = show(patchbay, "instance", "vm")
    assert shown["public_keys"] == ["ssh-ed25519 AAAA me", "ssh-rsa BBBB"]
    assert (shown["addressing"], shown["user_data"]) == ("dhcp", script.read_text())
    assert shown["metadata"] == {"role": "web", "empty": ""}
    failed = patchbay("instance", "set", "vm", "--user-data", str(tmp_path / "none"), code=1)
    assert "cannot be read as text" in failed.stderr
    assert "Write NAME=VALUE." in patchbay("instance", "set", "vm", "--metadata", "role", code=1).stderr


async def add_host(remote: str) -> None:
    db = await IntentDatabase.open([remote], timeout_s=20)
    await db.transact(Insert(Host(id="5eed0001-0000-4000-8000-000000000002", name="h1", services=("dhcp", "l3"))))
    await db.close()


def test_a_host_is_one_host_whatever_its_agent_can_do(patchbay: Run, state: Path) -> None:
    asyncio.run(add_host(f"unix:{state}/intent.sock"))
    assert patchbay("host", "list", "-f", "value", "-c", "host").stdout.split() == ["h1"]
    patchbay("host", "set", "h1", "--description", "d", "--disable")
    shown = show(patchbay, "host", "h1")
    assert (shown["description"], shown["admin_state_up"], shown["host"]) == ("d", False, "h1")
    assert patchbay("host", "list", "--enable", "-f", "value").stdout == ""
    patchbay("host", "delete", "h1")
    assert patchbay("host", "list", "-f", "value").stdout == ""


def test_a_router_is_drawn_between_its_networks(patchbay: Run) -> None:
    patchbay("network", "create", "--external", "drawn-out")
    patchbay("subnet", "create", "drawn-out-4", "--network", "drawn-out", "--subnet-range", "198.51.100.0/24")
    patchbay("network", "create", "drawn-in")
    patchbay("subnet", "create", "drawn-in-4", "--network", "drawn-in", "--subnet-range", "10.66.0.0/24")
    patchbay("router", "create", "drawn", "--external-gateway", "drawn-out")
    patchbay("router", "add", "subnet", "drawn", "drawn-in-4")
    patchbay("port", "create", "drawn-vm", "--network", "drawn-in")
    patchbay("floating-ip", "create", "--network", "drawn-out", "--port", "drawn-vm")
    assert patchbay("show", "router", "drawn").stdout.splitlines() == [
        "drawn-out  1 floating IP, others seen as the router's address",
        "│ 198.51.100.2 of drawn-out-4 198.51.100.0/24",
        "drawn  ACTIVE, on no host",
        "└─ drawn-in  10.66.0.1 of drawn-in-4 10.66.0.0/24",
        "   └─ 10.66.0.2  drawn-vm  DOWN  ◄ 198.51.100.3 (DOWN)",
    ]
    assert "drawn  ACTIVE" in patchbay("show", "router").stdout
    assert "`patchbay router list` shows what does." in patchbay("show", "router", "nobody", code=1).stderr
