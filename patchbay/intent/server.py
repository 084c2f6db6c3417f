"""The ovsdb-server that serves the intent database: a child of ``patchbay serve`` with one file, or one of a cluster.

``EmbeddedServer`` makes the file when there is none, converts it when its schema is older, starts the child, starts it
again when it dies, and stops it. The child dies with its parent, however that ends. Whether it is alone or a Raft
member follows from configuration (``ClusterMember``) alone; the schema is the same.
"""

import asyncio
import contextlib
import fcntl
import logging
import os
import shutil
import socket
from collections.abc import Sequence
from importlib import resources
from pathlib import Path
from typing import Self

import msgspec

from patchbay.errors import IntentError
from patchbay.intent.database import DATABASE, newer_schema, version_number
from patchbay.intent.roles import CONNECTIONS
from patchbay.ovsdb.remote import short_path

logger = logging.getLogger(__name__)

START_TIMEOUT_S, STOP_TIMEOUT_S = 20.0, 5.0
FIRST_PAUSE_S, LONGEST_PAUSE_S = 0.05, 2.0
_POLL_S = 0.005


class ServerFailed(IntentError):
    """The server of the intent database cannot be started."""


class StateDirInUse(IntentError):
    """Another process serves this state directory."""


class ClusterMember(msgspec.Struct, frozen=True):
    """This server's place in a Raft cluster: ``local`` is its own ``tcp:ADDRESS:PORT`` for the other members.

    ``join`` names members of an existing cluster; empty for the first, which makes the cluster. Both count only when
    the state directory has no database yet.
    """

    local: str
    join: tuple[str, ...] = ()


class ServerFiles(msgspec.Struct, frozen=True):
    """What the server encrypts with (PEM files): its key and certificate, and whose certificates its clients need.

    The server reads a file again when it has changed.
    """

    key: Path
    certificate: Path
    clients: Path


