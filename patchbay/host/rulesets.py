"""iptables rules of namespaces: written whole, read back, and watched.

Used by ``patchbay.host.services``. Every process runs on a thread that has stepped into the namespace, so it starts as
fast as on the host. The kernel tells of each change of rules (nf_tables' netlink group), which is then read. What
iptables-save prints may differ from what was written although it means the same; so what was read right after writing
counts as what was written.

Tracked connections are looked at twice: at the start, for an agent may have died between writing rules and breaking off
what they do not make any more, and after a repair of rules that somebody had changed.
"""

import asyncio
import contextlib
import errno
import logging
import socket
import subprocess
from collections.abc import AsyncIterator, Callable, Iterable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from typing import TypeVar

from patchbay.errors import HostError
from patchbay.host import netns
from patchbay.host.programs import environment, find_program
from patchbay.hoststate import Key, Resource, Ruleset
from patchbay.plan.connections import StaleConnections, connections_key, find_stale, parse_tracked
from patchbay.plan.rules import Tables, Translation, has_rules, is_equivalent, parse_saved, restore_text
from patchbay.plan.service_operations import ClearRuleset, FlushConntrack, SetRuleset
from patchbay.plan.service_shell import conntrack

VERSIONS = (4, 6)
PATIENCE_S = 10.0
THREADS = 8
FLUSH_ATTEMPTS = 9
"""conntrack stops at a connection that ended by itself since it listed it."""
_NETLINK_NETFILTER, _NFNLGRP_NFTABLES = 12, 7
_SOL_NETLINK, _ADD_MEMBERSHIP = 270, 1
_SAVE = {4: "iptables-save", 6: "ip6tables-save"}
_RESTORE = {4: "iptables-restore", 6: "ip6tables-restore"}

T = TypeVar("T")

logger = logging.getLogger(__name__)


class Feed:
    """The kernel's messages about rules of one namespace. Made on a thread that is inside it."""

    def __init__(self, inode: int) -> None:
        self.inode = inode
        self.socket = socket.socket(socket.AF_NETLINK, socket.SOCK_RAW | socket.SOCK_CLOEXEC, _NETLINK_NETFILTER)
        self.socket.bind((0, 0))
        self.socket.setsockopt(_SOL_NETLINK, _ADD_MEMBERSHIP, _NFNLGRP_NFTABLES)
        self.socket.setblocking(False)

    def drain(self) -> bool:
        """Take all messages; whether there were any (or some were lost)."""
        is_any = False
        while True:
            try:
                self.socket.recv(1 << 18)
            except BlockingIOError:
                return is_any
            except OSError as error:
                if error.errno != errno.ENOBUFS:
                    return is_any
            is_any = True


