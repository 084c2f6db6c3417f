"""Traffic through a router and a floating IP while something else happens: nothing of it is lost."""

import contextlib
import signal
from collections.abc import Callable
from typing import Any

import pytest

from patchbay.lab.lab import Lab
from tests.functional.convergence.conversation import conversing
from tests.functional.convergence.scene import converged, find, settled, traffic

EXAMPLE = "seed001.yaml"
HOST = "compute"
OUT, IN = ("cirros02", "203.0.113.80"), ("internet", "192.168.1.246")
INTERVAL_S = 0.005


def agent_stopped(lab: Lab) -> None:
    lab.host(HOST).agent_stop()
    lab.host(HOST).agent_start()


def agent_killed(lab: Lab) -> None:
    lab.host(HOST).agent_stop(signal.SIGKILL)
    lab.host(HOST).agent_start()


def service_killed(lab: Lab) -> None:
    lab.stop_service(signal.SIGKILL)
    lab.start_service()


def request(lab: Lab, method: str, path: str, **body: Any) -> Any:
    with contextlib.closing(lab.client()) as client:
        return client.request(method, f"/v2.0/{path}", body or None)


def one_more_floating_ip(lab: Lab) -> None:
    """It comes to a port on the same network, and goes again."""
    network, outside = find(lab, "networks", "demo-net")["id"], find(lab, "networks", "ext-net")["id"]
    port = request(lab, "POST", "ports", port={"network_id": network, "name": "more"})["port"]["id"]
    body = {"floating_network_id": outside, "port_id": port}
    floatingip = request(lab, "POST", "floatingips", floatingip=body)["floatingip"]["id"]
    converged(lab)
    request(lab, "DELETE", f"floatingips/{floatingip}")
    request(lab, "DELETE", f"ports/{port}")


def dhcp_options(lab: Lab) -> None:
    subnet = find(lab, "subnets", "demo-subnet")
    for servers in (["203.0.113.54"], subnet["dns_nameservers"]):
        request(lab, "PUT", f"subnets/{subnet['id']}", subnet={"dns_nameservers": servers})
        settled(*lab.hosts.values())


def routes_of_the_router(lab: Lab) -> None:
    router = find(lab, "routers", "demo-router")["id"]
    for routes in ([{"destination": "198.51.100.0/24", "nexthop": "10.0.1.6"}], []):
        request(lab, "PUT", f"routers/{router}", router={"routes": routes})
        settled(*lab.hosts.values())


def another_router(lab: Lab) -> None:
    router = find(lab, "routers", "other-router")["id"]
    for routes in ([{"destination": "198.51.100.0/24", "nexthop": "10.0.1.5"}], []):
        request(lab, "PUT", f"routers/{router}", router={"routes": routes})
        settled(*lab.hosts.values())


EVENTS: dict[str, Callable[[Lab], None]] = {
    "agent stopped and started": agent_stopped,
    "agent killed (-9) and started": agent_killed,
    "service killed (-9) and started": service_killed,
    "one more floating IP, and one less": one_more_floating_ip,
    "DHCP options changed": dhcp_options,
    "extra routes of the router changed": routes_of_the_router,
    "another router changed": another_router,
}


@pytest.mark.parametrize("what", EVENTS)
def test_nothing_is_lost_through_a_router_and_a_floating_ip(lab: Lab, what: str) -> None:
    with (
        conversing(lab, "cirros02", "internet", "203.0.113.80", "203.0.113.80") as outward,
        conversing(lab, "internet", "cirros01", "10.0.1.5", "192.168.1.246") as inward,
        traffic(lab, f"{what}: router, floating IP", OUT, IN, interval_s=INTERVAL_S) as seen,
    ):
        EVENTS[what](lab)
        converged(lab)
        print(f"{what}: TCP segments sent again: {outward.retransmitted} out, {inward.retransmitted} in")
    assert seen.lost == 0
    for one in (outward, inward):
        assert one.sent > 50
        assert one.returned == one.sent


def switch_killed(lab: Lab) -> None:
    lab.host(HOST).kill("ovs-vswitchd")
    lab.host(HOST).start_vswitchd()


def database_killed(lab: Lab) -> None:
    lab.host(HOST).kill("ovsdb-server")
    lab.host(HOST).start_ovsdb()


def namespace_deleted(lab: Lab) -> None:
    router = find(lab, "routers", "demo-router")["id"]
    lab.host(HOST).run(["ip", "netns", "del", f"qrouter-{router}"])


CRASHES: dict[str, Callable[[Lab], None]] = {
    "ovs-vswitchd killed (-9)": switch_killed,
    "ovsdb-server killed (-9)": database_killed,
    "ip netns del of the router": namespace_deleted,
}


@pytest.mark.parametrize("what", CRASHES)
def test_after_a_crash_the_path_through_a_router_is_soon_there_again(lab: Lab, what: str) -> None:
    with traffic(lab, f"{what}: router, floating IP", OUT, IN) as seen:
        CRASHES[what](lab)
        converged(lab)
    assert seen.longest_ms < 5000
