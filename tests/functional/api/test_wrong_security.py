"""Every wrong request about security groups is answered as Neutron does, and the database is unchanged."""

import json
from collections.abc import AsyncIterator

import pytest
import pytest_asyncio

from patchbay.intent.database import IntentDatabase
from patchbay.service.security_groups import default_group_id
from tests.functional.api.api_world import Api, snapshot
from tests.functional.api.security_world import address_group, group, rule
from tests.functional.api.test_wrong_routers import fill
from tests.functional.api.wrong import Row
from tests.functional.api.wrong_security import ADDRESS_ROWS, GROUP_ROWS, PORT_ROWS, RULE_ROWS

pytestmark = pytest.mark.asyncio(loop_scope="session")


@pytest_asyncio.fixture(loop_scope="session")
async def ids(api: Api) -> AsyncIterator[dict[str, str]]:
    """The ids of the world that the rows describe."""
    web, used = await group(api, name="web"), await group(api, name="used")
    stateless = await group(api, name="stateless", stateful=False)
    ssh = await rule(api, web, protocol="tcp", port_range_min=22, port_range_max=22, remote_ip_prefix="10.0.0.0/8")
    offices = await address_group(api, addresses=["10.1.0.0/16"])
    await rule(api, web, remote_address_group_id=offices["id"])
    net = await api.network("10.0.0.0/24")
    bare = await api.network("10.1.0.0/24", port_security_enabled=False)
    on_net = {"network_id": net["id"]}
    pair = [{"ip_address": "10.0.0.99"}]
    named = {
        "web": web,
        "used": used,
        "stateless": stateless,
        "ssh": ssh,
        "offices": offices,
        "spare": await address_group(api),
        "net": net,
        "bare": bare,
        "member": await api.create("port", **on_net, security_groups=[used["id"]]),
        "dhcp": await api.create("port", **on_net, device_owner="network:dhcp", device_id="x"),
        "open": await api.create("port", **on_net, port_security_enabled=False),
        "paired": await api.create("port", **on_net, security_groups=[], allowed_address_pairs=pair),
    }
    yield {name: value["id"] for name, value in named.items()} | {"default": default_group_id("")}


@pytest.mark.parametrize("row", [*GROUP_ROWS, *RULE_ROWS, *ADDRESS_ROWS, *PORT_ROWS], ids=str)
async def test_a_wrong_request_is_answered_as_neutron_does_and_changes_nothing(
    row: Row, ids: dict[str, str], api: Api, db: IntentDatabase
) -> None:
    before = snapshot(db)
    body = None if row.body is None else json.loads(fill(json.dumps(row.body), ids))
    status, type_, message = await api.error(row.method, fill(row.path, ids), body)
    assert (status, type_) == (row.status, row.type), message
    assert fill(row.message, ids) in message
    assert snapshot(db) == before


async def test_a_revision_that_is_no_longer_current_is_refused(
    ids: dict[str, str], api: Api, db: IntentDatabase
) -> None:
    before = snapshot(db)
    for method, path, body in (
        ("PUT", "/security-groups/{web}", {"security_group": {"name": "x"}}),
        ("DELETE", "/security-groups/{web}", None),
        ("DELETE", "/security-group-rules/{ssh}", None),
        ("PUT", "/address-groups/{spare}", {"address_group": {"name": "x"}}),
        ("DELETE", "/address-groups/{spare}", None),
    ):
        error = await api.error(method, fill(path, ids), body, if_match="revision_number=99")
        assert error[:2] == (412, "RevisionNumberConstraintFailed")
    assert snapshot(db) == before
