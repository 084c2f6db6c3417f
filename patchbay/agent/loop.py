"""The loop: intent and machine tell what changed; dirty fragments are compiled, compared, applied; the rest is waiting.

One ``turn`` takes everything that changed since the last one, so what arrives while an apply runs is applied together
next. Nothing is compared before the intent of this host is completely here; while the intent database is away the
agent goes on repairing from what it last knew. What failed is tried again after a pause that doubles.
"""

import asyncio
import logging
import time
from collections.abc import Iterable, Sequence

import msgspec

from patchbay.agent.announcer import Announcer
from patchbay.agent.complaints import Complaints
from patchbay.agent.completeness import Completeness
from patchbay.agent.limits import KIND as LIMIT_KIND
from patchbay.agent.machine import Machine, Sources
from patchbay.agent.report import Reporter
from patchbay.agent.scope import scope_of
from patchbay.agent.settings import AgentSettings
from patchbay.compile.facts import Facts
from patchbay.compile.fragments import Compiled
from patchbay.compile.view import Fragment, HostView
from patchbay.host.netlink_apply import Failure
from patchbay.hoststate import Key
from patchbay.intent.database import Change, IntentDatabase
from patchbay.intent.scope import AgentScope
from patchbay.model import AddressScope, DefaultSecurityGroupRule, Quota, RBACPolicy, SubnetPool
from patchbay.plan.diff import diff, is_ours, is_same
from patchbay.plan.operations import Operation

logger = logging.getLogger(__name__)

TABLES = (
    *("hosts", "networks", "subnets", "instances", "plugs", "routers", "floatingips", "vnet_objects"),
    *("security_groups", "security_group_rules", "address_groups", "ports"),
)
"""What of the intent is compiled; ports last, for they refer to the others."""
FAILING_ATTEMPTS = 4
"""What was tried so often is not late but wrong."""
QUICK_RETRY_S, FIRST_RETRY_S, LAST_RETRY_S = 0.02, 0.2, 30.0
NOT_OF_HOSTS = (AddressScope, DefaultSecurityGroupRule, Quota, RBACPolicy, SubnetPool)
"""Values that decide nothing on a host."""
WATCH_PATIENCE_S = 1.0
"""So long a change waits for what must be known with it; the answer may come later, and repairs do not wait for it."""


class Attempt(msgspec.Struct):
    """A key that an apply left unlike what is desired: how often, and when it is tried again (loop time)."""

    count: int
    due: float


