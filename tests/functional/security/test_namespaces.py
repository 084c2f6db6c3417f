"""What a distributed router's namespaces send is judged like all else, on the receiver's host and from another."""

import pytest

from tests.functional.security.conftest import Town

ECHOS = "awk '/^Icmp: [0-9]/ {print $10}' /proc/net/snmp"


def heard(town: Town, instance: str) -> int:
    """How many echo requests have come to an instance."""
    return int(town.within(instance, ECHOS))


def delivered(town: Town, table: int, words: list[str]) -> int:
    """How many packets the one flow with these words has led to its port on compute1."""
    town.on("compute1", "ovs-appctl revalidator/wait")
    lines = town.on("compute1", f"ovs-ofctl --names dump-flows br-int table={table}").splitlines()
    (line,) = (line for line in lines if all(word in line for word in words))
    return int(line.split("n_packets=")[1].split(",")[0])


@pytest.mark.parametrize(("host", "table", "sender"), [("compute1", 49, "reg6="), ("compute2", 0, "dl_src=0a:")])
@pytest.mark.parametrize(("instance", "is_heard"), [("web1", False), ("victim1", True)])
def test_what_a_router_s_namespace_sends_needs_a_rule(
    town: Town, host: str, table: int, sender: str, instance: str, is_heard: bool
) -> None:
    """web1 may be pinged from blue only."""
    port, router = town.port(instance), town.get("routers", "inner")["id"]
    address = port["fixed_ips"][0]["ip_address"]
    words = [sender, f"dl_dst={port['mac_address']}"]
    before, passed = heard(town, instance), delivered(town, table, words)
    town.on(host, f"ip netns exec qrouter-{router} ping -n -c 3 -i 0.1 -W 0.5 {address} || true")
    assert delivered(town, table, words) - passed >= 3, "the packets came by this flow"
    assert (heard(town, instance) > before) == is_heard
