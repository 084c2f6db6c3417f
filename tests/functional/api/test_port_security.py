"""Port security of networks and ports, and the groups that ports are in."""

import pytest
from msgspec.structs import replace

from patchbay.intent.database import Update
from patchbay.model import AddressPair
from patchbay.service.context import RequestContext
from patchbay.service.ports import create_ports
from patchbay.service.security_errors import SecurityGroupNotFound
from patchbay.service.security_groups import default_group_id
from patchbay.service.specs import PortSpec
from tests.functional.api.api_world import Api, Object
from tests.functional.api.security_world import group

pytestmark = pytest.mark.asyncio(loop_scope="session")


def protection(port: Object) -> tuple[bool, list[str]]:
    return port["port_security_enabled"], port["security_groups"]


async def test_a_port_is_protected_as_its_network_and_its_request_say(api: Api) -> None:
    safe = await api.network("10.0.0.0/24")
    open_ = await api.network("10.0.0.0/24", port_security_enabled=False)
    web = (await group(api, name="web"))["id"]
    default = default_group_id("")
    for network, attributes, wanted in (
        (safe, {}, (True, [default])),
        (safe, {"security_groups": None}, (True, [])),
        (safe, {"security_groups": []}, (True, [])),
        (safe, {"security_groups": [web]}, (True, [web])),
        (safe, {"security_groups": [default, web]}, (True, sorted([default, web]))),
        (safe, {"port_security_enabled": "false"}, (False, [])),
        (safe, {"port_security_enabled": False, "security_groups": []}, (False, [])),
        (safe, {"project_id": "red"}, (True, [default_group_id("red")])),
        (safe, {"device_owner": "network:dhcp"}, (False, [])),
        (safe, {"device_owner": "network:dhcp", "port_security_enabled": True}, (False, [])),
        (safe, {"device_owner": "compute:nova"}, (True, [default])),
        (open_, {}, (False, [])),
        (open_, {"port_security_enabled": True}, (True, [default])),
        (open_, {"security_groups": [web]}, (True, [web])),
    ):
        port = await api.create("port", network_id=network["id"], **attributes)
        assert protection(port) == wanted, attributes
    body = {"port": {"network_id": open_["id"], "security_groups": [web], "fixed_ips": []}}
    assert (await api.error("POST", "/ports", body))[1] == "PortSecurityAndIPRequiredForSecurityGroups"


async def test_protection_of_a_port_changes(api: Api) -> None:
    network = await api.network("10.0.0.0/24")
    web, db = [(await group(api, name=name))["id"] for name in ("web", "db")]
    port = await api.create("port", network_id=network["id"], security_groups=[web])
    for attributes, wanted in (
        ({"name": "x"}, (True, [web])),
        ({"security_groups": [web, db]}, (True, sorted([web, db]))),
        ({"port_security_enabled": True}, (True, sorted([web, db]))),
        ({"security_groups": [db]}, (True, [db])),
        ({"security_groups": []}, (True, [])),
        ({"allowed_address_pairs": [{"ip_address": "10.0.0.9"}]}, (True, [])),
        ({"allowed_address_pairs": [], "port_security_enabled": False}, (False, [])),
        ({"port_security_enabled": False, "security_groups": []}, (False, [])),
        ({"port_security_enabled": True}, (True, [])),
        ({"security_groups": [web]}, (True, [web])),
        ({"port_security_enabled": False, "security_groups": None}, (False, [])),
        ({"port_security_enabled": True, "security_groups": [db]}, (True, [db])),
        ({"device_owner": "network:special"}, (False, [])),
        ({"port_security_enabled": True}, (False, [])),
    ):
        assert protection(await api.update("port", port["id"], **attributes)) == wanted, attributes
    await api.delete(f"/security-groups/{db}")


async def test_the_word_of_a_network_counts_for_ports_made_later(api: Api) -> None:
    network = await api.network("10.0.0.0/24")
    old = await api.create("port", network_id=network["id"])
    changed = await api.update("network", network["id"], port_security_enabled=False)
    assert changed["port_security_enabled"] is False
    assert protection(await api.get(f"/ports/{old['id']}")) == (True, [default_group_id("")])
    assert protection(await api.create("port", network_id=network["id"])) == (False, [])
    assert [one["id"] for one in await api.get("/networks?port_security_enabled=false")] == [network["id"]]


