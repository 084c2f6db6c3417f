"""/v2.0/floatingips/{id}/port_forwardings as the API reference describes it."""

from typing import Any

import pytest

from tests.functional.api.api_world import Api, Object
from tests.functional.api.router_world import Site

pytestmark = pytest.mark.asyncio(loop_scope="session")


async def forward(site: Site, floatingip: Object, port: Object, **attributes: Any) -> Object:
    """A new port forwarding: TCP 2222 to 22, unless told otherwise."""
    item = {"protocol": "tcp", "internal_port_id": port["id"], **attributes}
    if not any(name.startswith("external") for name in item):
        item |= {"external_port": 2222, "internal_port": 22}
    path = f"/floatingips/{floatingip['id']}/port_forwardings"
    answer = await site.api.ask("POST", path, {"port_forwarding": item})
    assert answer.status_code == 201, answer.text
    made: Object = answer.json()["port_forwarding"]
    return made


async def test_a_port_forwarding_leads_a_port_of_the_floating_ip_to_an_internal_one(api: Api) -> None:
    site = await Site.build(api)
    port, floatingip = await site.port(), await site.floatingip()
    address = port["fixed_ips"][0]["ip_address"]
    made = await forward(site, floatingip, port, description="d")
    assert made == {
        "id": made["id"],
        "protocol": "tcp",
        "external_port": 2222,
        "external_port_range": "2222:2222",
        "internal_port": 22,
        "internal_port_range": "22:22",
        "internal_ip_address": address,
        "internal_port_id": port["id"],
        "description": "d",
    }
    path = f"/floatingips/{floatingip['id']}"
    shown = await api.get(path)
    assert (shown["router_id"], shown["port_id"], shown["revision_number"]) == (site.router["id"], None, 2)
    assert shown["port_forwardings"] == [
        {
            "id": made["id"],
            "protocol": "tcp",
            "external_port": 2222,
            "internal_port": 22,
            "internal_ip_address": address,
            "internal_port_id": port["id"],
        }
    ]
    assert await api.get(f"{path}/port_forwardings/{made['id']}") == made
    assert await api.get(f"{path}/port_forwardings") == [made]
    await api.delete(f"{path}/port_forwardings/{made['id']}")
    assert await api.get(f"{path}/port_forwardings") == []
    assert (await api.get(path))["router_id"] is None


async def test_ranges_of_ports_lead_to_as_many_or_to_one(api: Api) -> None:
    site = await Site.build(api)
    port, floatingip = await site.port(), await site.floatingip()
    many = await forward(site, floatingip, port, external_port_range="8000:8009", internal_port_range="9000:9009")
    assert (many["external_port"], many["external_port_range"]) == (None, "8000:8009")
    one = await forward(site, floatingip, port, external_port_range="100:109", internal_port=80)
    assert (one["external_port_range"], one["internal_port_range"], one["internal_port"]) == ("100:109", "80:80", 80)
    again = await forward(site, floatingip, port, protocol="UDP", external_port=8001, internal_port=9001)
    assert again["protocol"] == "udp"
    listed = await api.get(f"/floatingips/{floatingip['id']}/port_forwardings?protocol=tcp&fields=id")
    assert {item["id"] for item in listed} == {many["id"], one["id"]}
    (found,) = await api.get(f"/floatingips/{floatingip['id']}/port_forwardings?external_port=8001")
    assert found == again


async def test_a_port_forwarding_is_changed(api: Api) -> None:
    site = await Site.build(api)
    one, other, floatingip = await site.port(), await site.port("10.0.0.99"), await site.floatingip()
    made = await forward(site, floatingip, one)
    path = f"/floatingips/{floatingip['id']}/port_forwardings/{made['id']}"
    changes: tuple[Object, ...] = (
        {"external_port": 2223},
        {"internal_port": 23, "description": "e"},
        {"internal_port_id": other["id"]},
        {"external_port_range": "10:12", "internal_port_range": "20:22"},
    )
    for change in changes:
        answer = await api.act(path, {"port_forwarding": change})
        assert answer["port_forwarding"] | change == answer["port_forwarding"] == await api.get(path)
    changed = await api.get(path)
    assert (changed["internal_ip_address"], changed["id"]) == ("10.0.0.99", made["id"])


async def test_several_are_made_at_once(api: Api) -> None:
    site = await Site.build(api)
    port, floatingip = await site.port(), await site.floatingip()
    item = {"protocol": "tcp", "internal_port_id": port["id"]}
    items = [item | {"external_port": number, "internal_port": number} for number in (80, 443)]
    answer = await api.ask("POST", f"/floatingips/{floatingip['id']}/port_forwardings", {"port_forwardings": items})
    assert answer.status_code == 201
    assert [one["external_port"] for one in answer.json()["port_forwardings"]] == [80, 443]


async def test_they_go_with_the_internal_port_and_with_its_address(api: Api) -> None:
    site = await Site.build(api)
    one, other, floatingip = await site.port("10.0.0.50"), await site.port("10.0.0.60"), await site.floatingip()
    first = await forward(site, floatingip, one)
    second = await forward(site, floatingip, other, external_port=80, internal_port=80)
    path = f"/floatingips/{floatingip['id']}"
    await api.update("port", one["id"], name="still there")
    assert len(await api.get(f"{path}/port_forwardings")) == 2
    await api.update("port", one["id"], fixed_ips=[{"ip_address": "10.0.0.51"}])
    assert [item["id"] for item in await api.get(f"{path}/port_forwardings")] == [second["id"]] != [first["id"]]
    assert (await api.get(path))["router_id"] == site.router["id"]
    await api.delete(f"/ports/{other['id']}")
    shown = await api.get(path)
    assert (shown["port_forwardings"], shown["router_id"]) == ([], None)
