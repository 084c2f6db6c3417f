"""Networks: defaults, provider segments, MTU, revisions, deletion."""

import re

import pytest

from patchbay.intent.database import IntentDatabase
from patchbay.service.settings import NetworkSettings
from tests.functional.api.api_world import Api

pytestmark = pytest.mark.asyncio(loop_scope="session")


async def test_a_network_without_wishes_has_neutron_s_defaults(api: Api) -> None:
    network = await api.create("network")
    created = network.pop("created_at")
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ", created)
    assert network.pop("updated_at") == created
    assert network == {
        "id": network["id"],
        "name": "",
        "tenant_id": "",
        "project_id": "",
        "admin_state_up": True,
        "mtu": 1450,
        "status": "ACTIVE",
        "subnets": [],
        "shared": False,
        "router:external": False,
        "provider:network_type": "vxlan",
        "provider:physical_network": None,
        "provider:segmentation_id": 1,
        "dns_domain": "",
        "is_default": False,
        "port_security_enabled": True,
        "ipv4_address_scope": None,
        "ipv6_address_scope": None,
        "description": "",
        "tags": [],
        "revision_number": 1,
    }


async def test_every_attribute_of_a_network_can_be_set_and_changed(api: Api) -> None:
    wishes = {"name": "blue", "description": "d", "admin_state_up": False, "shared": True, "mtu": 1400}
    network = await api.create("network", **wishes, router__external=True, project_id="p1")
    assert network | wishes | {"router:external": True, "project_id": "p1", "tenant_id": "p1"} == network
    changes = {"name": "red", "description": "", "admin_state_up": True, "shared": False, "mtu": 1300}
    changed = await api.update("network", network["id"], **changes, router__external=False)
    assert changed | changes | {"router:external": False, "revision_number": 2} == changed
    assert await api.get(f"/networks/{network['id']}") == changed


async def test_an_update_that_changes_nothing_leaves_the_revision(api: Api) -> None:
    network = await api.create("network", name="blue")
    assert await api.update("network", network["id"], name="blue") == network


async def test_the_project_comes_from_the_header_or_the_body(api: Api) -> None:
    answer = await api.ask("POST", "/networks", {"network": {}}, x_project_id="p1")
    assert answer.json()["network"]["project_id"] == "p1"
    answer = await api.ask("POST", "/networks", {"network": {"tenant_id": "p2"}}, x_project_id="p1")
    assert answer.json()["network"]["tenant_id"] == answer.json()["network"]["project_id"] == "p2"


async def test_each_network_gets_the_lowest_free_vni(api: Api) -> None:
    networks = [await api.create("network") for _ in range(3)]
    assert [network["provider:segmentation_id"] for network in networks] == [1, 2, 3]
    await api.delete(f"/networks/{networks[1]['id']}")
    await api.create("network", provider__network_type="vxlan", provider__segmentation_id=4)
    assert [(await api.create("network"))["provider:segmentation_id"] for _ in range(2)] == [2, 5]


async def test_vlan_ids_come_from_the_ranges_of_the_physical_network(db: IntentDatabase) -> None:
    api = Api(db, NetworkSettings(vlan_ranges={"physnet1": ((100, 101),), "physnet2": ((100, 100),)}))
    wish = {"provider__network_type": "vlan"}
    ids = [await api.create("network", **wish) for _ in range(3)]
    places = [(network["provider:physical_network"], network["provider:segmentation_id"]) for network in ids]
    assert places == [("physnet1", 100), ("physnet1", 101), ("physnet2", 100)]
    assert (await api.error("POST", "/networks", {"network": {"provider:network_type": "vlan"}}))[0] == 503
    named = await api.create("network", **wish, provider__physical_network="physnet9", provider__segmentation_id=4094)
    assert named["mtu"] == 1500


async def test_when_the_vnis_are_used_up_there_is_no_network_until_one_goes(db: IntentDatabase) -> None:
    api = Api(db, NetworkSettings(vni_ranges=((7, 8),)))
    networks = [await api.create("network") for _ in range(2)]
    error = await api.error("POST", "/networks", {"network": {}})
    assert error[:2] == (503, "NoNetworkAvailable")
    await api.delete(f"/networks/{networks[0]['id']}")
    assert (await api.create("network"))["provider:segmentation_id"] == 7


async def test_local_and_flat_networks_have_no_segmentation_id(api: Api) -> None:
    local = await api.create("network", provider__network_type="local")
    flat = await api.create("network", provider__network_type="flat", provider__physical_network="physnet1")
    assert (local["provider:segmentation_id"], local["mtu"]) == (None, 1500)
    assert (flat["provider:segmentation_id"], flat["provider:physical_network"], flat["mtu"]) == (
        None,
        "physnet1",
        1500,
    )


