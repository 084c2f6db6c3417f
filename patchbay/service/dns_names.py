"""Names of ports (Neutron's dns-integration): which name and domain each address has."""

import re
from collections.abc import Iterator

import msgspec

from patchbay.model import Port
from patchbay.service.service import Service

DEFAULT_DOMAIN = "openstacklocal."
"""The domain of networks and ports that name none, as in seed 001."""

MAX_NAME = 255
_LABEL = re.compile(r"[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?", re.IGNORECASE)


class AssignedName(msgspec.Struct, frozen=True):
    """One address of a port, its host name and its whole name with a dot at the end."""

    ip_address: str
    hostname: str
    fqdn: str


def is_label(text: str) -> bool:
    """Whether the text may stand between two dots of a name (RFC 1123, 2.1)."""
    return _LABEL.fullmatch(text) is not None


def domain_of(service: Service, port: Port) -> str:
    """The port's own domain, else its network's, else the default."""
    network = service.db.networks.get(port.network_id)
    return port.dns_domain or (network.dns_domain if network is not None else "") or DEFAULT_DOMAIN


def assigned_names(port: Port, domain: str) -> Iterator[AssignedName]:
    """What Neutron shows as ``dns_assignment``; an address without a name is ``host-10-0-0-3``."""
    for fixed_ip in port.fixed_ips:
        hostname = port.dns_name or "host-" + fixed_ip.ip_address.replace(".", "-").replace(":", "-")
        yield AssignedName(fixed_ip.ip_address, hostname, f"{hostname}.{domain}")
