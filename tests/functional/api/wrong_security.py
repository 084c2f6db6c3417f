"""Wrong requests about security groups, rules, address groups and port security.

The world: group ``web`` with the rule ``ssh`` (TCP 22 from 10.0.0.0/8); ``used`` has the port ``member``; ``stateless``
is one; ``default`` is the project's own; the address group ``offices`` (10.1.0.0/16) is named by a rule of ``web``,
``spare`` by none; ``open`` is a port without port security, ``paired`` one with an address pair and no group; the
network ``net`` has port security, ``bare`` has not.
"""

from typing import Any

from tests.functional.api.wrong import BAD, INVALID, NOWHERE, Row

LACKING = "does not exist"


def group(status: int, type_: str, message: str, /, **attributes: Any) -> Row:
    """A POST of a group."""
    return Row("POST", "/security-groups", {"security_group": attributes}, status, type_, message)


def rule(status: int, type_: str, message: str, /, **attributes: Any) -> Row:
    """A POST of an ingress rule of ``web``; None leaves an attribute out."""
    item = {"security_group_id": "{web}", "direction": "ingress"} | attributes
    body = {"security_group_rule": {name: value for name, value in item.items() if value is not None}}
    return Row("POST", "/security-group-rules", body, status, type_, message)


def rules(status: int, type_: str, message: str, /, *items: dict[str, Any]) -> Row:
    """A POST of several rules of ``web``."""
    body = {"security_group_rules": [{"security_group_id": "{web}", "direction": "ingress"} | item for item in items]}
    return Row("POST", "/security-group-rules", body, status, type_, message)


def addresses(status: int, type_: str, message: str, /, **attributes: Any) -> Row:
    """A POST of an address group."""
    return Row("POST", "/address-groups", {"address_group": attributes}, status, type_, message)


def change(path: str, status: int, type_: str, message: str, /, **attributes: Any) -> Row:
    """A PUT."""
    member = path.split("/")[1].removesuffix("s").replace("-", "_")
    return Row("PUT", path, {member: attributes}, status, type_, message)


def port(status: int, type_: str, message: str, /, **attributes: Any) -> Row:
    """A POST of a port of ``net``."""
    return Row("POST", "/ports", {"port": {"network_id": "{net}"} | attributes}, status, type_, message)


PAIR = [{"ip_address": "10.0.0.99"}]
WEB = "/security-groups/{web}"
REQUIRED = "PortSecurityAndIPRequiredForSecurityGroups"
TOGETHER = "AddressPairAndPortSecurityRequired"
PROTOCOL = "SecurityGroupRuleInvalidProtocol"
ETHERTYPE = "SecurityGroupEthertypeConflictWithProtocol"
MANY = "SecurityGroupMultipleRemoteEntites"
NO_PORT = "SecurityGroupInvalidPortValue"
NO_PORTS = "SecurityGroupInvalidProtocolForPort"
RANGE = "SecurityGroupInvalidPortRange"

GROUP_ROWS = [
    Row("GET", f"/security-groups/{NOWHERE}", None, 404, "SecurityGroupNotFound", f"Security group {NOWHERE} does not"),
    Row("DELETE", f"/security-groups/{NOWHERE}", None, 404, "SecurityGroupNotFound", NOWHERE),
    Row("GET", f"/security-groups/{NOWHERE}/tags", None, 404, "SecurityGroupNotFound", NOWHERE),
    change(f"/security-groups/{NOWHERE}", 404, "SecurityGroupNotFound", NOWHERE, description="x"),
    group(409, "SecurityGroupDefaultAlreadyExists", "Default security group already exists", name="default"),
    group(409, "SecurityGroupDefaultAlreadyExists", "already exists", name="DEFAULT"),
    group(400, BAD, "exceeds maximum length of 255", name="x" * 256),
    group(400, INVALID, "'perhaps' cannot be converted to boolean", stateful="perhaps"),
    group(400, BAD, "Attribute 'security_group_rules' not allowed in POST", security_group_rules=[]),
    group(400, BAD, "Attribute 'shared' not allowed in POST", shared=True),
    group(400, BAD, "Unrecognized attribute(s) 'colour'", colour="red"),
    change(WEB, 409, "SecurityGroupDefaultAlreadyExists", "already exists", name="default"),
    change(WEB, 400, BAD, "Cannot update read-only attribute security_group_rules", security_group_rules=[]),
    change(WEB, 400, BAD, "Cannot update read-only attribute project_id", project_id="other"),
    change("/security-groups/{default}", 409, "SecurityGroupCannotUpdateDefault", "not allowed", name="mine"),
    change("/security-groups/{used}", 409, "SecurityGroupInUse", "in use", stateful=False),
    Row("DELETE", "/security-groups/{used}", None, 409, "SecurityGroupInUse", "in use."),
    Row("DELETE", WEB, {"security_group": {}}, 400, BAD, "Request body is not supported in DELETE"),
    Row("PUT", "/default-security-group-rules/x", {}, 405, "HTTPMethodNotAllowed", "PUT is not allowed"),
    Row("POST", "/default-security-group-rules", {}, 400, BAD, "Resource body required"),
    Row("GET", f"/default-security-group-rules/{NOWHERE}", None, 404, "DefaultSecurityGroupRuleNotFound", NOWHERE),
]

