"""Devices of internal ports: waited for in the host's namespace, where Open vSwitch makes them, and moved into theirs.

Used by ``patchbay.host.netlink_apply``.
"""

import asyncio
import errno
import os
from collections.abc import Iterable, Sequence

from patchbay.errors import HostError
from patchbay.host import rtnetlink
from patchbay.host.netlink import HOST, Kernel
from patchbay.host.netlink_view import NamespaceView, Request
from patchbay.host.rtnetlink import LinkState, is_adoptable, kind_of
from patchbay.hoststate import Link
from patchbay.hoststate.netns import ALIAS_PREFIX
from patchbay.plan.device_operations import AdoptDevice
from patchbay.plan.operations import Operation

PATIENCE_S = 1.0
"""How long the next device of ports just plugged is waited for. An idle ovs-vswitchd makes one in 5 to 25 ms."""
INTERNAL = "internal"


async def wait_for_devices(kernel: Kernel, operations: Iterable[Operation], patience_s: float) -> None:
    """Wait until the devices that these operations adopt are there; no longer than ``patience_s`` for each next one.

    Meanwhile nothing else is done. A device that was waited for in vain is not waited for again: its coming is told by
    the kernel, as any change.
    """
    links = [one.link for one in operations if isinstance(one, AdoptDevice)]
    missing = _find_missing(kernel, links)
    kernel.missed -= {link.name for link in links} - missing
    missing -= kernel.missed
    try:
        async with asyncio.timeout(patience_s) as limit:
            while missing:
                await kernel.wait_for_link()
                left = _find_missing(kernel, [link for link in links if link.name in missing])
                if left < missing:
                    limit.reschedule(asyncio.get_running_loop().time() + patience_s)
                missing = left
    except TimeoutError:
        if patience_s:
            kernel.missed |= missing


def _find_missing(kernel: Kernel, links: Sequence[Link]) -> set[str]:
    """Names of devices that neither wait in the host's namespace nor are in their own already."""
    waiting = {one.name for one in kernel.views[HOST].links.values() if is_adoptable(one)} if links else set()
    return {link.name for link in links if link.name not in waiting and not _is_moved(kernel, link)}


def _is_moved(kernel: Kernel, link: Link) -> bool:
    view = kernel.views.get(link.namespace)
    return view is not None and any(one.name == link.name and kind_of(one) == INTERNAL for one in view.links.values())


def move_device(host: NamespaceView, target: NamespaceView, link: Link) -> None:
    """On the namespace thread: move a device from the host's namespace into its own, marked. Raises HostError, OSError.

    One that is there already stays; a dead one (ovs-vswitchd was started anew since) makes room for the new.
    """
    waiting, present = find_link(host, link.name), find_link(target, link.name)
    if waiting is None or not is_adoptable(waiting):
        if present is None or kind_of(present) != INTERNAL:
            raise HostError(
                f"Open vSwitch has not made device {link.name}.",
                f"Is ovs-vswitchd running? See its log, and: ovs-vsctl --columns=name,error list interface {link.name}",
            )
        return
    requests = []
    if present is not None and (present.alias.startswith(ALIAS_PREFIX) or kind_of(present) == INTERNAL):
        requests.append(
            (target, Request(rtnetlink.RTM_DELLINK, rtnetlink.CHANGE, rtnetlink.pack_named_link(link.name)))
        )
    descriptor = target.open_namespace()
    try:
        move = rtnetlink.pack_move_link(link.name, descriptor, link.alias)
        requests.append((host, Request(rtnetlink.RTM_SETLINK, rtnetlink.CHANGE, move)))
        for view, request in requests:
            _send(view, [request])
    finally:
        os.close(descriptor)


def is_of_our_port(link: Link) -> bool:
    """Whether a device of this name in this place can only be that of our port, whoever changed its mark."""
    return link.kind == INTERNAL and link.namespace != HOST


def _send(view: NamespaceView, requests: Sequence[Request]) -> None:
    for refusal in view.request(requests):
        if refusal:
            raise OSError(refusal.code, str(refusal))


def find_link(view: NamespaceView, name: str) -> LinkState | None:
    """On the namespace thread: a link as it is now, None when it is not there. Raises OSError."""
    try:
        return view.read_link(name)
    except OSError as error:
        if error.errno == errno.ENODEV:
            return None
        raise