class Rulesets:
    """Rules of the namespaces for which some are wanted. ``resources`` is what is there."""

    def __init__(self, tell: Callable[[set[Key]], None], *, is_watching: bool) -> None:
        self.resources: dict[Key, Ruleset | StaleConnections] = {}
        self._wanted: Mapping[Key, Resource] = {}
        self._tell = tell
        self._is_watching = is_watching
        self._executor = ThreadPoolExecutor(THREADS, thread_name_prefix="rules")
        self._feeds: dict[str, Feed] = {}
        self._locks: dict[str, asyncio.Lock] = {}
        self._read_back: dict[Key, tuple[Tables, Tables]] = {}
        self._found: set[str] = set()
        self._tasks: dict[str, asyncio.Task[None]] = {}

    async def load(self, wanted: Mapping[Key, Resource]) -> None:
        """Read all namespaces for which ``wanted`` (a living map) has rules, many at a time."""
        self._wanted = wanted
        names = {one.namespace for one in wanted.values() if isinstance(one, Ruleset)}
        await asyncio.gather(*map(self._read, sorted(names)))
        if self._is_watching:
            self._found = {name for name in names if netns.find_namespace(name)}
            await asyncio.gather(*(self._look_for_stale(name, is_repaired=False) for name in sorted(self._found)))

    def close(self) -> None:
        """Close the feeds; the rules stay."""
        for task in self._tasks.values():
            task.cancel()
        for name in list(self._feeds):
            self._close_feed(name)
        self._executor.shutdown(wait=False)

    def note_namespace(self, name: str) -> None:
        """A namespace came, went or was made anew."""
        feed = self._feeds.get(name)
        if feed and netns.find_namespace(name) != feed.inode:
            self._close_feed(name)
            self._forget(name)
        if name not in self._feeds and self._versions(name):
            self._look_again(name)

    async def set(self, operation: SetRuleset) -> None:
        """Write rules and read them back. Raises HostError with iptables' words."""
        old, new = operation.old, operation.new
        is_repair = self._is_repair(old, new)
        await self._write(new, old.tables if old else (), new.tables)
        if is_repair:
            await self._look_for_stale(new.namespace, is_repaired=True)

    async def clear(self, operation: ClearRuleset) -> None:
        """Empty all tables of a namespace. Raises HostError."""
        gone = operation.ruleset
        await self._write(gone, gone.tables, ())
        self._put(gone.key, None)

    async def flush(self, operation: FlushConntrack) -> None:
        """Delete tracked connections; what fails is tried again. Raises HostError."""
        name, version = operation.namespace, operation.version
        commands = [words for item in operation.addresses for words in conntrack(version, item)]
        stale = StaleConnections(namespace=name, version=version, translations=operation.addresses)
        try:
            await self._run(partial(_flush, name, commands))
        except HostError:
            self._put(stale.key, stale)
            raise
        self._put(stale.key, None)

    def _is_repair(self, old: Ruleset | None, new: Ruleset) -> bool:
        """Whether rules were changed by somebody else; of rules before an agent's start, whether nothing translates."""
        if new.key in self._read_back:
            return old is None or old.tables != self._read_back[new.key][0]
        is_empty = old is None or not any(line.startswith("-A") for line in dict(old.tables).get("nat", ()))
        return is_empty and new.namespace in self._found

    async def _look_for_stale(self, name: str, *, is_repaired: bool) -> None:
        """Compare tracked connections with the rules that are wanted; IPv6 is never translated."""
        wanted = self._wanted.get(("ruleset", name, "4"))
        if not isinstance(wanted, Ruleset) or "nat" not in dict(wanted.tables):
            return
        try:
            found = await self._run(partial(_find_stale, name, wanted.tables, is_repaired=is_repaired))
        except HostError as error:
            logger.warning("%s", error.message, extra={"remedy": error.remedy})
            return
        stale = StaleConnections(namespace=name, translations=found)
        self._put(stale.key, stale if found else None)

    # --- reading and writing ------------------------------------------------------------------------------------------

    async def _write(self, ruleset: Ruleset, old: Tables, new: Tables) -> None:
        """Write rules and read them back.

        What is read differs when iptables spells it otherwise, or when somebody else wrote in this moment. A second
        attempt tells which.
        """
        name, key = ruleset.namespace, ruleset.key
        async with self._quiet(name):
            found = await self._write_once(ruleset, old, new)
            if not is_equivalent(found, new):
                first, found = found, await self._write_once(ruleset, found, new)
                is_spelling = is_equivalent(found, first)
                if is_spelling and not is_equivalent(found, new):
                    _complain(ruleset, new, found)
                self._read_back[key] = (new, found if is_spelling else new)
            else:
                self._read_back[key] = (new, found)
        self._note(key, found)

    async def _write_once(self, ruleset: Ruleset, old: Tables, new: Tables) -> Tables:
        name, text = ruleset.namespace, "\n".join([*restore_text(old, new), ""])
        await self._run(partial(self._step_in, name, partial(_restore, ruleset.version, text)))
        feed = self._feeds.get(name)
        if feed:
            feed.drain()
        return await self._run(partial(self._step_in, name, partial(_save, ruleset.version)))

    async def _read(self, name: str) -> None:
        versions = self._versions(name)
        texts: list[Tables] = [()] * len(versions)
        async with self._quiet(name):
            try:
                texts = await self._run(partial(self._step_in, name, lambda: [_save(one) for one in versions]))
            except HostError as error:
                if netns.find_namespace(name):
                    logger.warning("%s", error.message, extra={"remedy": error.remedy})
        if not netns.find_namespace(name):
            self._forget(name)
            return
        for version, found in zip(versions, texts, strict=True):
            self._note(("ruleset", name, str(version)), found)

    def _versions(self, name: str) -> list[int]:
        return [version for version in VERSIONS if ("ruleset", name, str(version)) in self._wanted]

    @contextlib.asynccontextmanager
    async def _quiet(self, name: str) -> AsyncIterator[None]:
        """One at a time in a namespace, and its feed is not read meanwhile."""
        loop = asyncio.get_running_loop()
        async with self._locks.setdefault(name, asyncio.Lock()):
            if name in self._feeds:
                loop.remove_reader(self._feeds[name].socket)
            try:
                yield
            finally:
                if name in self._feeds:
                    loop.add_reader(self._feeds[name].socket, self._read_feed, name)

    async def _run(self, work: Callable[[], T]) -> T:
        return await asyncio.get_running_loop().run_in_executor(self._executor, work)

    def _step_in(self, name: str, work: Callable[[], T]) -> T:
        """On a thread: do ``work`` inside a namespace, and follow its rules from now on."""
        with _inside(name):
            inode = Path("/proc/thread-self/ns/net").stat().st_ino
            feed = self._feeds.get(name)
            if feed and feed.inode != inode:
                self._feeds.pop(name).socket.close()
            if self._is_watching and name not in self._feeds:
                with contextlib.suppress(OSError):  # a kernel without nf_tables tells nothing
                    self._feeds[name] = Feed(inode)
            return work()

    # --- what is there ------------------------------------------------------------------------------------------------

    def _note(self, key: Key, found: Tables) -> None:
        """These rules were read; they are reported as they are wanted, or were written, if they mean the same."""
        written, read_back = self._read_back.get(key, ((), ()))
        if written and is_equivalent(found, read_back):
            found = written
        wanted = self._wanted.get(key)
        if isinstance(wanted, Ruleset) and is_equivalent(found, wanted.tables):
            found = wanted.tables
        is_known = has_rules(found) or (isinstance(wanted, Ruleset) and found == wanted.tables)
        self._put(key, Ruleset(namespace=key[1], version=int(key[2]), tables=found) if is_known else None)

    def _put(self, key: Key, found: Ruleset | StaleConnections | None) -> None:
        if self.resources.get(key) == found:
            return
        if found is None:
            del self.resources[key]
        else:
            self.resources[key] = found
        self._tell({key})

    def _forget(self, name: str) -> None:
        for version in VERSIONS:
            key = ("ruleset", name, str(version))
            self._read_back.pop(key, None)
            self._put(key, None)
            self._put(connections_key(name, version), None)
        self._found.discard(name)

    # --- following ----------------------------------------------------------------------------------------------------

    def _read_feed(self, name: str) -> None:
        if self._feeds[name].drain():
            self._look_again(name)

    def _look_again(self, name: str) -> None:
        """Read a namespace soon; what is told while it is read is read again after it."""
        before = self._tasks.get(name)
        task = asyncio.get_running_loop().create_task(self._read_after(before, name))
        self._tasks[name] = task
        task.add_done_callback(partial(self._finish, name))

    async def _read_after(self, before: asyncio.Task[None] | None, name: str) -> None:
        if before:
            await asyncio.wait({before})
        if self._tasks.get(name) is asyncio.current_task():
            await self._read(name)

    def _finish(self, name: str, task: asyncio.Task[None]) -> None:
        if self._tasks.get(name) is task:
            del self._tasks[name]
        if not task.cancelled() and task.exception():
            logger.error("rules of %s cannot be read", name, exc_info=task.exception())

    def _close_feed(self, name: str) -> None:
        feed = self._feeds.pop(name)
        asyncio.get_running_loop().remove_reader(feed.socket)
        feed.socket.close()


