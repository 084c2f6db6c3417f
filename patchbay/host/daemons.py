"""Processes that outlive the agent: dnsmasq, radvd, DHCP clients, the metadata server.

Used by ``patchbay.host.services``. ``resources`` is what runs. The death of a process is told by its pidfd at once; it
is then reported with the command ``NOT_RUNNING``, so that it differs from what is wanted. So is one whose folder has
lost something, which inotify tells. One that dies again and again is started after pauses that double. Everything that
waits runs on threads, a few at a time.
"""

import asyncio
import contextlib
import logging
import os
import signal
import time
from collections.abc import Callable, Coroutine, Mapping, Sequence, Set
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from typing import TypeVar

import msgspec

from patchbay.errors import HostError
from patchbay.host import processes, running
from patchbay.host.inotify import CLOSE_WRITE, DELETE, DELETE_SELF, MOVED_FROM, MOVED_TO, Inotify
from patchbay.hoststate import Daemon, Key, Resource
from patchbay.plan.leases import withdrawn_leases
from patchbay.plan.service_changes import NOT_RUNNING
from patchbay.plan.service_operations import ReloadDaemon, StartDaemon, StopDaemon

THREADS = 8
START_PATIENCE_S, STOP_PATIENCE_S = 0.15, 0.5
"""So long a plan waits for a process. Then it goes on: one that is slow to start or to end must not hold up repairs."""
STEADY_S = 30.0
"""A process that lived so long did not die of its start."""
FIRST_PAUSE_S, LAST_PAUSE_S = 0.2, 30.0
TRIM_S = 600.0
DEATH_S = 0.05
"""A process that dies is gone from /proc a moment before its pidfd tells so; that it died counts, and is told once."""

T = TypeVar("T")

logger = logging.getLogger(__name__)


class Deaths(msgspec.Struct, frozen=True):
    """How often a daemon died soon after its start, and until when it is not started again."""

    daemon: Daemon
    count: int
    until: float


class Start(msgspec.Struct, frozen=True):
    """A start under way."""

    daemon: Daemon
    task: asyncio.Task[None]