class EmbeddedServer:
    """See the module. ``start`` makes one; ``remote`` is where it listens."""

    def __init__(
        self, state_dir: Path, listen: Sequence[str], cluster: ClusterMember | None, files: ServerFiles | None = None
    ) -> None:
        self.state_dir = state_dir
        self.file = state_dir / "intent.db"
        self.socket = state_dir / "intent.sock"
        self.remote = f"unix:{self.socket}"
        self._listen = tuple(listen)
        self._cluster = cluster
        self._files = files
        self._has_connections = False
        self._lock: int | None = None
        self._process: asyncio.subprocess.Process | None = None
        self._task: asyncio.Task[None] | None = None

    @classmethod
    async def start(
        cls,
        state_dir: Path,
        listen: Sequence[str] = (),
        cluster: ClusterMember | None = None,
        files: ServerFiles | None = None,
    ) -> Self:
        """A running server that takes connections at ``state_dir``/intent.sock.

        ``listen`` adds passive OVSDB remotes, such as ``ptcp:6640:127.0.0.1``, whose clients may do all. ``files`` are
        for remotes with TLS: those between the members of a cluster, and those of ``open_connections``. Raises
        StateDirInUse, SchemaMismatch (the file was made by a newer Patchbay) or ServerFailed.
        """
        server = cls(state_dir, listen, cluster, files)
        server._take_lock()
        try:
            await server._prepare_file()
            await server._spawn()
            await server._wait_ready()
        except BaseException:
            await server.stop()
            raise
        server._task = asyncio.create_task(server._supervise(), name="intent server")
        return server

    @property
    def pid(self) -> int | None:
        """The process id of the server now running."""
        return self._process.pid if self._process is not None and self._process.returncode is None else None

    async def stop(self) -> None:
        """Ends the server; what it acknowledged is on disk."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)
            self._task = None
        process = self._process
        if process is not None and process.returncode is None:
            process.terminate()
            try:
                async with asyncio.timeout(STOP_TIMEOUT_S):
                    await process.wait()
            except TimeoutError:
                process.kill()
                await process.wait()
        if self._lock is not None:
            os.close(self._lock)
            self._lock = None

    async def open_connections(self) -> None:
        """Listen where the database says, to clients that have the role which it says (see ``roles``)."""
        await self._control("ovsdb-server/add-remote", CONNECTIONS)
        self._has_connections = True

    async def end_sessions(self) -> None:
        """Every client has to connect, and show its certificate, again."""
        await self._control("ovsdb-server/reconnect")

    async def _control(self, *command: str) -> None:
        code, _, complaint = await _run_tool(("-t", self.state_dir / "intent.ctl", *command), "ovs-appctl")
        if code != 0:
            raise ServerFailed(f"ovsdb-server refused {' '.join(command)}: {complaint}.")

    def _take_lock(self) -> None:
        """Held until this process ends; the kernel gives it back then."""
        try:
            self.state_dir.mkdir(mode=0o750, parents=True, exist_ok=True)
            self._lock = os.open(self.state_dir / "intent.lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o640)
            fcntl.flock(self._lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            holder = os.pread(self._lock or 0, 32, 0).decode(errors="replace").strip()
            os.close(self._lock or 0)
            raise StateDirInUse(
                f"The state directory {self.state_dir} is served by another process{f' ({holder})' if holder else ''}.",
                "Stop that one, or choose another --state-dir.",
            ) from None
        except OSError as error:
            raise ServerFailed(f"The state directory {self.state_dir} cannot be used: {error.strerror}.") from error
        os.ftruncate(self._lock, 0)
        os.pwrite(self._lock, f"pid {os.getpid()}\n".encode(), 0)

    async def _prepare_file(self) -> None:
        """A file of this Patchbay's schema. (A cluster's schema is converted online, when the service opens it.)"""
        with resources.as_file(resources.files("patchbay.intent").joinpath("patchbay.ovsschema")) as schema:
            if not self.file.exists():
                await self._create(schema)
                return
            clustered = await _tool_says_yes("db-is-clustered", self.file)
            if not clustered:
                await self._convert(schema)
            if self._cluster is not None and not clustered:
                await self._grow(self._cluster)

    async def _create(self, schema: Path) -> None:
        if self._cluster is None:
            await _tool("create", self.file, schema)
        elif self._cluster.join:
            await _tool("join-cluster", self.file, DATABASE, self._cluster.local, *self._cluster.join)
        else:
            await _tool("create-cluster", self.file, schema, self._cluster.local)

    async def _convert(self, schema: Path) -> None:
        """The file with this Patchbay's schema; a copy of the older file stays beside it."""
        theirs = await _tool("db-version", self.file)
        ours = await _tool("schema-version", schema)
        if version_number(theirs) > version_number(ours):
            raise newer_schema(theirs, ours)
        if version_number(theirs) < version_number(ours):
            logger.info("converting %s from schema %s to %s", self.file, theirs, ours)
            shutil.copy2(self.file, self.file.with_name(f"intent.db.{theirs}"))
            await _tool("convert", self.file, schema)

    async def _grow(self, cluster: ClusterMember) -> None:
        """A cluster of one with the content of the single file, for others to join."""
        if cluster.join:
            raise ServerFailed(
                f"{self.file} has content of its own, so this server cannot join the cluster of {cluster.join[0]}.",
                "Choose an empty state directory, or let this server make the cluster and the others join it.",
            )
        grown = self.file.with_name("intent.db.cluster")
        grown.unlink(missing_ok=True)
        await _tool("create-cluster", grown, self.file, cluster.local)
        shutil.copy2(self.file, self.file.with_name("intent.db.single"))
        grown.replace(self.file)

    async def _spawn(self) -> None:
        """Starts the child; setpriv asks the kernel to kill it when this process ends."""
        remotes = [f"punix:{self.socket}", *self._listen, *([CONNECTIONS] if self._has_connections else [])]
        self._process = await asyncio.create_subprocess_exec(
            "setpriv",
            "--pdeathsig=KILL",
            "ovsdb-server",
            "--no-chdir",
            f"--unixctl={self.state_dir / 'intent.ctl'}",
            f"--log-file={self.state_dir / 'intent.log'}",
            "-vconsole:off",
            "-vsyslog:off",
            *(f"--remote={remote}" for remote in remotes),
            *_tls_options(self._files),
            str(self.file),
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.DEVNULL,
            stderr=asyncio.subprocess.PIPE,
            start_new_session=True,
        )

    async def _wait_ready(self) -> None:
        """Returns when the socket takes connections. A dying predecessor may hold the file for a moment."""
        try:
            async with asyncio.timeout(START_TIMEOUT_S):
                while not _accepts(self.socket):
                    process = self._process
                    assert process is not None
                    if process.returncode is not None:
                        assert process.stderr is not None
                        said = (await process.stderr.read()).decode(errors="replace").strip()
                        if "lock" not in said and "temporarily unavailable" not in said:
                            raise ServerFailed(f"ovsdb-server does not start: {said or f'exit {process.returncode}'}.")
                        await asyncio.sleep(FIRST_PAUSE_S)
                        await self._spawn()
                    await asyncio.sleep(_POLL_S)
        except TimeoutError:
            raise ServerFailed(f"ovsdb-server gives no answer at {self.socket}.", "See intent.log beside it.") from None

    async def _supervise(self) -> None:
        pause_s = FIRST_PAUSE_S
        while True:
            assert self._process is not None
            code = await self._process.wait()
            logger.error("the intent database's ovsdb-server ended (%s); starting it again", code)
            await asyncio.sleep(pause_s)
            pause_s = min(pause_s * 2, LONGEST_PAUSE_S)
            try:
                await self._spawn()
                await self._wait_ready()
            except (ServerFailed, OSError) as error:
                logger.error("%s", error)
            else:
                pause_s = FIRST_PAUSE_S


def _tls_options(files: ServerFiles | None) -> list[str]:
    if files is None:
        return []
    return [
        f"--private-key={files.key}",
        f"--certificate={files.certificate}",
        f"--ca-cert={files.clients}",
        "--ssl-protocols=TLSv1.2",
    ]


def _accepts(path: Path) -> bool:
    with contextlib.suppress(OSError), socket.socket(socket.AF_UNIX) as probe, short_path(str(path)) as name:
        probe.connect(name)
        return True
    return False


async def _tool(*arguments: str | Path) -> str:
    """What ovsdb-tool prints. Raises ServerFailed with its complaint."""
    code, said, complaint = await _run_tool(arguments)
    if code != 0:
        raise ServerFailed(f"ovsdb-tool {arguments[0]} {arguments[1]} failed: {complaint}.")
    return said


async def _tool_says_yes(*arguments: str | Path) -> bool:
    """The answer of one of ovsdb-tool's questions: exit code 0 or 2."""
    code, _, complaint = await _run_tool(arguments)
    if code not in (0, 2):
        raise ServerFailed(f"ovsdb-tool {arguments[0]} {arguments[1]} failed: {complaint}.")
    return code == 0


async def _run_tool(arguments: Sequence[str | Path], tool: str = "ovsdb-tool") -> tuple[int, str, str]:
    try:
        process = await asyncio.create_subprocess_exec(
            tool,
            "-vsyslog:off",
            *(str(argument) for argument in arguments),
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
        )
    except FileNotFoundError:
        raise ServerFailed(f"{tool} is not installed.", "Install the package openvswitch-switch.") from None
    output, complaint = await process.communicate()
    return process.returncode or 0, output.decode().strip(), complaint.decode(errors="replace").strip()
