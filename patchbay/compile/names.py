"""Every name that Patchbay gives to something on a host. Nothing else makes one.

The names are Neutron's and Nova's, so who knows those finds everything at once (``neutron-lib`` constants,
``neutron/plugins/common/utils.py`` for shortened names, ``os-vif`` for devices).
"""

import hashlib
import ipaddress
import re
import uuid

from patchbay.hoststate.limits import FIRST_METER
from patchbay.hoststate.netns import ALIAS_PREFIX
from patchbay.model import Instance

BR_INT, BR_TUN = "br-int", "br-tun"
PATCH_TUN, PATCH_INT = "patch-tun", "patch-int"
"""The port of br-int that leads to br-tun, and the port of br-tun that leads to br-int (seed 002)."""
PATCH_SECURED, PATCH_SWITCH = "patch-secured", "patch-switch"
"""Both in br-int: behind the first, ordinary switching finds all ports with port security; by the second they reach
ordinary switching (``port_security``)."""

ROUTER_MACS = "0a:00:00:00:00:00/ff:00:00:00:00:00"
"""What matches every ``router_mac``."""

DEVICE_NAME_MAX = 15
"""IFNAMSIZ without its terminating zero."""

PORT_NAME = re.compile(r"(?!\d+$)[A-Za-z0-9_][A-Za-z0-9_.-]*")
"""A port name that can stand in the text of a flow without quotes."""

NAMESPACE_NAME = re.compile(r"(?!qrouter-|qdhcp-)[A-Za-z0-9_][A-Za-z0-9_.-]{0,199}")
DEVICE_NAME = re.compile(r"(?!lo$|all$|default$)[A-Za-z0-9_][A-Za-z0-9_.-]{0,14}")


def device(prefix: str, port_id: str) -> str:
    """``tap``, ``qvo``, ``qvb``, ``qbr``, ``qr-``, ``qg-`` or ``fg-`` and the first 11 characters of the port's id."""
    return prefix + port_id[:11]


def tunnel_port(remote_ip: str) -> str | None:
    """``vxlan-ac150ca3`` for 172.21.12.163; for IPv6 eight digits of a hash. None if it is not an address."""
    try:
        address = ipaddress.ip_address(remote_ip)
    except ValueError:
        return None
    if address.version == 4:
        return f"vxlan-{int(address):08x}"
    return f"vxlan-{hashlib.sha256(address.packed).hexdigest()[:8]}"


def integration_patch(bridge: str) -> str:
    """``int-br-ex``: the port of br-int that leads to a provider bridge."""
    return _shortened("int-", bridge)


def provider_patch(bridge: str) -> str:
    """``phy-br-ex``: the port of a provider bridge that leads to br-int."""
    return _shortened("phy-", bridge)


def dhcp_namespace(network_id: str) -> str:
    """``qdhcp-<network id>``: where dnsmasq of a network runs."""
    return f"qdhcp-{network_id}"


def router_namespace(router_id: str) -> str:
    """``qrouter-<router id>``."""
    return f"qrouter-{router_id}"


def router_mac(host: str, port_id: str) -> str:
    """The MAC of a distributed router's device for this interface on this host.

    All hosts answer for the MAC of the interface itself; this one tells them apart (as Neutron's ``dvr_host_macs``
    do). Locally administered, 40 bits of a hash.
    """
    digest = hashlib.blake2b(f"{host}/{port_id}".encode(), digest_size=5).digest()
    return ":".join(f"{byte:02x}" for byte in (0x0A, *digest))


def router_number(router_id: str) -> int:
    """The router in ``metadata`` of a flow: the first 64 bits of its id, or of a hash of one that is no UUID."""
    try:
        return uuid.UUID(router_id).int >> 64
    except ValueError:
        return int.from_bytes(hashlib.blake2b(router_id.encode(), digest_size=8).digest(), "big")


def rule_set_number(key: str) -> int:
    """The rule set of ports with these groups, in ``metadata`` of a flow: 64 bits of a hash."""
    return int.from_bytes(hashlib.blake2b(f"rules/{key}".encode(), digest_size=8).digest(), "big")


def port_number(port_id: str) -> int:
    """The port in reg14 and reg15 of a flow: as ``router_number``."""
    return router_number(port_id)


def meter_number(port_id: str, direction: str) -> int:
    """The meter of what a port sends (``egress``) or is sent: 29 bits of a hash and one that says which."""
    digest = hashlib.blake2b(port_id.encode(), digest_size=4).digest()
    return FIRST_METER + 2 * (int.from_bytes(digest, "big") >> 3) + (direction != "egress")


def _shortened(prefix: str, name: str) -> str:
    """Names too long for a device end in six digits of their SHA-1, as in Neutron."""
    if len(prefix) + len(name) <= DEVICE_NAME_MAX:
        return prefix + name
    digest = hashlib.sha1(name.encode(), usedforsecurity=False).hexdigest()[:6]
    return prefix + name[: DEVICE_NAME_MAX - len(prefix) - len(digest)] + digest


def namespace(instance: Instance) -> str:
    """The instance's name if it can name a namespace, and none that a service may need, else its id."""
    return instance.name if NAMESPACE_NAME.fullmatch(instance.name) else instance.id


def alias(owner_id: str) -> str:
    """Our mark on a kernel link: ``patchbay:<what it belongs to>``."""
    return ALIAS_PREFIX + owner_id
