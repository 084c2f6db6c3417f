"""The nouns of OpenVNet's API as data: collections, options, relations (axsh/openvnet, ``vnet/endpoints/1.0``).

Called by ``vnctl``, which makes the commands; ``vnctl_words`` says what the data means. Options named "(2013)" are
those of the first releases, which the service still takes. What is required is the service's to say.
"""

from patchbay.cli.vnctl_words import PAGE, UUID, Action, Command, Noun, Option, Relation, commands_of

DISPLAY_NAME = Option("display_name", "A name for people.")
INTERFACE = Option("interface_uuid", "Interface that it belongs to.")
NETWORK = Option("network_uuid", "Network that it is on.")
SEGMENT = Option("segment_uuid", "Segment that it is on.")
TOPOLOGY = Option("topology_uuid", "Topology that it is in.")
MAC_ADDRESS = Option("mac_address", "MAC address.")
IPV4_ADDRESS = Option("ipv4_address", "IPv4 address.")
ALLOCATION_TYPE = Option("allocation_type", "How one of the range is chosen: incremental, decremental or random.")
HOST_INTERFACE = Option("interface_uuid", "Interface of mode host through which the datapath reaches the others.")
IN_DATAPATH = (
    HOST_INTERFACE,
    Option("mac_address", "MAC address of the datapath in it, for MAC2MAC."),
    Option("broadcast_mac_address", "The same as --mac_address (2013)."),
    Option("link_mac_address", "The same as --mac_address (2013)."),
)
STATIC = Option("static", "Always so, even without an address there.", "flag")
LABEL = Option("label", "Anything that helps people.")

FILTER_RULE = (
    Option("protocol", "tcp, udp, icmp, arp or ip."),
    Option("src_address", "Who sends: ADDRESS or ADDRESS/PREFIX."),
    Option("dst_address", "Who receives: ADDRESS or ADDRESS/PREFIX."),
    Option("src_port", "Port that it is sent from.", "number"),
    Option("dst_port", "Port that it is sent to.", "number"),
    Option("action", "pass or drop."),
)
STATIC_ADDRESS = (
    Option("ingress_ipv4_address", "Address outside."),
    Option("egress_ipv4_address", "Address inside."),
    Option("ingress_port_number", "Port outside.", "number"),
    Option("egress_port_number", "Port inside.", "number"),
    Option("route_link_uuid", "Route link that it is for."),
    Option("ingress_network_uuid", "Network outside."),
    Option("egress_network_uuid", "Network inside."),
)

DATAPATHS = Noun(
    name="datapaths",
    singular="datapath",
    help="bridges of Open vSwitch, known by their datapath ids.",
    often=(
        DISPLAY_NAME,
        Option("dpid", "Datapath id of the bridge, in hexadecimal."),
        Option("node_id", "Name of the host's agent."),
        Option("enable_ovs_learn_action", "Let the bridge learn flows.", "flag"),
        Option("ipv4_address", "Address of the host (2013)."),
        Option("is_connected", "Whether the bridge is connected (2013).", "flag"),
        Option("dc_segment_id", "Segment of the building that the host is on (2013)."),
        Option("dc_segment_uuid", "The same by uuid (2013)."),
    ),
    relations=(
        Relation(name="networks", help="networks that the datapath is in", options=IN_DATAPATH),
        Relation(name="segments", help="segments that the datapath is in", options=IN_DATAPATH),
        Relation(name="route_links", help="route links that the datapath is in", options=IN_DATAPATH),
    ),
)

