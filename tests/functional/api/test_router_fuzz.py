"""Whatever is asked about routers and floating IPs, the service answers, and after an error nothing has changed."""

import msgspec
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from patchbay.api.neutron.attributes import Attributes
from patchbay.api.neutron.floatingips import FLOATINGIPS
from patchbay.api.neutron.port_forwardings import ATTRIBUTES as FORWARDING
from patchbay.api.neutron.routers import ACTIONS, ROUTERS
from tests.functional.api.api_world import Api, snapshot
from tests.functional.api.router_world import Site
from tests.functional.api.test_fuzz import VALUES, WORDS, filled
from tests.functional.intent_database import empty

pytestmark = pytest.mark.asyncio(loop_scope="session")

ADDRESS = st.sampled_from(["203.0.113.9", "203.0.113.1", "10.0.0.10", "192.0.2.1", "fd00::1", "203.0.113.255"])
ID = st.sampled_from(["{outside}", "{inside}", "{subnet}", "{port}", "{router}", "{floatingip}", None])
ROUTE = st.fixed_dictionaries(
    {"destination": st.sampled_from(["10.9.0.0/16", "10.9.0.1/16", "::/0", "0.0.0.0/0"]), "nexthop": ADDRESS}
)
GATEWAY = st.fixed_dictionaries(
    {},
    optional={
        "network_id": st.just("{outside}") | ID,
        "enable_snat": st.sampled_from([True, "no", 7]),
        "external_fixed_ips": st.lists(
            st.dictionaries(st.sampled_from(["ip_address", "subnet_id"]), ADDRESS | ID, max_size=2), max_size=2
        )
        | VALUES,
    },
)
NUMBER = st.sampled_from([1, 22, "80", 65535, 65536, 0, None])
RANGE = st.sampled_from(["1:9", "20:28", "9:1", "22", ":", "1:2:3", "0:1", "1:99999", None])
PLAUSIBLE: dict[str, st.SearchStrategy[object]] = {
    "external_gateway_info": GATEWAY,
    "routes": st.lists(ROUTE, max_size=2),
    "distributed": st.booleans(),
    "ha": st.booleans(),
    "admin_state_up": st.booleans(),
    "availability_zone_hints": st.lists(WORDS, max_size=1),
    "flavor_id": ID,
    "floating_network_id": ID,
    "floating_ip_address": ADDRESS,
    "fixed_ip_address": ADDRESS,
    "subnet_id": ID,
    "port_id": ID,
    "qos_policy_id": ID,
    "protocol": st.sampled_from(["tcp", "UDP", 6, "icmp", 17, None]),
    "external_port": NUMBER,
    "internal_port": NUMBER,
    "external_port_range": RANGE,
    "internal_port_range": RANGE,
    "internal_port_id": ID,
    "internal_ip_address": ADDRESS,
}


@st.composite
def objects(draw: st.DrawFn, attributes: Attributes, *, is_new: bool) -> dict[str, object]:
    """An object with some of the attributes, mostly with values that could be right."""
    names = [name for name, one in attributes.items() if (one.post if is_new else one.put)]
    item: dict[str, object] = {}
    if is_new and draw(st.integers(0, 9)):
        if "floating_network_id" in attributes:
            item["floating_network_id"] = "{outside}"
        elif "protocol" in attributes:
            item |= {"protocol": "tcp", "internal_port_id": "{port}", "external_port": 80, "internal_port": 80}
    for name in draw(st.lists(st.sampled_from(names), max_size=4)):
        item[name] = draw(VALUES if draw(st.integers(0, 9)) == 0 else PLAUSIBLE.get(name, WORDS))
    return item


@st.composite
def requests(draw: st.DrawFn) -> tuple[str, str, object]:
    """Method, path and body."""
    kind = draw(st.sampled_from(["router", "floatingip", "port_forwarding", "action", "action"]))
    if kind == "action":
        body = draw(
            st.dictionaries(st.sampled_from(["subnet_id", "port_id"]), ID | VALUES, max_size=2)
            | st.fixed_dictionaries({"router": st.fixed_dictionaries({"routes": st.lists(ROUTE, max_size=2) | VALUES})})
            | VALUES
        )
        return "PUT", f"/routers/{{router}}/{draw(st.sampled_from(sorted(ACTIONS)))}", body
    is_new = draw(st.booleans())
    attributes, path = {
        "router": (ROUTERS.attributes, "/routers"),
        "floatingip": (FLOATINGIPS.attributes, "/floatingips"),
        "port_forwarding": (FORWARDING, "/floatingips/{floatingip}/port_forwardings"),
    }[kind]
    item = draw(objects(attributes, is_new=is_new))
    if not is_new:
        return "PUT", f"{path}/{{{kind}}}", {kind: item}
    return "POST", path, {f"{kind}s": [item, item]} if draw(st.integers(0, 4)) == 0 else {kind: item}


@given(request=requests())
@settings(
    max_examples=200, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow]
)
async def test_no_body_brings_the_service_out_of_step(api: Api, request: tuple[str, str, object]) -> None:
    site = await Site.build(api)
    port, floatingip = await site.port(), await site.floatingip()
    forwarding = {"protocol": "udp", "external_port": 53, "internal_port": 53, "internal_port_id": port["id"]}
    path = f"/floatingips/{floatingip['id']}/port_forwardings"
    made = (await api.ask("POST", path, {"port_forwarding": forwarding})).json()["port_forwarding"]
    ids = {
        "{outside}": site.outside["id"],
        "{inside}": site.inside["network_id"],
        "{subnet}": site.inside["id"],
        "{port}": port["id"],
        "{router}": site.router["id"],
        "{floatingip}": floatingip["id"],
        "{port_forwarding}": made["id"],
    }
    method, path, body = request
    before = snapshot(api.db)
    try:
        answer = await api.ask(method, filled(path, ids), filled(msgspec.json.encode(body).decode(), ids).encode())
        assert answer.status_code < 500, answer.text
        if answer.status_code >= 400:
            assert set(answer.json()["NeutronError"]) == {"type", "message", "detail"}
            assert answer.json()["NeutronError"]["type"] != "TooMuchContention"
            assert snapshot(api.db) == before
    finally:
        await empty(api.db)
