"""Changes namespaces, links, addresses and routes: a batch of operations in as few system calls as possible.

``apply`` is called by the agent with the kernel's share of a plan, in the plan's order. Operations of one kind that
follow each other become one message batch per namespace. What is there already, or gone already, is fine. One refused
operation stops only those that depend on it.
"""

import errno
import os
from collections.abc import Callable, Iterable, Sequence
from contextlib import nullcontext
from functools import partial
from itertools import groupby
from typing import TypeVar

import msgspec

from patchbay.errors import HostError
from patchbay.host import ethtool, netns, rtnetlink
from patchbay.host.netlink import HOST, Kernel
from patchbay.host.netlink_adopt import PATIENCE_S, is_of_our_port, move_device, wait_for_devices
from patchbay.host.netlink_needs import needed_by, provided_by
from patchbay.host.netlink_refusals import explain
from patchbay.host.netlink_sysctls import write_sysctls
from patchbay.host.netlink_view import NamespaceView, Refusal, Request
from patchbay.host.rtnetlink import AddressState, LinkState, kind_of
from patchbay.hoststate import Key, Link, Namespace
from patchbay.hoststate.netns import ALIAS_PREFIX
from patchbay.plan.device_operations import AdoptDevice, SetSysctls
from patchbay.plan.operations import (
    AddAddress,
    AddBridgeLink,
    AddNamespace,
    AddRoute,
    AddVeth,
    DelAddress,
    DelLink,
    DelNamespace,
    DelRoute,
    Operation,
    SetLink,
    SetNamespace,
)

_O = TypeVar("_O", bound=Operation)
_EXISTS = frozenset({errno.EEXIST})
_GONE = frozenset({errno.ENODEV, errno.ESRCH, errno.EADDRNOTAVAIL, errno.ENOENT})
_NOTHING = frozenset[int]()


class Failure(msgspec.Struct, frozen=True):
    """An operation that was not done, and why. ``error`` None: something that it needs failed before."""

    operation: Operation
    error: HostError | None


async def apply(kernel: Kernel, operations: Sequence[Operation], patience_s: float = PATIENCE_S) -> list[Failure]:
    """Do ``operations`` in their order; afterwards ``kernel.resources`` shows the result. Returns what failed.

    Devices that are to be adopted and not there yet are waited for first, ``patience_s`` for each next one.
    """
    await wait_for_devices(kernel, operations, patience_s)
    kernel.expect_addresses({one.address.namespace for one in operations if isinstance(one, AddAddress)})
    batch = _Batch(kernel)
    await kernel.thread.run(partial(batch.run, operations))
    for name in batch.removed:
        kernel.forget(name)
    for view in batch.made:
        kernel.adopt_view(view)
    for namespace, told in batch.given:
        kernel.note_address(namespace, told)
    kernel.refresh_settings(batch.set)
    await kernel.drain({HOST, *batch.touched})
    return batch.failures


