"""Subnets: defaults, pools, gateways, IPv6 modes, changes."""

import pytest

from tests.functional.api.api_world import Api, Object

pytestmark = pytest.mark.asyncio(loop_scope="session")


async def subnet(api: Api, cidr: str, **attributes: object) -> Object:
    network = await api.create("network")
    version = 6 if ":" in cidr else 4
    return await api.create("subnet", network_id=network["id"], ip_version=version, cidr=cidr, **attributes)


def pools(*ranges: str) -> list[dict[str, str]]:
    return [dict(zip(("start", "end"), text.split("-"), strict=True)) for text in ranges]


async def test_a_subnet_without_wishes_has_neutron_s_defaults(api: Api) -> None:
    made = await subnet(api, "10.0.0.0/24")
    assert made.pop("created_at") == made.pop("updated_at")
    assert made == {
        "id": made["id"],
        "name": "",
        "tenant_id": "",
        "project_id": "",
        "network_id": made["network_id"],
        "ip_version": 4,
        "subnetpool_id": None,
        "enable_dhcp": True,
        "ipv6_ra_mode": None,
        "ipv6_address_mode": None,
        "gateway_ip": "10.0.0.1",
        "cidr": "10.0.0.0/24",
        "allocation_pools": pools("10.0.0.2-10.0.0.254"),
        "host_routes": [],
        "dns_nameservers": [],
        "description": "",
        "service_types": [],
        "router:external": False,
        "dhcp_ranges": [],
        "tags": [],
        "revision_number": 1,
    }


@pytest.mark.parametrize(
    ("cidr", "gateway_ip", "expected_gateway", "expected_pools"),
    [
        ("10.0.0.0/30", ..., "10.0.0.1", ["10.0.0.2-10.0.0.2"]),
        ("10.0.0.7/29", ..., "10.0.0.1", ["10.0.0.2-10.0.0.6"]),
        ("10.0.0.0/24", None, None, ["10.0.0.1-10.0.0.254"]),
        ("10.0.0.0/24", "10.0.0.254", "10.0.0.254", ["10.0.0.1-10.0.0.253"]),
        ("10.0.0.0/24", "10.0.0.9", "10.0.0.9", ["10.0.0.1-10.0.0.8", "10.0.0.10-10.0.0.254"]),
        ("10.0.0.0/24", "192.0.2.1", "192.0.2.1", ["10.0.0.1-10.0.0.254"]),
        ("FD00:0::/64", ..., "fd00::1", ["fd00::2-fd00::ffff:ffff:ffff:ffff"]),
        ("fd00::/64", "FD00::0:5", "fd00::5", ["fd00::1-fd00::4", "fd00::6-fd00::ffff:ffff:ffff:ffff"]),
    ],
)
async def test_the_gateway_is_the_first_address_or_the_named_one_and_pools_spare_it(
    api: Api, cidr: str, gateway_ip: object, expected_gateway: object, expected_pools: list[str]
) -> None:
    wish = {} if gateway_ip is ... else {"gateway_ip": gateway_ip}
    made = await subnet(api, cidr, **wish)
    assert (made["gateway_ip"], made["allocation_pools"]) == (expected_gateway, pools(*expected_pools))


async def test_tiny_subnets_without_dhcp_use_every_address(api: Api) -> None:
    assert (await subnet(api, "10.0.0.0/31", enable_dhcp=False))["allocation_pools"] == pools("10.0.0.0-10.0.0.0")
    single = await subnet(api, "10.0.0.5/32", enable_dhcp=False)
    assert (single["gateway_ip"], single["allocation_pools"]) == (None, pools("10.0.0.5-10.0.0.5"))


async def test_pools_are_kept_in_order_and_ports_are_served_from_them_in_turn(api: Api) -> None:
    wish = pools("10.0.0.20-10.0.0.21", "10.0.0.10-10.0.0.10")
    made = await subnet(api, "10.0.0.0/24", allocation_pools=wish)
    assert made["allocation_pools"] == list(reversed(wish))
    got = [(await api.create("port", network_id=made["network_id"]))["fixed_ips"][0]["ip_address"] for _ in range(3)]
    assert got == ["10.0.0.10", "10.0.0.20", "10.0.0.21"]
    error = await api.error("POST", "/ports", {"port": {"network_id": made["network_id"]}})
    assert error[:2] == (409, "IpAddressGenerationFailure")
    await api.update("subnet", made["id"], allocation_pools=[*wish, *pools("10.0.0.30-10.0.0.31")])
    port = await api.create("port", network_id=made["network_id"])
    assert port["fixed_ips"][0]["ip_address"] == "10.0.0.30"


async def test_options_can_be_set_and_changed(api: Api) -> None:
    routes = [{"destination": "192.0.2.0/24", "nexthop": "10.0.0.9"}]
    wishes = {"name": "s", "description": "d", "dns_nameservers": ["9.9.9.9", "8.8.8.8"], "host_routes": routes}
    made = await subnet(api, "10.0.0.0/24", **wishes, enable_dhcp=False)
    assert made | wishes | {"enable_dhcp": False} == made
    changes = {"name": "t", "description": "", "dns_nameservers": ["8.8.8.8", "9.9.9.9"], "host_routes": []}
    changed = await api.update("subnet", made["id"], **changes, enable_dhcp=True, gateway_ip=None)
    assert changed | changes | {"enable_dhcp": True, "gateway_ip": None, "revision_number": 2} == changed
    assert await api.get(f"/subnets/{made['id']}") == changed


