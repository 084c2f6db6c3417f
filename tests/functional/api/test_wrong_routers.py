"""Every wrong request about routers and floating IPs is answered as Neutron does, and the database is unchanged."""

import json
from collections.abc import AsyncIterator

import pytest
import pytest_asyncio

from patchbay.intent.database import IntentDatabase
from tests.functional.api.api_world import Api, Object, snapshot
from tests.functional.api.router_world import Site, external, subnet
from tests.functional.api.wrong import Row
from tests.functional.api.wrong_routers import FLOATING_ROWS, ROUTER_ROWS

pytestmark = pytest.mark.asyncio(loop_scope="session")

RA_LESS = {"ipv6_address_mode": "dhcpv6-stateful"}


async def _networks(api: Api) -> dict[str, str]:
    """External networks of many kinds, and subnets that do not fit ``edge``."""
    full = await external(api, "198.51.100.0/30")
    await api.create("port", network_id=full["id"])
    third = await external(api, "198.51.100.128/25")
    await api.create("floatingip", floating_network_id=third["id"])
    wide = await api.network("10.8.0.0/24", "10.9.0.0/24")
    port = await api.create("port", network_id=wide["id"], fixed_ips=[{"subnet_id": one} for one in wide["subnets"]])
    named = {
        "full": full,
        "third": third,
        "second": await external(api, "198.51.100.0/25"),
        "overlapping": await external(api, "10.6.0.0/16"),
        "only6": await external(api, "2001:db8:6::/64"),
        "overlap": await subnet(api, "10.0.0.128/25"),
        "likeoutside": await subnet(api, "203.0.113.0/25"),
        "closed": await subnet(api, "10.3.0.0/24", gateway_ip=None),
        "foreign": await subnet(api, "2001:db8:7::/64", **RA_LESS),
        "wide": port,
        "far": await api.create("port", network_id=(await subnet(api, "10.4.0.0/24"))["network_id"]),
        "empty": await api.create("port", network_id=(await api.create("network"))["id"]),
    }
    return {name: value["id"] for name, value in named.items()}


async def _ports(site: Site) -> dict[str, Object]:
    """Ports inside, floating IPs and a port forwarding."""
    web = await site.port("10.0.0.10", device_id="vm", device_owner="compute:x")
    db = await site.port("10.0.0.20")
    public = await site.floatingip(floating_ip_address="203.0.113.9", port_id=web["id"])
    shared = await site.floatingip()
    item = {"protocol": "tcp", "external_port": 2222, "internal_port": 22, "internal_port_id": db["id"]}
    path = f"/floatingips/{shared['id']}/port_forwardings"
    ssh = (await site.api.ask("POST", path, {"port_forwarding": item})).json()["port_forwarding"]
    return {
        "web": web,
        "db": db,
        "public": public,
        "shared": shared,
        "spare": await site.floatingip(),
        "ssh": ssh,
        "free": await site.port("10.0.0.30"),
        "dhcp": await site.port("10.0.0.40", device_owner="network:dhcp", device_id="dhcp1"),
    }


@pytest_asyncio.fixture(loop_scope="session")
async def ids(api: Api) -> AsyncIterator[dict[str, str]]:
    """The ids of the world that the rows describe."""
    site = await Site.build(api)
    edge = f"/routers/{site.router['id']}"
    outside6 = await api.create("subnet", network_id=site.outside["id"], ip_version=6, cidr="2001:db8:9::/64")
    six = await api.network("10.5.0.0/24", "2001:db8:5::/64", "2001:db8:55::/64")
    by_cidr = {one["cidr"]: one["id"] for one in await api.get("/subnets")}
    for cidr in ("10.5.0.0/24", "2001:db8:5::/64"):
        await api.act(f"{edge}/add_router_interface", {"subnet_id": by_cidr[cidr]})
    await api.act(edge, {"router": {"routes": [{"destination": "10.77.0.0/16", "nexthop": "10.5.0.9"}]}})
    sixth = await api.create("port", network_id=six["id"], fixed_ips=[{"subnet_id": by_cidr["2001:db8:55::/64"]}])
    alone = await api.create("router")
    own = await subnet(api, "10.6.1.0/24")
    await api.act(f"/routers/{alone['id']}/add_router_interface", {"subnet_id": own["id"]})
    ports = {port["fixed_ips"][0]["ip_address"]: port["id"] for port in await api.get("/ports")}
    made = await _ports(site)
    (public_port,) = await api.get(f"/ports?device_id={made['public']['id']}")
    named = {name: value["id"] for name, value in made.items()} | await _networks(api)
    yield named | {
        "edge": site.router["id"],
        "alone": alone["id"],
        "outside": site.outside["id"],
        "outsidesub": by_cidr["203.0.113.0/24"],
        "outside6": outside6["id"],
        "lan": site.inside["id"],
        "lannet": site.inside["network_id"],
        "side": by_cidr["10.5.0.0/24"],
        "six": sixth["id"],
        "lanport": ports["10.0.0.1"],
        "gatewayport": ports["203.0.113.2"],
        "publicport": public_port["id"],
    }


def fill(text: str, ids: dict[str, str]) -> str:
    """``text`` with the names of the world replaced by ids."""
    for name, id_ in ids.items():
        text = text.replace("{" + name + "}", id_)
    return text


@pytest.mark.parametrize("row", [*ROUTER_ROWS, *FLOATING_ROWS], ids=str)
async def test_a_wrong_request_is_answered_as_neutron_does_and_changes_nothing(
    row: Row, ids: dict[str, str], api: Api, db: IntentDatabase
) -> None:
    before = snapshot(db)
    body = None if row.body is None else json.loads(fill(json.dumps(row.body), ids))
    status, type_, message = await api.error(row.method, fill(row.path, ids), body)
    assert (status, type_) == (row.status, row.type), message
    assert row.message in message
    assert snapshot(db) == before


async def test_a_revision_that_is_no_longer_current_is_refused(
    ids: dict[str, str], api: Api, db: IntentDatabase
) -> None:
    before = snapshot(db)
    for method, path, body in (
        ("PUT", "/routers/{edge}", {"router": {"name": "x"}}),
        ("DELETE", "/routers/{alone}", None),
        ("PUT", "/floatingips/{spare}", {"floatingip": {"description": "x"}}),
        ("DELETE", "/floatingips/{spare}", None),
    ):
        error = await api.error(method, fill(path, ids), body, if_match="revision_number=99")
        assert error[:2] == (412, "RevisionNumberConstraintFailed")
    assert snapshot(db) == before
