#!/usr/bin/env python3
"""The intent database: durable writes alone and together, cost of a large content for the service and for an agent.

Prints a JSON list of figures. Runs on a real ovsdb-server in a temporary directory on the disk (``--dir`` chooses
where); needs no root. The clients whose memory is measured are processes of their own.
"""

import argparse
import asyncio
import contextlib
import json
import socket
import statistics
import subprocess
import sys
import tempfile
import time
import uuid
from collections.abc import Sequence
from pathlib import Path

from patchbay.intent.database import AgentScope, Insert, IntentDatabase, Write
from patchbay.intent.server import ClusterMember, EmbeddedServer
from patchbay.model import FixedIP, Host, Network, Port, Subnet

SINGLE_WRITES, WRITERS, WRITES_EACH, PORTS, PORTS_AT_ONCE = 500, 16, 100, 10_000, 500
MOMENT = "2026-01-31T12:00:00Z"


def main() -> None:
    """Measure, print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("-f", "--format", choices=["json"], default="json")
    parser.add_argument("--dir", type=Path, default=None, help="where the database file lives while measured")
    parser.add_argument("--load", metavar="REMOTE", help=argparse.SUPPRESS)
    parser.add_argument("--networks", nargs="*", help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.load:
        print(json.dumps(asyncio.run(load(arguments.load, arguments.networks))))
        return
    with tempfile.TemporaryDirectory(prefix="patchbay-bench-", dir=arguments.dir) as directory:
        print(json.dumps(asyncio.run(measure(Path(directory))), indent=2))


async def measure(directory: Path) -> list[dict[str, object]]:
    """All figures."""
    server = await EmbeddedServer.start(directory)
    try:
        db = await IntentDatabase.open([server.remote], timeout_s=10)
        network, subnet = new_network(34, "10.0.0.0/16")
        await db.transact(Insert(network), Insert(subnet))
        single = await single_writes(db, network)
        together = await writes_together(db, network)
        networks = await fill(db)
        bare = run_load(server.remote, [], empty=True)
        whole, agent = run_load(server.remote, None), run_load(server.remote, networks)
        await db.close()
    finally:
        await server.stop()
    return [
        figure("durable write of a port, alone, median", statistics.median(single) * 1e3, "ms"),
        figure("durable write of a port, alone, 99th percentile", sorted(single)[len(single) * 99 // 100] * 1e3, "ms"),
        figure(f"durable writes of ports, {WRITERS} writers", WRITERS * WRITES_EACH / together, "1/s"),
        *await cluster(directory),
        figure(f"service opens {PORTS} ports", whole["seconds"], "s"),
        figure(f"service's memory for {PORTS} ports", whole["megabytes"] - bare["megabytes"], "MB"),
        figure(f"agent watches {PORTS} ports", agent["seconds"], "s"),
        figure(f"agent's memory for {PORTS} ports", agent["megabytes"] - bare["megabytes"], "MB"),
        figure("memory of a client with no ports (interpreter, libraries)", bare["megabytes"], "MB"),
    ]


async def cluster(directory: Path) -> list[dict[str, object]]:
    """The same writes with three servers on this machine."""
    with contextlib.ExitStack() as ports:
        listeners = [ports.enter_context(socket.create_server(("127.0.0.1", 0))) for _ in range(3)]
        addresses = [f"tcp:127.0.0.1:{listener.getsockname()[1]}" for listener in listeners]
    members: list[EmbeddedServer] = []
    try:
        for number, address in enumerate(addresses):
            place = ClusterMember(address, (addresses[0],) if number else ())
            members.append(await EmbeddedServer.start(directory / f"member{number}", cluster=place))
        for member in members:
            # A member serves its database only once it has joined.
            await (await IntentDatabase.open([member.remote], leader_only=False, timeout_s=30)).close()
        db = await IntentDatabase.open([member.remote for member in members], timeout_s=30)
        network, _ = new_network(34, "10.0.0.0/16")
        await db.transact(Insert(network))
        single = await single_writes(db, network)
        together = await writes_together(db, network)
        await db.close()
    finally:
        for member in members:
            await member.stop()
    return [
        figure("the same, cluster of three, alone, median", statistics.median(single) * 1e3, "ms"),
        figure(f"the same, cluster of three, {WRITERS} writers", WRITERS * WRITES_EACH / together, "1/s"),
    ]


def figure(name: str, value: float, unit: str) -> dict[str, object]:
    """One line of the result."""
    return {"figure": name, "value": round(value, 3), "unit": unit}


async def single_writes(db: IntentDatabase, network: Network) -> list[float]:
    """Seconds of each of many writes, one after the other."""
    seconds = []
    for number in range(SINGLE_WRITES):
        port = new_port(network.id, number)
        started = time.perf_counter()
        await db.transact(Insert(port))
        seconds.append(time.perf_counter() - started)
    return seconds


async def writes_together(db: IntentDatabase, network: Network) -> float:
    """Seconds that several writers take, each waiting for its own writes."""

    async def write(writer: int) -> None:
        for number in range(WRITES_EACH):
            await db.transact(Insert(new_port(network.id, (writer + 1) * 0x10000 + number)))

    started = time.perf_counter()
    await asyncio.gather(*(write(writer) for writer in range(WRITERS)))
    return time.perf_counter() - started


async def fill(db: IntentDatabase) -> list[str]:
    """Ten networks with ``PORTS`` ports on twenty hosts; their ids."""
    await db.transact(*(Insert(Host(id=new_id(), name=f"compute{number}")) for number in range(20)))
    ids = []
    for vni in range(1000, 1010):
        network, subnet = new_network(vni, "10.0.0.0/16")
        await db.transact(Insert(network), Insert(subnet))
        ports = [new_port(network.id, number, subnet.id, f"compute{number % 20}") for number in range(PORTS // 10)]
        for start in range(0, len(ports), PORTS_AT_ONCE):
            writes: Sequence[Write] = [Insert(port) for port in ports[start : start + PORTS_AT_ONCE]]
            await db.transact(*writes)
        ids.append(network.id)
    return ids


def run_load(remote: str, networks: Sequence[str] | None, empty: bool = False) -> dict[str, float]:
    """What a new process needs to open the database: as the service (``networks`` None) or as an agent."""
    command = [sys.executable, __file__, "--load", remote]
    if networks is not None:
        command += ["--networks", *(["-"] if empty else networks)]
    done = subprocess.run(command, stdout=subprocess.PIPE, check=True)
    return json.loads(done.stdout)  # type: ignore[no-any-return]


async def load(remote: str, networks: list[str] | None) -> dict[str, float]:
    """Runs in a process of its own."""
    started = time.perf_counter()
    if networks is None:
        db = await IntentDatabase.open([remote])
    else:
        db = await IntentDatabase.open([remote], AgentScope("compute1000"))
        if networks != ["-"]:
            await db.watch(networks)
            assert len(db.ports) == PORTS
    seconds = time.perf_counter() - started
    await db.close()
    return {"seconds": seconds, "megabytes": most_memory_kb() / 1024}


def most_memory_kb() -> int:
    """The most resident memory that this process had."""
    for line in Path("/proc/self/status").read_text().splitlines():
        if line.startswith("VmHWM:"):
            return int(line.split()[1])
    raise LookupError("VmHWM")


def new_network(vni: int, cidr: str) -> tuple[Network, Subnet]:
    """A network as the service makes it."""
    network = Network(id=new_id(), project_id=new_id(), name=f"net{vni}", segmentation_id=vni, created_at=MOMENT)
    return network, Subnet(id=new_id(), network_id=network.id, ip_version=4, cidr=cidr, created_at=MOMENT)


def new_port(network_id: str, number: int, subnet_id: str = "", host: str = "compute1") -> Port:
    """A port as the service makes it for an instance."""
    address = FixedIP(subnet_id, f"10.0.{number >> 8 & 255}.{number & 255}")
    return Port(
        id=new_id(),
        project_id="6f1c1a0e5d5e4f0e8a5c3c1de1b0f111",
        name=f"port{number}",
        revision_number=1,
        created_at=MOMENT,
        updated_at=MOMENT,
        network_id=network_id,
        mac_address=f"fa:16:3e:{number >> 16 & 255:02x}:{number >> 8 & 255:02x}:{number & 255:02x}",
        fixed_ips=(address,) if subnet_id else (),
        device_id=new_id(),
        device_owner="compute:patchbay",
        host=host,
    )


def new_id() -> str:
    """A random UUID."""
    return str(uuid.uuid4())


if __name__ == "__main__":
    main()
