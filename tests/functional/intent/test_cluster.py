"""Three servers, one of which may die at any moment."""

import asyncio
import os
import signal
import subprocess
import time
from collections.abc import AsyncIterator, Callable
from itertools import pairwise
from pathlib import Path

import pytest

from patchbay.intent.database import AgentScope, Change, Duplicate, Insert, IntentDatabase
from patchbay.intent.server import ClusterMember, EmbeddedServer
from patchbay.model import Network, Port
from tests.functional.intent.intent_world import (
    Open,
    make_database,
    new_network,
    new_port,
    new_subnet,
    older_schema,
    until,
)

KILLS, WRITERS = 3, 4


@pytest.fixture
async def cluster(tmp_path: Path, free_port: Callable[[], int]) -> AsyncIterator[list[EmbeddedServer]]:
    """Three members on loopback."""
    addresses = [f"tcp:127.0.0.1:{free_port()}" for _ in range(3)]
    members = []
    for number, address in enumerate(addresses):
        place = ClusterMember(address, (addresses[0],) if number else ())
        members.append(await EmbeddedServer.start(tmp_path / str(number), cluster=place))
    await until(lambda: all(status(member, "Status: cluster member") for member in members), "three members", 20)
    yield members
    for member in members:
        await member.stop()


def status(member: EmbeddedServer, words: str) -> bool:
    """Whether the member says so of itself."""
    command = ["ovs-appctl", "-t", str(member.state_dir / "intent.ctl"), "cluster/status", "Patchbay"]
    return words in subprocess.run(command, capture_output=True, text=True, check=False).stdout


async def write_until(
    done: asyncio.Event, database: IntentDatabase, network: Network, written: dict[str, float]
) -> None:
    """Ports one after the other; ``written`` says when each was acknowledged."""
    while not done.is_set():
        port: Port = new_port(network)
        await database.transact(Insert(port))
        assert port.id in database.ports
        written[port.id] = time.monotonic()


@pytest.mark.parametrize("each_at_its_own_member", [False, True])
async def test_a_leader_that_dies_during_writes_loses_no_acknowledged_one(
    cluster: list[EmbeddedServer], open_database: Open, each_at_its_own_member: bool
) -> None:
    remotes = [member.remote for member in cluster]
    if each_at_its_own_member:
        databases = [await open_database(remote, leader_only=False) for remote in remotes]
    else:
        databases = [await open_database(remotes), await open_database(remotes[::-1])]
    network = new_network()
    await databases[0].transact(Insert(network))
    done, written = asyncio.Event(), {}
    tasks = [
        asyncio.create_task(write_until(done, databases[number % len(databases)], network, written))
        for number in range(WRITERS)
    ]
    for _ in range(KILLS):
        count = len(written)
        await until(lambda count=count: len(written) > count + 50, "fifty more writes", 20)
        [leader] = [member for member in cluster if status(member, "Role: leader")]
        pid = leader.pid
        assert pid is not None
        os.kill(pid, signal.SIGKILL)
        await until(lambda leader=leader, pid=pid: leader.pid not in (None, pid), "the server again")
    count = len(written)
    await until(lambda: len(written) > count + 50, "fifty more writes", 20)
    done.set()
    await asyncio.gather(*tasks)
    moments = sorted(written.values())
    print("longest gap", max(later - earlier for earlier, later in pairwise(moments)), "s")
    for member in cluster:
        follower = await IntentDatabase.open([member.remote], timeout_s=20, leader_only=False)
        await until(lambda follower=follower: set(follower.ports) >= set(written), "every port at every member", 20)
        await follower.close()


async def test_an_agent_at_a_member_that_dies_goes_on_at_another(
    cluster: list[EmbeddedServer], open_database: Open
) -> None:
    remotes = [member.remote for member in cluster]
    service = await open_database(remotes)
    agent = await open_database(remotes, AgentScope("compute1"))
    before, after = new_network("before"), new_network("after")
    await service.transact(Insert(before))
    await agent.watch({before.id, after.id})
    assert set(agent.networks) == {before.id}
    heard: list[list[Change]] = []
    agent.subscribe(heard.append)
    states: list[bool] = []
    agent.on_state(states.append)
    pid = cluster[0].pid
    assert pid is not None
    os.kill(pid, signal.SIGKILL)
    await until(lambda: states == [False, True], "the agent at another member")
    await service.transact(Insert(after))
    await until(lambda: after.id in agent.networks, "the new network at the agent")
    assert [[change.old for change in changes] for changes in heard] == [[None]]