class Daemons:
    """The processes of one run directory."""

    def __init__(self, run_dir: Path, tell: Callable[[set[Key]], None], *, is_watching: bool) -> None:
        self.resources: dict[Key, Daemon] = {}
        self._run_dir = run_dir
        self._tell = tell
        self._executor = ThreadPoolExecutor(THREADS, thread_name_prefix="daemons")
        self._processes: dict[Key, running.Process] = {}
        self._starts: dict[Key, Start] = {}
        self._stops: dict[Key, asyncio.Task[None]] = {}
        self._deaths: dict[Key, Deaths] = {}
        self._checks: set[asyncio.Task[None]] = set()
        self._timer: asyncio.TimerHandle | None = None
        self._watch = Inotify() if is_watching else None
        self._folders: dict[Path, Key] = {}

    async def load(self, wanted: Mapping[Key, Resource]) -> None:
        """Find what agents before this one have started, and what a person started by a plan's script."""
        candidates = [one for one in wanted.values() if isinstance(one, Daemon)]
        for daemon, process in await self._run(partial(self._scan, candidates)):
            self.resources[daemon.key] = daemon
            if process:
                self._follow(daemon.key, process)
        if self._watch:
            asyncio.get_running_loop().add_reader(self._watch.fileno(), self._note_folders)
            self._trim_logs()

    def close(self) -> None:
        """Stop following; the processes go on."""
        if self._timer:
            self._timer.cancel()
        if self._watch:
            asyncio.get_running_loop().remove_reader(self._watch.fileno())
            self._watch.close()
            self._watch = None
        for task in (*self._checks, *self._stops.values(), *(start.task for start in self._starts.values())):
            task.cancel()
        for key in list(self._processes):
            os.close(self._unfollow(key).handle)
        self._executor.shutdown(wait=False)

    def note_namespace(self, name: str) -> None:
        """A namespace came, went or was made anew: processes in another one of that name are lost."""
        for key, daemon in list(self.resources.items()):
            process = self._processes.get(key)
            if daemon.namespace == name and process and not processes.is_in_namespace(process.number, name):
                self._put(key, msgspec.structs.replace(daemon, command=NOT_RUNNING))

    def note_links(self, links: Set[tuple[str, str]]) -> None:
        """Devices, by namespace and name, came or went: a process that worked on another of that name is lost."""
        for key, daemon in self.resources.items():
            if daemon.link and (daemon.namespace, daemon.link) in links and key in self._processes:
                self._check(self._check_device(daemon))

    def _check(self, work: Coroutine[None, None, None]) -> None:
        task = asyncio.create_task(work)
        self._checks.add(task)
        task.add_done_callback(self._checks.discard)

    async def _check_device(self, daemon: Daemon) -> None:
        folder = processes.folder_of(self._run_dir, daemon)
        process = self._processes.get(daemon.key)
        is_there = await self._run(partial(processes.is_on_device, folder, daemon))
        if not is_there and process and self._processes.get(daemon.key) is process:
            self._put(daemon.key, msgspec.structs.replace(self.resources[daemon.key], command=NOT_RUNNING))

    def _note_folders(self) -> None:
        """Something was written or removed in folders: by ourselves, the process, or somebody else."""
        assert self._watch is not None
        for folder in {folder for folder, _ in self._watch.read()}:
            daemon = self.resources.get(self._folders.get(folder, ()))
            if daemon and daemon.key in self._processes:
                self._check(self._check_folder(folder, daemon))

    async def _check_folder(self, folder: Path, daemon: Daemon) -> None:
        process = self._processes.get(daemon.key)
        seen = await self._run(partial(running.look_again, daemon, folder))
        if seen.command == NOT_RUNNING:
            await asyncio.sleep(DEATH_S)
        if self.resources.get(daemon.key) is daemon and process and self._processes.get(daemon.key) is process:
            self._put(daemon.key, seen)

    # --- changes ------------------------------------------------------------------------------------------------------

    async def start(self, operation: StartDaemon) -> None:
        """Start a process, unless its start is under way. Raises HostError if it fails soon; later that is logged."""
        daemon, key = operation.daemon, operation.daemon.key
        start = self._starts.get(key)
        if start and start.daemon == daemon:
            return
        self._refuse_dying(daemon)
        before = {task for task in (self._stops.get(key), start.task if start else None) if task}
        start = Start(daemon, asyncio.create_task(self._start(daemon, before)))
        self._starts[key] = start
        start.task.add_done_callback(partial(self._note_started, key))
        done, _ = await asyncio.wait({start.task}, timeout=START_PATIENCE_S)
        if done:
            start.task.result()
        else:
            start.task.add_done_callback(_log_failure)

    async def _start(self, daemon: Daemon, earlier: set[asyncio.Task[None]]) -> None:
        """After ``earlier`` starts and stops of it, and after what is left of a process before."""
        if earlier:
            await asyncio.wait(earlier)
        key = daemon.key
        before = self.resources.get(key)
        stale = {path for path, _ in before.files} - dict(daemon.files).keys() if before else set()
        process = self._unfollow(key) if key in self._processes else None
        try:
            await self._run(partial(self._prepare, daemon, process, stale))
            found = await self._run(partial(self._launch, daemon))
        except HostError:
            self._put(key, msgspec.structs.replace(daemon, command=NOT_RUNNING))
            raise
        self._follow(key, found)
        self._put(key, daemon)
        self._look_at_folder(daemon)

    async def reload(self, operation: ReloadDaemon) -> None:
        """Write files and tell the process. Raises HostError."""
        old, new = operation.old, operation.new
        process = self._processes.get(new.key)
        if process is None:
            await self.start(StartDaemon(new))
            return
        stale = {path for path, _ in old.files} - dict(new.files).keys()
        await self._run(partial(self._rewrite, new, process, stale, withdrawn_leases(old, new)))
        self._put(new.key, new)
        self._look_at_folder(new)

    async def stop(self, operation: StopDaemon) -> None:
        """End a process and remove its folder; one that is slow to end does so while others go on."""
        key = operation.daemon.key
        # A start that is asked for from now on is another one, which comes after this.
        start = self._starts.pop(key, None)
        if start:
            self._checks.add(start.task)
            start.task.add_done_callback(self._checks.discard)
        earlier = {one for one in (self._stops.get(key), start.task if start else None) if one}
        task = asyncio.create_task(self._stop(operation.daemon, earlier))
        self._stops[key] = task
        task.add_done_callback(partial(self._note_stopped, key))
        task.add_done_callback(_log_failure)
        await asyncio.wait({task}, timeout=STOP_PATIENCE_S)
        self._put(key, None)

    async def _stop(self, daemon: Daemon, earlier: set[asyncio.Task[None]]) -> None:
        if earlier:
            await asyncio.wait(earlier)
        process = self._unfollow(daemon.key) if daemon.key in self._processes else None
        self._deaths.pop(daemon.key, None)
        self._put(daemon.key, None)
        await self._run(partial(self._end, daemon, process))

    def _note_started(self, key: Key, task: asyncio.Task[None]) -> None:
        if key in self._starts and self._starts[key].task is task:
            del self._starts[key]

    def _note_stopped(self, key: Key, task: asyncio.Task[None]) -> None:
        if self._stops.get(key) is task:
            del self._stops[key]

    def _refuse_dying(self, daemon: Daemon) -> None:
        deaths = self._deaths.get(daemon.key)
        if deaths is None or deaths.daemon != daemon:
            self._deaths.pop(daemon.key, None)
            return
        left_s = deaths.until - asyncio.get_running_loop().time()
        if left_s > 0:
            folder = processes.folder_of(self._run_dir, daemon)
            raise HostError(
                f"{processes.describe(daemon)} ended {deaths.count} times soon after its start: "
                f"{processes.last_line(folder)}.",
                f"It is started again in {left_s:.1f} s; see {folder / processes.LOG}.",
            )

    # --- what runs ----------------------------------------------------------------------------------------------------

    def _put(self, key: Key, daemon: Daemon | None) -> None:
        if self.resources.get(key) == daemon:
            return
        if daemon is None:
            del self.resources[key]
            self._folders.pop(self._run_dir.joinpath(*key[1:]), None)
        else:
            self.resources[key] = daemon
        self._tell({key})

    def _follow(self, key: Key, process: running.Process) -> None:
        self._processes[key] = process
        if self._watch:
            asyncio.get_running_loop().add_reader(process.handle, self._note_death, key)
            self._watch_folder(key)

    def _watch_folder(self, key: Key) -> None:
        assert self._watch is not None
        self._folders[folder := self._run_dir.joinpath(*key[1:])] = key
        with contextlib.suppress(OSError):  # it is gone, which a look at it finds; or there are no more watches
            self._watch.add(folder, CLOSE_WRITE | MOVED_FROM | MOVED_TO | DELETE | DELETE_SELF)

    def _look_at_folder(self, daemon: Daemon) -> None:
        """After writing: somebody may have removed it in this moment, and it was made anew."""
        if self._watch:
            self._watch_folder(daemon.key)
            self._check(self._check_folder(processes.folder_of(self._run_dir, daemon), daemon))

    def _unfollow(self, key: Key) -> running.Process:
        process = self._processes.pop(key)
        asyncio.get_running_loop().remove_reader(process.handle)
        return process

    def _note_death(self, key: Key) -> None:
        process, daemon = self._unfollow(key), self.resources[key]
        os.close(process.handle)
        if daemon.command == NOT_RUNNING:
            return  # it was lost already
        now = asyncio.get_running_loop().time()
        before = self._deaths.get(key)
        count = before.count + 1 if before and before.daemon == daemon else 1
        if process.born and now - process.born < STEADY_S:
            pause_s = min(FIRST_PAUSE_S * 2 ** (count - 2), LAST_PAUSE_S) if count > 1 else 0.0
            self._deaths[key] = Deaths(daemon, count, now + pause_s)
        else:
            self._deaths.pop(key, None)
        folder = processes.folder_of(self._run_dir, daemon)
        logger.warning(
            "%s has ended: %s",
            processes.describe(daemon),
            processes.last_line(folder),
            extra={"pid": process.number, "remedy": f"It is started again; see {folder / processes.LOG}."},
        )
        self._put(key, msgspec.structs.replace(daemon, command=NOT_RUNNING))

    def _trim_logs(self) -> None:
        for daemon in self.resources.values():
            processes.trim_log(processes.folder_of(self._run_dir, daemon))
        self._timer = asyncio.get_running_loop().call_later(TRIM_S, self._trim_logs)

    # --- on threads ---------------------------------------------------------------------------------------------------

    async def _run(self, work: Callable[[], T]) -> T:
        return await asyncio.get_running_loop().run_in_executor(self._executor, work)

    def _scan(self, candidates: list[Daemon]) -> list[tuple[Daemon, running.Process | None]]:
        found: dict[Key, tuple[Daemon, running.Process | None]] = {}
        for path in self._run_dir.glob(f"*/*/{processes.DESCRIPTION}"):
            daemon = processes.read_description(path.parent)
            if daemon and processes.folder_of(self._run_dir, daemon) == path.parent:
                found[daemon.key] = running.look(daemon, path.parent)
        for daemon in candidates:
            if daemon.key in found:
                continue
            seen, process = running.look(daemon, processes.folder_of(self._run_dir, daemon))
            if process:
                found[daemon.key] = seen, process
                if self._watch:
                    processes.write_description(processes.folder_of(self._run_dir, daemon), daemon)
        return list(found.values())

    def _prepare(self, daemon: Daemon, process: running.Process | None, stale: set[str]) -> None:
        """End what runs, and write the files."""
        process = process or running.open_process(daemon)
        if process:
            running.end_process(process, daemon)
        for number in processes.find_strays(daemon):
            with contextlib.suppress(ProcessLookupError):
                running.end_process(running.Process(number, os.pidfd_open(number)), daemon)
        processes.remove_files(stale)
        folder = processes.folder_of(self._run_dir, daemon)
        processes.write_files(folder, daemon)
        processes.write_description(folder, daemon)

    def _launch(self, daemon: Daemon) -> running.Process:
        folder = processes.folder_of(self._run_dir, daemon)
        number = processes.launch(folder, daemon)
        try:
            return running.Process(number, os.pidfd_open(number), time.monotonic())
        except ProcessLookupError:
            raise HostError(
                f"{processes.describe(daemon)} ended at once: {processes.last_line(folder)}.",
                f"See {folder / processes.LOG}.",
            ) from None

    def _rewrite(
        self, daemon: Daemon, process: running.Process, stale: set[str], partings: Sequence[tuple[str, ...]]
    ) -> None:
        """Files, then the signal, then the description: who finds an older description tells the process again."""
        folder = processes.folder_of(self._run_dir, daemon)
        processes.write_files(folder, daemon)
        processes.remove_files(stale)
        for command in partings:
            processes.run_beside(daemon, command)
        if daemon.reload:
            with contextlib.suppress(ProcessLookupError):
                signal.pidfd_send_signal(process.handle, signal.Signals[f"SIG{daemon.reload}"])
        processes.write_description(folder, daemon)
        processes.trim_log(folder)

    def _end(self, daemon: Daemon, process: running.Process | None) -> None:
        if process is None and daemon.command != NOT_RUNNING:
            process = running.open_process(daemon)
        if process:
            processes.say_last_words(daemon)
            running.end_process(process, daemon)
        processes.remove_folder(processes.folder_of(self._run_dir, daemon), daemon)


def _log_failure(task: asyncio.Task[None]) -> None:
    """What failed when nobody waited for it any more."""
    error = None if task.cancelled() else task.exception()
    if isinstance(error, HostError):
        logger.warning("%s", error.message, extra={"remedy": error.remedy})
    elif error:
        logger.error("a process cannot be started or ended", exc_info=error)