RULE_ROWS = [
    Row("GET", f"/security-group-rules/{NOWHERE}", None, 404, "SecurityGroupRuleNotFound", f"rule {NOWHERE} {LACKING}"),
    Row("DELETE", f"/security-group-rules/{NOWHERE}", None, 404, "SecurityGroupRuleNotFound", NOWHERE),
    Row("PUT", "/security-group-rules/{ssh}", {}, 405, "HTTPMethodNotAllowed", "PUT is not allowed"),
    rule(400, BAD, "Required attribute 'direction' not specified", direction=None),
    rule(400, BAD, "Required attribute 'security_group_id' not specified", security_group_id=None),
    rule(400, BAD, "sideways is not in ['ingress', 'egress']", direction="sideways"),
    rule(400, BAD, "Unrecognized attribute(s) 'tags'", tags=["x"]),
    rule(404, "SecurityGroupNotFound", f"{NOWHERE} {LACKING}", security_group_id=NOWHERE),
    rule(404, "SecurityGroupNotFound", "nothing does not exist", security_group_id="nothing"),
    rule(404, "SecurityGroupNotFound", f"{NOWHERE} {LACKING}", remote_group_id=NOWHERE),
    rule(404, "AddressGroupNotFound", f"Address group {NOWHERE} could not", remote_address_group_id=NOWHERE),
    rule(400, "SecurityGroupRuleInvalidEtherType", "ethertype 'IPv5' not supported", ethertype="IPv5"),
    rule(400, "SecurityGroupRuleInvalidEtherType", "Allowed values are ['IPv4', 'IPv6']", ethertype=4),
    *(
        rule(400, PROTOCOL, f"protocol {given} not supported", protocol=given)
        for given in ("telnet", "256", -1, 256, 1.5, "٣", ["tcp"], True)
    ),
    *(
        rule(400, NO_PORT, f"Invalid value for port {given}", protocol="tcp", port_range_min=given)
        for given in ("ssh", -1, 65536, "65536", 1.5, "", [22])
    ),
    rule(400, "SecurityGroupProtocolRequiredWithPorts", "Must also specify protocol", port_range_min=22),
    rule(400, "SecurityGroupProtocolRequiredWithPorts", "port range", port_range_max=22, protocol="any"),
    rule(400, RANGE, "must be <= port_range_max", protocol="tcp", port_range_min=23, port_range_max=22),
    rule(400, RANGE, "port_range_min must be", protocol="17", port_range_min=23, port_range_max=22),
    rule(400, RANGE, "port_range_min must be", protocol="udp", port_range_min=23),
    rule(400, RANGE, "port_range_min must be", protocol="sctp", port_range_max=23),
    rule(400, "SecurityGroupInvalidPortValue", "port 0", protocol="tcp", port_range_min=0, port_range_max=9),
    rule(400, NO_PORTS, "protocol 47. Ports are only supported for DCCP, SCTP, TCP, UDP, UDPLITE",
         protocol="gre", port_range_min=1, port_range_max=2),
    rule(400, NO_PORTS, "protocol 112", protocol="112", port_range_min=1, port_range_max=2),
    rule(400, "SecurityGroupInvalidIcmpValue", "ICMP type (port_range_min) 256", protocol="icmp", port_range_min=256),
    rule(400, "SecurityGroupInvalidIcmpValue", "ICMP code (port_range_max) 300. It must be 0 to 255",
         protocol="1", port_range_min=8, port_range_max=300),
    rule(400, "SecurityGroupMissingIcmpType", "ICMP code (port-range-max) 0 is provided", protocol="icmp",
         port_range_max=0),
    rule(400, "SecurityGroupMissingIcmpType", "is missing", protocol="icmpv6", ethertype="IPv6", port_range_max=1),
    *(
        rule(400, ETHERTYPE, f"ethertype IPv4 for protocol {given}", protocol=given)
        for given in ("ipv6-icmp", "icmpv6", "58", "ipv6-route", "43", "ipv6-frag", "ipv6-nonxt", "ipv6-opts", "41")
    ),
    rule(400, "InvalidCIDR", "Invalid CIDR tent given as IP prefix", remote_ip_prefix="tent"),
    rule(400, "InvalidCIDR", "Invalid CIDR 10.0.0.0/33", remote_ip_prefix="10.0.0.0/33"),
    rule(400, "InvalidCIDR", "Invalid CIDR ['10.0.0.0/8']", remote_ip_prefix=["10.0.0.0/8"]),
    rule(400, "SecurityGroupRuleParameterConflict", "ethertype IPv4 for CIDR fd00::/8", remote_ip_prefix="fd00::/8"),
    rule(400, "SecurityGroupRuleParameterConflict", "ethertype IPv6 for CIDR 10.0.0.0/8",
         ethertype="ipv6", remote_ip_prefix="10.0.0.0/8"),
    rule(400, MANY, "Only one of", remote_ip_prefix="10.0.0.0/8", remote_group_id="{web}"),
    rule(400, MANY, "Only one of", remote_address_group_id="{offices}", remote_group_id="{web}"),
    rule(400, MANY, "Only one of", remote_address_group_id="{offices}", remote_ip_prefix="10.0.0.0/8"),
    *(
        rule(409, "SecurityGroupRuleExists", "Security group rule already exists. Rule id is {ssh}.",
             protocol=given, port_range_min=22, port_range_max="22", remote_ip_prefix="10.0.0.0/8")
        for given in ("tcp", "TCP", "6", 6)
    ),
    rule(409, "SecurityGroupRuleExists", "already exists", direction="egress", remote_ip_prefix="0.0.0.0/0"),
    rule(409, "SecurityGroupRuleExists", "exists", direction="egress", ethertype="IPv6", remote_ip_prefix="::/0"),
    rules(409, "DuplicateSecurityGroupRuleInPost", "Duplicate Security Group Rule in POST",
          {"protocol": "udp"}, {"protocol": 17}),
    rules(409, "SecurityGroupRuleExists", "already exists", {"protocol": "udp"}, {"direction": "egress"}),
    rules(400, "SecurityGroupNotSingleGroupRules", "one security profile", {}, {"security_group_id": "{used}"}),
    rules(400, "SecurityGroupRulesNotSingleProject", "Multiple project_ids", {}, {"project_id": "other"}),
    rules(400, RANGE, "port_range_min", {"protocol": "udp"}, {"protocol": "tcp", "port_range_min": 7}),
]  # fmt: skip

