"""Kernel settings of namespaces (/proc/sys/net, sysctl(8)): read where they are wanted, and written. So are the
programs on what comes in by a device, which have a name as settings do (``netlink_ingress``).

Used by ``patchbay.host.netlink`` and ``netlink_apply``. The kernel does not tell when a setting changes, so what was
read at the start or written since is taken for current. It goes with the namespace or the device that it is of.
Everything here steps into namespaces and belongs on the namespace thread.
"""

import contextlib
import os
from collections.abc import Iterable, Iterator
from pathlib import Path

from patchbay.errors import HostError
from patchbay.host import ethtool, netns
from patchbay.host.netlink_ingress import read_ingress, write_ingress
from patchbay.host.netlink_view import LOOPBACK, NamespaceView
from patchbay.hoststate import Sysctl
from patchbay.hoststate.ingress import is_ingress
from patchbay.plan.device_operations import SetSysctls, device_of

_PROC_SYS = Path("/proc/sys")


def read_sysctls(view: NamespaceView, names: Iterable[str]) -> None:
    """Read these settings of one namespace into its view; what does not exist there is left out."""
    with _inside(view):
        for name in names:
            with contextlib.suppress(OSError):
                index = _index_of(view, name)
                value = read_ingress(view, index) if is_ingress(name) else _path(name).read_text()
                view.note_sysctl(index, name, " ".join(value.split()))


def write_sysctls(view: NamespaceView, operation: SetSysctls) -> None:
    """Write settings of one namespace, and note them in its view. Raises HostError with the first that is refused."""
    refused: list[HostError] = []
    with _inside(view):
        for one in operation.sysctls:
            try:
                _write(view, one)
            except OSError as error:
                refused.append(
                    HostError(
                        f"Setting {one.name} of {one.namespace} cannot be {one.value}: {error.strerror}.",
                        f"See what is there: ip netns exec {one.namespace} sysctl {one.name}",
                    )
                )
    if refused:
        raise refused[0]


def _write(view: NamespaceView, wanted: Sysctl) -> None:
    index = _index_of(view, wanted.name)
    if is_ingress(wanted.name):
        write_ingress(view, index, wanted.value)
    else:
        _write_file(wanted)
    view.note_sysctl(index, wanted.name, wanted.value)


def _write_file(wanted: Sysctl) -> None:
    descriptor = os.open(_path(wanted.name), os.O_WRONLY | os.O_CLOEXEC)
    try:
        os.write(descriptor, f"{wanted.value}\n".encode())
    finally:
        os.close(descriptor)


def _path(name: str) -> Path:
    """As sysctl(8): with slashes, a name may have dots in the name of its device."""
    return _PROC_SYS / (name if "/" in name else name.replace(".", "/"))


def _index_of(view: NamespaceView, name: str) -> int:
    device = device_of(name)
    return ethtool.read_index(view.commands, device) if device else LOOPBACK


@contextlib.contextmanager
def _inside(view: NamespaceView) -> Iterator[None]:
    descriptor = view.open_namespace()
    try:
        with netns.inside(descriptor):
            yield
    finally:
        os.close(descriptor)
