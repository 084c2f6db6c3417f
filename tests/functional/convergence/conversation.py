"""A TCP connection between two places of a lab that goes on while something happens."""

import contextlib
import socket
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

from patchbay.host import netns
from patchbay.lab.lab import Lab

_RETRANSMITTED = slice(100, 104)
"""Of struct tcp_info: tcpi_total_retrans."""


def open_socket(lab: Lab, place: str) -> socket.socket:
    """A TCP socket in a place, opened on a thread of its own, for it steps into the place's namespace."""

    def opened() -> socket.socket:
        with netns.inside(lab.places()[place].path):
            return socket.socket()

    with ThreadPoolExecutor(1) as executor:
        return executor.submit(opened).result()


class Conversation:
    """``client`` sends a byte every few milliseconds, ``server`` sends it back."""

    def __init__(self, client: socket.socket, server: socket.socket, interval_s: float) -> None:
        self.sent = self.returned = 0
        self._client, self._server = client, server
        self._interval_s = interval_s
        self._stopping = threading.Event()
        self._threads = [threading.Thread(target=work, daemon=True) for work in (self._echo, self._receive, self._send)]
        for thread in self._threads:
            thread.start()

    @property
    def retransmitted(self) -> int:
        """Segments that the client had to send again."""
        told = self._client.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, 128)
        return int.from_bytes(told[_RETRANSMITTED], "little")

    def stop(self) -> None:
        """No more is sent; what was sent comes back, or the connection is broken off. Returns when that is known."""
        self._stopping.set()
        self._threads[2].join()
        with contextlib.suppress(OSError):
            self._client.shutdown(socket.SHUT_WR)
        for thread in self._threads:
            thread.join(10)

    def _send(self) -> None:
        with contextlib.suppress(OSError):
            while not self._stopping.wait(self._interval_s):
                self._client.sendall(b"x")
                self.sent += 1

    def _echo(self) -> None:
        with contextlib.suppress(OSError):
            while data := self._server.recv(1000):
                self._server.sendall(data)
            self._server.shutdown(socket.SHUT_WR)

    def _receive(self) -> None:
        with contextlib.suppress(OSError):
            while data := self._client.recv(1000):
                self.returned += len(data)


@contextlib.contextmanager
def conversing(
    lab: Lab, client: str, server: str, local: str, seen: str, interval_s: float = 0.005
) -> Iterator[Conversation]:
    """A connection from ``client`` to ``server``, which has the address ``local`` and is reached by ``seen``."""
    with contextlib.ExitStack() as stack:
        listener, outer = (stack.enter_context(open_socket(lab, place)) for place in (server, client))
        listener.bind((local, 0))
        listener.listen()
        outer.settimeout(10)
        outer.connect((seen, listener.getsockname()[1]))
        inner = stack.enter_context(listener.accept()[0])
        for one in (inner, outer):
            one.settimeout(None)
            one.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        conversation = Conversation(outer, inner, interval_s)
        try:
            yield conversation
        finally:
            conversation.stop()
