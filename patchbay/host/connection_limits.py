"""Limits of tracked connections, which ovs-vswitchd keeps in memory only: read and set over its control socket.

The socket, ``ovs-vswitchd.<pid>.ctl``, speaks JSON-RPC (ovs-appctl(8)); one request sets the limits of all zones.
"""

import asyncio
import re
from pathlib import Path
from typing import Any

import msgspec

from patchbay.errors import HostError
from patchbay.hoststate import ConnectionLimit
from patchbay.plan.limit_operations import DATAPATHS, limit_arguments

PATIENCE_S = 2.0
_ANSWER_MAX = 1 << 22
_LIMIT = re.compile(r"zone=(\d+),limit=(\d+),count=(\d+)")


class ZoneUse(msgspec.Struct, frozen=True):
    """The limit of a zone, and how many of its connections count towards it."""

    limit: ConnectionLimit
    count: int


async def read_limits(rundir: Path, datapath_type: str) -> list[ZoneUse]:
    """All zones that have a limit. Raises HostError when ovs-vswitchd does not answer, or knows no limits."""
    text = await _ask(rundir, "dpctl/ct-get-limits", [DATAPATHS[datapath_type]])
    found = (tuple(map(int, one)) for one in _LIMIT.findall(text))
    return [
        ZoneUse(ConnectionLimit(zone=zone, limit=limit, datapath_type=datapath_type), count)
        for zone, limit, count in found
    ]


async def set_limits(rundir: Path, datapath_type: str, limits: tuple[ConnectionLimit, ...]) -> None:
    """Set these limits. Raises HostError."""
    await _ask(rundir, "dpctl/ct-set-limits", limit_arguments(datapath_type, limits))


async def _ask(rundir: Path, command: str, arguments: list[str]) -> str:
    try:
        number = int((rundir / "ovs-vswitchd.pid").read_text())
        async with asyncio.timeout(PATIENCE_S):
            answer = await _exchange(rundir / f"ovs-vswitchd.{number}.ctl", command, arguments)
    except (OSError, ValueError, EOFError, TimeoutError) as error:
        reason = str(error) or "no answer"
        raise HostError(f"ovs-vswitchd cannot be asked for {command}: {reason}.", "Is it running?") from None
    if answer.get("error"):
        raise HostError(
            f"ovs-vswitchd refused {command}: {str(answer['error']).strip()}", "ovs-vswitchd.log says more."
        )
    return str(answer.get("result") or "")


async def _exchange(socket: Path, command: str, arguments: list[str]) -> dict[str, Any]:
    """One request and its answer, which ends where its JSON does: the socket stays open."""
    reader, writer = await asyncio.open_unix_connection(socket)
    try:
        writer.write(msgspec.json.encode({"id": 0, "method": command, "params": arguments}))
        received = b""
        while len(received) < _ANSWER_MAX:
            received += await _some(reader)
            try:
                answer: dict[str, Any] = msgspec.json.decode(received, type=dict[str, Any])
            except msgspec.DecodeError:
                continue
            return answer
        raise ValueError("too long an answer")
    finally:
        writer.close()


async def _some(reader: asyncio.StreamReader) -> bytes:
    data = await reader.read(1 << 16)
    if not data:
        raise EOFError("the connection was closed")
    return data
