"""Whatever a client sends, the WebAPI answers with an error of its own, and never fails."""

import random
from typing import Any

import pytest

from patchbay.api.openvnet.routes import ENDPOINTS
from tests.functional.vnet_api.vnet_world import ERRORS, VnetApi

pytestmark = pytest.mark.asyncio(loop_scope="session")

UUIDS = ["nw-a", "nw-b", "if-a", "if-b", "ml-a", "il-a", "seg-a", "dp-a", "rl-a", "nw-nowhere", "nonsense", "if-"]
WORDS = ["", "true", "no", "0", "-1", "24", "33", "999999999999999999999", "vif", "simulated", "physical", "virtual"]
WORDS += [
    "10.0.1.0",
    "10.0.1.5",
    "10.0.2.0",
    "10.0.1.255",
    "0.0.0.0",
    "256.1.1.1",
    "::1",
    "1" * 300,
    "ü\u0000\ud7ff'\"",
]
WORDS += ["52:54:00:00:00:01", "ff:ff:ff:ff:ff:ff", "5254.0000.0001", "0x1", "0xzz", "{}", "[]", "null"]


@pytest.mark.parametrize("seed", range(4))
async def test_no_request_makes_the_service_fail(vnet: VnetApi, seed: int) -> None:
    chance = random.Random(seed)
    await vnet.network("nw-a", "10.0.1.0")
    await vnet.post("interfaces", uuid="if-a", network_uuid="nw-a", ipv4_address="10.0.1.5")
    for _ in range(400):
        endpoint = chance.choice(ENDPOINTS)
        parts = [chance.choice(UUIDS) if part.startswith(":") else part for part in endpoint.path.split("/")]
        values = {param.name: chance.choice(UUIDS + WORDS) for param in endpoint.params if chance.random() < 0.7}
        await _check(vnet, endpoint.method, "/".join(parts), values)


async def _check(vnet: VnetApi, method: str, path: str, values: dict[str, Any]) -> None:
    answer = await vnet.ask(method, path, values)
    assert answer.status_code in {200, 400, 404}, f"{method} {path} {values}: {answer.text}"
    if answer.status_code != 200:
        error = answer.json()
        assert error["error"].startswith(ERRORS), f"{method} {path} {values}: {error}"
        assert error["message"]
    for listed in ("networks", "interfaces", "ip_leases") if method != "GET" else ():
        await vnet.get(listed)


@pytest.mark.parametrize("value", [None, True, 5, 1.5, [], ["x"], {}, {"x": 1}, "x"])
async def test_any_type_in_a_json_body_is_answered(vnet: VnetApi, value: object) -> None:
    for endpoint in ENDPOINTS:
        if endpoint.method in {"POST", "PUT"}:
            path = "/".join("nw-a" if part.startswith(":") else part for part in endpoint.path.split("/"))
            body = {param.name: value for param in endpoint.params}
            answer = await vnet.http.request(endpoint.method, f"/api{path}", json=body)
            assert answer.status_code in {200, 400, 404}, f"{endpoint.method} {path} {value}: {answer.text}"