# --- processes, on threads --------------------------------------------------------------------------------------------


@contextlib.contextmanager
def _inside(name: str) -> Iterator[None]:
    """Step into a namespace of ours. Raises HostError when it is not there."""
    if not name:
        raise HostError("Rules of the host itself are not Patchbay's to write.")
    try:
        stack = contextlib.ExitStack()
        stack.enter_context(netns.inside(netns.NETNS_DIRECTORY / name))
    except OSError as error:
        raise HostError(f"Namespace {name} is not there to have rules: {error.strerror}.") from None
    with stack:
        yield


def _restore(version: int, text: str) -> None:
    program = _RESTORE[version]
    done = _run([find_program(program), "-w", "5"], text)
    if done.returncode:
        raise HostError(f"{program} refuses: {_last_line(done.stderr)}.", "Its line number counts within one table.")


def _save(version: int) -> Tables:
    program = _SAVE[version]
    done = _run([find_program(program)])
    if done.returncode:
        raise HostError(f"{program} fails: {_last_line(done.stderr)}.", "Does the kernel have nf_tables?")
    return parse_saved(done.stdout)


def _find_stale(name: str, tables: Tables, *, is_repaired: bool) -> tuple[Translation, ...]:
    with _inside(name):
        done = _run([find_program("conntrack"), "-L", "-f", "ipv4"])
    if done.returncode:
        raise HostError(f"conntrack cannot tell the connections in {name}: {_last_line(done.stderr)}.")
    return find_stale(parse_tracked(done.stdout), tables, is_repaired=is_repaired)


def _flush(name: str, commands: Iterable[list[str]]) -> None:
    with _inside(name):
        for program, *arguments in commands:
            for _ in range(FLUSH_ATTEMPTS):
                done = _run([find_program(program), *arguments])
                if done.returncode == 0 or "0 flow entries" in done.stderr:
                    break
                if "exist" not in done.stderr:
                    raise HostError(f"{program} {' '.join(arguments)} fails: {_last_line(done.stderr)}.")


def _run(command: list[str], text: str = "") -> subprocess.CompletedProcess[str]:
    try:
        return subprocess.run(
            command, input=text, capture_output=True, text=True, check=False, timeout=PATIENCE_S, env=environment()
        )
    except subprocess.TimeoutExpired:
        raise HostError(f"{command[0]} does not end within {PATIENCE_S:g} s.") from None


def _last_line(words: str) -> str:
    lines = [line for line in words.splitlines() if line.strip()]
    said = next((line for line in lines if "failed" in line or "rror" in line), lines[-1] if lines else "no word")
    return said.strip().rstrip(".")


def _complain(ruleset: Ruleset, written: Tables, found: Tables) -> None:
    logger.warning(
        "rules of %s are read back differently than they were written",
        ruleset.namespace,
        extra={"version": ruleset.version, "remedy": "Report this with the output of iptables-save."},
    )
    _log_differences(written, found)


def _log_differences(written: Tables, found: Tables) -> None:
    here = [f"{name} {line}" for name, lines in written for line in lines]
    there = [f"{name} {line}" for name, lines in found for line in lines]
    for line in here:
        if line not in there:
            logger.info("written only: %s", line)
    for line in there:
        if line not in here:
            logger.info("read only: %s", line)
