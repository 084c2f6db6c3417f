"""Namespaces, links, addresses and routes of this host's kernel: what is there, and what changes.

The agent opens one ``Kernel``. ``resources`` is then always the current state of everything that carries our mark
(alias ``patchbay:…`` on links and on the ``lo`` of namespaces), with the addresses, routes and wanted settings on it;
foreign namespaces and links are not in it. One more kind of thing is: a device that Open vSwitch made for an internal
port of ours and that waits in the host's namespace to be adopted (alias ""). The kernel's multicast groups and inotify
on /run/netns keep it current, so nothing is polled. ``patchbay.host.netlink_apply`` changes things through the same
sockets.
"""

import asyncio
import os
from collections.abc import Callable, Coroutine, Iterable, Iterator, Mapping
from functools import partial

import msgspec

from patchbay.host import ethtool, netns, rtnetlink
from patchbay.host.netlink_sysctls import read_sysctls
from patchbay.host.netlink_view import LOOPBACK, NamespaceView, Request
from patchbay.host.rtnetlink import AddressState, LinkState, RouteState, is_adoptable, kind_of
from patchbay.hoststate import Address, BridgePort, Key, Link, Namespace, Resource, Route, Sysctl
from patchbay.hoststate.netns import ALIAS_PREFIX

HOST = ""
"""The name of the host's own namespace in resources."""
_HOST_GROUPS = (1, 5, 9)
DOWN_ALIAS = f"{ALIAS_PREFIX}down"
"""What a link of ours that somebody took down is reported with: it differs from what is wanted, and is set up again."""
_LINK_LOCAL = "fe80:"
LATER_LOOKS_S = (0.02, 0.1, 0.5)
"""IPv6 addresses of the link come from the kernel by themselves: only those that are wanted count."""

Listener = Callable[[set[Key]], None]


