"""Wrong requests about routers, floating IPs and port forwardings, and what is in use by them.

The world: router ``edge`` with its gateway on ``outside`` (203.0.113.0/24) and interfaces on ``lan`` (10.0.0.0/24, by
subnet) and on ``side`` (10.5.0.0/24); ``web`` on ``lan`` has the floating IP ``public``; ``ssh`` is forwarded from the
floating IP ``shared`` to ``db``; ``spare`` is free. ``alone`` is a router without anything.
"""

from typing import Any

from tests.functional.api.wrong import BAD, INVALID, NOWHERE, Row, put


def router(status: int, type_: str, message: str, /, **attributes: Any) -> Row:
    """A POST of a router."""
    return Row("POST", "/routers", {"router": attributes}, status, type_, message)


def gateway(status: int, type_: str, message: str, /, **info: Any) -> Row:
    """A POST of a router with a gateway."""
    return router(status, type_, message, external_gateway_info={"network_id": "{outside}"} | info)


def act(action: str, status: int, type_: str, message: str, /, **body: Any) -> Row:
    """A PUT of an action on a router: ``edge add_router_interface``."""
    name, _, action = action.partition(" ")
    return Row("PUT", f"/routers/{{{name}}}/{action}", body, status, type_, message)


def floatingip(status: int, type_: str, message: str, /, **attributes: Any) -> Row:
    """A POST of a floating IP on ``outside``."""
    item = {"floating_network_id": "{outside}"} | attributes
    return Row("POST", "/floatingips", {"floatingip": item}, status, type_, message)


def forwarding(status: int, type_: str, message: str, /, **attributes: Any) -> Row:
    """A POST of a port forwarding of ``shared``; ``of`` names another floating IP, None leaves an attribute out."""
    owner = attributes.pop("of", "shared")
    item = {"protocol": "tcp", "external_port": 80, "internal_port": 80, "internal_port_id": "{free}"} | attributes
    item = {name: value for name, value in item.items() if value is not None}
    return Row("POST", f"/floatingips/{{{owner}}}/port_forwardings", {"port_forwarding": item}, status, type_, message)


ADD, REMOVE = "add_router_interface", "remove_router_interface"
BAD_ROUTER = "BadRequest"

