"""enable_filtering of interfaces: port security of their ports, which OpenVNet's users must ask for."""

import pytest

from patchbay.service.security_groups import default_group_id
from tests.functional.vnet_api.vnet_world import VnetApi

pytestmark = pytest.mark.asyncio(loop_scope="session")

OPEN, FILTERED = (False, ()), (True, (default_group_id(""),))


def protection(vnet: VnetApi) -> set[tuple[bool, tuple[str, ...]]]:
    return {(port.port_security_enabled, port.security_groups) for port in vnet.db.ports.values()}


async def test_ports_of_interfaces_are_open_unless_filtering_is_asked_for(vnet: VnetApi) -> None:
    await vnet.network()
    where = {"network_uuid": "nw-test"}
    await vnet.post("interfaces", uuid="if-open", ipv4_address="192.168.1.10", mac_address="52:54:00:0d:84:01", **where)
    assert protection(vnet) == {OPEN}
    changed = await vnet.put("interfaces/if-open", enable_filtering=True)
    assert changed["enable_filtering"] is True
    assert protection(vnet) == {FILTERED}
    assert default_group_id("") in vnet.db.security_groups
    await vnet.post("mac_leases", uuid="ml-2", interface_uuid="if-open", mac_address="52:54:00:0d:84:02")
    await vnet.post("ip_leases", mac_lease_uuid="ml-2", ipv4_address="192.168.1.11", **where)
    assert len(vnet.db.ports) == 2
    assert protection(vnet) == {FILTERED}
    assert (await vnet.put("interfaces/if-open", enable_filtering=False))["enable_filtering"] is False
    assert protection(vnet) == {OPEN}


async def test_an_interface_with_filtering_from_the_start_makes_the_group(vnet: VnetApi) -> None:
    await vnet.network()
    address = {"network_uuid": "nw-test", "ipv4_address": "192.168.1.10", "mac_address": "52:54:00:0d:84:01"}
    made = await vnet.post("interfaces", uuid="if-safe", enable_filtering=True, **address)
    assert made["enable_filtering"] is True
    assert protection(vnet) == {FILTERED}
    routed = {**address, "ipv4_address": "192.168.1.1", "mac_address": "52:54:00:0d:84:09"}
    router = await vnet.post("interfaces", uuid="if-router", mode="simulated", enable_filtering=True, **routed)
    assert router["enable_filtering"] is True
    assert protection(vnet) == {FILTERED, OPEN}, "ports in front of routers are never filtered"


async def test_a_port_of_neutron_is_shown_as_it_is_filtered(vnet: VnetApi) -> None:
    await vnet.network()
    (network_id,) = vnet.db.networks
    port = await vnet.neutron("POST", "/ports", {"port": {"network_id": network_id}})
    (shown,) = await vnet.items("interfaces")
    assert shown["enable_filtering"] is True
    await vnet.put(f"interfaces/{shown['uuid']}", enable_filtering=False)
    assert protection(vnet) == {OPEN}
    assert port["security_groups"] == [default_group_id("")]