ADDRESS_ROWS = [
    Row("GET", f"/address-groups/{NOWHERE}", None, 404, "AddressGroupNotFound", f"group {NOWHERE} could not be found."),
    Row("DELETE", "/address-groups/{offices}", None, 409, "AddressGroupInUse", "is in use on one or more"),
    change(f"/address-groups/{NOWHERE}", 404, "AddressGroupNotFound", NOWHERE, name="x"),
    change("/address-groups/{spare}", 400, BAD, "read-only attribute addresses", addresses=["10.0.0.0/8"]),
    addresses(400, BAD, "'10.0.0.1' is not a valid IP subnet", addresses=["10.0.0.1"]),
    addresses(400, BAD, "'tent' is not a valid IP subnet", addresses=["tent"]),
    addresses(400, BAD, "'{}' is not a list", addresses={}),
    addresses(400, BAD, "Duplicate items in the list", addresses=["10.0.0.0/8", "10.0.0.0/8"]),
    Row("PUT", "/address-groups/{spare}/add_addresses", {"addresses": ["tent"]}, 400, BAD, "'tent' is not a valid"),
    Row("PUT", "/address-groups/{spare}/add_addresses", {"addresses": []}, 400, BAD, "invalid data"),
    Row("PUT", "/address-groups/{spare}/add_addresses", {"colour": "red"}, 400, BAD, "invalid data"),
    Row("PUT", "/address-groups/{spare}/add_addresses", ["10.0.0.0/8"], 400, BAD, "invalid data"),
    Row("PUT", f"/address-groups/{NOWHERE}/add_addresses", {"addresses": ["10.0.0.0/8"]}, 404, "AddressGroupNotFound",
        NOWHERE),
    Row("PUT", "/address-groups/{offices}/add_addresses", {"addresses": ["10.1.9.9/16"]}, 400, "AddressesAlreadyExist",
        "Addresses ['10.1.0.0/16'] already exist in the address group"),
    Row("PUT", "/address-groups/{offices}/remove_addresses", {"addresses": ["10.2.0.0/16", "10.1.0.0/16"]}, 404,
        "AddressesNotFound", "Addresses ['10.2.0.0/16'] not found in the address group"),
    Row("POST", "/address-groups/{offices}/add_addresses", {}, 405, "HTTPMethodNotAllowed", "POST is not allowed"),
    Row("PUT", "/address-groups/{offices}/paint", {}, 404, "HTTPNotFound", "could not be found"),
]  # fmt: skip

