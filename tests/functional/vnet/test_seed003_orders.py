"""All of the seed's commands and all of its plugging in 200 random orders: the same network each time."""

import random
from collections.abc import Iterable, Sequence

import msgspec
import pytest

from patchbay.compile.facts import Facts
from patchbay.compile.fragments import Compiled, compile_all
from patchbay.compile.local_vlans import DEAD_VLAN
from patchbay.compile.view import HostView
from patchbay.hoststate import BridgePort, HostState, PortTag
from patchbay.intent.database import Change, Insert
from patchbay.model import Host
from tests.functional.intent_database import empty
from tests.functional.vnet.normal import TABLES, normal, unlike
from tests.functional.vnet.seed003 import API, BRIDGE, DPID, HOST, HOST_IP, SPACES
from tests.functional.vnet.webapi import WebApi

ORDERS, AT_ONCE = 200, 20
OVS_CREATE = "ovs-create"
PASSES = 8
"""Commands that name what is not there yet are given again, after the others; so often at most."""

HOST_ID = "00000000-0000-4000-8000-000000000003"


class Agent:
    """What an agent makes of the intent and of its host, change by change, without a host."""

    def __init__(self) -> None:
        self.view = HostView(Facts(host=HOST, tunnel_ip=HOST_IP))
        self.compiled = Compiled(self.view)
        self.compiled.refresh(self.view.fragments())
        self.plugged: frozenset[str] = frozenset()

    def hear(self, changes: list[Change]) -> None:
        """The intent changed."""
        for change in changes:
            value = change.new or change.old
            if is_compiled(value):
                self.compiled.refresh(self.view.put(value) if change.new is not None else self.view.remove(value))

    def plug(self, what: str) -> None:
        """A bridge is made, or a port is plugged into it."""
        facts = self.view.facts
        if what == OVS_CREATE:
            new = {"datapaths": {DPID: BRIDGE}, "bridges": facts.bridges | {BRIDGE}}
        else:
            self.plugged |= {what}
            new = {"bridge_ports": {BRIDGE: self.plugged}}
        self.compiled.refresh(self.view.set_facts(msgspec.structs.replace(facts, **new)))


def is_compiled(value: object) -> bool:
    """Whether an agent's view takes a value: not those of the API alone."""
    return type(value).__name__ not in ("SubnetPool", "AddressScope")


def local_vlans(state: HostState) -> dict[str, int]:
    """What a restarted agent reads from the ports of its host."""
    configs = (dict(item.other_config) for item in state.values() if isinstance(item, BridgePort | PortTag))
    return {config["net_uuid"]: int(config["tag"]) for config in configs if "net_uuid" in config}


def afresh(facts: Facts, rows: Iterable[object]) -> HostState:
    """What an agent compiles that starts now."""
    view = HostView(facts)
    for row in rows:
        if is_compiled(row):
            view.put(row)  # type: ignore[arg-type]
    return compile_all(view)


def attached(state: HostState) -> int:
    """How many interfaces of the bridge are ports of br-int, each on the local VLAN of a network."""
    pairs = (item for item in state.values() if isinstance(item, BridgePort) and item.name.startswith("qvo"))
    return sum(item.tag is not None and item.tag < DEAD_VLAN for item in pairs)


async def tell(api: WebApi, order: Sequence[str]) -> Agent:
    """Give commands and plug, in this order; what is refused is given again after the rest. The agent that watched."""
    agent = Agent()
    api.hearer = agent.hear
    await api.db.transact(Insert(Host(id=HOST_ID, name=HOST, tunnel_ip=HOST_IP)))
    waiting = list(order)
    for _ in range(PASSES):
        refused = []
        for each in waiting:
            if each in API:
                answer = await api.ask(each)
                if answer.status_code >= 300:
                    refused.append((each, answer.text))
            elif each != OVS_CREATE and BRIDGE not in agent.view.facts.bridges:
                refused.append((each, "no bridge"))
            else:
                agent.plug(each)
        if not refused:
            return agent
        waiting = [each for each, _ in refused]
    pytest.fail(f"refused again and again: {refused}")


@pytest.mark.asyncio(loop_scope="session")
@pytest.mark.parametrize("first", range(0, ORDERS, AT_ONCE))
async def test_any_order_of_registering_and_plugging_gives_the_same_network(webapi: WebApi, first: int) -> None:
    events = [*API, OVS_CREATE, *(space.port for space in SPACES)]
    expected: tuple[list[object], HostState] | None = None
    for number in (-1, *range(first, first + AT_ONCE)):
        order = list(events)
        if number >= 0:  # the first is the seed's own order
            random.Random(number).shuffle(order)
        agent = await tell(webapi, order)
        now = [row for table in TABLES for row in getattr(webapi.db, table).values()]
        facts = msgspec.structs.replace(agent.view.facts, local_vlans=local_vlans(agent.compiled.state))
        assert agent.compiled.state == afresh(facts, now), f"step by step is not the whole, order {number}"
        rows = normal(webapi.db)
        state = afresh(msgspec.structs.replace(agent.view.facts, local_vlans={}), rows)
        if expected is None:
            expected = [*rows], state
            assert attached(state) == len(SPACES)
        assert expected[0] == rows, f"order {number}: {unlike(expected[0], rows)}"
        assert expected[1] == state, f"order {number}"
        await empty(webapi.db)
