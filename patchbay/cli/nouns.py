"""The nouns of the API as data: networks, subnets, ports, instances, hosts.

Called by ``resources``, which makes the commands; ``noun`` says what the data means.
"""

from patchbay.cli import shapes
from patchbay.cli.noun import (
    CREATE,
    DESCRIPTION,
    DNS_DOMAIN,
    ENABLED,
    EVERYWHERE,
    LIST,
    NETWORK,
    NEW_NAME,
    PROJECT,
    TAG,
    Attribute,
    Noun,
    gateway,
    pairs_of,
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
        Attribute(
            option="--default/--no-default", name="is_default", kind=bool, on=EVERYWHERE, help="Preferred by users."
        ),
        DNS_DOMAIN,
        TAG,
    ),
)

SUBNETS = Noun(
    name="subnet",
    help="Subnets: blocks of addresses on networks.",
    collection="subnets",
    shape=shapes.of_subnet,
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
            help="The block, such as 10.0.0.0/24.",
        ),
        Attribute(
            option="--subnet-pool",
            name="subnetpool_id",
            metavar="POOL",
            on=frozenset({CREATE, LIST}),
            reference="subnetpools",
            help="Pool to take the block from, by name or id.",
        ),
        Attribute(
            option="--use-default-subnet-pool",
            name="use_default_subnetpool",
            kind=bool,
            on=frozenset({CREATE}),
            help="Take the block from the default pool.",
        ),
        Attribute(
            option="--prefix-length",
            name="prefixlen",
            metavar="BITS",
            kind=int,
            on=frozenset({CREATE}),
            help="Length of the prefix to take from a pool; the pool's default when not given.",
        ),
        Attribute(
            option="--ip-version",
            name="ip_version",
            metavar="4|6",
            kind=int,
            on=frozenset({CREATE, LIST}),
            help="4 or 6; follows from the range or the pool.",
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
            option="--dhcp-range",
            name="dhcp_ranges",
            metavar="start=ADDRESS,end=ADDRESS",
            repeated=True,
            parse=pairs_of(start="start", end="end"),
            help="Addresses that DHCP lends to clients without a port; may be repeated. `set` replaces all.",
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
        Attribute(option="--dns-name", name="dns_name", metavar="NAME", on=EVERYWHERE, help="Name in DNS."),
        DNS_DOMAIN,
        Attribute(
            option="--extra-dhcp-option",
            name="extra_dhcp_opts",
            metavar="name=NAME,value=VALUE,ip-version=4|6",
            repeated=True,
            parse=pairs_of(name="opt_name", value="opt_value", ip_version="ip_version"),
            help="A DHCP option for this port; may be repeated. `set` changes those named.",
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
    naming="required",
    shape=shapes.of_instance,
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
        Attribute(
            option="--addressing",
            name="addressing",
            metavar="static|dhcp",
            on=EVERYWHERE,
            help="static: the agent writes its addresses (default); dhcp: a DHCP client in it asks for them.",
        ),
        Attribute(
            option="--public-key",
            name="public_keys",
            metavar="FILE",
            repeated=True,
            parse=shapes.key_lines,
            help="File with OpenSSH keys that it is told; may be repeated. `set` replaces all.",
        ),
        Attribute(
            option="--user-data",
            name="user_data",
            metavar="FILE",
            parse=shapes.file_text,
            help="File with the user data that it is told (cloud-init's, for example).",
        ),
        Attribute(
            option="--metadata",
            name="metadata",
            metavar="NAME=VALUE",
            repeated=True,
            parse=shapes.pair,
            help="Something that it is told; may be repeated. `set` replaces all.",
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