INTERFACES = Noun(
    name="interfaces",
    singular="interface",
    help="where something meets a network: of an instance, a host, or simulated.",
    once=(
        Option("mode", "vif, simulated, host, edge, patch, promiscuous, remote or internal."),
        NETWORK,
        SEGMENT,
        MAC_ADDRESS,
        Option("mac_range_group_uuid", "Where a MAC address is taken from when none is given."),
        Option("ipv4_address", "Its first address."),
        Option("port_name", "Name of the port of the bridge; its uuid when not given."),
    ),
    often=(
        DISPLAY_NAME,
        Option("owner_datapath_uuid", "Datapath that it is on."),
        Option("enable_routing", "Route what comes from it.", "flag"),
        Option("enable_route_translation", "Translate addresses of what is routed.", "flag"),
        Option("enable_filtering", "Filter what goes in and out.", "flag"),
    ),
    relations=(
        Relation(
            name="ports",
            help="ports of bridges that the interface is plugged into",
            options=(
                Option("datapath_uuid", "Datapath that the port is on."),
                Option("port_name", "Name of the port."),
                Option("singular", "Be on one datapath only.", "flag"),
            ),
            names_other=False,
            found_by_options=True,
        ),
        *(
            Relation(name=name, help=f"{words} that the interface is on", options=(STATIC,), verbs=("modify", "show"))
            for name, words in (("networks", "networks"), ("segments", "segments"), ("route_links", "route links"))
        ),
    ),
    actions=(
        Action(
            name="rename", help="Give it another uuid.", method="PUT", options=(Option("new_uuid", "The other uuid."),)
        ),
    ),
)

LEASE_POLICIES = Noun(
    name="lease_policies",
    singular="lease_policy",
    help="rules by which addresses are leased.",
    once=(Option("mode", "simple."),),
    often=(Option("timing", "When: immediate or dhcp."),),
    relations=(
        Relation(
            name="networks",
            help="networks that it leases in",
            options=(Option("ip_range_group_uuid", "Addresses to choose from."),),
        ),
        Relation(name="interfaces", help="interfaces that it leases to", options=(LABEL,)),
        Relation(name="ip_lease_containers", help="containers that its leases are put into"),
        Relation(name="ip_retention_containers", help="containers that keep its leases after use"),
        Relation(
            name="ip_leases",
            help="a lease by the policy",
            options=(Option("ip_lease_uuid", "uuid of the lease."), LABEL),
            names_other=False,
            verbs=("add",),
        ),
    ),
)

TOPOLOGIES = Noun(
    name="topologies",
    singular="topology",
    help="which networks are on which datapaths.",
    often=(Option("mode", "simple_overlay or simple_underlay."),),
    relations=(
        Relation(
            name="datapaths",
            help="datapaths of the topology",
            options=(HOST_INTERFACE, Option("ip_lease_uuid", "Which of that interface's addresses.")),
        ),
        Relation(name="underlays", help="topologies that it runs on"),
        Relation(name="mac_range_groups", help="ranges that its MAC addresses are from"),
        Relation(name="networks", help="networks of the topology"),
        Relation(name="segments", help="segments of the topology"),
        Relation(name="route_links", help="route links of the topology"),
    ),
)

