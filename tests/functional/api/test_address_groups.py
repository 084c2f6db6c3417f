"""Address groups: CIDRs that rules name together."""

import pytest

from tests.functional.api.api_world import Api
from tests.functional.api.security_world import address_group, group, rule

pytestmark = pytest.mark.asyncio(loop_scope="session")


async def test_an_address_group_is_shown_as_neutron_shows_it(api: Api) -> None:
    made = await address_group(api, name="offices", addresses=["10.2.3.4/16", "fd00::/64", "10.1.0.1/32"])
    assert made.pop("created_at") == made.pop("updated_at")
    assert made == {
        "id": made["id"],
        "name": "offices",
        "tenant_id": "",
        "project_id": "",
        "addresses": ["10.1.0.1/32", "10.2.0.0/16", "fd00::/64"],
        "description": "",
        "revision_number": 1,
    }
    assert [one["id"] for one in await api.get("/address-groups?name=offices&addresses=fd00::/64")] == [made["id"]]
    assert (await address_group(api, addresses=None))["addresses"] == []


async def test_addresses_come_and_go(api: Api) -> None:
    made = await address_group(api, name="offices")
    path = f"/address-groups/{made['id']}"
    added = await api.act(f"{path}/add_addresses", {"addresses": ["10.1.2.3/16", "192.0.2.1"]})
    assert added["address_group"]["addresses"] == ["10.1.0.0/16", "192.0.2.1/32"]
    assert added["address_group"]["revision_number"] == 2
    left = await api.act(f"{path}/remove_addresses", {"addresses": ["10.1.0.0/16"]})
    assert left["address_group"]["addresses"] == ["192.0.2.1/32"]
    renamed = await api.act(path, {"address_group": {"name": "o", "description": "x" * 1024}})
    assert (renamed["address_group"]["name"], renamed["address_group"]["addresses"]) == ("o", ["192.0.2.1/32"])


async def test_an_address_group_goes_when_no_rule_names_it(api: Api) -> None:
    made, web = await address_group(api), await group(api)
    named = await rule(api, web, remote_address_group_id=made["id"])
    assert (await api.error("DELETE", f"/address-groups/{made['id']}"))[1] == "AddressGroupInUse"
    await api.delete(f"/security-group-rules/{named['id']}")
    await api.delete(f"/address-groups/{made['id']}")
    assert await api.get("/address-groups") == []
