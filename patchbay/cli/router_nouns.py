"""The nouns of the API as data: routers, floating IPs, port forwardings, subnet pools, address scopes.

Called by ``resources``, which makes the commands; ``noun`` says what the data means.
"""

from patchbay.cli import shapes
from patchbay.cli.noun import (
    CREATE,
    DESCRIPTION,
    ENABLED,
    EVERYWHERE,
    LIST,
    NEW_NAME,
    PROJECT,
    SET,
    TAG,
    UNSET,
    WRITTEN,
    Attribute,
    Noun,
    pairs_of,
)

ALL = ("list", "show", "create", "set", "unset", "delete")

ROUTERS = Noun(
    name="router",
    help="Routers: between subnets, and to the outside.",
    collection="routers",
    columns=("id", "name", "status", "admin_state_up", "external_gateway_info"),
    verbs=ALL,
    shape=shapes.of_router,
    examples=(
        "patchbay router create demo-router --external-gateway ext-net",
        "patchbay router add subnet demo-router demo-subnet",
        "patchbay router set demo-router --disable-snat",
        "patchbay router create every-host --distributed",
        "patchbay router add route demo-router destination=10.9.0.0/16,gateway=10.0.1.9",
        "patchbay router unset demo-router --external-gateway",
    ),
    attributes=(
        NEW_NAME,
        DESCRIPTION,
        PROJECT,
        ENABLED,
        Attribute(
            option="--external-gateway",
            name="gateway_network",
            metavar="NETWORK",
            on=WRITTEN | {UNSET},
            reference="networks",
            clears="external_gateway_info",
            help="External network that it leads to, by name or id.",
        ),
        Attribute(
            option="--fixed-ip",
            name="gateway_fixed_ips",
            metavar="subnet=SUBNET,ip-address=ADDRESS",
            repeated=True,
            parse=pairs_of(subnet="subnet_id", ip_address="ip_address"),
            help="Address of the gateway on the external network; may be repeated.",
        ),
        Attribute(
            option="--distributed/--no-distributed",
            name="distributed",
            kind=bool,
            on=EVERYWHERE,
            help="Every host forwards between subnets itself, or one host does. To be changed, the router is disabled.",
        ),
        Attribute(
            option="--enable-snat/--disable-snat",
            name="enable_snat",
            kind=bool,
            help="Translate the addresses of what goes out to the gateway's, or not.",
        ),
        Attribute(
            option="--route",
            name="routes",
            metavar="destination=CIDR,gateway=ADDRESS",
            on=frozenset({SET, UNSET}),
            repeated=True,
            parse=pairs_of(destination="destination", gateway="nexthop"),
            help="An extra route; may be repeated. `set` replaces all, `unset` takes all; see also `router add route`.",
        ),
        TAG,
    ),
)

FLOATING_IPS = Noun(
    name="floating-ip",
    help="Floating IPs: addresses of an external network that lead to ports. Named by their address or id.",
    collection="floatingips",
    columns=("id", "floating_ip_address", "fixed_ip_address", "port_id", "router_id", "status"),
    verbs=ALL,
    naming="none",
    examples=(
        "patchbay floating-ip create --network ext-net --port web",
        "patchbay floating-ip set 192.168.1.246 --port db",
        "patchbay floating-ip unset 192.168.1.246 --port",
    ),
    attributes=(
        Attribute(
            option="--network",
            name="floating_network_id",
            metavar="NETWORK",
            on=frozenset({CREATE, LIST}),
            required=True,
            reference="networks",
            help="External network, by name or id.",
        ),
        Attribute(
            option="--subnet",
            name="subnet_id",
            metavar="SUBNET",
            on=frozenset({CREATE}),
            reference="subnets",
            help="Subnet of it that the address comes from.",
        ),
        Attribute(
            option="--floating-ip-address",
            name="floating_ip_address",
            metavar="ADDRESS",
            on=frozenset({CREATE, LIST}),
            help="The address itself; chosen by the service when not given.",
        ),
        Attribute(
            option="--port",
            name="port_id",
            metavar="PORT",
            on=EVERYWHERE | {UNSET},
            reference="ports",
            help="Port that it leads to, by name or id.",
        ),
        Attribute(
            option="--fixed-ip-address",
            name="fixed_ip_address",
            metavar="ADDRESS",
            on=EVERYWHERE,
            help="Address of the port; its first IPv4 address when not given.",
        ),
        Attribute(
            option="--router",
            name="router_id",
            metavar="ROUTER",
            on=frozenset({LIST}),
            reference="routers",
            help="Router that it goes through.",
        ),
        DESCRIPTION,
        PROJECT,
        TAG,
    ),
)

