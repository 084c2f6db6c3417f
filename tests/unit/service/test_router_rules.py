"""Next hops of a router's routes."""

import pytest

from patchbay.model import HostRoute, Subnet
from patchbay.service.router_errors import InvalidRoutes
from patchbay.service.router_rules import check_routes


def subnet(cidr: str) -> Subnet:
    """A subnet of nobody."""
    return Subnet(id=cidr, network_id="n", ip_version=6 if ":" in cidr else 4, cidr=cidr)


SUBNETS = [subnet("10.0.0.0/24"), subnet("2001:db8::/64")]


@pytest.mark.parametrize("nexthop", ["10.0.0.7", "2001:db8::7", "2001:DB8:0::7"])
def test_a_next_hop_on_a_subnet_of_the_router_is_fine(nexthop: str) -> None:
    check_routes([HostRoute("192.0.2.0/24", nexthop)], SUBNETS, ["10.0.0.1", "2001:db8::1"])


@pytest.mark.parametrize(
    ("nexthop", "reason"),
    [
        ("10.0.1.7", "is not connected with router"),
        ("2001:db8:1::7", "is not connected with router"),
        ("10.0.0.1", "is used by router"),
        ("2001:0db8::0001", "is used by router"),
    ],
)
def test_other_next_hops_are_refused(nexthop: str, reason: str) -> None:
    with pytest.raises(InvalidRoutes, match=reason):
        check_routes([HostRoute("192.0.2.0/24", nexthop)], SUBNETS, ["10.0.0.1", "2001:db8::1"])


def test_one_wrong_route_spoils_all() -> None:
    routes = [HostRoute("192.0.2.0/24", "10.0.0.7"), HostRoute("198.51.100.0/24", "10.0.1.7")]
    with pytest.raises(InvalidRoutes, match=r"'10\.0\.0\.7'.*'10\.0\.1\.7'"):
        check_routes(routes, SUBNETS, [])
    check_routes([], [], [])