async def test_the_mtu_follows_the_underlay(db: IntentDatabase) -> None:
    api = Api(db, NetworkSettings(path_mtu=9000, global_physnet_mtu=1600, physical_network_mtus={"physnet2": 9000}))
    assert (await api.create("network"))["mtu"] == 8950
    vlan = {"provider__network_type": "vlan", "provider__segmentation_id": 5}
    assert (await api.create("network", **vlan, provider__physical_network="physnet1"))["mtu"] == 1600
    assert (await api.create("network", **vlan, provider__physical_network="physnet2"))["mtu"] == 9000
    network = await api.create("network", mtu=1280)
    assert (await api.update("network", network["id"], mtu=0))["mtu"] == 8950


async def test_a_network_shows_its_subnets_and_grows_in_revision_with_them(api: Api) -> None:
    network = await api.network("10.0.0.0/24", "fd00::/64")
    assert len(network["subnets"]) == 2
    assert network["revision_number"] == 3
    await api.delete(f"/subnets/{network['subnets'][0]}")
    after = await api.get(f"/networks/{network['id']}")
    assert (after["subnets"], after["revision_number"]) == (network["subnets"][1:], 4)


async def test_a_network_goes_with_its_subnets_and_service_ports_but_not_with_others(api: Api) -> None:
    network = await api.network("10.0.0.0/24")
    await api.create("port", network_id=network["id"], device_owner="network:dhcp")
    port = await api.create("port", network_id=network["id"])
    status, type_, message = await api.error("DELETE", f"/networks/{network['id']}")
    assert (status, type_) == (409, "NetworkInUse")
    assert message.endswith(f"id for these ports is: {port['id']}.")
    await api.delete(f"/ports/{port['id']}")
    await api.delete(f"/networks/{network['id']}")
    assert await api.get("/networks") == await api.get("/subnets") == await api.get("/ports") == []


async def test_a_network_that_others_use_stays_shared(api: Api) -> None:
    network = await api.network("10.0.0.0/24", shared=True, project_id="p1")
    port = await api.create("port", network_id=network["id"], project_id="p2")
    error = await api.error("PUT", f"/networks/{network['id']}", {"network": {"shared": False}})
    assert error[:2] == (409, "InvalidSharedSetting")
    await api.delete(f"/ports/{port['id']}")
    subnet = network["subnets"][0]
    await api.delete(f"/subnets/{subnet}")
    assert not (await api.update("network", network["id"], shared=False))["shared"]


async def test_networks_are_made_in_bulk_all_or_none(api: Api) -> None:
    answer = await api.ask("POST", "/networks", {"networks": [{"name": "a"}, {"network": {"name": "b"}}]})
    assert answer.status_code == 201
    assert [network["name"] for network in answer.json()["networks"]] == ["a", "b"]
    wrong = {"networks": [{"name": "c"}, {"name": "d", "mtu": 9999}]}
    assert (await api.error("POST", "/networks", wrong))[0] == 400
    assert {network["name"] for network in await api.get("/networks")} == {"a", "b"}
    assert (await api.create("network"))["provider:segmentation_id"] == 3


async def test_if_match_lets_the_current_revision_through(api: Api) -> None:
    network = await api.create("network")
    path = f"/networks/{network['id']}"
    for revision, etag in ((1, "revision_number=1"), (2, '"revision_number=2"')):
        answer = await api.ask("PUT", path, {"network": {"name": f"n{revision}"}}, if_match=etag)
        assert answer.json()["network"]["revision_number"] == revision + 1
    assert (await api.error("DELETE", path, if_match="revision_number=2"))[0] == 412
    answer = await api.ask("DELETE", path, if_match="revision_number=3")
    assert answer.status_code == 204
    assert answer.content == b""


async def test_one_external_network_may_be_the_default(api: Api) -> None:
    inside = await api.create("network", is_default=True)
    first = await api.create("network", router__external=True, is_default=True)
    assert (inside["is_default"], first["is_default"]) == (False, True)
    error = await api.error("POST", "/networks", {"network": {"router:external": True, "is_default": True}})
    assert error == (409, "DefaultExternalNetworkExists", f"A default external network already exists: {first['id']}.")
    second = await api.create("network", router__external=True)
    path = f"/networks/{second['id']}"
    assert (await api.error("PUT", path, {"network": {"is_default": True}}))[1] == error[1]
    await api.update("network", first["id"], is_default=False)
    assert (await api.update("network", second["id"], is_default=True))["is_default"]
    assert [one["id"] for one in await api.get("/networks?is_default=true")] == [second["id"]]
