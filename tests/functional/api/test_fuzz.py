"""Whatever is asked, the service answers: never with an internal error, and after an error nothing has changed."""

import msgspec
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from patchbay.api.neutron.attributes import NOT_VISIBLE
from patchbay.api.neutron.query import CONTROL
from patchbay.api.neutron.routes import COLLECTIONS
from tests.functional.api.api_world import Api, snapshot

pytestmark = pytest.mark.asyncio(loop_scope="session")

WORDS = st.sampled_from(
    [
        *(
            "",
            "a",
            "vlan",
            "vxlan",
            "flat",
            "local",
            "physnet1",
            "True",
            "no",
            "10.0.0.0/24",
            "10.0.0.128/25",
            "10.0.0.1",
        ),
        *("10.0.0.5", "10.0.0.255", "fd00::/64", "fd00::1", "::", "0.0.0.0/0", "slaac", "dhcpv6-stateful", "compute:a"),
        *("fa:16:3e:00:00:01", "ff:ff:ff:ff:ff:ff", "normal", "direct", "hybrid", "\0", "\ud7ff", "😀", "x" * 300),
        *("network:router_interface", "{network}", "{subnet}", "{port}", "4", "6", "-1", "1e999", "a,b", "a=b"),
    ]
)
SCALARS = st.none() | st.booleans() | st.integers(-(2**70), 2**70) | st.floats(allow_nan=False) | WORDS
KEYS = st.sampled_from(["start", "end", "subnet_id", "ip_address", "mac_address", "nexthop", "eth0", "lo"])
VALUES = st.recursive(
    SCALARS, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(KEYS, inner, max_size=3), max_leaves=6
)


POOL = st.fixed_dictionaries({"start": WORDS, "end": st.just("10.0.1.20")})
IP = st.dictionaries(
    st.sampled_from(["ip_address", "subnet_id"]), st.sampled_from(["10.0.0.5", "10.0.0.9", "10.0.0.77", "{subnet}"])
)
OPTION = st.fixed_dictionaries(
    {"opt_name": st.sampled_from(["router", "150", "a,b"]), "opt_value": st.sampled_from(["x", "", None, "a\nb"])},
    optional={"ip_version": st.sampled_from([4, 6, "4", 5])},
)
PLAUSIBLE: dict[str, st.SearchStrategy[object]] = {
    "admin_state_up": st.booleans(),
    "shared": st.booleans(),
    "enable_dhcp": st.booleans(),
    "mtu": st.integers(0, 1501),
    "provider:network_type": st.sampled_from(["vlan", "vxlan", "flat", "local"]),
    "provider:physical_network": st.just("physnet1"),
    "provider:segmentation_id": st.integers(-1, 5000),
    "cidr": st.sampled_from(["10.0.1.0/24", "10.0.0.0/16", "10.0.1.0/31", "fd00:1::/64", "10.0.1.7/29"]),
    "ip_version": st.sampled_from([4, 6, "4"]),
    "gateway_ip": st.sampled_from([None, "10.0.1.1", "10.0.1.9", "fd00:1::1", "192.0.2.1"]),
    "allocation_pools": st.lists(POOL | st.just({"start": "10.0.1.10", "end": "10.0.1.12"}), max_size=2),
    "dns_nameservers": st.lists(st.sampled_from(["8.8.8.8", "9.9.9.9", "fd00::53"]), max_size=3),
    "host_routes": st.lists(st.just({"destination": "192.0.2.0/24", "nexthop": "10.0.1.7"}), max_size=2),
    "ipv6_ra_mode": st.sampled_from(["slaac", "dhcpv6-stateful"]),
    "ipv6_address_mode": st.sampled_from(["slaac", "dhcpv6-stateful"]),
    "fixed_ips": st.lists(IP, max_size=3),
    "mac_address": st.sampled_from(["fa:16:3e:00:00:01", "FA-16-3E-00-00-02"]),
    "allowed_address_pairs": st.lists(IP | st.just({"ip_address": "10.0.0.0/8"}), max_size=2),
    "binding:profile": st.dictionaries(st.text(max_size=5), VALUES, max_size=2),
    "binding:host_id": st.sampled_from(["compute1", "", None]),
    "interfaces": st.dictionaries(st.sampled_from(["eth0", "eth1", "lo"]), st.just("{port}"), max_size=2),
    "ports": st.lists(st.just("{port}"), max_size=2),
    "plugging": st.sampled_from(["hybrid", "direct"]),
    "tags": st.lists(WORDS, max_size=3),
    "prefixes": st.lists(st.sampled_from(["10.0.0.0/16", "10.1.0.0/16", "10.0.1.7/24", "fd00::/48"]), max_size=3),
    "min_prefixlen": st.sampled_from([8, 16, "24", 33, 64]),
    "max_prefixlen": st.sampled_from([16, 24, "28", 129]),
    "default_prefixlen": st.sampled_from([8, 24, 26, 64]),
    "prefixlen": st.sampled_from([16, 24, 28, 64]),
    "default_quota": st.integers(-1, 600),
    "is_default": st.booleans(),
    "use_default_subnetpool": st.booleans(),
    "subnetpool_id": st.sampled_from(["{subnetpool}", None]),
    "address_scope_id": st.sampled_from(["{address_scope}", None]),
    "dhcp_ranges": st.lists(POOL | st.just({"start": "10.0.1.13", "end": "10.0.1.15"}), max_size=2),
    "dns_name": st.sampled_from(["web", "Web.a", "-", "web."]),
    "dns_domain": st.sampled_from(["example.", "example", ""]),
    "extra_dhcp_opts": st.lists(OPTION, max_size=2),
    "addressing": st.sampled_from(["static", "dhcp"]),
    "public_keys": st.lists(st.sampled_from(["ssh-rsa AAAA me", "ssh-rsa"]), max_size=2),
    "metadata": st.dictionaries(WORDS, WORDS, max_size=2),
}
"""Values that an attribute may well have; those that are not named here get any text."""


