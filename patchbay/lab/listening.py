"""Ports that instances ask each other for, TCP and UDP: who listens during a check, and who gets an answer.

Called by ``questions``. Where nobody listens on a port that is asked for, the check does, in the target's namespace;
a program that is there already is left alone. So silence means that something on the way dropped it.
"""

import contextlib
import ipaddress
import os
import selectors
import socket
import threading
from collections.abc import Iterator, Mapping

from patchbay.errors import LabError
from patchbay.host.netns import inside
from patchbay.lab.frames import Address
from patchbay.lab.outcomes import Pair, addresses_of
from patchbay.lab.places import Place
from patchbay.lab.topology import Connect, Topology

ANSWER_S = 1.2
"""How long an answer is waited for: a SYN that was lost is sent again after a second."""
KINDS = {"tcp": socket.SOCK_STREAM, "udp": socket.SOCK_DGRAM}
FAMILIES = {4: socket.AF_INET, 6: socket.AF_INET6}


def tried(expectation: Connect, topology: Topology, places: Mapping[str, Place]) -> list[Pair]:
    """What is tried for a statement: a pair for each address of each target."""
    what = f"{expectation.protocol}/{expectation.port}"
    pairs = []
    for target in expectation.targets:
        owner = owner_of(target, topology)
        given = addresses_of(topology, places, target) if target in places else [ipaddress.ip_address(target)]
        for source in expectation.sources:
            if source != owner:
                named = f"{owner} {what}"
                pairs += [Pair(source, named, each, expectation.reach, expectation.line) for each in given]
    return pairs


def owner_of(target: str, topology: Topology) -> str:
    """The place that listens: the target, or whose address it is."""
    return target if target in topology.instances or target in topology.outside else topology.place_of(target)


@contextlib.contextmanager
def listeners(topology: Topology, places: Mapping[str, Place]) -> Iterator[None]:
    """Listen wherever an expectation asks for a port; one thread answers all."""
    wanted = {
        (owner_of(target, topology), each.protocol, each.port)
        for each in topology.expect
        if isinstance(each, Connect)
        for target in each.targets
    }
    with contextlib.ExitStack() as stack:
        opened = [
            stack.enter_context(one)
            for owner, protocol, port in sorted(wanted)
            for family in FAMILIES.values()
            if (one := _listener(places[owner], family, protocol, port)) is not None
        ]
        if opened:
            stack.enter_context(_answering(opened))
        yield


def connects(place: Place, address: Address, protocol: str, port: int, expected: bool) -> tuple[str, bool, str]:
    """Whether a place gets an answer from a port: what was found (nothing to add), whether it is right, a detail."""
    try:
        with inside(place.path):
            asking = socket.socket(FAMILIES[address.version], KINDS[protocol])
        with asking:
            asking.settimeout(ANSWER_S)
            asking.connect((str(address), port))
            word = os.urandom(16)
            asking.sendall(word)
            is_answered = asking.recv(len(word)) == word if protocol == "udp" else True
        detail = ""
    except OSError as error:
        is_answered, detail = (
            False,
            "no answer" if isinstance(error, TimeoutError) else str(error.strerror or error).lower(),
        )
    return "", is_answered == expected, detail


def _listener(place: Place, family: socket.AddressFamily, protocol: str, port: int) -> socket.socket | None:
    """A socket on a port of a place; None where somebody listens already. Raises ``LabError``."""
    try:
        with inside(place.path):
            opened = socket.socket(family, KINDS[protocol] | socket.SOCK_NONBLOCK)
    except OSError:
        return None  # not there: who asks says so
    try:
        if family == socket.AF_INET6:
            opened.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
        opened.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, int(protocol == "tcp"))
        opened.bind(("", port))
        if protocol == "tcp":
            opened.listen(1024)
    except OSError as error:
        opened.close()
        if protocol == "udp":
            problem = f"{place.name}: nothing can listen on udp/{port} ({error.strerror})."
            raise LabError(problem, "End what uses the port, or expect something of another one.") from None
        return None
    return opened


@contextlib.contextmanager
def _answering(opened: list[socket.socket]) -> Iterator[None]:
    """Take connections, and send back what comes by UDP, until the end."""
    stop, told = socket.socketpair()
    thread = threading.Thread(target=_answer, args=(opened, told), name="listeners", daemon=True)
    thread.start()
    try:
        yield
    finally:
        stop.close()
        thread.join()
        told.close()


def _answer(opened: list[socket.socket], told: socket.socket) -> None:
    with selectors.DefaultSelector() as selector:
        for one in (*opened, told):
            selector.register(one, selectors.EVENT_READ)
        while True:
            for key, _ in selector.select():
                if key.fileobj is told:
                    return
                assert isinstance(key.fileobj, socket.socket)
                with contextlib.suppress(OSError):
                    if key.fileobj.type == socket.SOCK_STREAM:
                        key.fileobj.accept()[0].close()
                    else:
                        key.fileobj.sendto(*key.fileobj.recvfrom(64))