ROUTER_ROWS = [
    Row("GET", f"/routers/{NOWHERE}", None, 404, "RouterNotFound", f"Router {NOWHERE} could not be found"),
    Row("DELETE", f"/routers/{NOWHERE}", None, 404, "RouterNotFound", NOWHERE),
    put(f"/routers/{NOWHERE}", 404, "RouterNotFound", NOWHERE, name="x"),
    Row("GET", f"/routers/{NOWHERE}/tags", None, 404, "RouterNotFound", NOWHERE),
    Row("POST", "/routers/{edge}/add_router_interface", {}, 405, "HTTPMethodNotAllowed", "POST is not allowed"),
    Row("PUT", "/routers/{edge}/magic", {}, 404, "HTTPNotFound", "could not be found"),
    router(400, BAD, "Unrecognized attribute(s) 'colour'", colour="red"),
    router(400, INVALID, "'maybe' cannot be converted to boolean", admin_state_up="maybe"),
    router(400, BAD, "Attribute 'routes' not allowed in POST", routes=[]),
    router(400, BAD, "Attribute 'status' not allowed in POST", status="DOWN"),
    router(400, INVALID, "routers with a standby (ha) are not supported", ha=True),
    router(404, "FlavorNotFound", NOWHERE, flavor_id=NOWHERE),
    router(404, "AvailabilityZoneNotFound", "AvailabilityZone nova could not", availability_zone_hints=["nova"]),
    put("/routers/{edge}", 400, BAD_ROUTER, "Cannot change the 'distributed' attribute", distributed=True),
    put("/routers/{edge}", 400, BAD, "Cannot update read-only attribute project_id", project_id="x"),
    Row("DELETE", "/routers/{edge}", None, 409, "RouterInUse", "has ports still attached: "),
    # gateways
    router(400, BAD, "'7' is not a dictionary", external_gateway_info=7),
    router(400, BAD, "Expected keys", external_gateway_info={"enable_snat": True}),
    gateway(400, BAD, "Unexpected keys supplied: colour", colour="red"),
    gateway(400, BAD, "'x' is not a valid UUID", network_id="x"),
    gateway(400, INVALID, "cannot be converted to boolean", enable_snat="maybe"),
    gateway(404, "NetworkNotFound", NOWHERE, network_id=NOWHERE),
    gateway(400, BAD_ROUTER, "is not an external network", network_id="{lannet}"),
    gateway(400, BAD_ROUTER, "is the same as the gateway IP", external_fixed_ips=[{"ip_address": "203.0.113.1"}]),
    gateway(400, "InvalidIpForNetwork", "10.9.9.9", external_fixed_ips=[{"ip_address": "10.9.9.9"}]),
    gateway(
        400,
        "InvalidIpForSubnet",
        "10.9.9.9",
        external_fixed_ips=[{"ip_address": "10.9.9.9", "subnet_id": "{outsidesub}"}],
    ),
    gateway(409, "IpAddressAlreadyAllocated", "203.0.113.9", external_fixed_ips=[{"ip_address": "203.0.113.9"}]),
    gateway(400, INVALID, "included invalid subnet", external_fixed_ips=[{"subnet_id": "{lan}"}]),
    gateway(409, "IpAddressGenerationFailure", "No more IP addresses", network_id="{full}"),
    put(
        "/routers/{edge}",
        409,
        "RouterExternalGatewayInUseByFloatingIp",
        "is required by one or more floating IPs.",
        external_gateway_info={},
    ),
    put(
        "/routers/{edge}",
        409,
        "RouterExternalGatewayInUseByFloatingIp",
        "Gateway cannot be updated for router",
        external_gateway_info={"network_id": "{second}"},
    ),
    put(
        "/routers/{alone}",
        400,
        BAD_ROUTER,
        "overlaps with cidr",
        external_gateway_info={"network_id": "{overlapping}"},
    ),
    # interfaces
    act(f"edge {ADD}", 400, BAD_ROUTER, "Either subnet_id or port_id must be specified"),
    act(f"edge {ADD}", 400, BAD_ROUTER, "Cannot specify both", subnet_id="{lan}", port_id="{web}"),
    act(f"edge {ADD}", 400, BAD_ROUTER, "'x' is not a valid UUID", subnet_id="x"),
    act(f"edge {ADD}", 404, "SubnetNotFound", NOWHERE, subnet_id=NOWHERE),
    act(f"edge {ADD}", 404, "PortNotFound", NOWHERE, port_id=NOWHERE),
    act(f"edge {ADD}", 400, BAD_ROUTER, "Router already has a port on subnet", subnet_id="{lan}"),
    act(f"edge {ADD}", 400, BAD_ROUTER, "overlaps with cidr 10.0.0.0/24 of subnet", subnet_id="{overlap}"),
    act(f"edge {ADD}", 400, BAD_ROUTER, "Router already has a port on subnet", port_id="{free}"),
    act(f"edge {ADD}", 400, BAD_ROUTER, "overlaps with cidr 203.0.113.0/24", subnet_id="{likeoutside}"),
    act(f"alone {ADD}", 400, BAD_ROUTER, "must have a gateway IP", subnet_id="{closed}"),
    act(f"alone {ADD}", 409, "IpAddressAlreadyAllocated", "10.0.0.1", subnet_id="{lan}"),
    act(f"alone {ADD}", 409, "PortInUse", "Port already has an attached device", port_id="{web}"),
    act(f"alone {ADD}", 400, BAD_ROUTER, "must have at least one fixed IP", port_id="{empty}"),
    act(f"alone {ADD}", 400, BAD_ROUTER, "Cannot have multiple IPv4 subnets on router port", port_id="{wide}"),
    act(f"edge {ADD}", 400, BAD_ROUTER, "Router already contains IPv6 port", port_id="{six}"),
    act(f"alone {ADD}", 400, BAD_ROUTER, "configured to receive RAs from an external", subnet_id="{foreign}"),
    Row("PUT", f"/routers/{NOWHERE}/{ADD}", {"subnet_id": "{lan}"}, 404, "RouterNotFound", NOWHERE),
    act(f"edge {REMOVE}", 400, BAD_ROUTER, "Either subnet_id or port_id must be specified"),
    act(f"edge {REMOVE}", 404, "RouterInterfaceNotFound", "does not have an interface with id", port_id="{web}"),
    act(f"alone {REMOVE}", 404, "RouterInterfaceNotFoundForSubnet", "has no interface on subnet", subnet_id="{lan}"),
    act(f"edge {REMOVE}", 400, "SubnetMismatchForPort", "does not match", port_id="{lanport}", subnet_id="{side}"),
    act(f"edge {REMOVE}", 409, "RouterInterfaceInUseByFloatingIP", "by one or more floating IPs.", subnet_id="{lan}"),
    act(f"edge {REMOVE}", 409, "RouterInterfaceInUseByFloatingIP", "floating IPs", port_id="{lanport}"),
    act(f"edge {REMOVE}", 409, "RouterInterfaceInUseByRoute", "by one or more routes.", subnet_id="{side}"),
    # routes
    put(
        "/routers/{edge}",
        400,
        "InvalidRoutes",
        "the nexthop is not connected with router",
        routes=[{"destination": "10.7.0.0/16", "nexthop": "192.0.2.1"}],
    ),
    put(
        "/routers/{edge}",
        400,
        "InvalidRoutes",
        "the nexthop is used by router",
        routes=[{"destination": "10.7.0.0/16", "nexthop": "10.0.0.1"}],
    ),
    put("/routers/{edge}", 400, BAD, "is not a valid CIDR", routes=[{"destination": "10.7.0.1/16", "nexthop": "::1"}]),
    put("/routers/{edge}", 400, BAD, "Validation of dictionary's keys failed", routes=[{"nexthop": "10.0.0.9"}]),
    act("edge add_extraroutes", 400, BAD, "Unable to find 'router' in request body", routes=[]),
    act("edge add_extraroutes", 400, BAD, "Invalid data format for hostroute", router={"routes": 7}),
    act(
        "edge add_extraroutes",
        400,
        "InvalidRoutes",
        "not connected",
        router={"routes": [{"destination": "10.7.0.0/16", "nexthop": "192.0.2.1"}]},
    ),
]

