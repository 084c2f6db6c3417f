"""A steady stream of pings between instances, and the count of what was lost on the way.

Called by tests and benchmarks through ``Lab.ping_stream``: traffic that runs while something is killed or changed.
"""

import itertools
import select
import statistics
import threading
import time
from types import TracebackType

import msgspec

from patchbay.lab.capture import open_pinger
from patchbay.lab.frames import Address, Marker
from patchbay.lab.namespaces import Space


class PingReport(msgspec.Struct, frozen=True):
    """What a stream saw.

    ``longest_outage_s``: the longest time from a packet that got through to the next one that did, others lost between
    them. ``lost_at_s``: when the lost ones were sent, in seconds since the start. ``longest_rtt_ms``: who was stopped
    and woken again answers late, and loses nothing.
    """

    sent: int
    received: int
    lost: int
    longest_outage_s: float
    median_rtt_ms: float | None
    lost_at_s: tuple[float, ...]
    longest_rtt_ms: float | None = None


class PingStream:
    """Echo requests at a fixed interval from an instance to an address, until ``stop``."""

    def __init__(self, host: Space, instance: str, address: Address, interval_s: float) -> None:
        self._pinger = open_pinger(host, instance, receive=True)
        self._address = address
        self._interval_s = interval_s
        self._marker = Marker()
        self._sent: list[float] = []
        self._replies: dict[int, float] = {}
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._run, name=f"ping {address}", daemon=True)
        self._thread.start()

    @property
    def sent(self) -> int:
        """Requests sent so far."""
        return len(self._sent)

    @property
    def received(self) -> int:
        """Replies received so far."""
        return len(self._replies)

    @property
    def first_reply_at(self) -> float | None:
        """When the first reply came, on the monotonic clock; None before."""
        return min(list(self._replies.values()), default=None)

    @property
    def last_reply_at(self) -> float | None:
        """When the last reply so far came, on the monotonic clock; None before the first."""
        return max(list(self._replies.values()), default=None)

    def wait_for_replies(self, more: int, timeout_s: float = 10.0) -> bool:
        """Wait until so many more replies have come; False when they did not in time."""
        wanted, deadline = self.received + more, time.monotonic() + timeout_s
        while self.received < wanted and time.monotonic() < deadline:
            self._stopping.wait(self._interval_s)
        return self.received >= wanted

    def stop(self, grace_s: float = 1.0) -> PingReport:
        """Stop sending, wait for replies under way at most ``grace_s``, and report."""
        self._stopping.set()
        self._thread.join()
        deadline = time.monotonic() + grace_s
        while len(self._replies) < len(self._sent) and (left := deadline - time.monotonic()) > 0:
            self._receive(left)
        self._pinger.close()
        return self._report()

    def __enter__(self) -> "PingStream":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None
    ) -> None:
        if not self._stopping.is_set():
            self.stop(0.0)

    def _run(self) -> None:
        due = time.monotonic()
        while not self._stopping.is_set():
            number = len(self._sent)
            self._sent.append(time.monotonic())
            self._pinger.send(self._address, 0x5042, number, self._marker.mark(number))
            # A sender that was itself held up goes on from now: a burst to catch up would overflow what is measured.
            due = max(due + self._interval_s, self._sent[-1])
            # One that is late receives all the same: replies that nobody fetches overflow their socket.
            while self._receive(max(due - time.monotonic(), 0.0)) or due > time.monotonic():
                pass

    def _receive(self, timeout_s: float) -> bool:
        """Take in one reply; False when none came in time."""
        opened = self._pinger.receive_socket(self._address.version)
        if not select.select([opened], [], [], timeout_s)[0]:
            return False
        data = opened.recv(2048)
        at = data.find(self._marker.word)
        if at >= 0:
            at += len(self._marker.word)
            self._replies.setdefault(int.from_bytes(data[at : at + 4], "big"), time.monotonic())
        return True

    def _report(self) -> PingReport:
        start = self._sent[0] if self._sent else 0.0
        lost = [number for number in range(len(self._sent)) if number not in self._replies]
        # Before the first and after the last packet there are, as it were, two more that got through.
        edges = [-1, *sorted(self._replies), len(self._sent)]
        times = [start, *self._sent, self._sent[-1] if self._sent else 0.0]
        outages = [
            times[later + 1] - times[earlier + 1] for earlier, later in itertools.pairwise(edges) if later > earlier + 1
        ]
        rtts = [(at - self._sent[number]) * 1000 for number, at in self._replies.items()]
        return PingReport(
            sent=len(self._sent),
            received=len(self._replies),
            lost=len(lost),
            longest_outage_s=max(outages, default=0.0),
            median_rtt_ms=statistics.median(rtts) if rtts else None,
            lost_at_s=tuple(round(self._sent[number] - start, 3) for number in lost),
            longest_rtt_ms=max(rtts, default=None),
        )
