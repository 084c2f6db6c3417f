"""Announces ports and floating IPs that have become complete to their neighbours, one device after the other.

Used by the loop. An announcement is flooded to every port of its network, which occupies a switch with 400 ports for
some milliseconds, just when the new port wants to talk. So on a host with many ports it waits a moment, and when many
ports come at once, their announcements are spread and hold up nothing else. The addresses of one device, such as all
floating IPs of a router that has moved here, go together. What services have is announced twice, as Neutron does more
than once: a neighbour that missed it would send to a host that is gone for as long as it remembers.
"""

import asyncio
import logging
from collections.abc import Iterable
from functools import partial

import msgspec

from patchbay.compile import names
from patchbay.compile.floating import outlet
from patchbay.compile.knowledge import SERVICE_DEVICES
from patchbay.compile.view import HostView
from patchbay.host.announce import announce
from patchbay.host.netns import NamespaceThread
from patchbay.model import FloatingIP, Port
from patchbay.model.port import DHCP_SERVER
from patchbay.model.router import ROUTER_INTERFACE_DISTRIBUTED

logger = logging.getLogger(__name__)

PAUSE_S = 0.05
MANY_PORTS, DELAY_S = 100, 0.4
AGAIN_S = 1.5


class Sender(msgspec.Struct, frozen=True, kw_only=True):
    """The device that announces addresses, in ARP by requests or by replies."""

    namespace: str
    device: str
    mac: str
    is_service: bool = False
    is_reply: bool = False


class Announcer:
    """The ports that wait to be announced."""

    def __init__(self, view: HostView, thread: NamespaceThread) -> None:
        self._view = view
        self._thread = thread
        self._waiting: dict[str, bool] = {}
        """By port: whether it is to be announced again later."""
        self._task: asyncio.Task[None] | None = None
        self._later: set[asyncio.TimerHandle] = set()

    def announce(self, port_id: str) -> None:
        """This port, or the floating IP that has it, is here now: it may have been on another host before."""
        self._start({port_id: True})

    def close(self) -> None:
        """Announce no more."""
        if self._task:
            self._task.cancel()
        for timer in self._later:
            timer.cancel()

    def _start(self, waiting: dict[str, bool]) -> None:
        self._waiting |= waiting
        if self._task is None:
            self._task = asyncio.create_task(self._work(), name="announcements")

    async def _work(self) -> None:
        try:
            if len(self._view.facts.plugged) > MANY_PORTS:
                await asyncio.sleep(DELAY_S)
            while self._waiting:
                first = next(iter(self._waiting))
                found = find_sender(self._view, first)
                if found is None:
                    del self._waiting[first]
                    continue
                await self._announce(found[0], list(self._waiting) if found[0].is_service else [first])
                await asyncio.sleep(PAUSE_S)
        finally:
            self._task = None

    async def _announce(self, sender: Sender, port_ids: Iterable[str]) -> None:
        """Those of the ports whose sender this is."""
        addresses: list[str] = []
        again: list[str] = []
        for port_id in port_ids:
            found = find_sender(self._view, port_id)
            if found is not None and found[0] == sender:
                addresses += found[1]
                again += [port_id] if self._waiting.pop(port_id) and sender.is_service else []
        try:
            names_and_mac = sender.namespace, sender.device, sender.mac
            await self._thread.run(partial(announce, *names_and_mac, addresses, is_reply=sender.is_reply))
        except OSError as error:
            logger.info("a new port could not be announced: %s", error)
        if again:
            self._announce_again(again)

    def _announce_again(self, port_ids: Iterable[str]) -> None:
        def start() -> None:
            self._later.discard(timer)
            self._start(dict.fromkeys(port_ids, False))

        timer = asyncio.get_running_loop().call_later(AGAIN_S, start)
        self._later.add(timer)


def find_sender(view: HostView, port_id: str) -> tuple[Sender, list[str]] | None:
    """What announces this port, or the floating IP that has it, and the addresses; None if it is not here any more."""
    floatingip = view.floatingip_at(port_id)
    if floatingip is not None:
        return _sender_of_floatingip(view, floatingip)
    port = view.ports.get(port_id)
    if port is None or not port.fixed_ips:
        return None
    addresses = [each.ip_address for each in port.fixed_ips]
    if port.device_owner in SERVICE_DEVICES:
        return _sender_of_service(port), addresses
    found = view.interface_of(port_id)
    if found is None:
        return None
    return Sender(namespace=names.namespace(found[0]), device=found[1], mac=port.mac_address), addresses


def _sender_of_service(port: Port) -> Sender:
    is_dhcp = port.device_owner == DHCP_SERVER
    namespace = names.dhcp_namespace(port.network_id) if is_dhcp else names.router_namespace(port.device_id)
    device = names.device(SERVICE_DEVICES[port.device_owner][0], port.id)
    # Of questions from the device of a distributed router, flows strike out who asks.
    is_reply = port.device_owner == ROUTER_INTERFACE_DISTRIBUTED
    return Sender(namespace=namespace, device=device, mac=port.mac_address, is_service=True, is_reply=is_reply)


def _sender_of_floatingip(view: HostView, floatingip: FloatingIP) -> tuple[Sender, list[str]] | None:
    router = view.routers.get(floatingip.router_id or "")
    port = outlet(view, router) if router else None
    if port is None:
        return None
    return _sender_of_service(port), [floatingip.floating_ip_address]
