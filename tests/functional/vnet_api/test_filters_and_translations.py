"""Filters with static rules and translations with static addresses: kept and shown, with every check."""

from typing import Any

import pytest

from tests.functional.vnet_api.vnet_world import ALWAYS, Object, VnetApi

pytestmark = pytest.mark.asyncio(loop_scope="session")

ANY = "0.0.0.0"


async def owner(vnet: VnetApi, kind: str) -> Object:
    """An interface if-one and a filter fil-one or translation tr-one of it."""
    await vnet.post("interfaces", uuid="if-one", mode="vif")
    if kind == "filters":
        return dict(await vnet.post("filters", uuid="fil-one", interface_uuid="if-one", mode="static"))
    return dict(await vnet.post("translations", uuid="tr-one", interface_uuid="if-one", mode="static_address"))


async def test_a_filter_shows_all_that_it_was_given(vnet: VnetApi) -> None:
    made = await owner(vnet, "filters")
    assert set(made) >= ALWAYS
    assert "interface_id" not in made
    assert (made["interface_uuid"], made["mode"]) == ("if-one", "static")
    assert (made["egress_passthrough"], made["ingress_passthrough"]) == (False, False)
    both = {"egress_passthrough": True, "ingress_passthrough": True}
    other = await vnet.post("filters", uuid="fil-two", interface_uuid="if-one", mode="static", **both)
    assert other.items() >= both.items()
    changed = await vnet.put("filters/fil-one", egress_passthrough=True)
    assert (changed["egress_passthrough"], changed["ingress_passthrough"]) == (True, False)
    changed = await vnet.put("filters/fil-one", ingress_passthrough=True, mode="other")
    assert (changed["ingress_passthrough"], changed["mode"]) == (True, "static")
    assert await vnet.uuids("filters") == ["fil-one", "fil-two"]
    await vnet.refused("PUT", "filters/fil-one", "ArgumentError", egress_passthrough="perhaps")
    await vnet.refused("PUT", "filters/fil-none", "UnknownUUIDResource")


@pytest.mark.parametrize(
    ("collection", "mode", "uuid"), [("filters", "static", "fil-new"), ("translations", "static_address", "tr-new")]
)
@pytest.mark.parametrize(
    ("values", "name", "part"),
    [
        ({"interface_uuid": None}, "MissingArgument", "interface_uuid"),
        ({"mode": None}, "MissingArgument", "mode"),
        ({"mode": "a squirrel"}, "ArgumentError", "squirrel"),
        ({"interface_uuid": "faulty"}, "InvalidUUID", "faulty"),
        ({"interface_uuid": "if-none"}, "UnknownUUIDResource", "if-none"),
        ({"uuid": "faulty"}, "InvalidUUID", "faulty"),
    ],
)
async def test_what_an_interface_filters_or_translates_is_checked(
    vnet: VnetApi, collection: str, mode: str, uuid: str, values: dict[str, Any], name: str, part: str
) -> None:
    await vnet.post("interfaces", uuid="if-one", mode="vif")
    given = {"uuid": uuid, "interface_uuid": "if-one", "mode": mode, **values}
    given = {key: value for key, value in given.items() if value is not None}
    assert part in await vnet.refused("POST", collection, name, **given)
    assert await vnet.uuids(collection) == []


@pytest.mark.parametrize("collection", ["filters", "translations"])
async def test_filters_and_translations_go_with_their_interface(vnet: VnetApi, collection: str) -> None:
    made = await owner(vnet, collection)
    await vnet.refused(
        "POST", collection, "DuplicateUUID", **{key: made[key] for key in ("uuid", "interface_uuid", "mode")}
    )
    await vnet.refused("GET", f"{collection}/nothing", "InvalidUUID")
    await vnet.delete("interfaces/if-one")
    assert await vnet.uuids(collection) == []
    made = await owner(vnet, collection)
    assert await vnet.delete(f"{collection}/{made['uuid']}") == [made["uuid"]]
    await vnet.refused("GET", f"{collection}/{made['uuid']}", "UnknownUUIDResource")


async def test_a_filter_of_a_port_that_neutron_took_away_is_gone(vnet: VnetApi) -> None:
    network = await vnet.neutron("POST", "/networks", {"network": {}})
    port = await vnet.neutron("POST", "/ports", {"port": {"network_id": network["id"]}})
    [interface] = await vnet.uuids("interfaces")
    await vnet.post("filters", uuid="fil-one", interface_uuid=interface, mode="static")
    assert await vnet.uuids("filters") == ["fil-one"]
    await vnet.neutron("DELETE", f"/ports/{port['id']}")
    assert await vnet.uuids("filters") == []
    await vnet.refused("GET", "filters/fil-one", "UnknownUUIDResource")
    await owner(vnet, "filters")
    assert await vnet.uuids("filters") == ["fil-one"]


