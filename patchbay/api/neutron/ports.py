"""/v2.0/ports: attributes as in the API reference, "Ports", with binding and allowed-address-pairs."""

from collections.abc import Iterable, Sequence
from ipaddress import ip_address, ip_network

import msgspec

from patchbay.api.errors import HTTPBadRequest
from patchbay.api.neutron import checks, dhcp_options, names, security_checks
from patchbay.api.neutron.attributes import (
    LIST,
    READ_ONLY,
    STANDARD,
    Attribute,
    Attributes,
    Body,
    spec_fields,
    writable,
)
from patchbay.api.neutron.query import fixed_ip_filter
from patchbay.api.neutron.resource import Collection, Filters, View, narrowed
from patchbay.model import Port
from patchbay.service.access import is_visible
from patchbay.service.context import RequestContext
from patchbay.service.dns_names import assigned_names, domain_of
from patchbay.service.errors import AllowedAddressPairsMissingIP
from patchbay.service.ports import create_ports, delete_port, get_port, update_port
from patchbay.service.service import Service
from patchbay.service.specs import PortSpec
from patchbay.service.status import OVS, is_hybrid, port_status, vif_type
from patchbay.service.targets import owns_network

VNIC_TYPES = (
    "normal",
    "direct",
    "macvtap",
    "baremetal",
    "direct-physical",
    "virtio-forwarder",
    "smart-nic",
    "vdpa",
    "accelerator-direct",
    "accelerator-direct-physical",
    "remote-managed",
)


MAX_FIXED_IPS = 100
"""Addresses that a request may name for one port: each is a row, and flows on hosts (Neutron has no bound)."""


def fixed_ips(value: object) -> str | None:
    """A list of ``{"subnet_id", "ip_address"}``, either or both, no address twice."""
    if not isinstance(value, list):
        return f"Invalid data format for fixed IP: '{value}'"
    if len(value) > MAX_FIXED_IPS:
        return f"Exceeded maximum amount of fixed ips per port: {MAX_FIXED_IPS}"
    seen: set[str] = set()
    return next((reason for item in value if (reason := _fixed_ip(item, seen))), None)


def _fixed_ip(item: object, seen: set[str]) -> str | None:
    """``seen`` are the addresses of the items before, to which this one's is added."""
    if not isinstance(item, dict):
        return f"Invalid data format for fixed IP: '{item}'"
    if "ip_address" in item:
        if reason := checks.address(item["ip_address"]):
            return reason
        canonical = str(ip_address(item["ip_address"]))
        if canonical in seen:
            return f"Duplicate IP address '{item['ip_address']}'"
        seen.add(canonical)
    return checks.uuid(item["subnet_id"]) if "subnet_id" in item else None


def address_pairs(value: object) -> str | None:
    """A list of ``{"ip_address": address or CIDR, "mac_address": optional}``; errors are raised, as in Neutron."""
    if not isinstance(value, list):
        raise HTTPBadRequest("Allowed address pairs must be a list.")
    for pair in value:
        if reason := checks.is_dict(pair):
            return reason
        if "mac_address" in pair and (reason := checks.mac(checks.to_mac(pair["mac_address"]))):
            raise HTTPBadRequest(reason)
        if "ip_address" not in pair:
            raise AllowedAddressPairsMissingIP
        unknown = [str(key) for key in pair if key not in ("ip_address", "mac_address")]
        if unknown:
            raise HTTPBadRequest(f"Unrecognized attribute(s) '{', '.join(unknown)}'")
        if reason := _pair_address(pair["ip_address"]):
            raise HTTPBadRequest(reason)
    return None


def _pair_address(value: object) -> str | None:
    if not isinstance(value, str):
        return f"'{value}' is not a valid IP address"
    if reason := checks.subnet(value) if "/" in value else checks.address(value):
        return reason
    return f"'{value}' is a multicast IP address" if ip_network(value, strict=False).is_multicast else None


