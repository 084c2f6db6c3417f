"""What users want: frozen values with no behaviour and no I/O.

One file per noun. ``Resource`` holds what every API object has (Neutron's standard attributes); the others add
their own. A value never changes: an update makes a new one with ``msgspec.structs.replace``.
"""

from patchbay.model.host import Host, Plug
from patchbay.model.instance import Instance
from patchbay.model.network import AllocationPool, HostRoute, Network, Subnet
from patchbay.model.pool import AddressScope, SubnetPool
from patchbay.model.port import AddressPair, DhcpOption, FixedIP, Port
from patchbay.model.resource import Resource
from patchbay.model.router import FloatingIP, PortForwarding, Router
from patchbay.model.security import (
    AddressGroup,
    DefaultSecurityGroupRule,
    Quota,
    RBACPolicy,
    SecurityGroup,
    SecurityGroupRule,
)
from patchbay.model.vnet import VnetObject

__all__ = [
    "AddressGroup",
    "AddressPair",
    "AddressScope",
    "AllocationPool",
    "DefaultSecurityGroupRule",
    "DhcpOption",
    "FixedIP",
    "FloatingIP",
    "Host",
    "HostRoute",
    "Instance",
    "Network",
    "Plug",
    "Port",
    "PortForwarding",
    "Quota",
    "RBACPolicy",
    "Resource",
    "Router",
    "SecurityGroup",
    "SecurityGroupRule",
    "Subnet",
    "SubnetPool",
    "VnetObject",
]
