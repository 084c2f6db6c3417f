"""Operations on devices of internal ports and on kernel settings: what makes a service's namespace ready.

Open vSwitch makes the device of an internal port in the host's namespace; ``AdoptDevice`` takes it from there.
Applied by ``patchbay.host.netlink_adopt`` and ``patchbay.host.netlink_sysctls``.
"""

import re

from patchbay.hoststate import Link, Sysctl
from patchbay.plan import shell
from patchbay.plan.operations import Operation, count

_OF_DEVICE = re.compile(r"(?:net[./]ipv[46][./](?:conf|neigh)|tc)[./]([^/]+)[./]\w+")
_NO_DEVICE = frozenset({"all", "default"})


class AdoptDevice(Operation, frozen=True):
    """Move the device of an internal port from the host's namespace into its own, configure it, set it up.

    Open vSwitch makes the device when the port is plugged; until it is there this waits.
    """

    link: Link

    def command(self) -> list[str]:
        return shell.adopt_device(self.link)

    def sentence(self) -> str:
        if not self.link.namespace:
            return f"Configure {self.link.name}, which Open vSwitch made."
        return f"Move {self.link.name}, which Open vSwitch made, into {self.link.namespace}."


class SetSysctls(Operation, frozen=True):
    """Write kernel settings of one namespace. They are not taken back: they go with the namespace or the device."""

    namespace: str
    sysctls: tuple[Sysctl, ...]

    def command(self) -> list[str]:
        return shell.set_sysctls(self.namespace, self.sysctls)

    def sentence(self) -> str:
        what = ", ".join(f"{one.name}={one.value}" for one in self.sysctls[:3])
        more = f" and {count(len(self.sysctls) - 3, 'setting')} more" if len(self.sysctls) > 3 else ""
        return f"Set {what}{more} in {self.namespace or 'the host'}."


def device_of(name: str) -> str:
    """The device that a setting belongs to (``net.ipv4.conf.qr-1.forwarding``: qr-1); "" when to the namespace."""
    found = _OF_DEVICE.fullmatch(name)
    return found[1] if found and found[1] not in _NO_DEVICE else ""
