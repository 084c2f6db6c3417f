"""Whatever clients of both APIs send, the answer is what they wanted or an error of OpenVNet's, never a failure."""

import random
from collections.abc import Sequence

import pytest

from patchbay.api.openvnet.endpoint import Endpoint
from patchbay.api.openvnet.parameters import Param
from patchbay.api.openvnet.routes import ENDPOINTS
from patchbay.model.router import OF_ONE_INTERFACE, ROUTER_INTERFACES
from patchbay.service.vnet import kinds
from patchbay.service.vnet.kinds import Kind
from tests.functional.vnet_api.vnet_world import ERRORS, VnetApi

pytestmark = pytest.mark.asyncio(loop_scope="session")

KINDS = {each.name: each for each in vars(kinds).values() if isinstance(each, Kind) and each.prefix}
KINDS |= {"owner_datapath": kinds.DATAPATH, "underlay": kinds.TOPOLOGY}
OF_COLLECTION = {kind.collection: kind for kind in KINDS.values() if kind.collection}
BUSY = ("interfaces", "ip_leases", "mac_leases", "routes", "route_links", "network_services")
WORDS = ["", "true", "no", "0", "-1", "24", "33", "999999999999999999999", "nonsense", "if-", "{}", "[]", "null"]
WORDS += ["10.0.1.0", "10.0.1.255", "0.0.0.0", "256.1.1.1", "::1", "1" * 300, "ü\u0000\ud7ff'\"", "ff:ff:ff:ff:ff:ff"]


def plausible(chance: random.Random, name: str, collection: str, choices: Sequence[object] = ()) -> str:
    """A value that the parameter may well have."""
    kind = OF_COLLECTION[collection] if name == "uuid" else KINDS.get(name.removesuffix("_uuid"))
    if name.endswith("uuid") and kind is not None:
        return f"{kind.prefix}-{chance.choice('ab')}"
    if choices:
        return str(chance.choice(choices))
    for part, value in (
        ("ipv4_network", f"10.0.{chance.randint(1, 2)}.0"),
        ("ipv4", f"10.0.{chance.randint(1, 2)}.{chance.randint(1, 6)}"),
        ("mac", f"52:54:00:00:00:0{chance.randint(1, 6)}"),
        ("dpid", str(chance.randint(1, 3))),
        ("prefix", "24"),
    ):
        if part in name:
            return value
    return chance.choice(["true", "false", "1", "10", "a"])


def request(chance: random.Random, endpoint: Endpoint, nonsense: float) -> tuple[str, dict[str, str]]:
    """A path and values for the endpoint; so many of them are nonsense."""
    collection = endpoint.path.strip("/").partition("/")[0]

    def value(param: Param) -> str:
        if chance.random() < nonsense:
            return chance.choice(WORDS)
        return plausible(chance, param.name, collection, tuple(param.choices or ()))

    parts = [plausible(chance, part[1:], collection) if part[:1] == ":" else part for part in endpoint.path.split("/")]
    given = {param.name: value(param) for param in endpoint.params if param.required or chance.random() < 0.5}
    return "/".join(parts), given


async def some_of_neutron_s(vnet: VnetApi, chance: random.Random) -> None:
    """A request to Neutron's API about what there is."""
    db = vnet.db
    paths = [f"ports/{id_}" for id_ in db.ports] + [f"networks/{id_}" for id_ in db.networks]
    paths += [f"subnets/{id_}" for id_ in db.subnets] + [f"routers/{id_}" for id_ in db.routers]
    interfaces = [port for port in db.ports.values() if port.device_owner in ROUTER_INTERFACES]
    if interfaces and chance.random() < 0.3:
        port = chance.choice(interfaces)
        path, body = f"/routers/{port.device_id}/remove_router_interface", {"port_id": port.id}
        answer = await vnet.neutron_http.put(f"/v2.0{path}", json=body)
    elif paths:
        answer = await vnet.neutron_http.delete(f"/v2.0/{chance.choice(sorted(paths))}")
    else:
        answer = await vnet.neutron_http.post("/v2.0/networks", json={"network": {}})
    assert answer.status_code < 500, answer.text


async def check(vnet: VnetApi, method: str, path: str, values: dict[str, str]) -> None:
    """The request is answered as it should be."""
    answer = await vnet.ask(method, path, dict(values))
    assert answer.status_code in {200, 400, 404}, f"{method} {path} {values}: {answer.text}"
    if answer.status_code != 200:
        error = answer.json()
        assert error["error"].startswith(ERRORS), f"{method} {path} {values}: {error}"
        assert error["message"]


@pytest.mark.parametrize("nonsense", [0.0, 0.3])
@pytest.mark.parametrize("seed", range(3))
async def test_no_history_of_requests_makes_either_api_fail(vnet: VnetApi, seed: int, nonsense: float) -> None:
    chance = random.Random(f"{seed} {nonsense}")
    busy = [each for each in ENDPOINTS if each.path.split("/")[1] in BUSY]
    for _ in range(250):
        if chance.random() < 0.05:
            await some_of_neutron_s(vnet, chance)
            continue
        if chance.random() < 0.2:
            await vnet.ask("POST", "networks", {"uuid": f"nw-{chance.choice('ab')}", "ipv4_network": "10.0.1.0"})
        endpoint = chance.choice(busy if chance.random() < 0.6 else ENDPOINTS)
        if endpoint.method == "DELETE" and chance.random() < 0.6:
            continue
        await check(vnet, endpoint.method, *request(chance, endpoint, nonsense))
    for collection in OF_COLLECTION:
        await vnet.get(collection)
    for router in vnet.db.routers.values():
        if OF_ONE_INTERFACE in router.tags:
            assert len(vnet.db.ports_by_device.get(router.id, ())) <= 1, f"{router.name} routes for one interface only"
    for port in vnet.db.ports.values():
        if port.device_owner in ROUTER_INTERFACES:
            assert port.device_id in vnet.db.routers, f"{port.id} has lost its router"


@pytest.mark.parametrize("value", [None, True, 5, 1.5, [], ["x"], {}, {"x": 1}, "x"])
async def test_any_type_in_a_json_body_is_answered(vnet: VnetApi, value: object) -> None:
    for endpoint in ENDPOINTS:
        if endpoint.method in {"POST", "PUT"}:
            path = "/".join("nw-a" if part.startswith(":") else part for part in endpoint.path.split("/"))
            body = {param.name: value for param in endpoint.params}
            answer = await vnet.http.request(endpoint.method, f"/api{path}", json=body)
            assert answer.status_code in {200, 400, 404}, f"{endpoint.method} {path} {value}: {answer.text}"
