"""Arithmetic of subnets."""

from ipaddress import ip_address, ip_network

import pytest

from patchbay.model import AllocationPool, FixedIP, Subnet
from patchbay.service.addresses import (
    check_pools,
    default_pools,
    eui64_address,
    first_host,
    in_order,
    is_automatic,
    is_usable,
    parse_cidr,
    pool_ranges,
)
from patchbay.service.errors import InvalidInput, OverlappingAllocationPools


def test_a_cidr_loses_its_host_bits() -> None:
    assert str(parse_cidr("10.0.0.9/24")) == "10.0.0.0/24"
    assert str(parse_cidr("2001:DB8:0::1/64")) == "2001:db8::/64"


@pytest.mark.parametrize(
    "text", ["10.0.0.0", "10.0.0.0/33", "10.0.0/24", "/24", "10.0.0.0/255.255.255.0", "::/129", ""]
)
def test_what_is_no_cidr_is_refused(text: str) -> None:
    with pytest.raises(InvalidInput):
        parse_cidr(text)


def test_the_first_host_is_the_gateway_unless_there_is_only_one() -> None:
    assert first_host(ip_network("10.0.0.0/24")) == "10.0.0.1"
    assert first_host(ip_network("fd00::/64")) == "fd00::1"
    assert first_host(ip_network("10.0.0.9/32")) is None


def test_pools_spare_network_broadcast_and_gateway() -> None:
    network = ip_network("10.0.0.0/29")
    assert default_pools(network, "10.0.0.1") == (AllocationPool("10.0.0.2", "10.0.0.6"),)
    assert default_pools(network, "10.0.0.6") == (AllocationPool("10.0.0.1", "10.0.0.5"),)
    assert default_pools(network, "10.0.0.3") == (
        AllocationPool("10.0.0.1", "10.0.0.2"),
        AllocationPool("10.0.0.4", "10.0.0.6"),
    )
    assert default_pools(ip_network("10.0.0.0/30"), "10.0.0.1") == (AllocationPool("10.0.0.2", "10.0.0.2"),)


def test_pools_that_touch_do_not_overlap_but_those_that_share_an_address_do() -> None:
    network = ip_network("10.0.0.0/24")
    low, high = AllocationPool("10.0.0.5", "10.0.0.9"), AllocationPool("10.0.0.10", "10.0.0.12")
    assert check_pools([high, low], network) == (low, high)
    with pytest.raises(OverlappingAllocationPools):
        check_pools([AllocationPool("10.0.0.9", "10.0.0.20"), low], network)


def test_pools_become_ranges_lowest_first() -> None:
    pools = [AllocationPool("0.0.0.9", "0.0.0.12"), AllocationPool("0.0.0.1", "0.0.0.2")]
    assert pool_ranges(pools) == ((1, 2), (9, 12))


@pytest.mark.parametrize(
    ("cidr", "address", "device_owner", "usable"),
    [
        ("10.0.0.0/24", "10.0.0.1", "", True),
        ("10.0.0.0/24", "10.0.0.0", "", False),
        ("10.0.0.0/24", "10.0.0.255", "", False),
        ("10.0.0.0/24", "10.0.1.1", "", False),
        ("10.0.0.0/31", "10.0.0.0", "", True),
        ("10.0.0.0/24", "fd00::1", "", False),
        ("fd00::/64", "fd00::", "compute:nova", False),
        ("fd00::/64", "fd00::", "network:router_interface", True),
        ("fd00::/64", "fd00::ffff:ffff:ffff:ffff", "compute:nova", True),
    ],
)
def test_which_addresses_a_port_may_have(cidr: str, address: str, device_owner: str, usable: bool) -> None:
    assert is_usable(ip_network(cidr), ip_address(address), device_owner) == usable


def test_the_automatic_address_is_that_of_rfc_4291() -> None:
    assert eui64_address("2001:db8::/64", "34:56:78:9a:bc:de") == "2001:db8::3656:78ff:fe9a:bcde"
    assert eui64_address("fd00::/64", "fa:16:3e:00:00:01") == "fd00::f816:3eff:fe00:1"


def test_slaac_and_stateless_subnets_are_automatic() -> None:
    def subnet(ra_mode: str | None, address_mode: str | None) -> Subnet:
        modes = {"ipv6_ra_mode": ra_mode, "ipv6_address_mode": address_mode}
        return Subnet(id="s", network_id="n", ip_version=6, cidr="fd00::/64", **modes)

    assert is_automatic(subnet("slaac", None))
    assert is_automatic(subnet(None, "dhcpv6-stateless"))
    assert not is_automatic(subnet("dhcpv6-stateful", "dhcpv6-stateful"))
    assert not is_automatic(subnet(None, None))


def test_addresses_are_ordered_by_version_and_number() -> None:
    texts = ["fd00::1", "10.0.0.10", "10.0.0.9"]
    assert [ip.ip_address for ip in in_order(FixedIP("s", text) for text in texts)] == texts[::-1]
