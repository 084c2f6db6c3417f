"""What goes along with networks and subnets, and what keeps them: servers' ports, gateways, floating IPs."""

import pytest

from patchbay.intent.database import IntentDatabase
from tests.functional.api.api_world import Api
from tests.functional.api.router_world import Site, external

pytestmark = pytest.mark.asyncio(loop_scope="session")

DHCP = {"device_owner": "network:dhcp", "device_id": "dhcp1"}


async def test_a_network_goes_with_floating_ips_that_lead_nowhere(api: Api, db: IntentDatabase) -> None:
    outside = await external(api)
    await api.create("floatingip", floating_network_id=outside["id"])
    await api.delete(f"/networks/{outside['id']}")
    assert not db.floatingips
    assert not db.ports


async def test_a_network_goes_with_its_dhcp_ports(api: Api, db: IntentDatabase) -> None:
    network = await api.network("10.0.0.0/24")
    await api.create("port", network_id=network["id"], **DHCP)
    await api.delete(f"/networks/{network['id']}")
    assert not db.ports


async def test_a_subnet_goes_with_the_dhcp_port_that_has_no_other(api: Api, db: IntentDatabase) -> None:
    network = await api.network("10.0.0.0/24", "10.1.0.0/24")
    one, other = network["subnets"]
    only = await api.create("port", network_id=network["id"], fixed_ips=[{"subnet_id": one}], **DHCP)
    both = [{"subnet_id": subnet_id} for subnet_id in (one, other)]
    port = await api.create("port", network_id=network["id"], fixed_ips=both, **DHCP)
    await api.delete(f"/subnets/{one}")
    assert set(db.ports) == {port["id"]} != {only["id"]}
    assert [ip.subnet_id for ip in db.ports[port["id"]].fixed_ips] == [other]


async def test_a_network_becomes_internal_when_nothing_needs_it(api: Api) -> None:
    outside = await external(api)
    router = await api.create("router", external_gateway_info={"network_id": outside["id"]})
    await api.delete(f"/routers/{router['id']}")
    changed = await api.update("network", outside["id"], router__external=False)
    assert changed["router:external"] is False


async def test_a_port_of_a_router_that_is_gone_is_a_port_like_any(api: Api) -> None:
    network = await api.network("10.0.0.0/24")
    attributes = {"device_owner": "network:router_interface", "device_id": "gone"}
    port = await api.create("port", network_id=network["id"], **attributes)
    await api.update("port", port["id"], device_id="")
    await api.delete(f"/ports/{port['id']}")


async def test_what_concerns_no_address_of_a_router_s_port_may_change(api: Api) -> None:
    site = await Site.build(api)
    (port,) = await api.get(f"/ports?network_id={site.inside['network_id']}")
    changed = await api.update("port", port["id"], name="gateway of lan", fixed_ips=port["fixed_ips"])
    assert changed["name"] == "gateway of lan"


async def test_gateways_get_an_address_of_a_first_subnet_of_an_ip_version(api: Api) -> None:
    outside = await external(api)
    routers = [await api.create("router", external_gateway_info={"network_id": outside["id"]}) for _ in range(2)]
    six = await api.create("subnet", network_id=outside["id"], ip_version=6, cidr="2001:db8::/64")
    await api.create("subnet", network_id=outside["id"], ip_version=4, cidr="198.51.100.0/24")
    for router in routers:
        shown = await api.get(f"/routers/{router['id']}")
        addresses = shown["external_gateway_info"]["external_fixed_ips"]
        assert [ip["subnet_id"] for ip in addresses] == [outside["subnets"][0], six["id"]]