@st.composite
def bodies(draw: st.DrawFn, collection: str) -> dict[str, object]:
    """An object with some attributes of the collection, mostly with values that could be right."""
    attributes = COLLECTIONS[collection].attributes
    needed: dict[str, dict[str, object]] = {
        "subnets": {"network_id": "{network}", "ip_version": 4, "cidr": "10.0.1.0/24"},
        "ports": {"network_id": "{network}"},
        "instances": {"name": "i", "host": "h"},
        "subnetpools": {"name": "p", "prefixes": ["10.8.0.0/16"]},
        "address-scopes": {"name": "s", "ip_version": 4},
    }
    body = dict(needed.get(collection, {})) if draw(st.integers(0, 9)) else {}
    settable = [name for name, attribute in attributes.items() if attribute.post or attribute.put]
    names = settable if draw(st.integers(0, 9)) else [name for name in attributes if name not in NOT_VISIBLE]
    for name in draw(st.lists(st.sampled_from(names), max_size=3)):
        is_wild = draw(st.integers(0, 9)) == 0
        body[name] = draw(VALUES if is_wild else PLAUSIBLE.get(name, WORDS))
    return body


@st.composite
def requests(draw: st.DrawFn) -> tuple[str, str, object]:
    """Method, path and body."""
    collection = draw(st.sampled_from(["networks", "subnets", "ports", "instances", "subnetpools", "address-scopes"]))
    member = COLLECTIONS[collection].member
    item = draw(bodies(collection))
    known = f"/{collection}/{{{member}}}"
    return draw(
        st.sampled_from(
            [
                ("POST", f"/{collection}", {member: item}),
                ("POST", f"/{collection}", {COLLECTIONS[collection].name: [item, {}]}),
                ("PUT", known, {member: item}),
                ("PUT", f"{known}/tags", {"tags": list(item.values())}),
            ]
        )
    )


@given(request=requests())
@settings(
    max_examples=400, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow]
)
async def test_no_body_brings_the_service_out_of_step(api: Api, request: tuple[str, str, object]) -> None:
    network = await api.network("10.0.0.0/24")
    port = await api.create("port", network_id=network["id"], fixed_ips=[{"ip_address": "10.0.0.5"}])
    scope = (await api.ask("POST", "/address-scopes", {"address_scope": {"name": "s", "ip_version": 4}})).json()
    ids = {"{network}": network["id"], "{subnet}": network["subnets"][0], "{port}": port["id"]}
    ids["{address_scope}"] = scope["address_scope"]["id"]
    ids["{subnetpool}"] = (await api.create("subnetpool", name="p", prefixes=["10.0.0.0/20"], default_prefixlen=24))[
        "id"
    ]
    method, path, body = request
    before = snapshot(api.db)
    answer = await api.ask(method, filled(path, ids), filled(msgspec.json.encode(body).decode(), ids).encode())
    assert answer.status_code < 500 or answer.json()["NeutronError"]["type"] == "NoNetworkAvailable", answer.text
    if answer.status_code >= 400:
        assert set(answer.json()["NeutronError"]) == {"type", "message", "detail"}
        assert snapshot(api.db) == before
    for value in (*api.db.instances, *api.db.ports):
        await api.ask("DELETE", f"/{'instances' if value in api.db.instances else 'ports'}/{value}")
    for value in list(api.db.networks):
        await api.delete(f"/networks/{value}")
    for value in list(api.db.subnetpools):
        await api.delete(f"/subnetpools/{value}")
    for value in list(api.db.address_scopes):
        await api.delete(f"/address-scopes/{value}")


def filled(text: str, ids: dict[str, str]) -> str:
    """The text with ids for names."""
    for name, id_ in ids.items():
        text = text.replace(name, id_)
    return text


QUERIES = st.lists(
    st.tuples(
        st.sampled_from([*sorted({name for one in COLLECTIONS.values() for name in one.attributes}), *sorted(CONTROL)]),
        WORDS | st.sampled_from(["asc", "desc", "1", "name", "id", "ip_address=10.0.0.5", "subnet_id=x"]),
    ),
    max_size=4,
)


@given(collection=st.sampled_from(list(COLLECTIONS)), query=QUERIES)
@settings(max_examples=200, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
async def test_no_query_brings_the_service_out_of_step(api: Api, collection: str, query: list[tuple[str, str]]) -> None:
    if not api.db.ports:
        network = await api.network("10.0.0.0/24", "fd00::/64")
        await api.create("port", network_id=network["id"])
    answer = await api.http.get(f"/v2.0/{collection}", params=query)
    assert answer.status_code in (200, 400, 404), answer.text
