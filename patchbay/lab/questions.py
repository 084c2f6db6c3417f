"""Questions that instances ask: names of the DNS, leases of the DHCP server, pages of a web server, ports of others.

Called by ``check``. Each is asked with real packets from inside the instance until the answer is right or patience
ends: names by the resolver's own command (a name that must fail needs a server's no), leases by a DHCPDISCOVER from the
instance's own interface, pages through a socket in its namespace. ``listening`` has what is asked of ports.
"""

import contextlib
import http.client
import ipaddress
import os
import re
import select
import socket
import time
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from urllib.parse import urlsplit

from patchbay.errors import LabError
from patchbay.host.netns import inside
from patchbay.lab.capture import open_tap, read_addresses
from patchbay.lab.dhcp_frames import Offer, discover, read_offer
from patchbay.lab.frames import Address
from patchbay.lab.listening import connects, listeners, tried
from patchbay.lab.outcomes import Outcome, Pair
from patchbay.lab.places import Place
from patchbay.lab.topology import Connect, Fetch, Lease, Resolve, Topology

ANSWER_S, PAUSE_S = 1.5, 0.1
SHOWN = 60
# One second for each try: a server that is not there must not take a check's whole time.
RESOLVER = ["env", "RES_OPTIONS=timeout:1 attempts:2"]
NO = ("NXDOMAIN", "REFUSED", "NOERROR")
"""A server's ways to say that it has no address for a name; NOERROR without an answer is one."""

Answer = tuple[str, bool, str]
"""What was found, whether it is right, and a detail."""


def ask_all(topology: Topology, places: Mapping[str, Place], *, patience_s: float) -> list[Outcome]:
    """Ask every question of the topology's expectations, side by side; the outcomes are in their order."""
    questions = list(_questions(topology, places))
    with listeners(topology, places), ThreadPoolExecutor(max_workers=4) as workers:
        return list(workers.map(lambda each: _asked(*each, patience_s=patience_s), questions))


def _questions(topology: Topology, places: Mapping[str, Place]) -> Iterator[tuple[Pair, Callable[[], Answer]]]:
    for expectation in topology.expect:
        match expectation:
            case Connect(protocol=protocol, port=port):
                for pair in tried(expectation, topology, places):
                    yield pair, _bound(connects, places[pair.source], pair.address, protocol, port, pair.expected)
            case Resolve(sources=sources, name=name, address=address, line=line):
                for source in sources:
                    pair = Pair(source, name, None, True, line, wanted=address or "no such name")
                    yield pair, _bound(resolve, places[source], name, address)
            case Lease(instance=instance, device=device, line=line):
                pair = Pair(instance, f"lease of {device}", None, True, line, wanted=describe_lease(expectation))
                yield pair, _bound(lease, places[instance], expectation)
            case Fetch(sources=sources, url=url, line=line):
                for source in sources:
                    pair = Pair(source, url, None, True, line, wanted=_page(expectation.status, expectation.body))
                    yield pair, _bound(fetch, places[source], expectation)


def _bound(ask: Callable[..., Answer], *arguments: object) -> Callable[[], Answer]:
    return lambda: ask(*arguments)


def _asked(pair: Pair, ask: Callable[[], Answer], *, patience_s: float) -> Outcome:
    """Ask until the answer is right, or patience ends."""
    deadline = time.monotonic() + patience_s
    while True:
        started = time.monotonic()
        try:
            answer, is_right, detail = ask()
        except (LabError, OSError) as error:  # an interface that just went, on a host that boots
            answer, is_right, detail = "", False, str(error)
        if is_right or time.monotonic() > deadline:
            took_ms = (time.monotonic() - started) * 1000 if is_right and pair.expected else None
            return Outcome(pair, is_right == pair.expected, is_right, took_ms, detail, answer)
        time.sleep(PAUSE_S)


def resolve(place: Place, name: str, wanted: str) -> Answer:
    """What a name means to an instance; ``wanted`` "" asks for a server's word that it means nothing."""
    if not wanted:
        return refused(place, name)
    done = place.space.run(place.command([*RESOLVER, "getent", "ahosts", name]), check=False)
    found = list(dict.fromkeys(line.split()[0] for line in done.stdout.splitlines() if line))
    return ", ".join(found), wanted in found, "" if found else "no answer with an address"


def refused(place: Place, name: str) -> Answer:
    """Whether a name server tells an instance that a name has no address."""
    command = ["dig", "+search", "+time=1", "+tries=2", "+noall", "+comments", "+answer", name]
    said = place.space.run(place.command(command), check=False).stdout
    status = re.search(r"status: (\w+)", said)
    found = re.findall(r"\sIN\s+A\s+(\S+)", said)
    if status is None:
        return "", False, "no name server answered"
    return ", ".join(found) or "no such name", status[1] in NO and not found, status[1]