STATIC = "filters/fil-one/static"
RULES: list[tuple[dict[str, Any], dict[str, Any]]] = [
    (
        {"protocol": "tcp", "dst_address": "192.168.100.150", "dst_port": 24056, "action": "pass"},
        {"dst_address": "192.168.100.150", "dst_prefix": 32, "src_address": ANY, "src_prefix": 0, "src_port": 0},
    ),
    (
        {"protocol": "udp", "src_address": "10.1.0.0/16", "src_port": 53, "action": "drop"},
        {"src_address": "10.1.0.0", "src_prefix": 16, "dst_address": ANY, "dst_prefix": 0, "dst_port": 0},
    ),
    (
        {"protocol": "icmp", "src_address": "10.1.0.1", "dst_address": "10.2.0.0/24", "action": "pass"},
        {"src_address": "10.1.0.1", "src_prefix": 32, "dst_address": "10.2.0.0", "dst_prefix": 24},
    ),
    ({"protocol": "arp", "action": "pass"}, {"src_address": ANY, "src_prefix": 0, "dst_address": ANY, "dst_prefix": 0}),
    ({"protocol": "ip", "action": "drop"}, {"src_address": ANY, "src_prefix": 0, "dst_address": ANY, "dst_prefix": 0}),
]


@pytest.mark.parametrize(("values", "shown"), RULES)
async def test_static_rules_come_and_go(vnet: VnetApi, values: dict[str, Any], shown: dict[str, Any]) -> None:
    filter_ = await owner(vnet, "filters")
    made = await vnet.post(STATIC, **values)
    ports = {"src_port": values.get("src_port"), "dst_port": values.get("dst_port")}
    has_ports = values["protocol"] in {"tcp", "udp"}
    wanted = {"filter_id": filter_["id"], "protocol": values["protocol"], "action": values["action"]}
    wanted |= {name: value or 0 for name, value in ports.items()} if has_ports else {}
    assert made == {**wanted, **shown}
    assert await vnet.items(STATIC) == [made]
    assert "static rule already" in await vnet.refused("POST", STATIC, "RelationAlreadyExists", **values)
    rest = {name: value for name, value in values.items() if name != "action"}
    assert await vnet.delete(STATIC, **rest) == made
    assert await vnet.items(STATIC) == []
    message = await vnet.refused("DELETE", STATIC, "UnknownResource", **rest)
    assert values["protocol"] in message


async def test_static_rules_belong_to_one_filter_and_go_with_it(vnet: VnetApi) -> None:
    await owner(vnet, "filters")
    await vnet.post("filters", uuid="fil-two", interface_uuid="if-one", mode="static")
    for values, _ in RULES:
        await vnet.post(STATIC, **values)
    assert [one["protocol"] for one in await vnet.items(STATIC)] == ["tcp", "udp", "icmp", "arp", "ip"]
    assert (await vnet.get(STATIC, limit=2, offset=4))["items"] == (await vnet.items(STATIC))[4:]
    assert await vnet.items("filters/fil-two/static") == []
    await vnet.refused("DELETE", "filters/fil-two/static", "UnknownResource", protocol="arp")
    await vnet.delete("filters/fil-one")
    assert {row.kind for row in vnet.db.vnet_objects.values()} == {"interface", "filter"}


@pytest.mark.parametrize(
    ("values", "name", "part"),
    [
        ({"protocol": None}, "MissingArgument", "protocol"),
        ({"action": None}, "MissingArgument", "action"),
        ({"protocol": "smoke"}, "ArgumentError", "smoke"),
        ({"src_address": "10.0.0.300"}, "ArgumentError", "10.0.0.300"),
        ({"dst_address": "10.0.0.0/33"}, "ArgumentError", "10.0.0.0/33"),
        ({"dst_address": "2001:db8::1"}, "ArgumentError", "2001:db8::1"),
        ({"src_address": "0.0.0.0/8"}, "ArgumentError", "prefix"),
        ({"src_port": -1}, "ArgumentError", "src_port"),
        ({"dst_port": 65537}, "ArgumentError", "dst_port"),
        ({"dst_port": 65536}, "ArgumentError", "dst_port"),
        ({"src_port": "http"}, "ArgumentError", "src_port"),
    ],
)
async def test_wrong_static_rules_are_refused(vnet: VnetApi, values: dict[str, Any], name: str, part: str) -> None:
    await owner(vnet, "filters")
    given = {"protocol": "tcp", "action": "pass", **values}
    given = {key: value for key, value in given.items() if value is not None}
    assert part in await vnet.refused("POST", STATIC, name, **given)
    assert await vnet.items(STATIC) == []
    for uuid, error in (("fil-none", "UnknownUUIDResource"), ("nothing", "InvalidUUID")):
        assert uuid in await vnet.refused("POST", f"filters/{uuid}/static", error, protocol="arp", action="pass")
        assert uuid in await vnet.refused("DELETE", f"filters/{uuid}/static", error, protocol="arp")
        assert uuid in await vnet.refused("GET", f"filters/{uuid}/static", error)


