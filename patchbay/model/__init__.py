"""What users want: frozen values with no behaviour and no I/O.

One file per noun. ``Resource`` holds what every API object has (Neutron's standard attributes); the others add
their own. A value never changes: an update makes a new one with ``msgspec.structs.replace``.
"""

from patchbay.model.host import Host, Plug
from patchbay.model.instance import Instance
from patchbay.model.network import AllocationPool, HostRoute, Network, Subnet
from patchbay.model.port import AddressPair, FixedIP, Port
from patchbay.model.resource import Resource

__all__ = [
    "AddressPair",
    "AllocationPool",
    "FixedIP",
    "Host",
    "HostRoute",
    "Instance",
    "Network",
    "Plug",
    "Port",
    "Resource",
    "Subnet",
]
