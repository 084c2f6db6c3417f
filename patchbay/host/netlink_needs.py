"""What operations on the kernel need of each other: one that fails stops only those that depend on it.

Used by ``patchbay.host.netlink_apply``.
"""

from patchbay.hoststate import Key, Link
from patchbay.plan.device_operations import AdoptDevice, SetSysctls, device_of
from patchbay.plan.operations import AddAddress, AddBridgeLink, AddNamespace, AddRoute, AddVeth, Operation, SetLink


def provided_by(operation: Operation) -> tuple[Key, ...]:
    """Keys of what an operation provides for others."""
    match operation:
        case AddNamespace(namespace):
            return (namespace.key,)
        case AddVeth(a, b):
            return (a.key, b.key)
        case AddBridgeLink(link) | AdoptDevice(link):
            return (link.key,)
        case _:
            return ()


def needed_by(operation: Operation) -> tuple[Key, ...]:
    """Keys of what must be there before an operation."""
    match operation:
        case AddVeth(a, b):
            return tuple(key for end in (a, b) for key in _needs_of_link(end))
        case AddBridgeLink(link) | SetLink(_, link) | AdoptDevice(link):
            return _needs_of_link(link)
        case AddAddress(address):
            return (("link", address.namespace, address.link),)
        case AddRoute(route):
            return ("netns", route.namespace), ("link", route.namespace, route.link)
        case SetSysctls(namespace, sysctls):
            devices = {device_of(one.name) for one in sysctls} - {""}
            return ("netns", namespace), *(("link", namespace, device) for device in devices)
        case _:
            return ()


def _needs_of_link(link: Link) -> tuple[Key, ...]:
    return ("netns", link.namespace), ("link", link.namespace, link.master)
