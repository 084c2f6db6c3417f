"""Ports: defaults, fixed_ips in all forms, MACs, bindings, address pairs, bulk."""

import pytest

from patchbay.service.security_groups import default_group_id
from tests.functional.api.api_world import Api, Object

pytestmark = pytest.mark.asyncio(loop_scope="session")


def addresses(port: Object) -> list[str]:
    return [ip["ip_address"] for ip in port["fixed_ips"]]


async def test_a_port_without_wishes_has_neutron_s_defaults(api: Api) -> None:
    network = await api.network("10.0.0.0/24")
    port = await api.create("port", network_id=network["id"])
    assert port.pop("created_at") == port.pop("updated_at")
    assert port["mac_address"].startswith("fa:16:3e:")
    assert port == {
        "id": port["id"],
        "name": "",
        "network_id": network["id"],
        "tenant_id": "",
        "project_id": "",
        "mac_address": port["mac_address"],
        "admin_state_up": True,
        "status": "DOWN",
        "device_id": "",
        "device_owner": "",
        "fixed_ips": [{"subnet_id": network["subnets"][0], "ip_address": "10.0.0.2"}],
        "allowed_address_pairs": [],
        "port_security_enabled": True,
        "security_groups": [default_group_id("")],
        "dns_name": "",
        "dns_domain": "",
        "dns_assignment": [
            {"ip_address": "10.0.0.2", "hostname": "host-10-0-0-2", "fqdn": "host-10-0-0-2.openstacklocal."}
        ],
        "extra_dhcp_opts": [],
        "binding:vnic_type": "normal",
        "binding:host_id": "",
        "binding:profile": {},
        "binding:vif_type": "unbound",
        "binding:vif_details": {},
        "description": "",
        "tags": [],
        "revision_number": 1,
    }


async def test_every_attribute_of_a_port_can_be_set_and_changed(api: Api) -> None:
    network = await api.network("10.0.0.0/24")
    pair = {"ip_address": "10.0.0.0/25", "mac_address": "fa:16:3e:00:00:02"}
    wishes = {
        "name": "p",
        "description": "d",
        "admin_state_up": False,
        "mac_address": "fa:16:3e:00:00:01",
        "device_id": "vm1",
        "device_owner": "compute:nova",
        "binding:host_id": "compute1",
        "binding:vnic_type": "direct",
        "binding:profile": {"pci": ["a", 1, {"b": None}]},
        "allowed_address_pairs": [pair],
        "tags": ["x", "y"],
    }
    port = await api.create("port", network_id=network["id"], **wishes)
    assert port | wishes | {"binding:vif_type": "binding_failed"} == port
    changes = {
        "name": "q",
        "description": "",
        "admin_state_up": True,
        "mac_address": "fa:16:3e:00:00:09",
        "device_id": "",
        "device_owner": "",
        "binding:host_id": "",
        "binding:vnic_type": "normal",
        "binding:profile": {},
        "allowed_address_pairs": [],
    }
    changed = await api.update("port", port["id"], **changes)
    assert changed | changes | {"revision_number": 2, "fixed_ips": port["fixed_ips"]} == changed
    assert await api.get(f"/ports/{port['id']}") == changed


async def test_a_port_without_subnets_has_no_addresses(api: Api) -> None:
    network = await api.create("network")
    assert (await api.create("port", network_id=network["id"]))["fixed_ips"] == []


async def test_fixed_ips_may_name_nothing_a_subnet_an_address_both_or_several(api: Api) -> None:
    network = await api.network("10.0.0.0/24", "10.1.0.0/24")
    subnets = {item["cidr"]: item["id"] for item in await api.get(f"/subnets?network_id={network['id']}")}
    one, two = subnets["10.0.0.0/24"], subnets["10.1.0.0/24"]

    async def got(*wishes: Object) -> list[tuple[str, str]]:
        port = await api.create("port", network_id=network["id"], fixed_ips=list(wishes))
        return [(ip["subnet_id"], ip["ip_address"]) for ip in port["fixed_ips"]]

    assert await got() == []
    assert await got({"subnet_id": two}) == [(two, "10.1.0.2")]
    assert await got({"ip_address": "10.1.0.77"}) == [(two, "10.1.0.77")]
    assert await got({"subnet_id": one, "ip_address": "10.0.0.77"}) == [(one, "10.0.0.77")]
    assert await got({"subnet_id": one}, {"subnet_id": one}, {"ip_address": "10.1.0.3"}) == [
        (one, "10.0.0.2"),
        (one, "10.0.0.3"),
        (two, "10.1.0.3"),
    ]
    assert await got({"subnet_id": one}, {"ip_address": "10.0.0.4"}) == [(one, "10.0.0.4"), (one, "10.0.0.5")]


async def test_the_lowest_free_address_is_given_out_again_after_its_port_goes(api: Api) -> None:
    network = await api.network("10.0.0.0/24")
    ports = [await api.create("port", network_id=network["id"]) for _ in range(5)]
    for port in (ports[3], ports[1]):
        await api.delete(f"/ports/{port['id']}")
    again = [await api.create("port", network_id=network["id"]) for _ in range(3)]
    assert [addresses(port) for port in again] == [["10.0.0.3"], ["10.0.0.5"], ["10.0.0.7"]]


