"""Guests: ports on a network of another project, which its DHCP server and its names serve along with the owner's.

What is leased and resolved there is by the ports' own words. A guest must not say with them whose lease it takes
(``client-id``: dnsmasq knows a client by it before its MAC), nor whose name it has. Neutron leaves both to anybody.
"""

from collections.abc import Mapping
from typing import Any

from patchbay.model import Port
from patchbay.service.context import RequestContext
from patchbay.service.policy_errors import DnsNameInUse, PolicyNotAuthorized
from patchbay.service.service import Service

CLIENT_ID = ("client-id", "61")
"""Names of the DHCP option by which a client calls itself."""


def is_guest(service: Service, context: RequestContext, network_id: str) -> bool:
    """Whether the network is another project's, and the caller no administrator."""
    return not context.is_admin and service.db.networks[network_id].project_id != context.project_id


def check_guest(service: Service, context: RequestContext, old: Port | None, new: Port) -> None:
    """What the owner of the network alone may say, and what is taken already, a guest may not.

    Raises PolicyNotAuthorized for a domain, a name of several labels and a client's id; DnsNameInUse.
    """
    if not is_guest(service, context, new.network_id):
        return
    before = _said(old)
    said = {name: value for name, value in _said(new).items() if value and value != before[name]}
    action = "create_port" if old is None else "update_port"
    for name in ("dns_domain", "extra_dhcp_opts"):
        if name in said:
            raise PolicyNotAuthorized(f"(rule:{action} and rule:{action}:{name})")
    if "." in said.get("dns_name", ""):
        raise PolicyNotAuthorized(f"(rule:{action} and rule:{action}:dns_name)")
    if "dns_name" in said and is_name_taken(service, new, new.dns_name):
        raise DnsNameInUse(new.dns_name, new.network_id)


def _said(port: Port | None) -> Mapping[str, Any]:
    if port is None:
        return {"dns_name": "", "dns_domain": "", "extra_dhcp_opts": ()}
    ids = tuple(option for option in port.extra_dhcp_opts if option.name in CLIENT_ID)
    return {"dns_name": port.dns_name, "dns_domain": port.dns_domain, "extra_dhcp_opts": ids}


def is_name_taken(service: Service, port: Port, name: str) -> bool:
    """Whether a port of another project has the name on this port's network."""
    others = (service.db.ports[one] for one in service.db.ports_by_dns_name.get(name, ()))
    return any(other.network_id == port.network_id and other.project_id != port.project_id for other in others)
