#!/usr/bin/env python3
"""How long flows take: encoding, installing, observing, deleting; against ``ovs-ofctl --bundle add-flows``.

Run as root: ``bench/bench_flows.py [-f json] [counts…]``. It makes a host of its own (network, mounts, processes) and
leaves nothing behind. Each figure is the median of the rounds, in milliseconds.
"""

import argparse
import asyncio
import json
import os
import statistics
import subprocess
import sys
import time
from collections.abc import Awaitable
from pathlib import Path

from patchbay.cli.output import print_list
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


def encode_all(batch: list[Flow]) -> None:
    """Only the encoding, as an apply does it."""
    for flow in batch:
        encode_add(flow, PORTS)


def ofctl() -> None:
    """The same flows by an ovs-ofctl process, from a file."""
    subprocess.run(["ovs-ofctl", "-O", "OpenFlow14", "--bundle", "add-flows", "br-tun", "/run/flows"], check=True)


def write_file(batch: list[Flow]) -> None:
    """The file that ovs-ofctl reads: ports by number, as it need not look them up."""
    Path("/run/flows").write_text("\n".join(flow.text.replace("vxlan-ac150ca3", "7") for flow in batch))


async def measure(connection: OpenFlowConnection, count: int) -> dict[str, float]:
    """The figures for one number of flows, in milliseconds."""
    figures: dict[str, list[float]] = {}

    async def note(name: str, what: Awaitable[object]) -> None:
        start = time.perf_counter()
        await what
        figures.setdefault(name, []).append((time.perf_counter() - start) * 1000)

    for turn in range(50 if count <= 100 else 3):
        batch, other = flows(count, turn), flows(count, turn + 1)
        write_file(batch)
        await note("install", connection.apply(batch, ports=PORTS))
        await note("replace", connection.apply(other, batch, ports=PORTS))
        await note("observe", connection.observe())
        await note("with ports", connection.observe_ports())
        await note("count", connection.count())
        await note("delete", connection.apply(delete=other))
        await note("encode", asyncio.to_thread(encode_all, batch))
        await note("ovs-ofctl", asyncio.to_thread(ofctl))
        subprocess.run(["ovs-ofctl", "del-flows", "br-tun"], check=True)  # noqa: ASYNC221 -- nothing else runs
    return {name: statistics.median(values) for name, values in figures.items()}


async def plain_or_bundle(connection: OpenFlowConnection) -> dict[str, float]:
    """One flow as a plain flow_mod with a barrier, and as a bundle: where the limit between them belongs."""
    figures = {}
    for limit, name in ((0, "one as a bundle"), (100, "one as a plain flow_mod")):
        openflow._PLAIN_LIMIT = limit
        values = []
        for turn in range(200):
            start = time.perf_counter()
            await connection.apply(flows(1, turn), ports=PORTS)
            values.append((time.perf_counter() - start) * 1000)
        figures[name] = statistics.median(values)
    openflow._PLAIN_LIMIT = 1
    return figures


async def measure_all(counts: tuple[int, ...]) -> list[dict[str, object]]:
    """All figures."""
    connection = OpenFlowConnection("br-tun")
    await connection.open()
    rows: list[dict[str, object]] = []
    for count in counts:
        print(f"{count} flows …", file=sys.stderr, flush=True)
        figures = await measure(connection, count)
        if count == 1:
            figures |= await plain_or_bundle(connection)
        rows += [
            {"flows": count, "figure": name, "value": round(value, 3), "unit": "ms"} for name, value in figures.items()
        ]
    await connection.close()
    return rows


def main() -> None:
    """Print the figures."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("-f", "--format", choices=["json", "table"], default="table")
    parser.add_argument("counts", type=int, nargs="*", default=COUNTS)
    arguments = parser.parse_args()
    subprocess.run(["bash", "-euc", START], check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    rows = asyncio.run(measure_all(tuple(arguments.counts)))
    if arguments.format == "json":
        print(json.dumps(rows, indent=2))
    else:
        print_list(rows, ["flows", "figure", "value", "unit"], "table", ())


if __name__ == "__main__":
    if os.environ.get("PATCHBAY_BENCH_HOST") != "private":
        os.environ["PATCHBAY_BENCH_HOST"] = "private"
        os.execvp(UNSHARE[0], [*UNSHARE, sys.executable, *sys.argv])
    main()
