"""Operations: the smallest changes of a host, as data.

``plan.diff`` makes them, ``host/`` applies them over sockets that stay open, and each can say itself twice: as the
shell lines that a person would type (``command``, in the style of the seeds) and as one sentence (``sentence``).
Nothing here does anything.
"""

import msgspec

from patchbay.hoststate import Address, Borrowed, Bridge, BridgePort, Flow, Link, Namespace, PortTag, Route
from patchbay.hoststate.flow import LEARN_COOKIE
from patchbay.plan import shell, shell_borrowed


class Operation(msgspec.Struct, frozen=True, tag=True):
    """One change of the host."""

    def command(self) -> list[str]:
        """Shell lines that make this change."""
        raise NotImplementedError

    def sentence(self) -> str:
        """What this change means, for a person."""
        raise NotImplementedError


class AddBridge(Operation, frozen=True):
    """Create an Open vSwitch bridge with its fail mode and our mark."""

    bridge: Bridge

    def command(self) -> list[str]:
        return shell.add_bridge(self.bridge)

    def sentence(self) -> str:
        return f"Add bridge {self.bridge.name} ({self.bridge.fail_mode})."


class SetBridge(Operation, frozen=True):
    """Change columns of a bridge that is there (and mark it as ours)."""

    old: Bridge
    new: Bridge

    def command(self) -> list[str]:
        return shell.set_bridge(self.old, self.new)

    def sentence(self) -> str:
        return f"Change bridge {self.new.name}: {shell.changes(self.old, self.new)}."


class DelBridge(Operation, frozen=True):
    """Delete a bridge that is ours."""

    name: str

    def command(self) -> list[str]:
        return [f"ovs-vsctl del-br {self.name}"]

    def sentence(self) -> str:
        return f"Delete bridge {self.name}."


class AddPort(Operation, frozen=True):
    """Plug a port with its interface into a bridge, its tag set in the same transaction."""

    port: BridgePort

    def command(self) -> list[str]:
        return shell.add_port(self.port)

    def sentence(self) -> str:
        tag = "" if self.port.tag is None else f" in local VLAN {self.port.tag}"
        return f"Plug {self.port.name} into {self.port.bridge}{tag}."


class SetPort(Operation, frozen=True):
    """Change columns of a port of ours; its bridge and type stay."""

    old: BridgePort
    new: BridgePort

    def command(self) -> list[str]:
        return shell.set_port(self.old, self.new)

    def sentence(self) -> str:
        return f"Change port {self.new.name}: {shell.changes(self.old, self.new)}."


class DelPort(Operation, frozen=True):
    """Unplug a port of ours."""

    name: str
    bridge: str

    def command(self) -> list[str]:
        return [f"ovs-vsctl del-port {self.bridge} {self.name}"]

    def sentence(self) -> str:
        return f"Unplug {self.name} from {self.bridge}."


class SetPortTag(Operation, frozen=True):
    """Set the tag and the given other_config keys of a port that somebody else plugged. ``old``: ours before."""

    tag: PortTag
    old: PortTag | None = None

    def command(self) -> list[str]:
        return shell.set_port_tag(self.old, self.tag)

    def sentence(self) -> str:
        return f"Put {self.tag.name} into local VLAN {self.tag.tag}."


class ClearPortTag(Operation, frozen=True):
    """Take our tag and other_config keys off a port that somebody else plugged."""

    tag: PortTag

    def command(self) -> list[str]:
        return shell.clear_port_tag(self.tag)

    def sentence(self) -> str:
        return f"Take {self.tag.name} out of local VLAN {self.tag.tag}."


class Borrow(Operation, frozen=True):
    """Set columns of somebody else's bridge or port, and note there what they held. ``old``: ours before."""

    new: Borrowed
    old: Borrowed | None = None

    def command(self) -> list[str]:
        return shell_borrowed.borrow(self.old, self.new)

    def sentence(self) -> str:
        return f"Borrow {self.new.table.lower()} {self.new.name}: {shell_borrowed.say(self.new.columns)}."


class GiveBack(Operation, frozen=True):
    """Set borrowed columns to what they held before."""

    old: Borrowed

    def command(self) -> list[str]:
        return shell_borrowed.give_back(self.old)

    def sentence(self) -> str:
        return f"Give back {self.old.table.lower()} {self.old.name}: {shell_borrowed.say(self.old.before)}."


class AddFlows(Operation, frozen=True):
    """Add flows to a bridge; one with the same table, priority and match is replaced in place."""

    bridge: str
    flows: tuple[Flow, ...]

    def command(self) -> list[str]:
        return shell.add_flows(self.bridge, self.flows)

    def sentence(self) -> str:
        return f"Add {count(len(self.flows), 'flow')} to {self.bridge}."


class DelFlows(Operation, frozen=True):
    """Delete exactly these flows: table, priority and match (strict), and cookie, so that no foreign flow goes."""

    bridge: str
    flows: tuple[Flow, ...]

    def command(self) -> list[str]:
        return shell.del_flows(self.bridge, self.flows)

    def sentence(self) -> str:
        return f"Delete {count(len(self.flows), 'flow')} from {self.bridge}."


