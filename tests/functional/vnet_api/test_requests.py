"""How OpenVNet's WebAPI is asked and how it answers: paths, suffixes, bodies, pages, errors."""

import msgspec
import pytest
import yaml

from tests.functional.vnet_api.vnet_world import ALWAYS, VnetApi

pytestmark = pytest.mark.asyncio(loop_scope="session")

NETWORK = {"uuid": "nw-net1", "display_name": "net1", "ipv4_network": "172.16.1.0", "ipv4_prefix": "24"}
JSON, YAML, FORM = "application/json", "application/x-yaml", "application/x-www-form-urlencoded"


@pytest.mark.parametrize("prefix", ["/api", "/api/1.0"])
async def test_the_seed_s_paths_and_those_of_today_are_the_same(vnet: VnetApi, prefix: str) -> None:
    made = await vnet.http.post(f"{prefix}/networks", data=NETWORK)
    assert made.status_code == 200, made.text
    for other in ("/api", "/api/1.0"):
        assert (await vnet.http.get(f"{other}/networks/nw-net1")).json() == made.json()


@pytest.mark.parametrize("path", ["/", "/api", "/api/1.0", "/api/2.0/networks", "/api/nothing", "/v2.0/networks"])
async def test_where_nothing_answers_is_404(vnet: VnetApi, path: str) -> None:
    answer = await vnet.http.get(path)
    assert answer.status_code == 404
    assert answer.json()["error"] == "Sinatra::NotFound"
    assert path in answer.json()["message"]


async def test_a_method_that_a_path_does_not_have_is_404_as_in_sinatra(vnet: VnetApi) -> None:
    assert (await vnet.http.put("/api/networks")).status_code == 404
    assert (await vnet.http.request("PATCH", "/api/networks/nw-a")).status_code == 404


async def test_a_suffix_chooses_json_or_yaml(vnet: VnetApi) -> None:
    as_yaml = await vnet.http.post("/api/networks.yml", data=NETWORK)
    assert as_yaml.headers["content-type"] == YAML
    as_json = await vnet.http.get("/api/networks/nw-net1.json")
    assert as_json.headers["content-type"] == JSON
    assert yaml.safe_load(as_yaml.text) == as_json.json()
    assert as_json.json() == (await vnet.http.get("/api/networks/nw-net1")).json()
    refused = await vnet.http.get("/api/networks/nw-nowhere.yml")
    assert refused.status_code == 404
    assert yaml.safe_load(refused.text)["code"] == "100"


@pytest.mark.parametrize("nested", [False, True])
@pytest.mark.parametrize(("content_type", "encode"), [(JSON, msgspec.json.encode), (YAML, yaml.safe_dump)])
async def test_bodies_may_be_json_or_yaml_bare_or_in_one_more_object(
    vnet: VnetApi, content_type: str, encode: object, nested: bool
) -> None:
    values: dict[str, object] = {**NETWORK, "ipv4_prefix": 25}
    body = encode({"network": values} if nested else values)  # type: ignore[operator]
    made = await vnet.http.post("/api/networks", content=body, headers={"content-type": content_type})
    assert made.status_code == 200, made.text
    assert made.json().items() >= values.items()


async def test_parameters_come_in_the_query_string_too_as_vnctl_sends_them(vnet: VnetApi) -> None:
    made = await vnet.http.post("/api/1.0/networks", params=NETWORK)
    assert made.json()["uuid"] == "nw-net1"
    changed = await vnet.http.put("/api/1.0/networks/nw-net1", params={"display_name": "netz 1"})
    assert changed.json()["display_name"] == "netz 1"
    assert (await vnet.http.delete("/api/1.0/networks/nw-net1", params={"x": "y"})).json() == ["nw-net1"]


async def test_a_body_counts_more_than_the_query_string_and_the_path_most(vnet: VnetApi) -> None:
    await vnet.http.post("/api/networks", data=NETWORK)
    changed = await vnet.http.put(
        "/api/networks/nw-net1", params={"display_name": "query"}, data={"display_name": "body", "uuid": "nw-other"}
    )
    assert changed.json()["uuid"] == "nw-net1"
    assert changed.json()["display_name"] == "body"


