"""Errors of routers, floating IPs and port forwardings, named and worded as Neutron's.

From neutron-lib ``exceptions/l3.py``, ``extraroute.py``, ``external_net.py`` and neutron's port forwarding service.
"""

from patchbay.errors import BadRequest, Conflict, NotFound


class FloatingIPNotFound(NotFound):
    """No such floating IP."""

    def __init__(self, floatingip_id: str) -> None:
        super().__init__(f"Floating IP {floatingip_id} could not be found")


class PortForwardingNotFound(NotFound):
    """The floating IP has no such port forwarding."""

    def __init__(self, forwarding_id: str) -> None:
        super().__init__(f"Port Forwarding {forwarding_id} could not be found.")


class FlavorNotFound(NotFound):
    """There are no flavors of routers here."""

    def __init__(self, flavor_id: str) -> None:
        super().__init__(f"Flavor {flavor_id} could not be found.", "Leave flavor_id out.")


class AvailabilityZoneNotFound(NotFound):
    """There are no availability zones here."""

    def __init__(self, zone: str) -> None:
        super().__init__(f"AvailabilityZone {zone} could not be found.", "Leave availability_zone_hints out.")


class QosPolicyNotFound(NotFound):
    """There are no QoS policies here."""

    def __init__(self, policy_id: str) -> None:
        super().__init__(f"QoS policy {policy_id} could not be found.", "Leave qos_policy_id out.")


class RouterInterfaceNotFound(NotFound):
    """The port is no interface of the router."""

    def __init__(self, router_id: str, port_id: str) -> None:
        super().__init__(f"Router {router_id} does not have an interface with id {port_id}")


class RouterInterfaceNotFoundForSubnet(NotFound):
    """The router has no interface on the subnet."""

    def __init__(self, router_id: str, subnet_id: str) -> None:
        super().__init__(f"Router {router_id} has no interface on subnet {subnet_id}")


class ExternalGatewayForFloatingIPNotFound(NotFound):
    """No router leads from the port's subnet to the floating IP's network."""

    def __init__(self, external_network_id: str, subnet_id: str, port_id: str) -> None:
        super().__init__(
            f"External network {external_network_id} is not reachable from subnet {subnet_id}.  Therefore, cannot "
            f"associate Port {port_id} with a Floating IP.",
            "Give a router an interface on the subnet and its gateway on the external network.",
        )


class SubnetMismatchForPort(BadRequest):
    """The interface named by port is not on the subnet named with it."""

    def __init__(self, port_id: str, subnet_id: str) -> None:
        super().__init__(f"Subnet on port {port_id} does not match the requested subnet {subnet_id}.")


class InvalidRoutes(BadRequest):
    """A route of a router leads nowhere."""

    def __init__(self, routes: object, reason: str) -> None:
        super().__init__(f"Invalid format for routes: {routes}, {reason}")


class ExternalIpAddressExhausted(BadRequest):
    """The external network gave no IPv4 address."""

    def __init__(self, network_id: str) -> None:
        super().__init__(f"Unable to find any IP address on external network {network_id}.")


class PortHasPortForwarding(BadRequest):
    """A distributed router cannot do both for one port."""

    def __init__(self, port_id: str) -> None:
        super().__init__(
            f"Cannot associate floating IP to port {port_id} because it already has a Port Forwarding binding."
        )


class RouterInUse(Conflict):
    """The router still has interfaces."""

    def __init__(self, router_id: str, reason: str) -> None:
        super().__init__(f"Router {router_id} {reason}", "Remove its interfaces first.")


class RouterInterfaceInUseByFloatingIP(Conflict):
    """A floating IP or port forwarding leads through the interface."""

    def __init__(self, router_id: str, subnet_id: str) -> None:
        super().__init__(
            f"Router interface for subnet {subnet_id} on router {router_id} cannot be deleted, as it is required by "
            "one or more floating IPs."
        )


class RouterInterfaceInUseByRoute(Conflict):
    """A route's next hop is reached by the interface."""

    def __init__(self, router_id: str, subnet_id: str) -> None:
        super().__init__(
            f"Router interface for subnet {subnet_id} on router {router_id} cannot be deleted, as it is required by "
            "one or more routes."
        )


class RouterExternalGatewayInUseByFloatingIp(Conflict):
    """Floating IPs lead through the gateway that would go."""

    def __init__(self, router_id: str, network_id: str) -> None:
        super().__init__(
            f"Gateway cannot be updated for router {router_id}, since a gateway to external network {network_id} is "
            "required by one or more floating IPs.",
            "Disassociate them first.",
        )


class FloatingIPPortAlreadyAssociated(Conflict):
    """The fixed address has a floating IP of that network already."""

    def __init__(self, floatingip_id: str, address: str, port_id: str, fixed_ip: str, network_id: str) -> None:
        super().__init__(
            f"Cannot associate floating IP {address} ({floatingip_id}) with port {port_id} using fixed IP {fixed_ip}, "
            f"as that fixed IP already has a floating IP on external network {network_id}."
        )


class FipInUseByPortForwarding(Conflict):
    """A floating IP with port forwardings can neither be associated nor deleted."""

    def __init__(self, floatingip_id: str) -> None:
        super().__init__(f"Floating IP {floatingip_id} in use by Port Forwarding resources.", "Delete them first.")


class PortHasBindingFloatingIP(Conflict):
    """The port that should be forwarded to has a floating IP of its own."""

    def __init__(self, floatingip_id: str, address: str, port_id: str, fixed_ip: str | None) -> None:
        super().__init__(
            f"Cannot create port forwarding to floating IP {address} ({floatingip_id}) with port {port_id} using fixed "
            f"IP {fixed_ip}, as that port already has a binding floating IP."
        )


class RoutesExhausted(BadRequest):
    """A router has as many extra routes as it may have."""

    def __init__(self, router_id: str, most: int) -> None:
        super().__init__(
            f"Unable to complete operation for {router_id}. The number of routes exceeds the maximum {most}."
        )


class ServicePortInUse(Conflict):
    """A port of a router or floating IP goes with that, not by itself."""

    def __init__(self, port_id: str, device_owner: str) -> None:
        super().__init__(
            f"Port {port_id} cannot be deleted directly via the port API: has device owner {device_owner}.",
            "Remove the router's interface or gateway, or delete the floating IP.",
        )


class UnsupportedPortDeviceOwner(Conflict):
    """What of a port is its router's or floating IP's to say."""

    def __init__(self, operation: str, device_owner: str, port_id: str) -> None:
        super().__init__(f"Operation {operation} is not supported for device_owner {device_owner} on port {port_id}.")


class ExternalNetworkInUse(Conflict):
    """Gateways or floating IPs keep a network external."""

    def __init__(self, network_id: str) -> None:
        super().__init__(
            f"External network {network_id} cannot be updated to be made non-external, since it has existing gateway "
            "ports.",
            "Clear the gateways and delete the floating IPs on it.",
        )