PORT_FORWARDINGS = Noun(
    name="port-forwarding",
    help="Port forwardings: single ports of a floating IP that lead to ports of instances.",
    collection="port_forwardings",
    parent=FLOATING_IPS,
    columns=(
        *("id", "protocol", "external_port", "external_port_range", "internal_ip_address"),
        *("internal_port", "internal_port_range", "internal_port_id"),
    ),
    naming="none",
    shape=shapes.of_port_forwarding,
    examples=(
        "patchbay port-forwarding create 192.168.1.246 --port web --internal-ip-address 10.0.1.5 "
        "--protocol tcp --external-port 2222 --internal-port 22",
        "patchbay port-forwarding list 192.168.1.246",
    ),
    attributes=(
        Attribute(
            option="--protocol", name="protocol", metavar="tcp|udp", on=EVERYWHERE, required=True, help="Protocol."
        ),
        Attribute(
            option="--external-port",
            name="external_port",
            metavar="NUMBER[:LAST]",
            on=EVERYWHERE,
            required=True,
            help="Port of the floating IP.",
        ),
        Attribute(
            option="--port",
            name="internal_port_id",
            metavar="PORT",
            on=EVERYWHERE,
            required=True,
            reference="ports",
            help="Port that it leads to, by name or id.",
        ),
        Attribute(
            option="--internal-ip-address",
            name="internal_ip_address",
            metavar="ADDRESS",
            required=True,
            help="Address of that port.",
        ),
        Attribute(
            option="--internal-port",
            name="internal_port",
            metavar="NUMBER[:LAST]",
            required=True,
            help="Port at that address.",
        ),
        DESCRIPTION,
    ),
)

SUBNET_POOLS = Noun(
    name="subnet-pool",
    help="Subnet pools: prefixes that subnets are cut from.",
    collection="subnetpools",
    columns=("id", "name", "prefixes", "default_prefixlen", "address_scope_id", "is_default"),
    verbs=ALL,
    naming="required",
    examples=(
        "patchbay subnet-pool create campus --pool-prefix 10.0.0.0/8 --default-prefix-length 26",
        "patchbay subnet create blue-4 --network blue --subnet-pool campus",
    ),
    attributes=(
        NEW_NAME,
        DESCRIPTION,
        PROJECT,
        Attribute(
            option="--pool-prefix",
            name="prefixes",
            metavar="CIDR",
            repeated=True,
            required=True,
            help="A prefix of the pool; may be repeated. `set` replaces all, and may not leave one out.",
        ),
        *(
            Attribute(
                option=f"--{which}-prefix-length",
                name=f"{which}_prefixlen",
                metavar="BITS",
                kind=int,
                on=EVERYWHERE,
                help=meaning,
            )
            for which, meaning in (
                ("default", "Prefix length of subnets that name none."),
                ("min", "Shortest prefix that a subnet may have."),
                ("max", "Longest prefix that a subnet may have."),
            )
        ),
        Attribute(
            option="--default-quota",
            name="default_quota",
            metavar="NUMBER",
            kind=int,
            help="Addresses (IPv4) or /64 prefixes (IPv6) that one project may have.",
        ),
        Attribute(
            option="--address-scope",
            name="address_scope_id",
            metavar="SCOPE",
            on=EVERYWHERE | {UNSET},
            reference="address-scopes",
            help="Address scope that it is in, by name or id.",
        ),
        Attribute(
            option="--share/--no-share",
            name="shared",
            kind=bool,
            on=frozenset({CREATE, LIST}),
            help="Usable by every project or not.",
        ),
        Attribute(
            option="--default/--no-default",
            name="is_default",
            kind=bool,
            on=EVERYWHERE,
            help="The pool for subnets that name none, or not.",
        ),
        TAG,
    ),
)

ADDRESS_SCOPES = Noun(
    name="address-scope",
    help="Address scopes: subnet pools whose prefixes never overlap.",
    collection="address-scopes",
    columns=("id", "name", "ip_version", "shared", "project_id"),
    naming="required",
    examples=("patchbay address-scope create campus --ip-version 4",),
    attributes=(
        NEW_NAME,
        PROJECT,
        Attribute(
            option="--ip-version",
            name="ip_version",
            metavar="4|6",
            kind=int,
            on=frozenset({CREATE, LIST}),
            required=True,
            help="4 or 6.",
        ),
        Attribute(
            option="--share/--no-share", name="shared", kind=bool, on=EVERYWHERE, help="Usable by every project or not."
        ),
    ),
)