@pytest.mark.parametrize(
    ("content_type", "body", "part"),
    [
        (JSON, b"{", "not JSON"),
        (JSON, b"[1]", "not an object"),
        (JSON, b'"x"', "not an object"),
        (YAML, b"{", "not YAML"),
        (YAML, b"\xff\xfe\xfa", "not UTF-8"),
        (FORM, b"\xff\xfe\xfa=1", "not UTF-8"),
    ],
)
async def test_a_body_that_cannot_be_read_is_refused(vnet: VnetApi, content_type: str, body: bytes, part: str) -> None:
    answer = await vnet.http.post("/api/networks", content=body, headers={"content-type": content_type})
    assert answer.status_code == 400
    assert answer.json()["error"] == "Vnet::Endpoints::Errors::ArgumentError"
    assert "Invalid request body" in answer.json()["message"]
    assert part in answer.json()["message"]


async def test_a_body_that_is_too_large_is_refused(vnet: VnetApi) -> None:
    answer = await vnet.http.post("/api/networks", content=b"x" * 300_000)
    assert answer.status_code == 413
    assert answer.json()["code"] == "500"


async def test_lists_are_pages_of_thirty_unless_said(vnet: VnetApi) -> None:
    for number in range(33):
        await vnet.network(f"nw-n{number}", f"10.0.{number}.0")
    page = await vnet.get("networks")
    assert (page["total_count"], page["offset"], page["limit"], len(page["items"])) == (33, 0, 30, 30)
    assert [one["uuid"] for one in page["items"]] == [f"nw-n{number}" for number in range(30)]
    rest = await vnet.get("networks", offset=30)
    assert [one["uuid"] for one in rest["items"]] == ["nw-n30", "nw-n31", "nw-n32"]
    assert [one["uuid"] for one in (await vnet.get("networks", offset=2, limit=1))["items"]] == ["nw-n2"]
    assert (await vnet.get("networks", limit=0))["items"] == []
    for wrong in ({"limit": "x"}, {"offset": -1}, {"limit": "1.5"}):
        await vnet.refused("GET", "networks", "ArgumentError", **wrong)


async def test_the_first_fault_in_order_of_declaration_is_told(vnet: VnetApi) -> None:
    message = await vnet.refused("POST", "networks", "InvalidUUID", uuid="x", mode="y", ipv4_network="z")
    assert message.startswith("Network#uuid: x ")
    message = await vnet.refused("POST", "networks", "ArgumentError", mode="y", ipv4_network="z")
    assert ":parameter=>:mode" in message
    assert await vnet.refused("POST", "networks", "ArgumentError", ipv4_network="z")
    answer = await vnet.ask("POST", "networks")
    assert answer.json()["message"] == "ipv4_network", "MissingArgument says the parameter's name and nothing else"


async def test_what_an_object_shows_always(vnet: VnetApi) -> None:
    made = await vnet.network()
    assert set(made) >= ALWAYS
    assert isinstance(made["id"], int)
    assert 0 < made["id"] < 2**53
    assert made["deleted_at"] is None
    assert made["is_deleted"] == 0
    assert made["class_name"] == "Network"
    assert made["created_at"] == made["updated_at"]
    assert made["created_at"].endswith("Z")
    assert (await vnet.get("networks/nw-test"))["id"] == made["id"], "the integer id stays"


@pytest.mark.parametrize("text", ["true", "yes", "t", "y", "1", "TRUE"])
async def test_booleans_have_many_words(vnet: VnetApi, text: str) -> None:
    made = await vnet.post("interfaces", mode="vif", enable_routing=text)
    assert made["enable_routing"] is True
    assert (await vnet.put(f"interfaces/{made['uuid']}", enable_routing="no"))["enable_routing"] is False
    await vnet.refused("PUT", f"interfaces/{made['uuid']}", "ArgumentError", enable_routing="perhaps")