ADDRESS = "translations/tr-one/static_address"
ADDRESSES = {"ingress_ipv4_address": "192.168.2.10", "egress_ipv4_address": "192.168.2.30"}
PORTS = {"ingress_port_number": 1, "egress_port_number": 3}


async def test_a_translation_shows_all_that_it_was_given(vnet: VnetApi) -> None:
    made = await owner(vnet, "translations")
    assert set(made) >= ALWAYS
    assert (made["mode"], made["passthrough"], made["interface_uuid"]) == ("static_address", False, "if-one")
    assert made["interface_id"] == (await vnet.get("interfaces/if-one"))["id"]
    values = {"interface_uuid": "if-one", "mode": "static_address", "passthrough": True}
    assert (await vnet.post("translations", **values))["passthrough"] is True
    assert "passthrough" in await vnet.refused(
        "POST", "translations", "ArgumentError", **{**values, "passthrough": "x"}
    )


async def test_static_addresses_come_and_go(vnet: VnetApi) -> None:
    translation = await owner(vnet, "translations")
    await vnet.network("nw-global", "192.168.2.0")
    await vnet.network("nw-vnet", "10.0.0.0")
    link = await vnet.post("route_links", uuid="rl-one")
    networks = {"ingress_network_uuid": "nw-global", "egress_network_uuid": "nw-vnet"}
    made = await vnet.post(ADDRESS, **ADDRESSES, **PORTS, **networks, route_link_uuid="rl-one")
    assert made.items() >= {**ADDRESSES, **PORTS, **networks, "route_link_uuid": "rl-one"}.items()
    assert (made["translation_id"], made["route_link_id"]) == (translation["id"], link["id"])
    bare = await vnet.post(ADDRESS, **ADDRESSES)
    assert bare.items() >= {**ADDRESSES, "ingress_port_number": None, "route_link_id": None}.items()
    assert not {"route_link_uuid", "ingress_network_uuid", "egress_network_uuid"} & set(bare)
    assert await vnet.items(ADDRESS) == [made, bare]
    await vnet.refused("POST", ADDRESS, "RelationAlreadyExists", **ADDRESSES, **PORTS)
    words = {**ADDRESSES, **PORTS, "ingress_port_number": 2}
    assert "192.168.2.10" in await vnet.refused("DELETE", ADDRESS, "UnknownResource", **words)
    assert await vnet.delete(ADDRESS, **ADDRESSES, **PORTS) == {"uuid": "tr-one"}
    assert await vnet.items(ADDRESS) == [bare]
    await vnet.delete("translations/tr-one")
    await vnet.refused("GET", ADDRESS, "UnknownUUIDResource")


async def test_a_static_address_goes_with_its_route_link(vnet: VnetApi) -> None:
    await owner(vnet, "translations")
    await vnet.post("route_links", uuid="rl-one")
    await vnet.post(ADDRESS, **ADDRESSES, route_link_uuid="rl-one")
    await vnet.delete("route_links/rl-one")
    assert await vnet.items(ADDRESS) == []


@pytest.mark.parametrize(
    ("values", "name", "part"),
    [
        ({"ingress_ipv4_address": None}, "MissingArgument", "ingress_ipv4_address"),
        ({"egress_ipv4_address": None}, "MissingArgument", "egress_ipv4_address"),
        ({"ingress_ipv4_address": "here"}, "ArgumentError", "here"),
        ({"egress_ipv4_address": "there"}, "ArgumentError", "there"),
        ({"ingress_port_number": 0}, "ArgumentError", "ingress_port_number"),
        ({"egress_port_number": 65537}, "ArgumentError", "egress_port_number"),
        ({"ingress_network_uuid": "faulty"}, "InvalidUUID", "faulty"),
        ({"egress_network_uuid": "faulty"}, "InvalidUUID", "faulty"),
        ({"ingress_network_uuid": "nw-none"}, "UnknownUUIDResource", "nw-none"),
        ({"route_link_uuid": "faulty"}, "InvalidUUID", "faulty"),
        ({"route_link_uuid": "rl-none"}, "UnknownUUIDResource", "rl-none"),
    ],
)
async def test_wrong_static_addresses_are_refused(vnet: VnetApi, values: dict[str, Any], name: str, part: str) -> None:
    await owner(vnet, "translations")
    given = {**ADDRESSES, **values}
    given = {key: value for key, value in given.items() if value is not None}
    assert part in await vnet.refused("POST", ADDRESS, name, **given)
    assert await vnet.items(ADDRESS) == []
    for uuid, error in (("tr-none", "UnknownUUIDResource"), ("nothing", "InvalidUUID")):
        assert uuid in await vnet.refused("POST", f"translations/{uuid}/static_address", error, **ADDRESSES)
        assert uuid in await vnet.refused("DELETE", f"translations/{uuid}/static_address", error, **ADDRESSES)
