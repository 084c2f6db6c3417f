"""Moving a host's network card, with its addresses and routes, onto a bridge and back (seed 000: ``ifconfig eth0 0``).

Pure: from what the host shows to steps, each with the command that undoes it. An administrator asks for this; the agent
never does it, for the card and the provider bridge are the administrator's.
"""

import msgspec

from patchbay.errors import HostError


class NicState(msgspec.Struct, frozen=True, kw_only=True):
    """A device as ``ip`` and ``ovs-vsctl`` show it.

    ``addresses`` have a prefix length; ``routes`` are the words of ``ip route`` without ``dev``, those of the kernel
    left out. ``bridge`` is the Open vSwitch bridge that it is a port of. ``gateways`` are the next hops among the
    routes. ``tx_checksum``: its checksums are finished by the card.
    """

    name: str
    exists: bool = True
    mac: str = ""
    mtu: int = 1500
    master: str = ""
    bridge: str = ""
    addresses: tuple[str, ...] = ()
    routes: tuple[tuple[str, ...], ...] = ()
    gateways: tuple[str, ...] = ()
    tx_checksum: bool = False


class Step(msgspec.Struct, frozen=True):
    """One command, and the one that takes it back (() when what follows takes it back too)."""

    command: tuple[str, ...]
    undo: tuple[str, ...] = ()


def onto_bridge(nic: NicState, bridge: NicState, datapath_type: str) -> list[Step]:
    """The steps that make ``nic`` a port of ``bridge`` and give the bridge's own device its addresses and routes.

    Raises HostError when the card is not there, is a port of another bridge, or the bridge's name is somebody else's.
    """
    _check_card(nic)
    if nic.bridge not in ("", bridge.name) or (nic.master and not nic.bridge):
        owner = nic.bridge or nic.master
        raise HostError(
            f"{nic.name} is a port of {owner} already.", f"Take it out first: ovs-vsctl del-port {owner} {nic.name}"
        )
    if bridge.exists and bridge.bridge != bridge.name:
        raise HostError(f"{bridge.name} is a device that is no Open vSwitch bridge.", "Name another bridge.")
    steps = []
    if not bridge.exists:
        add = ("ovs-vsctl", "add-br", bridge.name)
        chosen = ("--", "set", "bridge", bridge.name, f"datapath_type={datapath_type}")
        steps.append(Step((*add, *chosen), ("ovs-vsctl", "del-br", bridge.name)))
    if nic.mac:
        hwaddr = ("ovs-vsctl", "set", "bridge", bridge.name, f'other-config:hwaddr="{nic.mac}"')
        steps.append(Step(hwaddr, ("ovs-vsctl", "remove", "bridge", bridge.name, "other-config", "hwaddr")))
    if datapath_type == "netdev":
        steps += [_no_offload(nic), _no_offload(bridge)]
    if nic.mtu != 1500:
        steps.append(Step(("ovs-vsctl", "set", "interface", bridge.name, f"mtu_request={nic.mtu}")))
    steps.append(Step(("ip", "link", "set", bridge.name, "up")))
    if not nic.bridge:
        plug = ("ovs-vsctl", "add-port", bridge.name, nic.name)
        steps.append(Step(plug, ("ovs-vsctl", "--if-exists", "del-port", bridge.name, nic.name)))
    return [*steps, *_readdress(nic, bridge.name)]


def off_bridge(bridge: NicState, nic: NicState) -> list[Step]:
    """The steps back: the card has the addresses and routes again and is a port of no bridge.

    Raises HostError when the card is not a port of the bridge.
    """
    _check_card(nic)
    if nic.bridge != bridge.name:
        raise HostError(f"{nic.name} is not a port of {bridge.name}.", f"Its ports: ovs-vsctl list-ports {bridge.name}")
    unplug = ("ovs-vsctl", "del-port", bridge.name, nic.name)
    plug = ("ovs-vsctl", "--may-exist", "add-port", bridge.name, nic.name)
    return [Step(unplug, plug), *_readdress(bridge, nic.name)]


def _check_card(nic: NicState) -> None:
    if not nic.exists:
        raise HostError(f"There is no network card {nic.name} on this host.", "See: ip link")
    if nic.name == "lo":
        raise HostError("lo is the loopback: it stays where it is.", "Name a network card.")


def _no_offload(device: NicState) -> Step:
    """The userspace datapath does not finish checksums that a device left open: TCP would stall."""
    command = ("ethtool", "-K", device.name, "tx")
    return Step((*command, "off"), (*command, "on") if device.tx_checksum else ())


def _readdress(old: NicState, new: str) -> list[Step]:
    """Routes and addresses from one device to another; those of the old one go first, or the kernel has both."""
    steps = []
    for route in old.routes:
        steps.append(Step((*_route("del", route), "dev", old.name), (*_route("replace", route), "dev", old.name)))
    for address in old.addresses:
        nodad = ("nodad",) if ":" in address else ()
        add, remove = ("ip", "addr", "replace", address, "dev"), ("ip", "addr", "del", address, "dev")
        steps.append(Step((*remove, old.name), (*add, old.name, *nodad)))
        steps.append(Step((*add, new, *nodad), (*remove, new)))
    return [*steps, *(Step((*_route("replace", route), "dev", new)) for route in old.routes)]


def _route(verb: str, route: tuple[str, ...]) -> tuple[str, ...]:
    family = ("-6",) if any(":" in word for word in route) else ()
    return ("ip", *family, "route", verb, *route)


def undoing(done: list[Step]) -> list[tuple[str, ...]]:
    """The commands that take back what was done, in the order that works: in reverse, routes after their addresses."""
    reverse = [step.undo for step in reversed(done) if step.undo]
    routes = [command for command in reverse if "route" in command]
    return [command for command in reverse if command not in routes] + routes[::-1]
