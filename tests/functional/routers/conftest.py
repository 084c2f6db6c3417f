"""A host with a router between two tenants' subnets and an outside world, all of it rows and packets."""

from collections.abc import Awaitable, Callable

import pytest

from tests.functional.agent.conftest import compute
from tests.functional.routers.scene import Scene

Scenario = Callable[[Scene], Awaitable[None]]


@pytest.fixture
def on_router(on_private_host) -> Callable[..., None]:
    """Run a scenario with a running agent, two networks, a router with a gateway, and a machine outside."""

    def run(scenario: Scenario, **settings) -> None:
        async def wrapped(host) -> None:
            async with compute(host) as one:
                scene = Scene(one)
                await scene.build(**settings)
                await scenario(scene)

        on_private_host(wrapped)

    return run