class Agent:
    """Everything that one agent knows, and its loop."""

    def __init__(self, settings: AgentSettings, identity: Facts, intent: IntentDatabase, sources: Sources) -> None:
        self.settings = settings
        self.intent = intent
        self.switch = sources.switch
        self.identity = identity
        self.view = HostView(self._facts())
        self.compiled = Compiled(self.view)
        self.wake = asyncio.Event()
        self.machine = Machine(settings, sources, self.compiled.state, self.wake.set, identity.datapath_type)
        self.announcer = Announcer(self.view, sources.kernel.thread)
        self.unsettled: set[Key] = set()
        self.completeness = Completeness(self.compiled, self.unsettled, self._is_excused, self._is_failing)
        self.reporter = Reporter(intent, self.view, self.completeness, self.announcer.announce)
        self.complaints = Complaints(settings, self.view, self.switch)
        self.machine.limits.on_excess = self.complaints.note_excess
        self.turns = self.applies = self.operations = 0
        self._retries: dict[Key, Attempt] = {}
        self._deferred: set[Key] = set()
        self._changes: list[Change] = []
        self._watched: AgentScope | None = None
        self._watching: set[asyncio.Task[None]] = set()

    async def load(self) -> None:
        """Take in the intent of this host and the state of the machine, and compile. Changes nothing."""
        self.intent.subscribe(self._note_intent)
        self.intent.on_state(lambda _connected: self.wake.set())
        for table in TABLES:
            for value in getattr(self.intent, table).values():
                self.view.put(value)
        await self._absorb(watch_patience_s=None)
        self._compile(self.view.fragments())
        await self.machine.kernel.compare_with(self.compiled.state)
        await self.machine.services.load(self.compiled.state)
        await self.machine.limits.look()
        self.machine.start()
        self.machine.want_flows({key[1] for key in self.compiled.state if key[0] == "flow"})

    async def start(self) -> None:
        """Load, and make the first turn."""
        await self.load()
        await self._turn(set(self.compiled.state))
        self.reporter.note(self.view.ports)
        self.reporter.note(plug.port_id for plug in self.view.plugs.values())
        self.reporter.note_fragments(("router", router_id) for router_id in self.view.routers_here())

    async def run(self) -> None:
        """Turn whenever something changed or a retry is due. Ends only by cancellation."""
        while True:
            await self._wait()
            self.wake.clear()
            try:
                dirty = await self._absorb()
                await self._turn(self._compile(dirty))
                self.reporter.note_fragments(dirty)
            except Exception:
                logger.exception("a turn of the loop failed; everything is compiled and compared again")
                await asyncio.sleep(1)
                self._deferred |= self._compile(self.view.fragments()) | self.machine.observed.resources.keys()
                self._deferred |= self.compiled.state.keys()
                self.wake.set()

    def _compile(self, dirty: Iterable[Fragment]) -> set[Key]:
        """Compile fragments again; one that cannot be compiled stays as it was and keeps no other from it."""
        dirty = list(dirty)
        try:
            return self.compiled.refresh(dirty)
        except Exception:
            logger.exception("one of %d fragments cannot be compiled", len(dirty))
        changed: set[Key] = set()
        for fragment in dirty:
            try:
                changed |= self.compiled.refresh([fragment])
            except Exception:
                logger.exception("%s cannot be compiled", " ".join(fragment))
        return changed

    async def _wait(self) -> None:
        due = min((attempt.due for attempt in self._retries.values()), default=None)
        loop = asyncio.get_running_loop()
        timer = loop.call_at(due, self.wake.set) if due is not None else None
        try:
            await self.wake.wait()
        finally:
            if timer:
                timer.cancel()

    # --- what changed -------------------------------------------------------------------------------------------------

    def _note_intent(self, changes: list[Change]) -> None:
        self._changes += changes
        self.wake.set()

    async def _absorb(self, watch_patience_s: float | None = WATCH_PATIENCE_S) -> set[Fragment]:
        """Take intent changes and facts into the view until everything that they call for is watched, too."""
        dirty: set[Fragment] = set()
        while True:
            changes, self._changes = self._changes, []
            for change in changes:
                value = change.new or change.old
                if value is None or isinstance(value, NOT_OF_HOSTS):
                    continue
                dirty |= self.view.put(value) if change.new is not None else self.view.remove(value)
            if self._is_fact_changed():
                dirty |= self.view.set_facts(self._facts())
                self.reporter.note_facts()
            if not await self._watch(watch_patience_s) and not self._changes:
                return dirty

    def _is_fact_changed(self) -> bool:
        is_changed, self.machine.is_fact_changed = self.machine.is_fact_changed, False
        return is_changed

    def _facts(self) -> Facts:
        return msgspec.structs.replace(
            self.identity,
            bridges=self.switch.bridges(),
            local_vlans=self.switch.local_vlans(),
            plugged=self.switch.plugged(),
            datapaths=self.switch.datapaths(),
            bridge_ports=self.switch.bridge_ports(),
            bridge_settings=self.switch.bridge_settings(),
        )

    async def _watch(self, patience_s: float | None) -> bool:
        """Watch networks and routers that are here, and ports that others plugged, or whose interface they may have
        plugged into a registered bridge, and whom the rules of ports here name; returns whether that brought more.

        A database that does not answer within ``patience_s`` must not hold up repairs: its answer wakes the loop.
        Without a limit (at the start) nothing goes on before all is known.
        """
        needed = scope_of(self.view)
        if needed == self._watched or not (patience_s is None or self.intent.is_connected):
            return False
        self._watched = needed
        task = asyncio.create_task(self.intent.watch(needed))
        self._watching.add(task)
        task.add_done_callback(self._watching.discard)
        done, _ = await asyncio.wait({task}, timeout=patience_s)
        if not done:
            task.add_done_callback(lambda _task: self.wake.set())
            return False
        await task
        return True

    # --- compare and apply --------------------------------------------------------------------------------------------

    async def _turn(self, changed: set[Key]) -> None:
        """Compare what changed and make it right."""
        self.turns += 1
        await self.machine.replug()
        self.machine.want_flows({key[1] for key in changed if key[0] == "flow"})
        keys = changed | self.machine.take_changed() | self._deferred | self._take_due()
        self._deferred = {key for key in keys if not self.machine.is_comparable(key)}
        keys -= self._deferred
        self.unsettled |= self._deferred
        operations = diff(self.machine.observed, self.compiled.state, keys)
        if operations:
            await self._apply(operations)
        self._settle(keys, is_attempt=bool(operations))
        self.machine.leave_idle_bridges()
        self.complaints.look()

    async def _apply(self, operations: Sequence[Operation]) -> None:
        start = time.perf_counter()
        failures = await self.machine.apply(operations)
        self.applies += 1
        self.operations += len(operations)
        fields = {"operations": len(operations), "ms": round((time.perf_counter() - start) * 1000, 1)}
        if failures:
            fields["failed"] = len(failures)
        logger.info("applied", extra=fields)
        for operation in operations:
            logger.debug("%s", operation.sentence())
        for failure in failures:
            self._warn(failure)

    def _warn(self, failure: Failure) -> None:
        if failure.error is not None:
            operation = failure.operation
            logger.warning(
                failure.error.message,
                extra={
                    "operation": type(operation).__name__,
                    "wanted": operation.sentence(),
                    "remedy": failure.error.remedy,
                },
            )

    def _settle(self, keys: Iterable[Key], *, is_attempt: bool) -> None:
        """Note which keys are as desired now; those that are not, though tried, are tried again later."""
        now = asyncio.get_running_loop().time()
        is_progress = is_recovery = False
        for key in keys:
            if self._is_settled(key):
                self.unsettled.discard(key)
                is_progress |= is_attempt
                is_recovery |= self._retries.pop(key, None) is not None
                continue
            self.unsettled.add(key)
            if is_attempt and not self.machine.flows.is_held(key):
                attempt = self._retries.setdefault(key, Attempt(0, now))
                attempt.due = now + min(FIRST_RETRY_S * 2**attempt.count, LAST_RETRY_S)
                attempt.count += 1
        for attempt in self._retries.values():
            # What failed once may have needed what is there now: a bridge that was deleted under its ports.
            if is_progress and attempt.count == 1:
                attempt.due = min(attempt.due, now + QUICK_RETRY_S)
            elif is_recovery:
                attempt.due = min(attempt.due, now + FIRST_RETRY_S)

    def _is_settled(self, key: Key) -> bool:
        have, want = self.machine.observed.get(key), self.compiled.state.get(key)
        if have is None or want is None:
            return have is want or (want is None and have is not None and not is_ours(have))
        return is_same(have, want)

    def _take_due(self) -> set[Key]:
        now = asyncio.get_running_loop().time()
        return {key for key, attempt in self._retries.items() if attempt.due <= now}

    def _is_excused(self, key: Key) -> bool:
        return key[0] == LIMIT_KIND or self.machine.flows.waits_for_tunnel(key)

    def _is_failing(self, key: Key) -> bool:
        return key in self._retries and self._retries[key].count >= FAILING_ATTEMPTS