async def test_a_port_of_a_router_has_neither(api: Api) -> None:
    network = await api.network("10.0.0.0/24")
    outside = await api.network("203.0.113.0/24", router__external=True)
    router = await api.create("router", external_gateway_info={"network_id": outside["id"]})
    port = await api.create("port", network_id=network["id"], fixed_ips=[{"ip_address": "10.0.0.9"}])
    assert protection(port) == (True, [default_group_id("")])
    await api.act(f"/routers/{router['id']}/add_router_interface", {"port_id": port["id"]})
    second = await api.network("10.1.0.0/24")
    await api.act(f"/routers/{router['id']}/add_router_interface", {"subnet_id": second["subnets"][0]})
    await api.create("floatingip", floating_network_id=outside["id"])
    owned = [one for one in await api.get("/ports") if one["device_owner"].startswith("network:")]
    assert [protection(one) for one in owned] == [(False, [])] * 4
    await api.delete(f"/security-groups/{default_group_id('')}")


async def test_ports_are_found_by_their_groups(api: Api) -> None:
    network = await api.network("10.0.0.0/24")
    web, db = [(await group(api, name=name))["id"] for name in ("web", "db")]
    one = await api.create("port", network_id=network["id"], security_groups=[web])
    two = await api.create("port", network_id=network["id"], security_groups=[web, db], name="two")
    three = await api.create("port", network_id=network["id"], security_groups=[])
    for query, wanted in (
        (f"security_groups={web}", {one["id"], two["id"]}),
        (f"security_groups={db}&security_groups={web}", {one["id"], two["id"]}),
        (f"security_groups={web}&name=two", {two["id"]}),
        (f"security_groups={web}&fixed_ips=ip_address%3D{two['fixed_ips'][0]['ip_address']}", {two["id"]}),
        (f"security_groups={web}&id={one['id']}&id={three['id']}", {one["id"]}),
        ("security_groups=11111111-2222-4333-8444-555555555555", set()),
        ("port_security_enabled=true", {one["id"], two["id"], three["id"]}),
    ):
        assert {port["id"] for port in await api.get(f"/ports?{query}")} == wanted, query


async def test_a_project_uses_its_own_groups_only(api: Api) -> None:
    network = await api.network("10.0.0.0/24", shared=True)
    his = await group(api, project_id="blue")
    member = RequestContext(project_id="red", is_admin=False)
    spec = PortSpec(network_id=network["id"], security_groups=(his["id"],))
    with pytest.raises(SecurityGroupNotFound):
        await create_ports(api.service, member, [spec])
    (port,) = await create_ports(api.service, member, [replace(spec, security_groups=())])
    assert port.port_security_enabled


async def test_ports_from_before_port_security_change_as_they_did(api: Api) -> None:
    """Such a port has address pairs without port security; only who speaks of either must put that right."""
    network = await api.network("10.0.0.0/24")
    port = await api.create("port", network_id=network["id"], port_security_enabled=False)
    old = api.db.ports[port["id"]]
    await api.db.transact(Update(old, replace(old, allowed_address_pairs=(AddressPair("10.0.0.9", old.mac_address),))))
    assert (await api.update("port", port["id"], name="x", binding__host_id="compute1"))["name"] == "x"
    error = await api.error("PUT", f"/ports/{port['id']}", {"port": {"port_security_enabled": False}})
    assert error[1] == "AddressPairAndPortSecurityRequired"
    assert (await api.update("port", port["id"], port_security_enabled=True))["port_security_enabled"]


async def test_a_bulk_of_ports_of_several_projects_makes_their_groups(api: Api) -> None:
    network = await api.network("10.0.0.0/24")
    items = [{"network_id": network["id"], "project_id": name} for name in ("red", "blue", "red")]
    answer = await api.ask("POST", "/ports", {"ports": items})
    assert answer.status_code == 201, answer.text
    groups = [port["security_groups"] for port in answer.json()["ports"]]
    assert groups == [[default_group_id(name)] for name in ("red", "blue", "red")]
