"""The nouns of the API as data: which columns a list shows, which options set which attributes.

Called by ``resources``, which makes the commands. Options are named as the ``openstack`` client names them (its
"network", "subnet" and "port" commands); attributes as the Neutron API reference does.
"""

from collections.abc import Callable
from typing import Any

import msgspec

from patchbay.errors import BadRequest

CREATE, SET, LIST = "create", "set", "list"
EVERYWHERE = frozenset({CREATE, SET, LIST})
WRITTEN = frozenset({CREATE, SET})


class Attribute(msgspec.Struct, frozen=True, kw_only=True):
    """One option and the attribute that it gives.

    ``option`` is written as click takes it (``--share/--no-share`` for a boolean). ``reference`` names the collection
    in which the value is looked up by name or id. ``parse`` turns the text into the value; an option that is
    ``repeated`` gives a list. ``by_device``: the texts are ``[DEVICE=]HANDLE``, the value maps device names to ids.
    ``required``: create refuses to go without it.
    """

    option: str
    name: str
    help: str
    metavar: str | None = None
    on: frozenset[str] = WRITTEN
    kind: type = str
    repeated: bool = False
    required: bool = False
    by_device: bool = False
    reference: str = ""
    parse: Callable[[str], Any] | None = None


class Noun(msgspec.Struct, frozen=True, kw_only=True):
    """A collection of the API: its path, the verbs it has, the columns of its list, its attributes.

    ``spread`` names an attribute whose inner values are shown as columns of their own.
    """

    name: str
    help: str
    collection: str
    columns: tuple[str, ...]
    attributes: tuple[Attribute, ...]
    spread: str = ""
    verbs: tuple[str, ...] = ("list", "show", "create", "set", "delete")


def pairs_of(**names: str) -> Callable[[str], dict[str, str]]:
    """A parser of ``subnet=…,ip-address=…`` whose keys become the attributes given (key with ``-`` as ``_``)."""
    keys = {key.replace("_", "-"): attribute for key, attribute in names.items()}

    def parse(written: str) -> dict[str, str]:
        found: dict[str, str] = {}
        for part in written.split(","):
            key, equals, value = part.partition("=")
            if key.strip() not in keys or not equals or not value.strip():
                expected = ",".join(f"{name}=…" for name in keys)
                raise BadRequest(f"{written!r}: {part.strip()!r} is not understood.", f"Write {expected}.")
            found[keys[key.strip()]] = value.strip()
        return found

    return parse


def gateway(written: str) -> str | None:
    """``none`` means: no gateway."""
    return None if written.lower() == "none" else written


DESCRIPTION = Attribute(option="--description", name="description", metavar="TEXT", help="Anything that helps people.")
PROJECT = Attribute(
    option="--project", name="project_id", metavar="PROJECT", on=frozenset({CREATE, LIST}), help="Owner (a project id)."
)
TAG = Attribute(
    option="--tag", name="tags", metavar="TAG", on=EVERYWHERE, repeated=True, help="A tag; may be repeated."
)
NEW_NAME = Attribute(option="--name", name="name", metavar="NAME", on=frozenset({SET, LIST}), help="Name.")
ENABLED = Attribute(
    option="--enable/--disable", name="admin_state_up", kind=bool, on=EVERYWHERE, help="Administrative state."
)
NETWORK = Attribute(
    option="--network",
    name="network_id",
    metavar="NETWORK",
    on=frozenset({CREATE, LIST}),
    required=True,
    reference="networks",
    help="Network, by name or id.",
)

NETWORKS = Noun(
    name="network",
    help="Networks: layer-2 domains, local, flat, VLAN or VXLAN.",
    collection="networks",
    columns=("id", "name", "provider:network_type", "provider:segmentation_id", "mtu", "status", "subnets"),
    attributes=(
        NEW_NAME,
        DESCRIPTION,
        PROJECT,
        ENABLED,
        Attribute(
            option="--share/--no-share", name="shared", kind=bool, on=EVERYWHERE, help="Usable by every project or not."
        ),
        Attribute(
            option="--external/--internal",
            name="router:external",
            kind=bool,
            on=EVERYWHERE,
            help="Leads outside or not.",
        ),
        Attribute(
            option="--provider-network-type",
            name="provider:network_type",
            metavar="TYPE",
            on=frozenset({CREATE, LIST}),
            help="local, flat, vlan or vxlan (default vxlan).",
        ),
        Attribute(
            option="--provider-physical-network",
            name="provider:physical_network",
            metavar="NAME",
            on=frozenset({CREATE, LIST}),
            help="Physical network of flat and vlan, as in the agents' bridge mappings.",
        ),
        Attribute(
            option="--provider-segment",
            name="provider:segmentation_id",
            metavar="NUMBER",
            kind=int,
            on=frozenset({CREATE, LIST}),
            help="VLAN id or VNI; chosen by the service when not given.",
        ),
        Attribute(option="--mtu", name="mtu", metavar="BYTES", kind=int, help="Largest IP packet, in bytes."),
        TAG,
    ),
)