class DelFlowsByCookie(Operation, frozen=True):
    """Delete flows of ours of which only table and cookie are known (a restarted agent finds them so)."""

    bridge: str
    flows: tuple[tuple[int, int], ...]
    """(table, cookie) of each."""

    def command(self) -> list[str]:
        return [
            f"ovs-ofctl del-flows {self.bridge} 'cookie={cookie:#x}/-1,table={table}'" for table, cookie in self.flows
        ]

    def sentence(self) -> str:
        return f"Delete {count(len(self.flows), 'leftover flow')} from {self.bridge}."


class FlushLearned(Operation, frozen=True):
    """Delete the flows that learn() made for a local VLAN which now means another network, or none; None: for all."""

    bridge: str
    local_vlan: int | None
    table: int = 20

    def command(self) -> list[str]:
        vlan = "" if self.local_vlan is None else f",vlan_tci={self.local_vlan:#06x}/0x0fff"
        return [f"ovs-ofctl del-flows {self.bridge} 'cookie={LEARN_COOKIE:#x}/-1,table={self.table}{vlan}'"]

    def sentence(self) -> str:
        which = "" if self.local_vlan is None else f" for local VLAN {self.local_vlan}"
        return f"Forget what {self.bridge} learned{which}."


class AddNamespace(Operation, frozen=True):
    """Create a network namespace with lo up and our mark on it."""

    namespace: Namespace

    def command(self) -> list[str]:
        return shell.add_namespace(self.namespace)

    def sentence(self) -> str:
        return f"Add namespace {self.namespace.name}."


class SetNamespace(Operation, frozen=True):
    """Change the mark of a namespace of ours (it belongs to another instance of the same name now)."""

    old: Namespace
    new: Namespace

    def command(self) -> list[str]:
        return [shell.inside(self.new.name, f"ip link set dev lo alias {self.new.alias}")]

    def sentence(self) -> str:
        return f"Namespace {self.new.name} now belongs to {self.new.alias}."


class DelNamespace(Operation, frozen=True):
    """Delete a network namespace of ours, and with it every device inside."""

    name: str

    def command(self) -> list[str]:
        return [f"ip netns del {shell.quote(self.name)}"]

    def sentence(self) -> str:
        return f"Delete namespace {self.name}."


class AddVeth(Operation, frozen=True):
    """Create both ends of a veth pair, each where it belongs, configured and up."""

    a: Link
    b: Link

    def command(self) -> list[str]:
        return shell.add_veth(self.a, self.b)

    def sentence(self) -> str:
        return f"Add a cable between {shell.place(self.a)} and {shell.place(self.b)}."


class AddBridgeLink(Operation, frozen=True):
    """Create a Linux bridge, up."""

    link: Link

    def command(self) -> list[str]:
        return shell.add_bridge_link(self.link)

    def sentence(self) -> str:
        return f"Add Linux bridge {shell.place(self.link)}."


class SetLink(Operation, frozen=True):
    """Change attributes of a link of ours: master, MAC, MTU, IPv6, checksum offload, mark."""

    old: Link
    new: Link

    def command(self) -> list[str]:
        return shell.set_link(self.old, self.new)

    def sentence(self) -> str:
        return f"Change {shell.place(self.new)}: {shell.changes(self.old, self.new)}."


class DelLink(Operation, frozen=True):
    """Delete a link of ours; a veth goes with its peer."""

    link: Link

    def command(self) -> list[str]:
        return [shell.inside(self.link.namespace, f"ip link del dev {self.link.name}")]

    def sentence(self) -> str:
        return f"Delete {shell.place(self.link)}."


class AddAddress(Operation, frozen=True):
    """Add an address to a link. IPv6 without duplicate address detection: the intent database knows it is unique.

    ``again``: it may still be there (another address of its subnet has just been deleted); then it stays.
    """

    address: Address
    again: bool = False

    def command(self) -> list[str]:
        nodad = " nodad" if ":" in self.address.address else ""
        verb = "replace" if self.again else "add"
        line = f"ip addr {verb} {self.address.address} dev {self.address.link}{nodad}"
        return [shell.inside(self.address.namespace, line)]

    def sentence(self) -> str:
        return f"Add address {self.address.address} to {self.address.link} of {self.address.namespace or 'the host'}."


class DelAddress(Operation, frozen=True):
    """Take an address off a link."""

    address: Address

    def command(self) -> list[str]:
        line = f"ip addr del {self.address.address} dev {self.address.link}"
        return [shell.inside(self.address.namespace, line)]

    def sentence(self) -> str:
        return (
            f"Delete address {self.address.address} of {self.address.link} of {self.address.namespace or 'the host'}."
        )


class AddRoute(Operation, frozen=True):
    """Add a route, or replace the one with the same destination and metric."""

    route: Route

    def command(self) -> list[str]:
        return [shell.route("replace", self.route)]

    def sentence(self) -> str:
        via = f"via {self.route.gateway}" if self.route.gateway else f"on {self.route.link}"
        return f"Route {self.route.destination} {via} in {self.route.namespace or 'the host'}."


class DelRoute(Operation, frozen=True):
    """Delete a route."""

    route: Route

    def command(self) -> list[str]:
        return [shell.route("del", self.route)]

    def sentence(self) -> str:
        return f"Delete the route to {self.route.destination} in {self.route.namespace or 'the host'}."


def count(number: int, noun: str) -> str:
    """``1 flow``, ``13 flows``."""
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"
