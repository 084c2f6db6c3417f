"""The share of ``diff`` that concerns devices of internal ports, and the kernel settings of namespaces.

Open vSwitch makes such a device with its port and removes it with its port. What goes wrong between the two, and the
remedy:

- ovs-vswitchd was started anew with the userspace datapath: the device in the namespace is dead, a new one waits in the
  host's namespace. The dead one is deleted, the new one adopted.
- The device was deleted (with its namespace, or by hand): ovs-vswitchd makes no other, and meanwhile the userspace
  datapath reads from what is no more as fast as it can. The port is unplugged and plugged again.
"""

from collections import defaultdict
from collections.abc import Iterable, Set
from typing import TypeVar

from patchbay.hoststate import Address, BridgePort, HostState, Key, Link, Resource, Route, Sysctl
from patchbay.plan.device_operations import AdoptDevice, SetSysctls, device_of
from patchbay.plan.observed import Observed

INTERNAL = "internal"
_Have = TypeVar("_Have")


def is_internal(resource: object) -> bool:
    """Whether this is the device of an internal port."""
    return isinstance(resource, Link) and resource.kind == INTERNAL


def find_broken(observed: Observed, desired: HostState, keys: Iterable[Key], lost: Set[Key]) -> Iterable[Key]:
    """Dead devices, and ports that lost their device: what must go so that its successor can be adopted."""
    for key in keys:
        want = desired.get(key)
        if not isinstance(want, Link) or want.kind != INTERNAL:
            continue
        waiting = ("link", "", want.name)
        is_waiting = key != waiting and waiting not in lost and is_internal(observed.get(waiting))
        is_there = key not in lost and is_internal(observed.get(key))
        port = ("bridge-port", want.name)
        if is_there and is_waiting:
            yield key
        elif not is_there and not is_waiting and port not in lost and _is_plugged(observed, desired, port):
            yield port


def _is_plugged(observed: Observed, desired: HostState, port: Key) -> bool:
    have, want = observed.get(port), desired.get(port)
    return isinstance(have, BridgePort) and have.type == INTERNAL and have.owner != "" and isinstance(want, BridgePort)


def goes_with_port(link: Link, observed: Observed, desired: HostState) -> bool:
    """Whether this device vanishes by itself, since its port is unplugged."""
    port = ("bridge-port", link.name)
    return link.kind == INTERNAL and port not in desired and observed.get(port) is not None


def routes_by_gateway(observed: Observed, lost: Iterable[Key]) -> set[Key]:
    """Routes that name no link and may have led through one of the lost links."""
    return observed.dependents(*{("routes-by-gateway", key[1]) for key in lost if key[0] == "link" and key[1]})


def adopt(changes: Iterable[tuple[object, Resource]]) -> Iterable[AdoptDevice]:
    """Devices that are not in their namespace yet."""
    yield from (AdoptDevice(want) for have, want in changes if isinstance(want, Link) and _is_to_adopt(have, want))


def _is_to_adopt(have: object, want: Link) -> bool:
    return want.kind == INTERNAL and not isinstance(have, Link)


def without_adopted(changes: Iterable[tuple[_Have, Resource]]) -> list[tuple[_Have, Resource]]:
    """Links that are made, or changed where they are."""
    return [(have, want) for have, want in changes if not (isinstance(want, Link) and _is_to_adopt(have, want))]


def is_late(item: Address | Route, desired: HostState, observed: Observed) -> bool:
    """Whether an address or route needs a device that is adopted, or may lead through one."""
    if not item.link:
        return True
    key = ("link", item.namespace, item.link)
    return is_internal(desired.get(key) or observed.get(key))


def set_sysctls(changes: Iterable[Resource], *, of_devices: bool) -> Iterable[SetSysctls]:
    """One operation a namespace, or one a device: a device that is missing must not keep those of others back."""
    by_place: dict[tuple[str, str], list[Sysctl]] = defaultdict(list)
    for want in changes:
        if isinstance(want, Sysctl) and bool(device := device_of(want.name)) == of_devices:
            by_place[want.namespace, device].append(want)
    for (namespace, _), sysctls in by_place.items():
        yield SetSysctls(namespace, tuple(sysctls))


def in_desired_order(addresses: list[Address], desired: HostState) -> list[Address]:
    """As ``desired`` has them where it matters: the first IPv4 address of a link is the source of what it sends."""
    places = [(item.namespace, item.link) for item in addresses if ":" not in item.address]
    if len(set(places)) == len(places):
        return addresses
    keys = {item.key for item in addresses}
    order = {key: number for number, key in enumerate(key for key in desired if key in keys)}
    return sorted(addresses, key=lambda item: order.get(item.key, 0))