FLOATING_ROWS = [
    Row("GET", f"/floatingips/{NOWHERE}", None, 404, "FloatingIPNotFound", f"Floating IP {NOWHERE} could not be found"),
    Row("DELETE", f"/floatingips/{NOWHERE}", None, 404, "FloatingIPNotFound", NOWHERE),
    Row("POST", "/floatingips", {"floatingip": {"description": "x"}}, 400, BAD, "'floating_network_id' not specified"),
    floatingip(400, BAD, "Unrecognized attribute(s) 'name'", name="x"),
    floatingip(404, "NetworkNotFound", NOWHERE, floating_network_id=NOWHERE),
    floatingip(400, "BadRequest", "is not a valid external network", floating_network_id="{lannet}"),
    floatingip(400, "BadRequest", "does not contain any IPv4 subnet", floating_network_id="{only6}"),
    floatingip(400, "ExternalIpAddressExhausted", "Unable to find any IP address", subnet_id="{outside6}"),
    floatingip(409, "IpAddressGenerationFailure", "No more IP addresses", floating_network_id="{full}"),
    floatingip(409, "IpAddressAlreadyAllocated", "203.0.113.9", floating_ip_address="203.0.113.9"),
    floatingip(400, "InvalidIpForNetwork", "10.9.9.9", floating_ip_address="10.9.9.9"),
    floatingip(400, "InvalidIpForSubnet", "10.9.9.9", floating_ip_address="10.9.9.9", subnet_id="{outsidesub}"),
    floatingip(404, "QosPolicyNotFound", NOWHERE, qos_policy_id=NOWHERE),
    floatingip(404, "PortNotFound", NOWHERE, port_id=NOWHERE),
    floatingip(400, "BadRequest", "cannot be specified without a port_id", fixed_ip_address="10.0.0.9"),
    floatingip(404, "ExternalGatewayForFloatingIPNotFound", "is not reachable from subnet", port_id="{far}"),
    floatingip(
        404,
        "ExternalGatewayForFloatingIPNotFound",
        "is not reachable",
        floating_network_id="{second}",
        port_id="{free}",
    ),
    floatingip(409, "FloatingIPPortAlreadyAssociated", "as that fixed IP already has a floating IP", port_id="{web}"),
    floatingip(400, "BadRequest", "that has no fixed IPv4 addresses", port_id="{empty}"),
    floatingip(400, "BadRequest", "has multiple fixed IPv4 addresses", port_id="{wide}"),
    floatingip(400, "BadRequest", "is not an IPv4 address", port_id="{free}", fixed_ip_address="fd00::1"),
    floatingip(400, "BadRequest", "does not have fixed ip 10.0.0.77", port_id="{free}", fixed_ip_address="10.0.0.77"),
    floatingip(400, "BadRequest", "is unable to be assigned a floating IP", port_id="{dhcp}"),
    Row(
        "POST",
        "/floatingips",
        {"floatingips": [{"floating_network_id": "{outside}", "port_id": "{free}"}] * 2},
        409,
        "FloatingIPPortAlreadyAssociated",
        "already has a floating IP",
    ),
    put("/floatingips/{spare}", 409, "FloatingIPPortAlreadyAssociated", "already has", port_id="{web}"),
    put("/floatingips/{spare}", 404, "ExternalGatewayForFloatingIPNotFound", "not reachable", port_id="{far}"),
    put("/floatingips/{spare}", 400, "BadRequest", "without a port_id", fixed_ip_address="10.0.0.9"),
    put("/floatingips/{spare}", 400, BAD, "Cannot update read-only attribute", floating_ip_address="203.0.113.8"),
    put("/floatingips/{shared}", 409, "FipInUseByPortForwarding", "in use by Port Forwarding", port_id="{free}"),
    Row("DELETE", "/floatingips/{shared}", None, 409, "FipInUseByPortForwarding", "in use by Port Forwarding"),
    # port forwardings
    Row("GET", f"/floatingips/{NOWHERE}/port_forwardings", None, 404, "FloatingIPNotFound", NOWHERE),
    Row("GET", f"/floatingips/{{shared}}/port_forwardings/{NOWHERE}", None, 404, "PortForwardingNotFound", NOWHERE),
    Row(
        "DELETE",
        "/floatingips/{spare}/port_forwardings/{ssh}",
        None,
        404,
        "PortForwardingNotFound",
        "could not be found.",
    ),
    forwarding(400, BAD, "Required attribute 'protocol' not specified", protocol=None),
    forwarding(400, BAD, "Required attribute 'external_port' not specified", external_port=None),
    forwarding(400, BAD, "icmp is not in", protocol="icmp"),
    forwarding(400, BAD, "'65536' is too large", external_port=65536),
    forwarding(400, BAD, "'0' is too small", internal_port=0),
    forwarding(400, BAD, "two integers separated by a colon", external_port=None, external_port_range="1:2:3"),
    forwarding(400, BAD, "must be lower than the second", external_port=None, external_port_range="9:8"),
    forwarding(400, BAD, "external_port and external_port_range do not match", external_port_range="81:82"),
    forwarding(404, "PortNotFound", NOWHERE, internal_port_id=NOWHERE),
    forwarding(400, "BadRequest", "is not suitable for internal neutron port", internal_ip_address="10.0.0.77"),
    forwarding(400, "BadRequest", "must allocate an IPv4 address at least", internal_port_id="{empty}"),
    forwarding(400, "BadRequest", "is not reachable from subnet", internal_port_id="{far}"),
    forwarding(409, "PortHasBindingFloatingIP", "already has a binding floating IP", internal_port_id="{web}"),
    forwarding(409, "FloatingIPPortAlreadyAssociated", "Cannot associate floating IP", of="public"),
    forwarding(400, "BadRequest", "port collision with the external_port_range", external_port=2222),
    forwarding(
        400,
        "BadRequest",
        "ranges collide: 2222:2222 and 2200:2300",
        external_port=None,
        external_port_range="2200:2300",
    ),
    forwarding(
        400,
        "BadRequest",
        "port collision with the internal_port_range",
        of="spare",
        internal_port_id="{db}",
        internal_port=22,
    ),
    forwarding(
        400,
        "BadRequest",
        "must be N-N or 1-N",
        external_port=None,
        internal_port=None,
        external_port_range="1:5",
        internal_port_range="1:4",
    ),
    # what they keep others from
    Row("DELETE", "/ports/{lanport}", None, 409, "ServicePortInUse", "has device owner network:router_interface"),
    Row("DELETE", "/ports/{gatewayport}", None, 409, "ServicePortInUse", "directly via the port API"),
    Row("DELETE", "/ports/{publicport}", None, 409, "ServicePortInUse", "has device owner network:floatingip"),
    put("/ports/{lanport}", 409, "UnsupportedPortDeviceOwner", "device id update", device_id=""),
    put("/ports/{lanport}", 409, "UnsupportedPortDeviceOwner", "host update", binding__host_id="elsewhere"),
    put("/ports/{gatewayport}", 409, "UnsupportedPortDeviceOwner", "fixed ips update", fixed_ips=[]),
    put("/ports/{publicport}", 409, "UnsupportedPortDeviceOwner", "mac address", mac_address="fa:16:3e:00:00:99"),
    put("/ports/{free}", 400, INVALID, "device_owner", device_owner="network:router_interface", device_id="{alone}"),
    put("/ports/{web}", 400, "BadRequest", "has been associated to a floating ip", fixed_ips=[]),
    Row("DELETE", "/networks/{lannet}", None, 409, "NetworkInUse", "one or more ports still in use"),
    Row("DELETE", "/networks/{outside}", None, 409, "NetworkInUse", "one or more ports still in use"),
    Row("DELETE", "/subnets/{lan}", None, 409, "SubnetInUse", "One or more ports have an IP allocation"),
    Row("DELETE", "/subnets/{side}", None, 409, "SubnetInUse", "One or more ports have an IP allocation"),
    Row("DELETE", "/subnets/{outsidesub}", None, 409, "SubnetInUse", "One or more ports have an IP allocation"),
    put("/subnets/{lan}", 409, "GatewayIpInUse", "Current gateway ip 10.0.0.1 already in use", gateway_ip="10.0.0.2"),
    put("/networks/{outside}", 409, "ExternalNetworkInUse", "it has existing gateway ports", router__external=False),
    put("/networks/{third}", 409, "ExternalNetworkInUse", "cannot be updated to be made", router__external=False),
]
