"""What of the intent a client watches: all of it (the service), or what concerns one host (its agent).

Pure. The server sends an agent only the rows and columns named here, so that its memory and its work follow from its
own networks and not from the size of the whole.
"""

from collections.abc import Collection, Mapping, Sequence
from typing import Any

import msgspec

from patchbay.intent.columns import FIELDS, JOINED
from patchbay.model.vnet import DATAPATH
from patchbay.ovsdb import uuid_ref

Columns = Mapping[str, tuple[str, ...]]
Conditions = dict[str, list[Any]]

MANY_INTERFACES = 64
"""With more, all ports that name an interface are watched: the server compares every port with every clause."""

_ADDRESS = ("subnet", "ip_address")
ALL_COLUMNS: Columns = {
    **{table: tuple(field.column for field in fields) for table, fields in FIELDS.items()},
    "Port": (*(field.column for field in FIELDS["Port"]), JOINED),
    "Address": _ADDRESS,
}
AGENT_COLUMNS: Columns = {
    "Host": ("name", "tunnel_ip", "bridge_mappings", "datapath_type", "admin_state_up", "suspected", "neighbours"),
    "Network": (
        "project_id",
        "name",
        "admin_state_up",
        "external",
        "mtu",
        "network_type",
        "physical_network",
        "segmentation_id",
        "dns_domain",
    ),
    "Subnet": (
        "name",
        "network",
        "ip_version",
        "cidr",
        "gateway_ip",
        "enable_dhcp",
        "dns_nameservers",
        "host_routes",
        "ipv6_ra_mode",
        "ipv6_address_mode",
        "dhcp_ranges",
        "created_at",
    ),
    "Port": (
        "network",
        "mac_address",
        JOINED,
        "admin_state_up",
        "device_id",
        "device_owner",
        "host",
        "allowed_address_pairs",
        "dns_name",
        "dns_domain",
        "extra_dhcp_opts",
        "port_security_enabled",
        "security_groups",
        "interface_name",
    ),
    "Address": _ADDRESS,
    "Instance": ("project_id", "name", "host", "plugging", "interfaces", "addressing"),
    "Plug": ("port", "network", "host", "up", "trouble"),
    "Router": ("project_id", "name", "admin_state_up", "distributed", "host", "gateway_port", "enable_snat", "routes"),
    "FloatingIP": (
        "floating_network",
        "floating_ip_address",
        "floating_port",
        "port",
        "fixed_ip_address",
        "router",
        "port_forwardings",
    ),
    "SubnetPool": (),
    "AddressScope": (),
    "VnetObject": ("kind", "uuid", "dpid"),
    "AddressGroup": ("addresses",),
    "SecurityGroup": ("project_id", "name", "stateful"),
    "SecurityGroupRule": (
        "security_group",
        "direction",
        "ethertype",
        "protocol",
        "port_range_min",
        "port_range_max",
        "remote_ip_prefix",
        "remote_group",
        "remote_address_group",
    ),
    "DefaultSecurityGroupRule": ("direction",),
    "RBACPolicy": ("project_id", "object_type", "object", "action", "target_project"),
    "Quota": ("project_id",),
}


class AgentScope(msgspec.Struct, frozen=True):
    """All hosts, the instances, routers and plugs of ``host``, the ports bound to it, and everything on ``networks``.

    ``ports`` are watched besides, by id: those plugged here that may be bound elsewhere; and those whose
    ``interface_name`` is in ``interfaces``. ``routers`` are watched with their ports and floating IPs, wherever they
    live. All OpenVNet datapaths are watched: a host knows its own by the number. Of ``groups``, those of ports here,
    rules are watched; of ``remote_groups`` and ``address_groups``, whom these rules name, the ports with their
    addresses and the CIDRs. ``remote_networks`` are where such ports are.
    """

    host: str
    networks: frozenset[str] = frozenset()
    ports: frozenset[str] = frozenset()
    routers: frozenset[str] = frozenset()
    interfaces: frozenset[str] = frozenset()
    groups: frozenset[str] = frozenset()
    remote_groups: frozenset[str] = frozenset()
    address_groups: frozenset[str] = frozenset()
    remote_networks: frozenset[str] = frozenset()

    def conditions(self) -> Conditions:
        """The monitor conditions: a row is sent when one of its table's clauses holds."""
        here = ["host", "==", self.host]
        networks = sorted(self.networks)
        on_networks = [["network", "==", uuid_ref(network)] for network in networks]
        routers = sorted(self.routers)
        of_routers = [["device_id", "==", router] for router in routers]
        addressed = [["network", "==", uuid_ref(network)] for network in sorted(self.networks | self.remote_networks)]
        members = [["security_groups", "includes", uuid_ref(group)] for group in sorted(self.remote_groups)]
        named = [["interface_name", "==", name] for name in sorted(self.interfaces)]
        if len(named) > MANY_INTERFACES:
            named = [["interface_name", "!=", ""]]
        return {
            "Network": _any_of(_rows(networks)),
            "Subnet": _any_of(on_networks),
            "Port": _any_of([here, *on_networks, *_rows(sorted(self.ports)), *of_routers, *named, *members]),
            "Address": _any_of(addressed),
            "Instance": [here],
            "Plug": _any_of([here, *on_networks]),
            "Router": [here, *_rows(routers)],
            "FloatingIP": _any_of([["router", "includes", uuid_ref(router)] for router in routers]),
            "SubnetPool": _any_of([]),
            "AddressScope": _any_of([]),
            "AddressGroup": _any_of(_rows(sorted(self.address_groups))),
            "SecurityGroup": _any_of(_rows(sorted(self.groups))),
            "SecurityGroupRule": _any_of([["security_group", "==", uuid_ref(group)] for group in sorted(self.groups)]),
            "DefaultSecurityGroupRule": _any_of([]),
            "RBACPolicy": _any_of([]),
            "Quota": _any_of([]),
            "VnetObject": [["kind", "==", DATAPATH]],
        }


def _rows(ids: Collection[str]) -> list[Any]:
    return [["_uuid", "==", uuid_ref(row_id)] for row_id in ids]


def _any_of(clauses: Sequence[Any]) -> list[Any]:
    return list(clauses) or [False]