def lease(place: Place, expected: Lease) -> Answer:
    """What the DHCP server offers an interface, and whether the interface has that address."""
    held = read_addresses(place, expected.device)
    offer = ask_for_lease(place, expected.device, next((str(each) for each in held if each.version == 4), ""))
    if offer is None:
        return "", False, "no DHCP server answers"
    has = ipaddress.ip_address(offer.address) in held
    wrong = [*differences(expected, offer), *([] if has else [f"{expected.device} does not have {offer.address}"])]
    return describe_lease(_as_lease(expected, offer)), not wrong, "; ".join(wrong)


def ask_for_lease(place: Place, device: str, held: str = "") -> Offer | None:
    """Send a DHCPDISCOVER from an interface and wait for the offer; None without one. Raises ``LabError``, OSError."""
    number = int.from_bytes(os.urandom(4), "big")
    tap = open_tap(place, device, "")
    with contextlib.closing(tap.socket):
        tap.send(discover(tap.mac, number, held))
        deadline = time.monotonic() + ANSWER_S
        while (left := deadline - time.monotonic()) > 0 and select.select([tap.socket], [], [], left)[0]:
            with contextlib.suppress(BlockingIOError):
                if (offer := read_offer(tap.socket.recv(65535), number)) is not None:
                    return offer
    return None


def differences(expected: Lease, offer: Offer) -> list[str]:
    """What an offer has other than expected, in words. Routes may be more than those expected."""
    wrong = []
    for field in ("router", "server", "dns", "domain", "mtu"):
        wanted, found = getattr(expected, field), getattr(offer, field)
        if wanted is not None and wanted != found:
            wrong.append(f"{field} {_words(found) or 'none'}, expected {_words(wanted) or 'none'}")
    if expected.address is not None and not _is_among(offer.address, expected.address):
        wrong.append(f"address {offer.address}, expected {expected.address}")
    for route in expected.routes or ():
        if route not in offer.routes:
            wrong.append(f"no route to {route.destination} by {route.nexthop}")
    return wrong


def describe_lease(lease: Lease) -> str:
    """A lease in few words."""
    parts = [lease.address or ""]
    parts += [
        f"{field} {_words(value) or 'none'}"
        for field in ("router", "server", "dns", "domain", "mtu")
        if (value := getattr(lease, field)) is not None
    ]
    parts += [f"{route.destination} by {route.nexthop}" for route in lease.routes or ()]
    return ", ".join(filter(None, parts))


def _as_lease(expected: Lease, offer: Offer) -> Lease:
    """The offer, of which only what is expected is shown."""
    shown = {
        field: getattr(offer, field)
        for field in ("router", "server", "dns", "domain", "mtu")
        if getattr(expected, field) is not None
    }
    routes = None if expected.routes is None else tuple(each for each in offer.routes if each in expected.routes)
    return Lease(expected.instance, expected.device, offer.address, routes=routes, **shown)


def _is_among(address: str, wanted: str) -> bool:
    first, _, last = (part.strip() for part in wanted.partition("-"))
    low, high = (int(ipaddress.IPv4Address(each)) for each in (first, last or first))
    return low <= int(ipaddress.IPv4Address(address)) <= high


def _words(value: object) -> str:
    return " ".join(map(str, value)) if isinstance(value, tuple) else str(value or "")


def fetch(place: Place, expected: Fetch) -> Answer:
    """What a web server answers an instance."""
    parts = urlsplit(expected.url)
    path = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
    try:
        address = _server(place, parts.hostname or "")
        with inside(place.path):
            opened = socket.socket(socket.AF_INET if address.version == 4 else socket.AF_INET6)
        connection = http.client.HTTPConnection(parts.hostname or "", parts.port or 80, timeout=ANSWER_S)
        with contextlib.closing(connection), opened:
            opened.settimeout(ANSWER_S)
            opened.connect((str(address), parts.port or 80))
            connection.sock = opened
            connection.request("GET", path, headers=dict(expected.headers))
            answer = connection.getresponse()
            body = answer.read().decode(errors="replace").strip()
    except (OSError, http.client.HTTPException) as error:
        return "", False, f"{getattr(error, 'strerror', None) or error or type(error).__name__}".lower()
    is_right = answer.status == expected.status and expected.body in (None, body)
    return _page(answer.status, None if expected.body is None else body), is_right, ""


def _server(place: Place, name: str) -> Address:
    """The address of a web server, looked up by the instance if it is a name. Raises OSError."""
    try:
        return ipaddress.ip_address(name)
    except ValueError:
        found, _, _ = resolve(place, name, "any")
    if not found:
        raise OSError(f"{name}: no such name")
    return ipaddress.ip_address(found.split(", ", maxsplit=1)[0])


def _page(status: int, body: str | None) -> str:
    text = "" if body is None else repr(body)[1:-1]
    return f"{status} {text if len(text) <= SHOWN else text[:SHOWN] + '…'}".strip()