async def test_the_gateway_moves_only_out_of_the_pools_way(api: Api) -> None:
    made = await subnet(api, "10.0.0.0/24")
    body = {"subnet": {"gateway_ip": "10.0.0.7"}}
    assert (await api.error("PUT", f"/subnets/{made['id']}", body))[1] == "GatewayConflictWithAllocationPools"
    new = pools("10.0.0.10-10.0.0.20")
    changed = await api.update("subnet", made["id"], gateway_ip="10.0.0.7", allocation_pools=new)
    assert (changed["gateway_ip"], changed["allocation_pools"]) == ("10.0.0.7", new)


async def test_a_gateway_that_a_router_has_cannot_change(api: Api) -> None:
    made = await subnet(api, "10.0.0.0/24")
    await api.create(
        "port",
        network_id=made["network_id"],
        device_owner="network:router_interface",
        fixed_ips=[{"subnet_id": made["id"], "ip_address": "10.0.0.1"}],
    )
    error = await api.error("PUT", f"/subnets/{made['id']}", {"subnet": {"gateway_ip": None}})
    assert error[:2] == (409, "GatewayIpInUse")


async def test_two_networks_may_have_the_same_addresses(api: Api) -> None:
    one, two = await subnet(api, "10.0.0.0/24"), await subnet(api, "10.0.0.0/24")
    ports = [await api.create("port", network_id=made["network_id"]) for made in (one, two)]
    assert {port["fixed_ips"][0]["ip_address"] for port in ports} == {"10.0.0.2"}


async def test_subnets_are_made_in_bulk_all_or_none(api: Api) -> None:
    network = await api.create("network")
    items = [{"network_id": network["id"], "ip_version": 4, "cidr": f"10.{n}.0.0/24"} for n in range(3)]
    answer = await api.ask("POST", "/subnets", {"subnets": items})
    assert [made["cidr"] for made in answer.json()["subnets"]] == ["10.0.0.0/24", "10.1.0.0/24", "10.2.0.0/24"]
    more = [{"network_id": network["id"], "ip_version": 4, "cidr": cidr} for cidr in ("10.3.0.0/24", "10.2.0.0/25")]
    assert (await api.error("POST", "/subnets", {"subnets": more}))[1] == "InvalidInput"
    assert len(await api.get(f"/subnets?network_id={network['id']}")) == 3


async def test_ports_get_an_automatic_address_in_a_slaac_subnet_also_when_it_comes_later(api: Api) -> None:
    network = await api.network("10.0.0.0/24")
    mac, expected = "fa:16:3e:12:34:56", "fd00::f816:3eff:fe12:3456"
    before = await api.create("port", network_id=network["id"], mac_address=mac)
    auto = {"ip_version": 6, "cidr": "fd00::/64", "ipv6_ra_mode": "slaac", "ipv6_address_mode": "slaac"}
    made = await api.create("subnet", network_id=network["id"], **auto)
    shown = await api.get(f"/ports/{before['id']}")
    assert shown["fixed_ips"][1] == {"subnet_id": made["id"], "ip_address": expected}
    assert shown["revision_number"] == 2
    bare = await api.create("port", network_id=network["id"], fixed_ips=[])
    assert [ip["subnet_id"] for ip in bare["fixed_ips"]] == [made["id"]]
    router = await api.create("port", network_id=network["id"], fixed_ips=[], device_owner="network:router_interface")
    assert router["fixed_ips"] == []
    await api.delete(f"/subnets/{made['id']}")
    assert len((await api.get(f"/ports/{before['id']}"))["fixed_ips"]) == 1


async def test_stateful_ipv6_addresses_come_from_the_pool_beside_the_ipv4_one(api: Api) -> None:
    network = await api.network("10.0.0.0/24", "10.1.0.0/24", "fd00::/64")
    port = await api.create("port", network_id=network["id"])
    assert [ip["ip_address"] for ip in port["fixed_ips"]] == ["10.0.0.2", "fd00::2"]


async def test_subnets_with_service_types_serve_only_their_ports(api: Api) -> None:
    network = await api.network("10.0.0.0/24")
    special = await api.create(
        "subnet", network_id=network["id"], ip_version=4, cidr="10.1.0.0/24", service_types=["compute:nova"]
    )
    plain = await api.create("port", network_id=network["id"])
    nova = await api.create("port", network_id=network["id"], device_owner="compute:nova")
    assert (plain["fixed_ips"][0]["ip_address"], nova["fixed_ips"][0]["ip_address"]) == ("10.0.0.2", "10.1.0.2")
    await api.delete(f"/ports/{plain['id']}")
    await api.delete(f"/subnets/{network['subnets'][0]}")
    error = await api.error("POST", "/ports", {"port": {"network_id": special["network_id"]}})
    assert error[:2] == (409, "IpAddressGenerationFailureNoMatchingSubnet")
