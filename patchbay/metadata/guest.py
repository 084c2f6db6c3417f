"""Who asks: an instance, or a port of something else (a virtual machine of Nova or libvirt), and what is told of it.

Pure. ``lookup`` makes a ``Guest`` for a port; the modules of the two trees read it.
"""

import re
from collections.abc import Iterable, Mapping

import msgspec

from patchbay.model import FloatingIP, Instance, Network, Port, Subnet

DEFAULT_DOMAIN = "openstacklocal"
DEFAULT_ZONE = "nova"
COMPUTE = "compute:"
LABEL_MAX = 63


class PublicKey(msgspec.Struct, frozen=True):
    """An OpenSSH line and the name that it is shown under."""

    name: str
    line: str


class Interface(msgspec.Struct, frozen=True):
    """A port of the guest, its network, the subnets of its addresses, and its floating IPs (addresses)."""

    port: Port
    network: Network
    subnets: Mapping[str, Subnet]
    floating_addresses: tuple[str, ...] = ()


class Guest(msgspec.Struct, frozen=True, kw_only=True):
    """What the service tells. ``hostname`` is complete with its domain; ``interfaces`` are in the guest's own order."""

    id: str
    name: str
    hostname: str
    project_id: str
    zone: str = DEFAULT_ZONE
    kind: str = "namespace"
    public_keys: tuple[PublicKey, ...] = ()
    user_data: str = ""
    metadata: Mapping[str, str] = {}
    interfaces: tuple[Interface, ...] = ()

    @property
    def local_ipv4(self) -> str:
        """The first IPv4 address; "" if there is none."""
        addresses = (ip.ip_address for each in self.interfaces for ip in each.port.fixed_ips)
        return next((address for address in addresses if ":" not in address), "")

    @property
    def public_ipv4(self) -> str:
        """The first floating IP; "" if there is none."""
        return next((address for each in self.interfaces for address in each.floating_addresses), "")


def is_owner(instance: Instance, port: Port) -> bool:
    """Whether the port is the instance's: an interface of it, or its ``device_id`` says so within one project.

    Any project may write any id into ``device_id`` of its ports; that must not show it somebody else's secrets.
    """
    return port.id in instance.interfaces.values() or (
        port.device_id == instance.id and port.project_id == instance.project_id
    )


def guest_of_instance(instance: Instance, interfaces: Iterable[Interface]) -> Guest:
    """The guest that an instance is. Its interfaces come in the order of its devices' names."""
    devices = {port_id: device for device, port_id in instance.interfaces.items()}
    ordered = sorted(interfaces, key=lambda each: (_natural(devices.get(each.port.id, "~")), each.port.id))
    name = instance.name or instance.id
    return Guest(
        id=instance.id,
        name=name,
        hostname=full_name(label(name) or _address_label(ordered), ordered),
        project_id=instance.project_id,
        public_keys=named_keys(instance.public_keys),
        user_data=instance.user_data,
        metadata=instance.metadata,
        zone=_zone(ordered),
        interfaces=tuple(ordered),
    )


def guest_of_port(port: Port, interfaces: Iterable[Interface]) -> Guest:
    """The guest behind a port that is no instance of Patchbay's: what its ports say of it.

    Its id is the port's ``device_id`` if it has one, else the port's own; its name is the port's DNS name, else the
    port's name, else made from its address as the name server does.
    """
    ordered = sorted(interfaces, key=lambda each: (each.port.created_at, each.port.id))
    ordered.sort(key=lambda each: each.port.id != port.id)
    name = label(port.dns_name) or label(port.name) or _address_label(ordered)
    return Guest(
        id=port.device_id or port.id,
        name=name,
        hostname=full_name(name, ordered),
        project_id=port.project_id,
        kind="machine",
        zone=_zone(ordered),
        interfaces=tuple(ordered),
    )


def floating_addresses(port_id: str, floatingips: Iterable[FloatingIP]) -> tuple[str, ...]:
    """Addresses of the floating IPs that lead to a port."""
    found = (each for each in floatingips if each.port_id == port_id)
    return tuple(each.floating_ip_address for each in sorted(found, key=lambda each: (each.created_at, each.id)))


def named_keys(lines: Iterable[str]) -> tuple[PublicKey, ...]:
    """Keys under the names that their comments give, else key0, key1 …; no name stands for two."""
    keys: dict[str, PublicKey] = {}
    for number, line in enumerate(each.strip() for each in lines):
        words = line.split(None, 2)
        name = re.sub(r"[\s/=]+", "-", words[2].strip()) if len(words) > 2 else ""
        if not name or name in keys:
            name = f"{name}-{number}" if name else f"key{number}"
        keys[name] = PublicKey(name, line)
    return tuple(keys.values())


def label(name: str) -> str:
    """A name as one DNS label (RFC 1123); "" if nothing of it can stand there."""
    first = name.lower().partition(".")[0]
    return re.sub(r"[^a-z0-9-]+", "-", first).strip("-")[:LABEL_MAX].rstrip("-")


def full_name(name: str, interfaces: Iterable[Interface]) -> str:
    """A host name with the domain of its first network."""
    domains = (each.port.dns_domain or each.network.dns_domain for each in interfaces)
    return f"{name}.{next(domains, '').strip('.') or DEFAULT_DOMAIN}"


def _address_label(interfaces: Iterable[Interface]) -> str:
    """``host-10-0-0-5``."""
    addresses = (ip.ip_address for each in interfaces for ip in each.port.fixed_ips)
    return "host-" + re.sub(r"[.:]+", "-", next(addresses, "unknown")).strip("-")


def _zone(interfaces: Iterable[Interface]) -> str:
    """Nova writes its availability zone behind ``compute:``."""
    owners = (each.port.device_owner for each in interfaces if each.port.device_owner.startswith(COMPUTE))
    return next(owners, "").removeprefix(COMPUTE) or DEFAULT_ZONE


def _natural(device: str) -> tuple[str, int]:
    """Sorts eth2 before eth10."""
    stem = device.rstrip("0123456789")
    return stem, int(device[len(stem) :] or 0)
