"""The agent's control socket, ``<run-dir>/agent.ctl``: one JSON object a line asks, one answers.

``{"command": "status"}`` tells counts and connections; ``check`` compares what was kept up to date step by step with
what looking and compiling anew gives; ``plan`` tells what the agent would still change. For tests and for people who
wonder; it changes nothing. Only root may connect.
"""

import asyncio
import logging
from collections.abc import Awaitable, Callable
from functools import partial
from pathlib import Path
from typing import Any

import msgspec

from patchbay.agent.check import check, pending
from patchbay.agent.loop import Agent
from patchbay.agent.settings import AgentSettings
from patchbay.errors import PatchbayError

logger = logging.getLogger(__name__)

SOCKET_NAME = "agent.ctl"


async def serve_control(settings: AgentSettings, agent: Agent) -> None:
    """Answer until cancelled."""
    path = Path(settings.run_dir) / SOCKET_NAME
    path.parent.mkdir(mode=0o755, parents=True, exist_ok=True)
    path.unlink(missing_ok=True)
    server = await asyncio.start_unix_server(partial(_answer, agent), path)
    path.chmod(0o600)
    try:
        await server.serve_forever()
    finally:
        server.close()
        path.unlink(missing_ok=True)


async def ask(run_dir: str, command: str) -> Any:
    """Ask the agent whose control socket is in ``run_dir``. Raises OSError when there is none."""
    reader, writer = await asyncio.open_unix_connection(Path(run_dir) / SOCKET_NAME, limit=1 << 26)
    try:
        writer.write(msgspec.json.encode({"command": command}) + b"\n")
        return msgspec.json.decode(await reader.readline())
    finally:
        writer.close()


async def _answer(agent: Agent, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    try:
        while line := await reader.readline():
            writer.write(msgspec.json.encode(await _reply(agent, line)) + b"\n")
            await writer.drain()
    except (ConnectionError, ValueError):
        pass  # who asked has gone, or sent a line without end
    finally:
        writer.close()


async def _reply(agent: Agent, line: bytes) -> dict[str, Any]:
    try:
        command = msgspec.json.decode(line)["command"]
        return await COMMANDS[command](agent)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError, KeyError, TypeError):
        return {"error": f'Not understood. Send one of {", ".join(sorted(COMMANDS))} as {{"command": …}}.'}
    except PatchbayError as error:
        return {"error": str(error)}


async def _status(agent: Agent) -> dict[str, Any]:
    return {
        "host": agent.settings.host,
        "tunnel_ip": agent.identity.tunnel_ip,
        "datapath_type": agent.identity.datapath_type,
        "intent_connected": agent.intent.is_connected,
        "ovs_connected": agent.switch.is_in_sync,
        "bridges_ready": sorted(agent.machine.flows.ready),
        "desired": len(agent.compiled.state),
        "unsettled": sorted(" ".join(key) for key in agent.unsettled),
        "turns": agent.turns,
        "applies": agent.applies,
        "operations": agent.operations,
        "ports": len(agent.view.ports),
        "local_vlans": dict(agent.view.local_vlans()),
    }


async def _check(agent: Agent) -> dict[str, Any]:
    wrong = await check(agent)
    return {"ok": not wrong, "wrong": wrong}


async def _plan(agent: Agent) -> dict[str, Any]:
    operations = pending(agent)
    return {
        "operations": [
            {"kind": type(one).__name__, "sentence": one.sentence(), "commands": one.command()} for one in operations
        ]
    }


COMMANDS: dict[str, Callable[[Agent], Awaitable[dict[str, Any]]]] = {
    "status": _status,
    "check": _check,
    "plan": _plan,
}
