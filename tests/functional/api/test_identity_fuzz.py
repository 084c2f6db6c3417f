"""Anything may come to the identity endpoint, the quotas and the RBAC policies: no answer is 500."""

import asyncio
import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from patchbay.intent.database import IntentDatabase
from tests.functional.api.tenants_world import Tenants, tenants_of

WORDS = st.sampled_from(["auth", "identity", "methods", "password", "token", "user", "project", "name", "id", "domain"])
SCALARS = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(),
    st.floats(allow_nan=False),
    st.text(max_size=12),
    st.sampled_from(["password", "token", "application_credential", "*", "network", "access_as_shared", "Default"]),
)
JSON = st.recursive(
    SCALARS, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(WORDS | st.text(max_size=6), inner, max_size=4)
)
USER = st.fixed_dictionaries({}, optional=dict.fromkeys(("name", "id", "domain", "password"), JSON))
LOGIN = st.fixed_dictionaries(
    {
        "auth": st.fixed_dictionaries(
            {
                "identity": st.fixed_dictionaries(
                    {"methods": st.lists(st.sampled_from(["password", "token", "application_credential"]), max_size=2)},
                    optional={
                        "password": st.fixed_dictionaries({"user": USER}),
                        "token": st.fixed_dictionaries({"id": JSON}),
                        "application_credential": st.fixed_dictionaries(
                            {}, optional={"id": JSON, "name": JSON, "secret": JSON, "user": USER}
                        ),
                    },
                )
            },
            optional={"scope": JSON},
        )
    }
)
POLICY = st.fixed_dictionaries(
    {}, optional=dict.fromkeys(("object_type", "object_id", "action", "target_tenant", "target_project"), JSON)
)
QUOTA = st.dictionaries(st.sampled_from(["network", "port", "force", "cheese", "project_id"]), JSON, max_size=3)
PATHS = st.sampled_from(
    ["", "/", "/auth", "/auth/tokens", "/projects", "/projects/x/y", "/users//projects", "/domains/%ff"]
)
settings.register_profile("endpoint", deadline=None, suppress_health_check=list(HealthCheck), max_examples=60)


@pytest_asyncio.fixture(loop_scope="session")
async def tenants(db: IntentDatabase, tmp_path: Path) -> AsyncIterator[Tenants]:
    async with tenants_of(db, tmp_path) as world:
        yield world


@pytest.mark.asyncio(loop_scope="session")
async def test_no_answer_is_500(tenants: Tenants) -> None:
    loop = asyncio.get_running_loop()
    await tenants.ask("admin", "GET", "/networks")
    headers = {"X-Auth-Token": tenants.token["admin"]}

    def ask(method: str, path: str, body: Any) -> int:
        data = json.dumps(body)
        request = tenants.http.request(method, path, content=data, headers=headers)
        return asyncio.run_coroutine_threadsafe(request, loop).result(60).status_code

    @settings(settings.get_profile("endpoint"))
    @given(body=LOGIN | JSON)
    def log_in(body: Any) -> None:
        assert ask("POST", "/v3/auth/tokens", body) in (400, 401, 429)

    @settings(settings.get_profile("endpoint"))
    @given(method=st.sampled_from(["GET", "POST", "PUT", "DELETE", "PATCH"]), path=PATHS, body=JSON)
    def look(method: str, path: str, body: Any) -> None:
        assert ask(method, "/v3" + path, body) < 500

    @settings(settings.get_profile("endpoint"))
    @given(policy=POLICY | JSON, quota=QUOTA | JSON, method=st.sampled_from(["POST", "PUT"]))
    def write(policy: Any, quota: Any, method: str) -> None:
        assert ask(method, "/v2.0/rbac-policies", {"rbac_policy": policy}) in (400, 404, 405)
        assert ask("PUT", "/v2.0/quotas/p", {"quota": quota}) in (200, 400)

    for search in (log_in, look, write):
        await asyncio.to_thread(search)