class Kernel:
    """The kernel's network state on this host, kept current. Open with ``await Kernel.open()``."""

    def __init__(self) -> None:
        self.thread = netns.NamespaceThread()
        self.views: dict[str, NamespaceView] = {}
        self.resources: dict[Key, Resource] = {}
        self.wanted: Mapping[Key, Resource] = {}
        self.missed: set[str] = set()
        self._by_link: dict[tuple[str, int], dict[Key, Resource]] = {}
        self._place: dict[Key, tuple[str, int]] = {}
        self._listeners: list[Listener] = []
        self._watch: netns.NamespaceWatch | None = None
        self._tasks: set[asyncio.Task[None]] = set()
        self._changed: set[Key] = set()
        self._link_told = asyncio.Event()

    @classmethod
    async def open(cls, wanted: Mapping[Key, Resource] | None = None, *, is_watching: bool = True) -> "Kernel":
        """Read the state and, if ``is_watching``, follow it.

        ``wanted`` is a living map of what should be: settings that it leaves to the kernel (MAC "") and settings
        that the kernel does not keep (IPv6 on a link with an MTU below 1280) are reported as wanted.
        """
        kernel = cls()
        kernel.wanted = wanted if wanted is not None else {}
        if is_watching:
            kernel._watch = netns.NamespaceWatch()
        await kernel.thread.run(kernel._read_everything)
        await kernel.thread.run(kernel._read_sysctls)
        for view in kernel.views.values():
            kernel._refresh(view, None)
        kernel._changed.clear()
        if is_watching:
            kernel._follow()
        return kernel

    def close(self) -> None:
        """Close every socket; namespaces and links stay as they are."""
        loop = asyncio.get_running_loop()
        if self._watch:
            loop.remove_reader(self._watch.fileno())
            self._watch.close()
        for task in self._tasks:
            task.cancel()
        for view in list(self.views.values()):
            self._forget_view(view)
        self.thread.close()

    def subscribe(self, listener: Listener) -> None:
        """Call ``listener`` with the keys of resources that came, changed or went."""
        self._listeners.append(listener)

    # --- reading ------------------------------------------------------------------------------------------------------

    def _read_everything(self) -> None:
        host = NamespaceView(HOST, _HOST_GROUPS)
        host.read_all()
        self.views[HOST] = host
        for name in netns.list_namespaces():
            view = self.open_view(name)
            if view:
                self.views[name] = view

    def _read_sysctls(self) -> None:
        """On the namespace thread: read the settings that are wanted."""
        names: dict[str, list[str]] = {}
        for wanted in self.wanted.values():
            if isinstance(wanted, Sysctl):
                names.setdefault(wanted.namespace, []).append(wanted.name)
        for namespace in names.keys() & self.views.keys():
            read_sysctls(self.views[namespace], names[namespace])

    def open_view(self, name: str) -> NamespaceView | None:
        """On the namespace thread: open and read a namespace if it is ours; None when it is not, or is gone."""
        view = None
        try:
            with netns.inside(netns.NETNS_DIRECTORY / name):
                view = NamespaceView(name)
            view.read_all()
        except OSError:
            if view:
                view.close()
            return None
        if not view.links[LOOPBACK].alias.startswith(ALIAS_PREFIX):
            view.close()
            return None
        self.learn_nsid(view)
        return view

    def learn_nsid(self, view: NamespaceView) -> None:
        """On the namespace thread: agree with the kernel on the number by which links of the host name a namespace."""
        host, descriptor = self.views[HOST], view.open_namespace()
        try:
            host.request([Request(rtnetlink.RTM_NEWNSID, rtnetlink.CHANGE, rtnetlink.pack_nsid(descriptor, -1))])
            question = Request(rtnetlink.RTM_GETNSID, rtnetlink.NLM_F_REQUEST, rtnetlink.pack_nsid(descriptor, None))
            view.nsid = rtnetlink.parse_nsid(host.ask(question)[0])
        finally:
            os.close(descriptor)

    # --- following ----------------------------------------------------------------------------------------------------

    def _follow(self) -> None:
        loop = asyncio.get_running_loop()
        assert self._watch is not None
        loop.add_reader(self._watch.fileno(), self._read_names)
        for view in self.views.values():
            loop.add_reader(view.events.fileno(), self._read_view, view)

    def adopt_view(self, view: NamespaceView) -> None:
        """Take over a namespace that was just made or appeared, and follow it; unless its name went meanwhile."""
        if netns.find_namespace(view.name) != view.inode:
            view.close()
            self._changed.add(("netns", view.name))
            return
        self._forget_view(self.views.get(view.name))
        self.views[view.name] = view
        if self._watch:
            asyncio.get_running_loop().add_reader(view.events.fileno(), self._read_view, view)
        self._refresh(view, None)

    async def compare_with(self, wanted: Mapping[Key, Resource]) -> None:
        """Take another living map of what is wanted (see ``open``), and describe everything in its light."""
        self.wanted = wanted
        await self.thread.run(self._read_sysctls)
        for view in self.views.values():
            self._refresh(view, None)
        self._emit()

    def forget(self, name: str) -> None:
        """Close a namespace whose name was taken away: nothing of ours keeps it alive."""
        self._forget_view(self.views.get(name))

    def expect_addresses(self, namespaces: Iterable[str]) -> None:
        """Addresses are about to be added in these: those that are taken away from now on are remembered."""
        for view in filter(None, map(self.views.get, namespaces)):
            view.taken.clear()

    def note_address(self, namespace: str, told: AddressState) -> None:
        """The kernel has acknowledged this address, and will tell so later; unless it was taken away meanwhile."""
        if (view := self.views.get(namespace)) and (told.index, told.address) not in view.taken:
            view.note_address(told, is_there=True)
            self._refresh_link(view, told.index)

    def refresh_settings(self, namespaces: Iterable[str]) -> None:
        """Settings of these namespaces were just written."""
        for view in filter(None, map(self.views.get, namespaces)):
            for index in list(view.sysctls):
                self._refresh_link(view, index)

    async def wait_for_link(self) -> None:
        """Returns when the kernel has told of a link in the host's namespace, from now on."""
        self._link_told.clear()
        await self._link_told.wait()

    async def drain(self, names: Iterable[str]) -> None:
        """Read what the kernel has told so far of these namespaces, so that ``resources`` shows what was just done."""
        for name in names:
            if name in self.views:
                self._read_pending(self.views[name])
        while self._tasks:
            await asyncio.wait(self._tasks)
        self._emit()

    def _read_view(self, view: NamespaceView) -> None:
        self._read_pending(view)
        self._emit()

    def _read_pending(self, view: NamespaceView) -> None:
        if view.is_reading:
            return
        touched = view.read_events()
        if touched is None or view.is_unsure:
            self._start(self._read_again(view))
        if touched:
            self._refresh(view, touched)
            if view.name == HOST:
                self._link_told.set()

    async def _read_again(self, view: NamespaceView) -> None:
        """After lost events, and where the kernel changes things without saying so: read the namespace anew.

        Settings for IPv6 that a link is about to get may come later than the first look.
        """
        view.is_reading = True
        try:
            await self.thread.run(view.read_all)
            for pause_s in LATER_LOOKS_S:
                if not view.due:
                    break
                await asyncio.sleep(pause_s)
                await self.thread.run(view.read_all)
            view.due.clear()
        except OSError:
            return  # its sockets were closed meanwhile: the namespace is gone
        finally:
            view.is_reading = False
        if self.views.get(view.name) is view:
            self._read_pending(view)
            self._refresh(view, None)
            self._emit()

    def _read_names(self) -> None:
        assert self._watch is not None
        for name in self._watch.read():
            view, inode = self.views.get(name), netns.find_namespace(name)
            if view and inode != view.inode:
                self._forget_view(view)
            if inode and name not in self.views and ("netns", name) in self.wanted:
                self._start(self._look_at(name))
        self._emit()

    async def _look_at(self, name: str) -> None:
        view = await self.thread.run(partial(self.open_view, name))
        if view and name not in self.views:
            self.adopt_view(view)
            self._emit()

    def _forget_view(self, view: NamespaceView | None) -> None:
        if view is None:
            return
        if self._watch:
            asyncio.get_running_loop().remove_reader(view.events.fileno())
        self.views.pop(view.name, None)
        view.links.clear()
        self._refresh(view, None)
        self.thread.later(view.close)  # its sockets may be in use there

    def _start(self, work: Coroutine[None, None, None]) -> None:
        task = asyncio.get_running_loop().create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    def _emit(self) -> None:
        if self._changed:
            changed, self._changed = self._changed, set()
            changed |= {key for one in changed for key in self._places_for(one)}
            for listener in self._listeners:
                listener(changed)

    def _places_for(self, key: Key) -> list[Key]:
        """Where a device is wanted that came to, or went from, the host's namespace: that must be looked at, too."""
        if key[0] != "link" or key[1] != HOST or not self._is_internal_port(key[2]):
            return []
        return [place for name in self.views if (place := ("link", name, key[2])) in self.wanted]

    # --- describing ---------------------------------------------------------------------------------------------------

    def _refresh(self, view: NamespaceView, indexes: Iterable[int] | None) -> None:
        """Describe links again (all of a namespace when ``indexes`` is None) and the other ends of pairs with them."""
        if indexes is None:
            indexes = set(view.links) | {index for name, index in self._by_link if name == view.name}
        for index in indexes:
            self._refresh_link(view, index)
            peer = self._find_peer(view, view.links.get(index))
            if peer:
                self._refresh_link(peer[0], peer[1].index)

    def _refresh_link(self, view: NamespaceView, index: int) -> None:
        place = (view.name, index)
        before = self._by_link.pop(place, {})
        after = {resource.key: resource for resource in self._describe(view, view.links.get(index))}
        if after:
            self._by_link[place] = after
        for key in before.keys() | after.keys():
            if key in after:
                self._place[key] = place
                if self.resources.get(key) != after[key]:
                    self.resources[key] = after[key]
                    self._changed.add(key)
            elif self._place[key] == place:
                del self.resources[key], self._place[key]
                self._changed.add(key)

    def _describe(self, view: NamespaceView, link: LinkState | None) -> Iterator[Resource]:
        if link is None:
            return
        if not link.alias.startswith(ALIAS_PREFIX):
            if view.name == HOST and is_adoptable(link) and self._is_internal_port(link.name):
                yield Link(name=link.name, kind="internal", alias="")
            return
        for name, value in view.sysctls.get(link.index, {}).items():
            yield Sysctl(namespace=view.name, name=name, value=value)
        if view.name != HOST and link.index == LOOPBACK:
            yield Namespace(name=view.name, alias=link.alias)
            return
        yield self._describe_link(view, link)
        for address in view.addresses.get(link.index, ()):
            found = Address(namespace=view.name, link=link.name, address=address)
            is_foreign = address.startswith(_LINK_LOCAL) or (link.index, address) in view.lent
            if not is_foreign or found.key in self.wanted:
                yield found
        for told in view.routes.values():
            if told.index == link.index:
                route = self._describe_route(view, link, told)
                if told.is_static or route.key in self.wanted:
                    yield route

    def _is_internal_port(self, name: str) -> bool:
        port = self.wanted.get(("bridge-port", name))
        return isinstance(port, BridgePort) and port.type == "internal"

    def _describe_route(self, view: NamespaceView, link: LinkState, told: RouteState) -> Route:
        """A route that is wanted without a link is described so, if it leads to the wanted gateway."""
        route = Route(
            namespace=view.name,
            destination=told.destination,
            gateway=told.gateway,
            link=link.name,
            metric=told.metric,
        )
        wanted = self.wanted.get(route.key)
        is_by_gateway = isinstance(wanted, Route) and not wanted.link and wanted.gateway == told.gateway
        return msgspec.structs.replace(route, link="") if is_by_gateway else route

    def _describe_link(self, view: NamespaceView, link: LinkState) -> Link:
        peer = self._find_peer(view, link)
        master = self._find_bridge(view, link)
        tx_checksum = ethtool.read_tx_checksum(view.commands, link.name)
        found = Link(
            name=link.name,
            namespace=view.name,
            kind=kind_of(link),
            peer=peer[1].name if peer else "",
            peer_namespace=peer[0].name if peer else "",
            master=master.name if master else "",
            mac=link.mac,
            mtu=link.mtu,
            ipv6=link.ipv6 is not False,
            tx_checksum=tx_checksum is not False,
            alias=link.alias if link.is_up else DOWN_ALIAS,
        )
        wanted = self.wanted.get(found.key)
        if not isinstance(wanted, Link):
            return found
        return msgspec.structs.replace(
            found,
            mac=found.mac if wanted.mac else "",
            ipv6=wanted.ipv6 if link.ipv6 is None else found.ipv6,
            tx_checksum=wanted.tx_checksum if tx_checksum is None else found.tx_checksum,
        )

    @staticmethod
    def _find_bridge(view: NamespaceView, link: LinkState) -> LinkState | None:
        """The Linux bridge that a link is in; the kernel shows Open vSwitch as a master, too."""
        master = view.links.get(link.master)
        return master if master and master.kind == "bridge" else None

    def _find_peer(self, view: NamespaceView, link: LinkState | None) -> tuple[NamespaceView, LinkState] | None:
        """The other end of a veth pair, where it is in a namespace that we know."""
        if link is None or link.kind != "veth":
            return None
        if link.peer_nsid is None:
            other: NamespaceView | None = view
        elif view.name == HOST:
            other = next((one for one in self.views.values() if one.nsid == link.peer_nsid), None)
        else:
            other = self.views.get(HOST)
        found = other.links.get(link.peer_index) if other else None
        if other is None or found is None or found.peer_index != link.index:
            return None
        if other is not view and other.name == HOST and found.peer_nsid != view.nsid:
            return None
        return other, found