async def test_a_write_through_a_follower_shows_when_it_is_acknowledged(
    cluster: list[EmbeddedServer], open_database: Open
) -> None:
    await open_database([member.remote for member in cluster])
    for member in cluster:
        database = await IntentDatabase.open([member.remote], AgentScope("compute1"), timeout_s=20)
        for _ in range(20):
            network = new_network()
            await database.watch({network.id})
            await database.transact(Insert(network))
            assert network.id in database.networks
        await database.close()


async def test_an_older_cluster_is_upgraded_online_with_nothing_lost(
    tmp_path: Path, open_database: Open, free_port: Callable[[], int]
) -> None:
    addresses = [f"tcp:127.0.0.1:{free_port()}" for _ in range(3)]
    network_id = make_database(tmp_path / "0", older_schema())
    (tmp_path / "0" / "intent.db").rename(tmp_path / "0" / "single.db")
    files = [str(tmp_path / "0" / name) for name in ("intent.db", "single.db")]
    subprocess.run(["ovsdb-tool", "create-cluster", *files, addresses[0]], check=True)  # noqa: ASYNC221 - brief
    members = [
        await EmbeddedServer.start(tmp_path / str(number), cluster=ClusterMember(address, (addresses[0],)))
        for number, address in enumerate(addresses)
    ]
    await until(lambda: all(status(member, "Status: cluster member") for member in members), "three members", 20)
    remotes = [member.remote for member in members]
    services = await asyncio.gather(*(open_database(remote, leader_only=False) for remote in remotes[::-1]))
    await services[0].transact(Insert(new_network()))
    for member in members:
        agent = await open_database(member.remote, AgentScope("compute1"))
        await agent.watch({network_id})
        assert agent.networks[network_id].name == "old"
    await until(lambda: all(len(service.networks) == 2 for service in services), "both networks at each service")
    for member in members:
        await member.stop()


async def test_one_refused_write_does_not_stop_those_committed_with_it(
    cluster: list[EmbeddedServer], open_database: Open
) -> None:
    database = await open_database([member.remote for member in cluster])
    network = new_network()
    await database.transact(Insert(network))
    good = [new_port(network) for _ in range(20)]
    bad = [new_port(network, mac=port.mac_address) for port in good]
    writes = [Insert(port) for pair in zip(good, bad, strict=True) for port in pair]
    outcomes = await asyncio.gather(*(database.transact(write) for write in writes), return_exceptions=True)
    assert outcomes[0::2] == [None] * 20
    assert {type(outcome) for outcome in outcomes[1::2]} == {Duplicate}
    assert set(database.ports) == {port.id for port in good}


async def test_of_three_servers_that_give_out_the_same_address_one_wins(
    cluster: list[EmbeddedServer], open_database: Open
) -> None:
    databases = [await open_database(member.remote, leader_only=False) for member in cluster]
    network = new_network()
    subnet = new_subnet(network)
    await databases[0].transact(Insert(network), Insert(subnet))
    await until(lambda: all(subnet.id in database.subnets for database in databases), "the subnet at each member")
    for number in range(20):
        ports = [new_port(network, (subnet, f"10.0.0.{number}")) for _ in databases]
        writes = [database.transact(Insert(port)) for database, port in zip(databases, ports, strict=True)]
        outcomes = await asyncio.gather(*writes, return_exceptions=True)
        assert outcomes.count(None) == 1
        assert {(type(o), o.table) for o in outcomes if o is not None} == {(Duplicate, "Address")}
    await until(lambda: all(len(database.ports) == 20 for database in databases), "the same twenty ports at each")
    assert databases[0].ports == databases[1].ports == databases[2].ports