SUBNETS = Noun(
    name="subnet",
    help="Subnets: blocks of addresses on networks.",
    collection="subnets",
    columns=("id", "name", "network_id", "cidr", "gateway_ip", "enable_dhcp"),
    attributes=(
        NEW_NAME,
        DESCRIPTION,
        PROJECT,
        NETWORK,
        Attribute(
            option="--subnet-range",
            name="cidr",
            metavar="CIDR",
            on=frozenset({CREATE, LIST}),
            required=True,
            help="The block, such as 10.0.0.0/24.",
        ),
        Attribute(
            option="--ip-version",
            name="ip_version",
            metavar="4|6",
            kind=int,
            on=frozenset({CREATE, LIST}),
            help="4 or 6; follows from the range.",
        ),
        Attribute(
            option="--gateway",
            name="gateway_ip",
            metavar="ADDRESS",
            parse=gateway,
            on=EVERYWHERE,
            help="Gateway address, or none; the first address of the range when not given.",
        ),
        Attribute(
            option="--allocation-pool",
            name="allocation_pools",
            metavar="start=ADDRESS,end=ADDRESS",
            repeated=True,
            parse=pairs_of(start="start", end="end"),
            help="Addresses that may be handed out; may be repeated. `set` replaces all.",
        ),
        Attribute(
            option="--dns-nameserver",
            name="dns_nameservers",
            metavar="ADDRESS",
            repeated=True,
            help="Name server announced to instances; may be repeated, in order. `set` replaces all.",
        ),
        Attribute(
            option="--host-route",
            name="host_routes",
            metavar="destination=CIDR,gateway=ADDRESS",
            repeated=True,
            parse=pairs_of(destination="destination", gateway="nexthop"),
            help="Route announced to instances; may be repeated. `set` replaces all.",
        ),
        Attribute(
            option="--dhcp/--no-dhcp", name="enable_dhcp", kind=bool, on=EVERYWHERE, help="Answer DHCP here or not."
        ),
        Attribute(
            option="--ipv6-ra-mode",
            name="ipv6_ra_mode",
            metavar="MODE",
            on=frozenset({CREATE}),
            help="dhcpv6-stateful, dhcpv6-stateless or slaac.",
        ),
        Attribute(
            option="--ipv6-address-mode",
            name="ipv6_address_mode",
            metavar="MODE",
            on=frozenset({CREATE}),
            help="dhcpv6-stateful, dhcpv6-stateless or slaac.",
        ),
        TAG,
    ),
)

PORTS = Noun(
    name="port",
    help="Ports: where an instance meets a network.",
    collection="ports",
    columns=("id", "name", "mac_address", "fixed_ips", "binding:host_id", "status"),
    attributes=(
        NEW_NAME,
        DESCRIPTION,
        PROJECT,
        NETWORK,
        Attribute(
            option="--fixed-ip",
            name="fixed_ips",
            metavar="subnet=SUBNET,ip-address=ADDRESS",
            repeated=True,
            parse=pairs_of(subnet="subnet_id", ip_address="ip_address"),
            on=EVERYWHERE,
            help="Address: from a subnet (name or id), a certain one, or both; may be repeated. `set` replaces all.",
        ),
        Attribute(option="--mac-address", name="mac_address", metavar="MAC", on=EVERYWHERE, help="MAC address."),
        Attribute(option="--host", name="binding:host_id", metavar="HOST", on=EVERYWHERE, help="Host the port is on."),
        Attribute(option="--device", name="device_id", metavar="ID", on=EVERYWHERE, help="Id of what uses the port."),
        Attribute(
            option="--device-owner", name="device_owner", metavar="OWNER", on=EVERYWHERE, help="Kind of what uses it."
        ),
        Attribute(
            option="--vnic-type", name="binding:vnic_type", metavar="TYPE", help="Kind of interface (default normal)."
        ),
        Attribute(
            option="--allowed-address",
            name="allowed_address_pairs",
            metavar="ip-address=ADDRESS,mac-address=MAC",
            repeated=True,
            parse=pairs_of(ip_address="ip_address", mac_address="mac_address"),
            help="A further address that the port may use; may be repeated. `set` replaces all.",
        ),
        ENABLED,
        TAG,
    ),
)

INSTANCES = Noun(
    name="instance",
    help="Instances: namespaces that stand in for virtual machines.",
    collection="instances",
    columns=("id", "name", "host", "plugging", "interfaces", "status"),
    verbs=("list", "show", "create", "set", "delete"),
    attributes=(
        Attribute(option="--name", name="name", metavar="NAME", on=frozenset({LIST}), help="Name."),
        DESCRIPTION,
        PROJECT,
        Attribute(
            option="--host",
            name="host",
            metavar="HOST",
            on=EVERYWHERE,
            required=True,
            help="Host that it runs on.",
        ),
        Attribute(
            option="--plugging",
            name="plugging",
            metavar="hybrid|direct",
            on=EVERYWHERE,
            help="hybrid: tap, qbr, qvb, qvo as with a firewall bridge (default); direct: tap on br-int.",
        ),
        Attribute(
            option="--port",
            name="interfaces",
            metavar="[DEVICE=]PORT",
            repeated=True,
            by_device=True,
            reference="ports",
            help="A port, by name or id, as eth0, eth1 … or the device named; may be repeated. `set` replaces all.",
        ),
        TAG,
    ),
)

HOSTS = Noun(
    name="host",
    help="Hosts: machines with an agent, as the service sees them.",
    collection="agents",
    columns=("id", "host", "alive", "admin_state_up", "tunneling_ip", "datapath_type", "bridge_mappings", "version"),
    spread="configurations",
    verbs=("list", "show", "set", "delete"),
    attributes=(
        Attribute(option="--name", name="host", metavar="NAME", on=frozenset({LIST}), help="Name."),
        DESCRIPTION,
        ENABLED,
    ),
)

NOUNS = (NETWORKS, SUBNETS, PORTS, INSTANCES, HOSTS)
