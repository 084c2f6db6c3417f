"""The nouns of the API as data: security groups, their rules, address groups.

Called by ``security``, which makes the commands; ``noun`` says what the data means.
"""

from collections.abc import Callable

from patchbay.cli import shapes
from patchbay.cli.noun import CREATE, DESCRIPTION, EVERYWHERE, LIST, NEW_NAME, PROJECT, TAG, Attribute, Noun

MADE = frozenset({CREATE, LIST})


def _one_of(yes: str, no: str) -> Callable[[bool], str]:
    """What a switch with two sides stands for."""
    return lambda given: yes if given else no


SECURITY_GROUPS = Noun(
    name="security-group",
    help="Security groups: what may go to ports, and from them. What no rule of a port's groups allows is dropped.",
    collection="security-groups",
    columns=("id", "name", "description", "project_id", "stateful", "shared"),
    naming="required",
    examples=(
        "patchbay security-group create web",
        "patchbay security-group-rule create web --protocol tcp --dst-port 80:443",
        "patchbay port set web1 --security-group web --security-group default",
    ),
    attributes=(
        NEW_NAME,
        DESCRIPTION,
        PROJECT,
        Attribute(
            option="--stateful/--stateless",
            name="stateful",
            kind=bool,
            on=EVERYWHERE,
            help="Whether answers to what is allowed are allowed too (default), or each packet needs a rule.",
        ),
        TAG,
    ),
)

SECURITY_GROUP_RULES = Noun(
    name="security-group-rule",
    help="Rules of security groups: what a group lets in or out. Rules are never changed: delete, and make another.",
    collection="security-group-rules",
    columns=(
        *("id", "security_group_id", "direction", "ethertype", "protocol", "port_range_min", "port_range_max"),
        *("remote_ip_prefix", "remote_group_id", "remote_address_group_id"),
    ),
    naming="none",
    verbs=("list", "show", "create", "delete"),
    shape=shapes.of_security_group_rule,
    examples=(
        "patchbay security-group-rule create web --protocol tcp --dst-port 22 --remote-ip 10.0.0.0/8",
        "patchbay security-group-rule create web --protocol icmp --icmp-type 8",
        "patchbay security-group-rule create db --protocol tcp --dst-port 5432 --remote-group web",
        "patchbay security-group-rule list web --egress",
    ),
    attributes=(
        Attribute(
            option="security_group",
            name="security_group_id",
            metavar="SECURITY-GROUP",
            on=MADE,
            required=True,
            reference="security-groups",
            help="Security group, by name or id.",
        ),
        Attribute(
            option="--ingress/--egress",
            name="direction",
            kind=bool,
            on=MADE,
            parse=_one_of("ingress", "egress"),
            help="What comes to the ports of the group (default), or what they send.",
        ),
        Attribute(
            option="--ethertype",
            name="ethertype",
            metavar="IPv4|IPv6",
            on=MADE,
            help="IP version; that of --remote-ip, else IPv4.",
        ),
        Attribute(
            option="--protocol",
            name="protocol",
            metavar="PROTOCOL",
            on=MADE,
            help="tcp, udp, icmp, ipv6-icmp …, or a number from 0 to 255; all when not given.",
        ),
        Attribute(
            option="--dst-port",
            name="dst_port",
            metavar="FIRST[:LAST]",
            on=frozenset({CREATE}),
            help="Ports that it is sent to.",
        ),
        Attribute(
            option="--icmp-type",
            name="icmp_type",
            metavar="NUMBER",
            kind=int,
            on=frozenset({CREATE}),
            help="Type of ICMP messages.",
        ),
        Attribute(
            option="--icmp-code",
            name="icmp_code",
            metavar="NUMBER",
            kind=int,
            on=frozenset({CREATE}),
            help="Code of ICMP messages of that type.",
        ),
        Attribute(
            option="--remote-ip",
            name="remote_ip_prefix",
            metavar="CIDR",
            on=MADE,
            help="Addresses at the other end; everybody when no remote is given.",
        ),
        Attribute(
            option="--remote-group",
            name="remote_group_id",
            metavar="SECURITY-GROUP",
            on=MADE,
            reference="security-groups",
            help="Security group whose ports are at the other end, by name or id.",
        ),
        Attribute(
            option="--remote-address-group",
            name="remote_address_group_id",
            metavar="ADDRESS-GROUP",
            on=MADE,
            reference="address-groups",
            help="Address group at the other end, by name or id.",
        ),
        DESCRIPTION,
        PROJECT,
    ),
)

ADDRESS_GROUPS = Noun(
    name="address-group",
    help="Address groups: CIDRs that rules of security groups name together.",
    collection="address-groups",
    columns=("id", "name", "description", "project_id", "addresses"),
    naming="required",
    examples=(
        "patchbay address-group create offices --address 192.0.2.0/24",
        "patchbay address-group add address offices 198.51.100.7",
        "patchbay security-group-rule create web --remote-address-group offices",
    ),
    attributes=(
        NEW_NAME,
        DESCRIPTION,
        PROJECT,
        Attribute(
            option="--address",
            name="addresses",
            metavar="CIDR",
            on=frozenset({CREATE}),
            repeated=True,
            parse=shapes.block,
            help="An address or CIDR; may be repeated. `add address` and `remove address` change them.",
        ),
    ),
)