class _Batch:
    """One run of operations on the namespace thread."""

    def __init__(self, kernel: Kernel) -> None:
        self.kernel = kernel
        self.made: list[NamespaceView] = []
        self.removed: list[str] = []
        self.touched: set[str] = set()
        self.given: list[tuple[str, AddressState]] = []
        self.set: set[str] = set()
        self.failures: list[Failure] = []
        self._failed: set[Key] = set()

    def run(self, operations: Sequence[Operation]) -> None:
        for step, group in groupby(operations, lambda one: _STEPS[type(one)]):
            ready = [one for one in group if self._is_possible(one)]
            step(self, ready)

    def view(self, namespace: str) -> NamespaceView:
        """The open namespace. Raises HostError when there is none of ours."""
        self.touched.add(namespace)
        for view in self.made:
            if view.name == namespace:
                return view
        if namespace in self.kernel.views and namespace not in self.removed:
            return self.kernel.views[namespace]
        raise HostError(f"Namespace {namespace} is gone.", "It is made again with the next plan.")

    def fail(self, operation: Operation, error: HostError | None) -> None:
        self.failures.append(Failure(operation, error))
        self._failed.update(provided_by(operation))

    def _is_possible(self, operation: Operation) -> bool:
        if self._failed and not self._failed.isdisjoint(needed_by(operation)):
            self.fail(operation, None)
            return False
        return True

    def send(self, by_view: Iterable[tuple[Operation, str, Request]], fine: frozenset[int]) -> None:
        """Send requests, one batch per namespace; refusals other than ``fine`` fail their operation."""
        batches: dict[str, list[tuple[Operation, Request]]] = {}
        for operation, namespace, request in by_view:
            batches.setdefault(namespace, []).append((operation, request))
        for namespace, batch in batches.items():
            try:
                answers = self.view(namespace).request([request for _, request in batch])
            except HostError as error:  # its name was taken away in this moment
                for operation, _ in batch:
                    self.fail(operation, error)
                continue
            for (operation, _), refusal in zip(batch, answers, strict=True):
                if refusal and refusal.code not in fine:
                    self.fail(operation, explain(operation, refusal))

    def each(self, operations: Iterable[_O], work: Callable[[_O], object]) -> list[_O]:
        """Do ``work`` for each; returns those for which it went well."""
        done = []
        for operation in operations:
            try:
                work(operation)
            except HostError as error:
                self.fail(operation, error)
            except OSError as error:
                self.fail(operation, explain(operation, Refusal(error.errno or 0, "")))
            else:
                done.append(operation)
        return done

    # --- namespaces ---------------------------------------------------------------------------------------------------

    def add_namespaces(self, operations: Sequence[AddNamespace]) -> None:
        """Make namespaces; the mark and lo are there before the name is."""
        self.each(operations, lambda one: self._add_namespace(one.namespace))

    def _add_namespace(self, namespace: Namespace) -> None:
        if namespace.name in self.kernel.views and namespace.name not in self.removed:
            self._mark_namespace(namespace)
            return
        found = self.kernel.open_view(namespace.name)
        if found is None:
            found = self._make_namespace(namespace)
        self.made.append(found)

    def _make_namespace(self, namespace: Namespace) -> NamespaceView:
        view = None
        try:
            with netns.new_namespace(namespace.name):
                view = NamespaceView(namespace.name)
                mark = rtnetlink.pack_set_link("lo", up=True, alias=namespace.alias)
                view.request([Request(rtnetlink.RTM_SETLINK, rtnetlink.CHANGE, mark)])
            view.read_all()
            self.kernel.learn_nsid(view)
        except FileExistsError:
            raise HostError(
                f"Namespace {namespace.name} exists and is not Patchbay's.",
                f"Rename the instance, or delete the namespace: ip netns del {namespace.name}",
            ) from None
        except OSError:
            if view:
                view.close()
            raise
        return view

    def set_namespaces(self, operations: Sequence[SetNamespace]) -> None:
        """Change marks."""
        self.each(operations, lambda one: self._mark_namespace(one.new))

    def _mark_namespace(self, namespace: Namespace) -> None:
        mark = rtnetlink.pack_set_link("lo", up=True, alias=namespace.alias)
        self.view(namespace.name).request([Request(rtnetlink.RTM_SETLINK, rtnetlink.CHANGE, mark)])

    def del_namespaces(self, operations: Sequence[DelNamespace]) -> None:
        """Take names away; a namespace that is not ours is not touched."""
        self.each(operations, lambda one: self._del_namespace(one.name))

    def _del_namespace(self, name: str) -> None:
        if name in self.kernel.views:
            netns.delete_namespace(name)
            self.removed.append(name)

    # --- links --------------------------------------------------------------------------------------------------------

    def add_links(self, operations: Sequence[AddBridgeLink | AddVeth]) -> None:
        """Make Linux bridges and cables, all in one message batch, then configure them."""
        requests: list[tuple[Operation, str, Request]] = []
        descriptors: dict[str, int] = {}
        try:
            for one in self.each(operations, lambda one: self._open_for(one, descriptors)):
                if isinstance(one, AddBridgeLink):
                    namespace, body = one.link.namespace, rtnetlink.pack_new_bridge(one.link)
                else:
                    a, b = (one.a, one.b) if one.a.namespace == HOST else (one.b, one.a)
                    fd = None if a.namespace == b.namespace else descriptors[b.namespace]
                    namespace, body = a.namespace, rtnetlink.pack_new_veth(a, b, fd)
                requests.append((one, namespace, Request(rtnetlink.RTM_NEWLINK, rtnetlink.CREATE, body)))
            self.send(requests, _EXISTS)
        finally:
            for fd in descriptors.values():
                os.close(fd)
        self._configure([(one, end) for one in operations for end in _ends(one)])

    def _open_for(self, operation: AddBridgeLink | AddVeth, descriptors: dict[str, int]) -> None:
        for end in _ends(operation):
            view = self.view(end.namespace)
            if end.namespace != HOST and end.namespace not in descriptors:
                descriptors[end.namespace] = view.open_namespace()

    def set_links(self, operations: Sequence[SetLink]) -> None:
        """Configure links that are there."""
        self._configure([(one, one.new) for one in operations])

    def _configure(self, links: Sequence[tuple[Operation, Link]]) -> None:
        """Offload and IPv6 first, while a new link is still down; then mark, MTU, MAC, master and up in one message."""
        failed = {id(failure.operation) for failure in self.failures}
        wanted = [(one, link) for one, link in links if id(one) not in failed]
        requests: list[tuple[Operation, str, Request]] = []
        for one, link in wanted:
            try:
                body = self._prepare(link)
            except HostError as error:
                self.fail(one, error)
            except OSError as error:
                self.fail(one, explain(one, Refusal(error.errno or 0, "")))
            else:
                requests.append((one, link.namespace, Request(rtnetlink.RTM_SETLINK, rtnetlink.CHANGE, body)))
        self.send(requests, _NOTHING)

    def _prepare(self, link: Link) -> bytes:
        """Set what netlink cannot; returns the message that sets the rest."""
        view = self.view(link.namespace)
        found = view.read_link(link.name)
        is_foreign = found.alias and not found.alias.startswith(ALIAS_PREFIX)
        if kind_of(found) != link.kind or (is_foreign and not is_of_our_port(link)):
            raise HostError(
                f"Link {link.name} exists and is not Patchbay's.", f"Rename or delete it: ip link del {link.name}"
            )
        if ethtool.read_tx_checksum(view.commands, link.name) not in (None, link.tx_checksum):
            ethtool.write_tx_checksum(view.commands, link.name, is_on=link.tx_checksum)
        if found.ipv6 not in (None, link.ipv6):
            self._write_ipv6(view, link)
        return rtnetlink.pack_set_link(
            link.name,
            up=True,
            # Open vSwitch makes its devices promiscuous, and when a link changes it looks at all of its ports again.
            promiscuous=link.kind == "veth" and link.namespace == HOST and not link.master,
            alias=link.alias,
            mtu=link.mtu if link.mtu != found.mtu else None,
            mac=link.mac if link.mac != found.mac else None,
            master=_choose_master(view, link, found),
        )

    @staticmethod
    def _write_ipv6(view: NamespaceView, link: Link) -> None:
        """In the namespace of the open sockets: its name may mean another one by now."""
        descriptor = view.open_namespace() if link.namespace else None
        try:
            with netns.inside(descriptor) if descriptor is not None else nullcontext():
                netns.write_disable_ipv6(link.name, is_disabled=not link.ipv6)
        finally:
            if descriptor is not None:
                os.close(descriptor)

    def adopt_devices(self, operations: Sequence[AdoptDevice]) -> None:
        """Move devices of internal ports into their namespaces and configure them there."""
        there = self.each(operations, self._adopt)
        self._configure([(one, one.link) for one in there])

    def _adopt(self, operation: AdoptDevice) -> None:
        link, host = operation.link, self.view(HOST)
        if link.namespace != HOST:
            move_device(host, self.view(link.namespace), link)

    def set_sysctls(self, operations: Sequence[SetSysctls]) -> None:
        """Write kernel settings."""
        self.set.update(one.namespace for one in operations)
        self.each(operations, lambda one: write_sysctls(self.view(one.namespace), one))

    def del_links(self, operations: Sequence[DelLink]) -> None:
        """Delete links; a pair goes with its first end."""
        self._send_each(operations, lambda one: _named(one.link), _GONE)

    # --- addresses and routes -----------------------------------------------------------------------------------------

    def add_addresses(self, operations: Sequence[AddAddress]) -> None:
        """Add addresses. The kernel tells of a new IPv6 address some time after it has taken it."""
        self._send_each(operations, partial(self._address, rtnetlink.RTM_NEWADDR, rtnetlink.CREATE), _EXISTS)
        failed = {id(failure.operation) for failure in self.failures}
        for one in operations:
            if id(one) not in failed and (index := self._find_index(one.address.namespace, one.address.link)):
                self.given.append((one.address.namespace, AddressState(index, one.address.address, 0)))

    def del_addresses(self, operations: Sequence[DelAddress]) -> None:
        """Take addresses off; a link that is gone took them with it."""
        present = [one for one in operations if self._find_index(one.address.namespace, one.address.link)]
        self._send_each(present, partial(self._address, rtnetlink.RTM_DELADDR, rtnetlink.CHANGE), _GONE)

    def _address(self, kind: int, flags: int, operation: AddAddress | DelAddress) -> tuple[str, Request]:
        address = operation.address
        index = ethtool.read_index(self.view(address.namespace).commands, address.link)
        return address.namespace, Request(kind, flags, rtnetlink.pack_address(index, address.address))

    def add_routes(self, operations: Sequence[AddRoute]) -> None:
        """Add routes; one with the same destination and metric is replaced."""
        self._send_each(operations, partial(self._route, rtnetlink.RTM_NEWROUTE, rtnetlink.REPLACE), _NOTHING)

    def del_routes(self, operations: Sequence[DelRoute]) -> None:
        """Delete routes; a link that is gone took them with it."""
        present = [
            one for one in operations if not one.route.link or self._find_index(one.route.namespace, one.route.link)
        ]
        self._send_each(present, partial(self._route, rtnetlink.RTM_DELROUTE, rtnetlink.CHANGE), _GONE)

    def _route(self, kind: int, flags: int, operation: AddRoute | DelRoute) -> tuple[str, Request]:
        route = operation.route
        index = ethtool.read_index(self.view(route.namespace).commands, route.link) if route.link else 0
        body = rtnetlink.pack_route(index, route, is_new=kind == rtnetlink.RTM_NEWROUTE)
        return route.namespace, Request(kind, flags, body)

    def _find_index(self, namespace: str, link: str) -> int | None:
        try:
            return ethtool.read_index(self.view(namespace).commands, link)
        except (HostError, OSError):
            return None

    def _send_each(
        self,
        operations: Sequence[_O],
        pack: Callable[[_O], tuple[str, Request]],
        fine: frozenset[int],
    ) -> None:
        requests: list[tuple[Operation, str, Request]] = []
        for one in operations:
            try:
                namespace, request = pack(one)
                self.view(namespace)
            except HostError as error:
                self.fail(one, error)
            except OSError as error:
                self.fail(one, explain(one, Refusal(error.errno or 0, "")))
            else:
                requests.append((one, namespace, request))
        self.send(requests, fine)


