"""Ranges that only the DHCP server lends from: no port gets an address of one."""

import pytest

from tests.functional.api.api_world import Api, Object

pytestmark = pytest.mark.asyncio(loop_scope="session")


def block(start: int, end: int) -> list[Object]:
    return [{"start": f"10.0.0.{start}", "end": f"10.0.0.{end}"}]


async def ranged(api: Api, **attributes: object) -> Object:
    network = await api.create("network")
    given = {"cidr": "10.0.0.0/28", "dhcp_ranges": block(4, 6)} | attributes
    return await api.create("subnet", network_id=network["id"], ip_version=4, **given)


async def test_default_pools_leave_the_ranges_out_and_no_port_gets_an_address_of_them(api: Api) -> None:
    subnet = await ranged(api)
    assert subnet["dhcp_ranges"] == block(4, 6)
    assert subnet["allocation_pools"] == [*block(2, 3), *block(7, 14)]
    ports = [await api.create("port", network_id=subnet["network_id"]) for _ in range(10)]
    given = [port["fixed_ips"][0]["ip_address"] for port in ports]
    assert given == [f"10.0.0.{n}" for n in (2, 3, 7, 8, 9, 10, 11, 12, 13, 14)]
    body = {"port": {"network_id": subnet["network_id"]}}
    assert (await api.error("POST", "/ports", body))[1] == "IpAddressGenerationFailure"


async def test_a_port_cannot_name_an_address_of_a_range(api: Api) -> None:
    subnet = await ranged(api)
    named = [{"ip_address": "10.0.0.5"}]
    error = await api.error("POST", "/ports", {"port": {"network_id": subnet["network_id"], "fixed_ips": named}})
    assert error[:2] == (400, "IpAddressInDhcpRange")
    port = await api.create("port", network_id=subnet["network_id"])
    assert (await api.error("PUT", f"/ports/{port['id']}", {"port": {"fixed_ips": named}}))[1] == error[1]
    await api.update("subnet", subnet["id"], dhcp_ranges=[])
    await api.update("port", port["id"], fixed_ips=named)


async def test_a_range_is_changed_together_with_the_pools_and_spares_the_addresses_of_ports(api: Api) -> None:
    subnet = await ranged(api)
    port = await api.create("port", network_id=subnet["network_id"])
    path, wider = f"/subnets/{subnet['id']}", block(2, 6)
    error = await api.error("PUT", path, {"subnet": {"dhcp_ranges": wider}})
    assert error[:2] == (400, "InvalidInput")
    assert "allocation pool 10.0.0.2-10.0.0.3 overlaps with a DHCP range" in error[2]
    both = {"dhcp_ranges": wider, "allocation_pools": block(7, 14)}
    status, kind, message = await api.error("PUT", path, {"subnet": both})
    assert (status, kind) == (409, "DhcpRangeInUse")
    assert f"port {port['id']} has address 10.0.0.2" in message
    await api.delete(f"/ports/{port['id']}")
    changed = await api.update("subnet", subnet["id"], **both)
    assert (changed["dhcp_ranges"], changed["allocation_pools"]) == (wider, block(7, 14))
    error = await api.error("PUT", path, {"subnet": {"gateway_ip": "10.0.0.4"}})
    assert "gateway 10.0.0.4 is in a DHCP range" in error[2]
    error = await api.error("PUT", path, {"subnet": {"allocation_pools": block(5, 9)}})
    assert "overlaps with a DHCP range" in error[2]


@pytest.mark.parametrize(
    ("attributes", "message"),
    [
        ({"dhcp_ranges": block(1, 4)}, "gateway 10.0.0.1 is in a DHCP range"),
        ({"dhcp_ranges": block(4, 16)}, "spans beyond the subnet cidr 10.0.0.0/28"),
        ({"dhcp_ranges": block(6, 4)}, "is no range of IPv4 addresses"),
        ({"dhcp_ranges": [*block(4, 6), *block(6, 8)]}, "overlaps with another one"),
        ({"dhcp_ranges": [{"start": "fd00::1", "end": "fd00::9"}]}, "is no range of IPv4 addresses"),
        ({"dhcp_ranges": [{"start": "10.0.0.4"}]}, "Validation of dictionary's keys failed"),
        ({"allocation_pools": block(2, 4)}, "allocation pool 10.0.0.2-10.0.0.4 overlaps with a DHCP range"),
        (
            {
                "cidr": "fd00::/64",
                "ip_version": 6,
                "ipv6_address_mode": "slaac",
                "ipv6_ra_mode": "slaac",
                "dhcp_ranges": [{"start": "fd00::5", "end": "fd00::9"}],
            },
            "dhcp_ranges are not for subnets whose addresses come from the MAC",
        ),
    ],
)
async def test_wrong_ranges_are_refused(api: Api, attributes: Object, message: str) -> None:
    network = await api.create("network")
    body = {"network_id": network["id"], "ip_version": 4, "cidr": "10.0.0.0/28", "dhcp_ranges": block(4, 6)}
    status, _, said = await api.error("POST", "/subnets", {"subnet": body | attributes})
    assert (status, message in said) == (400, True), said