ATTRIBUTES: Attributes = {
    **STANDARD,
    "tags": Attribute(field="tags", post=True, check=checks.unique_texts(255), is_sort_key=False),
    "network_id": Attribute(field="network_id", post=True, is_required=True, check=checks.uuid),
    "admin_state_up": writable("admin_state_up", convert=checks.to_bool),
    "mac_address": writable("mac_address", convert=checks.to_mac, check=checks.mac),
    "fixed_ips": writable("fixed_ips", check=fixed_ips, is_sort_key=False),
    "device_id": writable("device_id", check=checks.text(255)),
    "device_owner": writable("device_owner", check=checks.text(255)),
    "status": READ_ONLY,
    "binding:vif_type": LIST,
    "binding:vif_details": LIST,
    "binding:vnic_type": writable("vnic_type", check=checks.one_of(VNIC_TYPES), is_sort_key=False),
    "binding:host_id": writable("host", convert=checks.none_to_text, check=checks.text(255), is_sort_key=False),
    "binding:profile": writable(convert=checks.none_to_dict, check=checks.is_dict, is_sort_key=False),
    "allowed_address_pairs": writable(convert=checks.none_to_list, check=address_pairs, is_sort_key=False),
    "dns_name": writable("dns_name", convert=names.to_lower, check=names.host_name),
    "dns_domain": writable("dns_domain", convert=names.to_lower, check=names.domain),
    "dns_assignment": Attribute(is_filter=False, is_sort_key=False),
    "extra_dhcp_opts": writable(
        "extra_dhcp_opts", convert=dhcp_options.to_options, check=dhcp_options.options, is_sort_key=False
    ),
    "port_security_enabled": writable("port_security_enabled", convert=checks.to_bool, is_sort_key=False),
    "security_groups": writable(
        "security_groups", convert=checks.none_to_list, check=security_checks.uuids, is_sort_key=False
    ),
}

Facts = tuple[str, str, bool, str, str]
"""What a port's view shows beyond the port: status, vif_type, hybrid plugging, the host's datapath type, domain."""


def port_facts(service: Service, port: Port) -> Facts:
    """The derived part of the view, now."""
    vif = vif_type(service, port)
    domain = domain_of(service, port)
    if vif != OVS:
        return port_status(service, port), vif, False, "", domain
    host = service.db.hosts[next(iter(service.db.hosts_by_name[port.host]))]
    return port_status(service, port), vif, is_hybrid(service, port), host.datapath_type, domain


def view_port(service: Service, port: Port) -> View:
    """The port as the API shows it."""
    status, vif, hybrid, datapath_type, domain = port_facts(service, port)
    details: dict[str, object] = {}
    if vif == OVS:
        details = {
            "connectivity": "l2",
            "port_filter": True,
            "ovs_hybrid_plug": hybrid,
            "datapath_type": datapath_type or "system",
            "bridge_name": "br-int",
            "bound_drivers": {"0": "openvswitch"},
        }
    return {
        "id": port.id,
        "name": port.name,
        "network_id": port.network_id,
        "tenant_id": port.project_id,
        "project_id": port.project_id,
        "mac_address": port.mac_address,
        "admin_state_up": port.admin_state_up,
        "status": status,
        "device_id": port.device_id,
        "device_owner": port.device_owner,
        "fixed_ips": [{"subnet_id": ip.subnet_id, "ip_address": ip.ip_address} for ip in port.fixed_ips],
        "binding:vnic_type": port.vnic_type,
        "binding:host_id": port.host,
        "binding:profile": msgspec.json.decode(port.profile),
        "binding:vif_type": vif,
        "binding:vif_details": details,
        **_security(port),
        **_names_and_options(port, domain),
        "description": port.description,
        "tags": port.tags,
        "created_at": port.created_at,
        "updated_at": port.updated_at,
        "revision_number": port.revision_number,
    }


def _security(port: Port) -> View:
    return {
        "port_security_enabled": port.port_security_enabled,
        "security_groups": port.security_groups,
        "allowed_address_pairs": [
            {"mac_address": pair.mac_address, "ip_address": pair.ip_address} for pair in port.allowed_address_pairs
        ],
    }


