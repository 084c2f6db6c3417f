"""What tests ask of a lab of tenants: objects by name, wires, commands in instances and on hosts."""

import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing, contextmanager
from typing import Any

from patchbay.lab.lab import Lab
from tests.functional.security.frames import Wire


class Town:
    """The lab, and what the tests ask of it."""

    def __init__(self, lab: Lab) -> None:
        self.lab = lab
        self.client = lab.client()

    def get(self, what: str, name: str) -> dict[str, Any]:
        """The object of this name."""
        found: list[dict[str, Any]] = self.client.request("GET", f"/v2.0/{what}")[what.replace("-", "_")]
        return next(item for item in found if item["name"] == name)

    def port(self, instance: str) -> dict[str, Any]:
        """The port of an instance."""
        return self.get("ports", f"{instance}-eth0")

    def wire(self, instance: str) -> Wire:
        """The interface of an instance; close it."""
        return Wire(self.lab.places()[instance].path)

    @contextmanager
    def wires(self) -> Iterator[Callable[[str], Wire]]:
        """Opens interfaces of instances, and closes them in the end."""
        with ExitStack() as opened:
            yield lambda instance: opened.enter_context(closing(self.wire(instance)))

    def within(self, instance: str, script: str) -> str:
        """What shell lines print in an instance, errors included."""
        done = self.lab.run_in(instance, ["sh", "-c", script], check=False)
        return done.stdout + done.stderr

    def reaches(self, source: str, address: str) -> bool:
        """Whether one ping of a few is answered."""
        return " 0 received" not in self.within(source, f"ping -n -c 3 -i 0.1 -W 0.4 {address}")

    def on(self, host: str, script: str) -> str:
        """What shell lines print on a host."""
        return self.lab.host(host).run(["sh", "-ec", script]).stdout

    def connects(self, source: str, address: str, port: int) -> bool:
        """Whether TCP connects."""
        ask = f"import socket; socket.create_connection(('{address}', {port}), 1); print('connected')"
        return "connected" in self.within(source, f'python3 -c "{ask}"')


def wait_for(condition: Callable[[], object], what: str, deadline_s: float = 20.0) -> None:
    """Wait until it holds."""
    end = time.monotonic() + deadline_s
    while not condition():
        assert time.monotonic() < end, f"after {deadline_s} s still not: {what}"
        time.sleep(0.05)