def _ends(operation: AddBridgeLink | AddVeth) -> tuple[Link, ...]:
    return (operation.link,) if isinstance(operation, AddBridgeLink) else (operation.a, operation.b)


def _named(link: Link) -> tuple[str, Request]:
    body = rtnetlink.pack_named_link(link.name)
    return link.namespace, Request(rtnetlink.RTM_DELLINK, rtnetlink.CHANGE, body)


def _choose_master(view: NamespaceView, link: Link, found: LinkState) -> int | None:
    """The index to set as master; 0 to leave a Linux bridge; None to leave it (Open vSwitch is a master, too)."""
    if link.master:
        index = ethtool.read_index(view.commands, link.master)
        return index if index != found.master else None
    current = view.links.get(found.master)
    return 0 if current and current.kind == "bridge" else None


_STEPS: dict[type[Operation], Callable[..., None]] = {
    AddNamespace: _Batch.add_namespaces,
    SetNamespace: _Batch.set_namespaces,
    DelNamespace: _Batch.del_namespaces,
    AddVeth: _Batch.add_links,
    AddBridgeLink: _Batch.add_links,
    SetLink: _Batch.set_links,
    AdoptDevice: _Batch.adopt_devices,
    SetSysctls: _Batch.set_sysctls,
    DelLink: _Batch.del_links,
    AddAddress: _Batch.add_addresses,
    DelAddress: _Batch.del_addresses,
    AddRoute: _Batch.add_routes,
    DelRoute: _Batch.del_routes,
}
KERNEL_OPERATIONS = tuple(_STEPS)
"""The kinds of operations that ``apply`` takes."""