def _names_and_options(port: Port, domain: str) -> View:
    return {
        "dns_name": port.dns_name,
        "dns_domain": port.dns_domain,
        "dns_assignment": [
            {"ip_address": name.ip_address, "hostname": name.hostname, "fqdn": name.fqdn}
            for name in assigned_names(port, domain)
        ],
        "extra_dhcp_opts": [
            {"opt_name": option.name, "opt_value": option.value, "ip_version": option.ip_version}
            for option in port.extra_dhcp_opts
        ],
    }


_remembered: dict[frozenset[str], dict[str, tuple[Port, Facts, bytes]]] = {}
_LIMIT = 20_000


def _encoded(service: Service, port: Port, hidden: frozenset[str] = frozenset()) -> bytes:
    """The port's JSON without what is hidden, remembered while neither the port nor what is derived for it changes."""
    remembered = _remembered.setdefault(hidden, {})
    facts = port_facts(service, port)
    entry = remembered.get(port.id)
    if entry is not None and entry[0] is port and entry[1] == facts:
        return entry[2]
    view = view_port(service, port)
    encoded = msgspec.json.encode({name: value for name, value in view.items() if name not in hidden})
    if len(remembered) >= _LIMIT:
        remembered.clear()
    remembered[port.id] = (port, facts, encoded)
    return encoded


def _with_address(service: Service, filters: Filters) -> list[Port] | None:
    """The ports that have one of the addresses that a filter names; None when none is named."""
    named = fixed_ip_filter(filters.get("fixed_ips", ())).get("ip_address")
    if named is None or any(checks.address(text) for text in named):
        return None
    db = service.db
    numbers = [int(ip_address(text)) for text in named]
    found = [db.addresses(subnet_id).get(number) for subnet_id in db.subnets for number in numbers]
    return [db.ports[id_] for id_ in dict.fromkeys(found) if id_ is not None]


def _found(service: Service, filters: Filters) -> list[Port] | None:
    """The ports that have a named address, or else are in a named group; None when neither is named."""
    found = _with_address(service, filters)
    groups = filters.get("security_groups")
    if found is not None or not groups or "" in groups:
        return found
    db = service.db
    return [db.ports[id_] for id_ in {id_ for group in groups for id_ in db.ports_by_security_group.get(group, ())}]


def _candidates(service: Service, context: RequestContext, filters: Filters) -> Iterable[Port]:
    db = service.db
    indexes = {"device_id": db.ports_by_device, "name": db.ports_by_name, "network_id": db.ports_by_network}
    ports = narrowed(filters, db.ports, indexes, _found(service, filters))
    if context.is_admin:
        return ports
    return [port for port in ports if is_visible(context, port) or owns_network(service, context, port)]


def _spec(item: Body) -> PortSpec:
    fields = spec_fields(ATTRIBUTES, item)
    if "binding:profile" in item:
        fields["profile"] = msgspec.json.encode(item["binding:profile"]).decode()
    if "allowed_address_pairs" in item:
        pairs = item["allowed_address_pairs"]
        assert isinstance(pairs, list)
        fields["allowed_address_pairs"] = [
            {key: checks.to_mac(value) if key == "mac_address" else value for key, value in pair.items()}
            for pair in pairs
        ]
    return msgspec.convert(fields, PortSpec)


async def _create(service: Service, context: RequestContext, items: list[Body]) -> Sequence[Port]:
    return await create_ports(service, context, [_spec(item) for item in items])


async def _update(service: Service, context: RequestContext, id_: str, item: Body, if_match: int | None) -> Port:
    return await update_port(service, context, id_, _spec(item), if_match)


PORTS = Collection(
    name="ports",
    member="port",
    attributes=ATTRIBUTES,
    indexed=frozenset(("device_id", "name", "network_id")),
    candidates=_candidates,
    get=get_port,
    view=view_port,
    encoded=_encoded,
    encoded_without=_encoded,
    create=_create,
    update=_update,
    delete=delete_port,
)