NOUNS: tuple[Noun, ...] = (
    DATAPATHS,
    Noun(
        name="networks",
        singular="network",
        help="layer-2 domains with a block of IPv4 addresses.",
        once=(
            SEGMENT,
            TOPOLOGY,
            Option("dc_network_uuid", "Network of the building (2013)."),
            Option("editable", "May be changed (2013).", "flag"),
        ),
        often=(
            DISPLAY_NAME,
            Option("domain_name", "Domain of its names in DNS."),
            Option("mode", "virtual, physical or internal."),
            Option("network_mode", "The same as --mode (2013)."),
            Option("ipv4_network", "First address of the block."),
            Option("ipv4_prefix", "Length of its prefix, 1 to 32; 24 when not given.", "number"),
        ),
    ),
    Noun(
        name="segments",
        singular="segment",
        help="layer-2 domains without addresses.",
        once=(Option("mode", "virtual or physical."), TOPOLOGY),
        has_modify=False,
    ),
    INTERFACES,
    Noun(
        name="mac_leases",
        singular="mac_lease",
        help="MAC addresses of interfaces.",
        once=(SEGMENT,),
        often=(INTERFACE, MAC_ADDRESS),
    ),
    Noun(
        name="ip_leases",
        singular="ip_lease",
        help="IPv4 addresses of interfaces.",
        once=(INTERFACE,),
        often=(
            NETWORK,
            IPV4_ADDRESS,
            Option("mac_lease_uuid", "MAC lease that the address goes with; the interface's first when not given."),
            Option("enable_routing", "Route what comes from it.", "flag"),
        ),
        actions=(
            Action(
                name="attach",
                help="Give it to an interface.",
                method="PUT",
                options=(INTERFACE, Option("mac_lease_uuid", "The same by one of its MAC leases.")),
            ),
            Action(name="release", help="Take it from its interface.", method="PUT"),
        ),
    ),
    Noun(
        name="ip_lease_containers",
        singular="ip_lease_container",
        help="sets of leases.",
        actions=(Action(name="ip_leases", help="Show the leases in it.", method="GET", options=PAGE),),
    ),
    Noun(
        name="ip_retention_containers",
        singular="ip_retention_container",
        help="addresses that are kept for a while after use.",
        often=(
            Option("lease_time", "Seconds that a lease lasts.", "number"),
            Option("grace_time", "Seconds that its address is kept after that.", "number"),
        ),
        actions=(Action(name="ip_retentions", help="Show the addresses kept in it.", method="GET", options=PAGE),),
    ),
    Noun(
        name="ip_range_groups",
        singular="ip_range_group",
        help="ranges of addresses to choose from.",
        often=(ALLOCATION_TYPE,),
        relations=(
            Relation(
                name="ip_ranges",
                help="ranges of the group",
                options=(
                    UUID,
                    Option("begin_ipv4_address", "First address."),
                    Option("end_ipv4_address", "Last address."),
                ),
                names_other=False,
            ),
        ),
    ),
    Noun(
        name="mac_range_groups",
        singular="mac_range_group",
        help="ranges of MAC addresses to choose from.",
        often=(ALLOCATION_TYPE,),
        relations=(
            Relation(
                name="mac_ranges",
                help="ranges of the group",
                options=(UUID, Option("begin_mac_address", "First address."), Option("end_mac_address", "Last one.")),
                names_other=False,
            ),
        ),
    ),
    LEASE_POLICIES,
    Noun(
        name="network_services",
        singular="network_service",
        help="what an interface answers: dhcp, dns or router.",
        once=(Option("mode", "dhcp, dns or router."), Option("type", "The same as --mode (2013).")),
        often=(
            DISPLAY_NAME,
            INTERFACE,
            Option("incoming_port", "Port that it listens on.", "number"),
            Option("outgoing_port", "Port that it answers from.", "number"),
        ),
    ),
    Noun(
        name="dns_services",
        singular="dns_service",
        help="names that a network service of mode dns answers.",
        once=(Option("network_service_uuid", "The network service."),),
        often=(Option("public_dns", "Servers that are asked for other names, by commas."),),
        relations=(
            Relation(
                name="dns_records",
                help="names",
                options=(UUID, Option("name", "The name."), Option("ipv4_address", "Its address.")),
                names_other=False,
            ),
        ),
    ),
    Noun(
        name="route_links",
        singular="route_link",
        help="routers: what routes of several networks meet in.",
        once=(TOPOLOGY,),
        often=(MAC_ADDRESS,),
    ),
    Noun(
        name="routes",
        singular="route",
        help="how a route link reaches a block of addresses.",
        often=(
            Option("ingress", "Packets come in by it.", "flag"),
            Option("egress", "Packets go out by it.", "flag"),
            Option("interface_uuid", "Simulated interface that it leads through."),
            Option("network_uuid", "Network of that interface."),
            Option("route_link_uuid", "Route link that it belongs to."),
            Option("ipv4_network", "First address of the block."),
            Option("ipv4_prefix", "Length of its prefix; 24 when not given.", "number"),
        ),
    ),
    Noun(
        name="filters",
        singular="filter",
        help="what may go in and out of an interface.",
        once=(INTERFACE, Option("mode", "static.")),
        often=(
            Option("ingress_passthrough", "Let in what no rule names.", "flag"),
            Option("egress_passthrough", "Let out what no rule names.", "flag"),
        ),
        relations=(
            Relation(name="static", help="rules", options=FILTER_RULE, names_other=False, found_by_options=True),
        ),
    ),
    Noun(
        name="translations",
        singular="translation",
        help="other addresses for what is behind an interface.",
        once=(INTERFACE, Option("mode", "static_address.")),
        often=(Option("passthrough", "Let pass what no rule names.", "flag"),),
        relations=(
            Relation(
                name="static_address",
                help="pairs of addresses",
                options=STATIC_ADDRESS,
                names_other=False,
                found_by_options=True,
            ),
        ),
    ),
    TOPOLOGIES,
)
"""Every noun, in the order of the help."""

COMMANDS: tuple[Command, ...] = tuple(command for noun in NOUNS for command in commands_of(noun))
"""Every command."""
