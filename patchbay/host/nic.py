"""The commands of ``plan.nic`` run on this host: all of them, or none.

What undoes the move is on disk before the first command runs, so that a move that was killed in the middle is taken
back by the next one.
"""

import contextlib
import json
import signal
import socket
import subprocess
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

from patchbay.errors import HostError
from patchbay.host import ethtool
from patchbay.plan.nic import NicState, Step, undoing

COMMAND_TIMEOUT_S = 15.0
_KERNEL_PROTOCOLS = ("kernel", "ra")


def look(name: str) -> NicState:
    """The device of this name as it is now."""
    links = _json(["ip", "-j", "-d", "link", "show", "dev", name], is_missing_fine=True)
    bridge = _owner(name)
    if not links:
        return NicState(name=name, exists=False)
    link = links[0]
    addresses = [
        entry for one in _json(["ip", "-j", "addr", "show", "dev", name]) for entry in one.get("addr_info", ())
    ]
    kept = [entry for entry in addresses if entry.get("scope") == "global" and not entry.get("temporary")]
    routes = [
        route
        for family in ("-4", "-6")
        for route in _json(["ip", "-j", family, "route", "show", "dev", name])
        if route.get("protocol") not in _KERNEL_PROTOCOLS
    ]
    return NicState(
        name=name,
        mac=link.get("address", ""),
        mtu=link.get("mtu", 1500),
        master=link.get("master", ""),
        bridge=bridge,
        tx_checksum=_tx_checksum(name),
        addresses=tuple(f"{entry['local']}/{entry['prefixlen']}" for entry in kept),
        routes=tuple(_route_words(route) for route in sorted(routes, key=lambda route: "gateway" in route)),
        gateways=tuple(dict.fromkeys(route["gateway"] for route in routes if "gateway" in route)),
    )


def _route_words(route: dict[str, Any]) -> tuple[str, ...]:
    destination = route["dst"]
    if destination == "default" and ":" in route.get("gateway", ""):
        destination = "::/0"
    words = [destination]
    for key, word in (("gateway", "via"), ("prefsrc", "src"), ("metric", "metric")):
        if key in route:
            words += [word, str(route[key])]
    return tuple(words)


def _tx_checksum(name: str) -> bool:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as commands:
        return ethtool.read_tx_checksum(commands, name) or False


def answers(gateway: str, device: str, patience_s: float) -> bool:
    """Whether the gateway's MAC can be found over the device within ``patience_s`` (it need not answer pings)."""
    deadline = time.monotonic() + patience_s
    while True:
        subprocess.run(["ping", "-n", "-c1", "-W1", "-I", device, gateway], capture_output=True, check=False)
        neighbours = _json(["ip", "-j", "neigh", "show", gateway, "dev", device])
        if any("lladdr" in one and "FAILED" not in one.get("state", ()) for one in neighbours):
            return True
        if time.monotonic() > deadline:
            return False


def move(steps: Sequence[Step], journal: Path, is_good: Callable[[], bool]) -> None:
    """Run the steps; when one fails, a signal comes, or ``is_good`` says no afterwards, take them all back.

    Raises HostError with what went wrong, after everything is as before.
    """
    done: list[Step] = []
    with _unbroken() as interrupted:
        try:
            for step in steps:
                done.append(step)
                _write(journal, undoing(done))
                _run(step.command)
                if interrupted:
                    raise HostError("The move was interrupted.", "Everything is as it was before.")
            if not is_good():
                raise HostError(
                    "The gateway does not answer over the new device.",
                    "Everything is as it was before. Is the card's link up? With --check 0 nobody asks the gateway.",
                )
        except HostError:
            take_back(journal)
            raise
    journal.unlink(missing_ok=True)


def take_back(journal: Path) -> bool:
    """Undo a move that did not come to its end; False when there is none. What cannot be undone is left out."""
    try:
        commands = json.loads(journal.read_text())
    except (FileNotFoundError, ValueError):
        return False
    for command in commands:
        with contextlib.suppress(HostError):
            _run(command)
    journal.unlink(missing_ok=True)
    return True


@contextlib.contextmanager
def _unbroken() -> Iterator[list[int]]:
    """Signals that would end the process are noted instead: the card must not stay between two places."""
    noted: list[int] = []
    numbers = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
    before = {number: signal.signal(number, lambda got, _frame: noted.append(got)) for number in numbers}
    try:
        yield noted
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _write(journal: Path, commands: list[tuple[str, ...]]) -> None:
    journal.parent.mkdir(parents=True, exist_ok=True)
    draft = journal.with_suffix(".new")
    draft.write_text(json.dumps(commands))
    draft.replace(journal)


def _run(command: Sequence[str]) -> str:
    try:
        done = subprocess.run(
            command, capture_output=True, text=True, timeout=COMMAND_TIMEOUT_S, check=False, start_new_session=True
        )
    except FileNotFoundError:
        raise HostError(
            f"{command[0]} is not installed.", "Install iproute2, ethtool and openvswitch-switch."
        ) from None
    except subprocess.TimeoutExpired:
        raise HostError(
            f"{' '.join(command)}: no end after {COMMAND_TIMEOUT_S:g} s.", "Is Open vSwitch running?"
        ) from None
    if done.returncode:
        raise HostError(f"{' '.join(command)}: {done.stderr.strip() or done.returncode}")
    return done.stdout


def _json(command: Sequence[str], *, is_missing_fine: bool = False) -> list[dict[str, Any]]:
    try:
        text = _run(command)
    except HostError:
        if is_missing_fine:
            return []
        raise
    found: list[dict[str, Any]] = json.loads(text or "[]")
    return found


def _owner(name: str) -> str:
    """The Open vSwitch bridge that the device is a port of; a bridge's own device is its own. "" if there is none."""
    for command in (["iface-to-br", name], ["br-to-parent", name]):
        with contextlib.suppress(HostError):
            return _run(["ovs-vsctl", "--timeout=10", *command]).strip()
    return ""
