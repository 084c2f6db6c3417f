"""Lists of leases show every lease once, whichever API made it, in the order of their creation, page by page."""

import pytest

from tests.functional.vnet_api.vnet_world import VnetApi

pytestmark = pytest.mark.asyncio(loop_scope="session")


async def scene(vnet: VnetApi) -> None:
    """Interfaces of several MACs and networks, ports of Neutron's, leases of nobody and of nothing yet."""
    await vnet.network("nw-a", "10.0.1.0")
    await vnet.network("nw-b", "10.0.2.0")
    await vnet.post("interfaces", uuid="if-one", network_uuid="nw-a", ipv4_address="10.0.1.10")
    subnet = next(iter(vnet.db.subnets.values()))
    await vnet.neutron("POST", "/ports", {"port": {"network_id": subnet.network_id, "name": "theirs"}})
    await vnet.post("interfaces", uuid="if-two", mac_address="02:00:00:00:00:02")
    await vnet.post("mac_leases", uuid="ml-more", interface_uuid="if-one", mac_address="02:00:00:00:00:03")
    for uuid, network, address in (("il-b", "nw-b", "10.0.2.20"), ("il-c", "nw-a", "10.0.1.21")):
        await vnet.post("ip_leases", uuid=uuid, network_uuid=network, ipv4_address=address, interface_uuid="if-two")
    await vnet.post("ip_leases", uuid="il-d", network_uuid="nw-b", ipv4_address="10.0.2.30", mac_lease_uuid="ml-more")
    await vnet.post("ip_leases", uuid="il-free", network_uuid="nw-b", ipv4_address="10.0.2.40")
    await vnet.put("ip_leases/il-c/release")


@pytest.mark.parametrize("collection", ["mac_leases", "ip_leases"])
async def test_a_list_shows_each_lease_as_it_is_shown_alone(vnet: VnetApi, collection: str) -> None:
    await scene(vnet)
    shown = await vnet.items(collection)
    of_interfaces = {lease["uuid"] for one in await vnet.items("interfaces") for lease in one[collection]} | (
        {"il-free", "il-c"} if collection == "ip_leases" else set()
    )
    assert {lease["uuid"] for lease in shown} == of_interfaces
    assert len(shown) == len(of_interfaces)
    for number, lease in enumerate(shown):
        assert await vnet.get(f"{collection}/{lease['uuid']}") == lease
        page = await vnet.get(collection, offset=number, limit=1)
        assert page["items"] == [lease]
        assert page["total_count"] == len(shown)
    made = [lease["created_at"] for lease in shown]
    assert made == sorted(made)
