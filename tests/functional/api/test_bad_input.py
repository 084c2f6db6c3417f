"""Every wrong request is answered as Neutron does, and the database is unchanged."""

import json
from collections.abc import AsyncIterator

import pytest
import pytest_asyncio

from patchbay.intent.database import IntentDatabase
from tests.functional.api.api_world import Api, snapshot
from tests.functional.api.wrong import Row
from tests.functional.api.wrong_networks import NETWORK_ROWS
from tests.functional.api.wrong_ports import PORT_ROWS
from tests.functional.api.wrong_subnets import SUBNET_ROWS

pytestmark = pytest.mark.asyncio(loop_scope="session")


class World:
    """Networks to be wrong about."""

    def __init__(self, api: Api, ids: dict[str, str]) -> None:
        self.api = api
        self.ids = ids

    def fill(self, text: str) -> str:
        """``text`` with the names of the world replaced by ids."""
        for name, id_ in self.ids.items():
            text = text.replace("{" + name + "}", id_)
        return text


@pytest_asyncio.fixture(loop_scope="session")
async def world(api: Api) -> AsyncIterator[World]:
    net = await api.create("network", name="net")
    sub = await api.create("subnet", network_id=net["id"], ip_version=4, cidr="10.0.0.0/24")
    auto = await api.create(
        "subnet",
        network_id=net["id"],
        ip_version=6,
        cidr="fd00::/64",
        ipv6_ra_mode="slaac",
        ipv6_address_mode="slaac",
    )
    port = await api.create(
        "port", network_id=net["id"], mac_address="fa:16:3e:00:00:01", fixed_ips=[{"ip_address": "10.0.0.5"}]
    )
    other = await api.network("10.0.0.0/24", provider__network_type="vxlan", provider__segmentation_id=5000)
    full = await api.network("10.9.0.0/30")
    last = await api.create("port", network_id=full["id"])
    bare = await api.create("network", name="bare")
    physnet = {"provider__physical_network": "physnet1"}
    vlan = await api.create("network", provider__network_type="vlan", provider__segmentation_id=100, **physnet)
    flat = await api.create("network", provider__network_type="flat", **physnet)
    instance = await api.create("instance", name="web", host="compute1", ports=[port["id"]])
    named = {"net": net, "sub": sub, "auto": auto, "port": port, "other": other, "full": full, "last": last}
    named |= {"bare": bare, "vlan": vlan, "flat": flat, "instance": instance}
    yield World(api, {name: value["id"] for name, value in named.items()} | {"othersub": other["subnets"][0]})


@pytest.mark.parametrize("row", [*NETWORK_ROWS, *SUBNET_ROWS, *PORT_ROWS], ids=str)
async def test_a_wrong_request_is_answered_as_neutron_does_and_changes_nothing(
    row: Row, world: World, db: IntentDatabase
) -> None:
    before = snapshot(db)
    body = (
        row.body
        if isinstance(row.body, (bytes, str)) or row.body is None
        else json.loads(world.fill(json.dumps(row.body)))
    )
    status, type_, message = await world.api.error(row.method, world.fill(row.path), body)
    assert (status, type_) == (row.status, row.type), message
    assert row.message in message
    assert snapshot(db) == before


async def test_a_revision_that_is_no_longer_current_is_refused(world: World, db: IntentDatabase) -> None:
    before = snapshot(db)
    for method, path, body in (
        ("PUT", "/networks/{net}", {"network": {"name": "x"}}),
        ("PUT", "/ports/{port}", {"port": {"name": "x"}}),
        ("PUT", "/subnets/{sub}", {"subnet": {"name": "x"}}),
        ("DELETE", "/ports/{last}", None),
    ):
        error = await world.api.error(method, world.fill(path), body, if_match="revision_number=99")
        assert error[:2] == (412, "RevisionNumberConstraintFailed")
        assert "Constrained to 99, but current revision is" in error[2]
    error = await world.api.error("DELETE", world.fill("/ports/{last}"), if_match="revision_number=new")
    assert error[:2] == (400, "BadRequest")
    assert snapshot(db) == before
