"""Distributed routers that change while packets go through them, and through others: what it costs."""

import contextlib
import re
import signal
from collections.abc import Callable
from typing import Any

import pytest

from patchbay.lab.stream import PingReport
from tests.functional.convergence.scene import PORT_CHANGE_MS, settled
from tests.functional.routing.conftest import Town, wait_for

STREAMS = (
    ("red1", "10.0.2.12"),
    ("red1", "10.0.2.11"),
    ("orange1", "10.0.2.12"),
    ("red1", "198.51.100.1"),
)
INTERVAL_S = 0.005


def send(town: Town, method: str, path: str, **body: Any) -> Any:
    """Ask the API."""
    return town.client.request(method, f"/v2.0/{path}", body or None)


def done(town: Town) -> None:
    """Everything that was asked for is in place."""
    settled(*town.lab.hosts.values())


def subnet_id(town: Town, name: str) -> str:
    """The id of a subnet."""
    (found,) = town.list("subnets", f"?name={name}")
    return str(found["id"])


def reports(town: Town, event: Callable[[Town], None]) -> dict[tuple[str, str], PingReport]:
    """What the streams lost while this happened."""
    with contextlib.ExitStack() as stack:
        streams = {pair: stack.enter_context(town.lab.ping_stream(*pair, INTERVAL_S)) for pair in STREAMS}
        assert all(stream.wait_for_replies(5) for stream in streams.values())
        event(town)
        done(town)
        assert all(stream.wait_for_replies(10) for stream in streams.values())
        return {pair: stream.stop(grace_s=0.25) for pair, stream in streams.items()}


def agent_stopped(town: Town) -> None:
    town.lab.host("compute1").agent_stop()
    town.lab.host("compute1").agent_start()


def agent_killed(town: Town) -> None:
    town.lab.host("compute1").agent_stop(signal.SIGKILL)
    town.lab.host("compute1").agent_start()


def one_more_port(town: Town) -> None:
    (network,) = town.list("networks", "?name=red")
    port = send(town, "POST", "ports", port={"network_id": network["id"]})["port"]
    done(town)
    send(town, "DELETE", f"ports/{port['id']}")


def one_more_route(town: Town) -> None:
    path = f"routers/{town.routers['edge']['id']}"
    routes = send(town, "GET", path)["router"]["routes"]
    more = {"destination": "172.31.0.0/24", "nexthop": "10.0.2.11"}
    for wanted in ([*routes, more], routes):
        send(town, "PUT", path, router={"routes": wanted})
        done(town)


def one_more_interface(town: Town) -> None:
    """The second on its network: ports come and go."""
    (network,) = town.list("networks", "?name=orange")
    body = {"network_id": network["id"], "ip_version": 4, "cidr": "10.0.7.0/24"}
    subnet = send(town, "POST", "subnets", subnet=body)["subnet"]["id"]
    for verb in ("add", "remove"):
        send(town, "PUT", f"routers/{town.routers['other']['id']}/{verb}_router_interface", subnet_id=subnet)
        done(town)
    send(town, "DELETE", f"subnets/{subnet}")


def one_more_way_out(town: Town) -> None:
    (network,) = town.list("networks", "?name=ext-net")
    for info in ({"network_id": network["id"]}, {}):
        send(town, "PUT", f"routers/{town.routers['other']['id']}", router={"external_gateway_info": info})
        done(town)


def a_neighbouring_router_down(town: Town) -> None:
    for is_up in (False, True):
        send(town, "PUT", f"routers/{town.routers['inner']['id']}", router={"admin_state_up": is_up})
        done(town)


@pytest.mark.parametrize("event", [agent_stopped, agent_killed, one_more_port, one_more_route])
def test_what_makes_no_port_loses_no_packet(town: Town, event: Callable[[Town], None]) -> None:
    found = reports(town, event)
    assert not any(report.lost for report in found.values()), found


@pytest.mark.parametrize("event", [one_more_interface, one_more_way_out, a_neighbouring_router_down])
def test_what_makes_ports_costs_what_any_port_costs(town: Town, event: Callable[[Town], None]) -> None:
    """The userspace datapath loses a packet or two when any port of the switch comes or goes, whoever does it."""
    found = reports(town, event)
    assert all(report.longest_outage_s * 1000 <= PORT_CHANGE_MS for report in found.values()), found


def test_an_interface_that_is_made_again_has_another_mac_and_is_known_at_once(town: Town) -> None:
    path = f"routers/{town.routers['other']['id']}"
    with town.lab.ping_stream("orange1", "10.0.2.12", 0.02) as stream:
        assert stream.wait_for_replies(5)
        for verb in ("remove", "add"):
            send(town, "PUT", f"{path}/{verb}_router_interface", subnet_id=subnet_id(town, "lemon-v4"))
            done(town)
        assert stream.wait_for_replies(20, 4.0), town.within("lemon2", "ip neigh")
    assert "3 received" in town.ping("lemon1", "10.0.1.11")


def test_networks_that_are_on_a_host_for_a_router_s_sake_go_with_it(town: Town) -> None:
    """gateway1 has green only because edge, which lives there, meets inner."""
    (network,) = town.list("networks", "?name=green")
    find = f"ovs-vsctl --bare --columns=tag find port other_config:net_uuid={network['id']}"
    vlans = set(town.on("gateway1", find).split())
    assert len(vlans) == 1
    (vlan,) = vlans
    path = f"routers/{town.routers['inner']['id']}"
    send(town, "PUT", path, router={"admin_state_up": False})
    wait_for(lambda: not town.on("gateway1", find).split(), "its ports are gone")
    wait_for(lambda: town.namespace("inner") not in town.on("gateway1", "ip netns"), "its namespace is gone")
    done(town)
    flows = town.on("gateway1", "for b in br-int br-tun; do ovs-ofctl --no-stats dump-flows $b; done")
    number = int(vlan)
    left = f"reg6={number:#x},|reg7={number:#x}[, ]|dl_vlan={number}[, ]|mod_vlan_vid:{number}[, ]"
    learned = [line for line in flows.splitlines() if "hard_timeout" not in line]
    assert not [line for line in learned if re.search(left, line)]
    send(town, "PUT", path, router={"admin_state_up": True})
    done(town)
    wait_for(lambda: "3 received" in town.ping("red3", "10.0.3.12"), "green is reached again")


def test_a_router_that_is_made_anew_takes_up_where_the_other_was(town: Town) -> None:
    """Of two networks that it joins; the instances keep what they know."""
    path = f"routers/{town.routers['other']['id']}"
    for is_distributed in (False, True):
        send(town, "PUT", path, router={"admin_state_up": False, "distributed": is_distributed})
        send(town, "PUT", path, router={"admin_state_up": True})
        wait_for(lambda: "3 received" in town.ping("orange1", "10.0.2.12"), f"distributed: {is_distributed}")