async def test_changing_fixed_ips_keeps_what_stays_and_frees_what_goes(api: Api) -> None:
    network = await api.network("10.0.0.0/24")
    subnet_id = network["subnets"][0]
    port = await api.create("port", network_id=network["id"])
    path = port["id"]
    same = await api.update("port", path, fixed_ips=[{"subnet_id": subnet_id}])
    assert same == port
    more = await api.update("port", path, fixed_ips=[{"ip_address": "10.0.0.2"}, {"ip_address": "10.0.0.9"}])
    assert addresses(more) == ["10.0.0.2", "10.0.0.9"]
    other = await api.update("port", path, fixed_ips=[{"ip_address": "10.0.0.9"}])
    assert addresses(other) == ["10.0.0.9"]
    assert addresses(await api.create("port", network_id=network["id"])) == ["10.0.0.2"]
    assert addresses(await api.update("port", path, fixed_ips=[])) == []
    assert addresses(await api.update("port", path, fixed_ips=[{"subnet_id": subnet_id}])) == ["10.0.0.3"]


async def test_a_new_mac_brings_a_new_automatic_address(api: Api) -> None:
    network = await api.create("network")
    auto = {"ip_version": 6, "cidr": "fd00::/64", "ipv6_ra_mode": "slaac", "ipv6_address_mode": "slaac"}
    await api.create("subnet", network_id=network["id"], **auto)
    port = await api.create("port", network_id=network["id"], mac_address="fa:16:3e:00:00:01")
    assert addresses(port) == ["fd00::f816:3eff:fe00:1"]
    changed = await api.update("port", port["id"], mac_address="fa:16:3e:00:00:02")
    assert addresses(changed) == ["fd00::f816:3eff:fe00:2"]


async def test_a_mac_is_unique_on_its_network_only(api: Api) -> None:
    one, two = await api.create("network"), await api.create("network")
    mac = {"mac_address": "fa:16:3e:00:00:01"}
    await api.create("port", network_id=one["id"], **mac)
    await api.create("port", network_id=two["id"], **mac)
    free = await api.create("port", network_id=one["id"])
    assert (await api.error("PUT", f"/ports/{free['id']}", {"port": mac}))[1] == "MacAddressInUse"
    assert (await api.error("POST", "/ports", {"port": mac | {"network_id": two["id"]}}))[1] == "MacAddressInUse"


async def test_address_pairs_take_the_port_s_mac_when_they_name_none(api: Api) -> None:
    network = await api.network("10.0.0.0/24")
    pairs = [{"ip_address": "10.0.0.50"}, {"ip_address": "10.0.1.0/24", "mac_address": "FA:16:3E:00:00:05"}]
    port = await api.create("port", network_id=network["id"], allowed_address_pairs=pairs)
    assert port["allowed_address_pairs"] == [
        {"ip_address": "10.0.0.50", "mac_address": port["mac_address"]},
        {"ip_address": "10.0.1.0/24", "mac_address": "fa:16:3e:00:00:05"},
    ]
    assert await api.get(f"/ports/{port['id']}") == port


async def test_a_hundred_ports_in_one_request_get_a_hundred_addresses(api: Api) -> None:
    network = await api.network("10.0.0.0/24")
    items = [{"network_id": network["id"], "name": f"p{n}", "tags": [f"t{n}"]} for n in range(100)]
    items[50]["fixed_ips"] = [{"ip_address": "10.0.0.3"}]
    answer = await api.ask("POST", "/ports", {"ports": items})
    assert answer.status_code == 201
    ports = answer.json()["ports"]
    assert [port["name"] for port in ports] == [f"p{n}" for n in range(100)]
    assert addresses(ports[50]) == ["10.0.0.3"]
    assert len({ip for port in ports for ip in addresses(port)}) == 100
    assert ports[7]["tags"] == ["t7"]


async def test_a_failed_request_gives_its_addresses_back(api: Api) -> None:
    network = await api.network("10.0.0.0/29")
    items = [{"network_id": network["id"]} for _ in range(6)]
    assert (await api.error("POST", "/ports", {"ports": items}))[1] == "IpAddressGenerationFailure"
    answer = await api.ask("POST", "/ports", {"ports": items[:5]})
    assert [addresses(port)[0] for port in answer.json()["ports"]] == [f"10.0.0.{n}" for n in range(2, 7)]


async def test_a_deleted_port_is_gone(api: Api) -> None:
    network = await api.network("10.0.0.0/24")
    port = await api.create("port", network_id=network["id"])
    await api.delete(f"/ports/{port['id']}")
    assert (await api.error("GET", f"/ports/{port['id']}"))[:2] == (404, "PortNotFound")
    assert (await api.error("DELETE", f"/ports/{port['id']}"))[:2] == (404, "PortNotFound")
    assert await api.get("/ports") == []