PORT_ROWS = [
    port(404, "SecurityGroupNotFound", f"Security group {NOWHERE} does not exist", security_groups=[NOWHERE]),
    port(400, BAD, "'web' is not a valid UUID", security_groups=["web"]),
    port(400, BAD, "is not a list", security_groups="{web}"),
    port(400, BAD, "Duplicate items in the list", security_groups=["{web}", "{web}"]),
    port(400, INVALID, "'so-so' cannot be converted to boolean", port_security_enabled="so-so"),
    port(409, "SecurityGroupConflict", "both stateful and stateless", security_groups=["{web}", "{stateless}"]),
    port(400, REQUIRED, "Port security must be enabled", security_groups=["{web}"], port_security_enabled=False),
    port(400, REQUIRED, "Port security must be", security_groups=["{web}"], device_owner="network:dhcp"),
    port(409, TOGETHER, "Port Security must be enabled", allowed_address_pairs=PAIR, port_security_enabled=False),
    port(409, TOGETHER, "Port Security must be", allowed_address_pairs=PAIR, network_id="{bare}"),
    port(409, TOGETHER, "Port Security must be", allowed_address_pairs=PAIR, device_owner="network:special"),
    change("/ports/{member}", 409, "PortSecurityPortHasSecurityGroup", "Cannot disable", port_security_enabled=False),
    change("/ports/{paired}", 409, TOGETHER, "Port Security must be", port_security_enabled=False),
    change("/ports/{paired}", 409, TOGETHER, "Port Security", port_security_enabled=False, allowed_address_pairs=PAIR),
    change("/ports/{open}", 409, TOGETHER, "Port Security must be", allowed_address_pairs=PAIR),
    change("/ports/{open}", 400, REQUIRED, "Port security must be enabled", security_groups=["{web}"]),
    change("/ports/{member}", 400, REQUIRED, "Port security", security_groups=["{web}"], port_security_enabled=False),
    change("/ports/{member}", 404, "SecurityGroupNotFound", NOWHERE, security_groups=["{web}", NOWHERE]),
    change("/ports/{member}", 409, "SecurityGroupConflict", "both", security_groups=["{web}", "{stateless}"]),
    change("/ports/{dhcp}", 400, REQUIRED, "Port security must", security_groups=["{web}"], port_security_enabled=True),
    change("/ports/{dhcp}", 409, TOGETHER, "Port Security must", allowed_address_pairs=PAIR),
    change("/networks/{net}", 400, INVALID, "cannot be converted to boolean", port_security_enabled="so-so"),
]
