#!/usr/bin/env python3
"""How long flows take: encoding, installing, observing, deleting; against ``ovs-ofctl --bundle add-flows``.

Run as root: ``bench/bench_flows.py [counts…]``. It makes a host of its own (network, mounts, processes) and leaves
nothing behind. Each figure is the median of the rounds.
"""

import asyncio
import os
import statistics
import subprocess
import sys
import time
from collections.abc import Awaitable, Callable
from pathlib import Path

from patchbay.host import openflow
from patchbay.host.flow_encoding import encode_add
from patchbay.host.openflow import OpenFlowConnection
from patchbay.hoststate import Flow

COUNTS = (1, 2, 100, 10_000, 50_000)
PORTS = {"vxlan-ac150ca3": 7}
UNSHARE = ("unshare", "--net", "--mount", "--uts", "--pid", "--fork", "--kill-child", "--propagation", "private")
START = """
mount -t proc proc /proc; mount -t tmpfs tmpfs /run; mkdir -p /run/openvswitch /etc/openvswitch
mount -t tmpfs tmpfs /etc/openvswitch; ip link set lo up; cd /run
ovsdb-tool create /etc/openvswitch/conf.db /usr/share/openvswitch/vswitch.ovsschema
ovsdb-server --remote=punix:/run/openvswitch/db.sock --pidfile --detach --log-file=/run/ovsdb.log \
  /etc/openvswitch/conf.db 2>/dev/null
ovs-vsctl --no-wait init; ovs-vswitchd --pidfile --detach --log-file=/run/vswitchd.log 2>/dev/null
ovs-vsctl add-br br-tun -- set bridge br-tun datapath_type=netdev fail_mode=secure
"""


def flows(count: int, salt: int = 0) -> list[Flow]:
    """Flows as table 20 has them: one per known port on another host."""
    return [
        Flow(
            bridge="br-tun",
            table=20,
            priority=2,
            match=f"dl_vlan={n % 4000 + 1},dl_dst=fa:16:3e:{n >> 16 & 255:02x}:{n >> 8 & 255:02x}:{n & 255:02x}",
            actions=f"strip_vlan,set_tunnel:{n % 4000 + salt:#x},output:vxlan-ac150ca3",
        )
        for n in range(count)
    ]


async def timed(run: Callable[[], Awaitable[object]]) -> float:
    """Milliseconds that one run takes."""
    start = time.perf_counter()
    await run()
    return (time.perf_counter() - start) * 1000


def sh(*words: str) -> None:
    """Run a command."""
    subprocess.run(words, check=True)


async def measure(connection: OpenFlowConnection, count: int) -> dict[str, float]:
    """The figures for one number of flows, in milliseconds."""
    rounds = 50 if count <= 100 else 3
    figures: dict[str, list[float]] = {}
    for turn in range(rounds):
        batch = flows(count, turn)

        async def encode(batch: list[Flow] = batch) -> None:
            for flow in batch:
                encode_add(flow, PORTS)

        async def ofctl(batch: list[Flow] = batch) -> None:
            sh("ovs-ofctl", "-O", "OpenFlow14", "--bundle", "add-flows", "br-tun", "/run/flows")

        for name, run in {
            "install": lambda: connection.apply(batch, ports=PORTS),  # noqa: B023 -- run at once
            "replace": lambda: connection.apply(flows(count, turn + 1), batch, ports=PORTS),  # noqa: B023
            "observe": connection.observe,
            "count": connection.count,
            "delete": lambda: connection.apply(delete=flows(count, turn + 1)),  # noqa: B023
            "encode": encode,
            "ovs-ofctl": ofctl,
        }.items():
            if name == "ovs-ofctl":
                numbered = (f.text.replace("output:vxlan-ac150ca3", "output:7") for f in batch)
                Path("/run/flows").write_text("\n".join(numbered))
            figures.setdefault(name, []).append(await timed(run))
        sh("ovs-ofctl", "del-flows", "br-tun")
    return {name: statistics.median(values) for name, values in figures.items()}


async def plain_or_bundle(connection: OpenFlowConnection) -> None:
    """One and two flows as plain flow_mods with barriers, and as a bundle."""
    for count in (1, 2, 3):
        for limit, name in ((0, "bundle"), (100, "plain flow_mods and a barrier")):
            openflow._PLAIN_LIMIT = limit
            values = [await timed(lambda t=t: connection.apply(flows(count, t), ports=PORTS)) for t in range(200)]
            print(f"{count} flow(s) as {name}: {statistics.median(values):.3f} ms")


async def main(counts: tuple[int, ...]) -> None:
    """Print a table of the figures."""
    connection = OpenFlowConnection("br-tun")
    await connection.open()
    await plain_or_bundle(connection)
    header = None
    for count in counts:
        figures = await measure(connection, count)
        if header is None:
            header = list(figures)
            print("flows".rjust(8), *(f"{name:>10}" for name in header), "   (ms)")
        print(f"{count:8}", *(f"{figures[name]:10.2f}" for name in header), flush=True)
    await connection.close()


if __name__ == "__main__":
    if os.environ.get("PATCHBAY_BENCH_HOST") != "private":
        os.environ["PATCHBAY_BENCH_HOST"] = "private"
        os.execvp(UNSHARE[0], [*UNSHARE, sys.executable, *sys.argv])
    subprocess.run(["bash", "-euc", START], check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    asyncio.run(main(tuple(map(int, sys.argv[1:])) or COUNTS))
