"""What ovs-vswitchd is asked over its control socket.

The socket, ``ovs-vswitchd.<pid>.ctl``, speaks JSON-RPC (ovs-appctl(8)).
"""

import asyncio
from pathlib import Path
from typing import Any

import msgspec

from patchbay.errors import HostError

PATIENCE_S = 2.0
_ANSWER_MAX = 1 << 22


async def forget_cached_flows(rundir: Path) -> None:
    """Empty the datapath's cache of flows, which every first packet fills again. Raises HostError."""
    await ask(rundir, "revalidator/purge", [])


async def forget_learned_macs(rundir: Path, bridge: str) -> None:
    """Ordinary switching learns anew where MACs are. Raises HostError."""
    await ask(rundir, "fdb/flush", [bridge])


async def ask(rundir: Path, command: str, arguments: list[str]) -> str:
    """The answer to a command. Raises HostError when ovs-vswitchd does not answer, or refuses."""
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
