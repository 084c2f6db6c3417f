"""Instances: namespaces that stand in for virtual machines, as in the seeds."""

from collections.abc import Mapping

from patchbay.model.resource import Resource

HYBRID, DIRECT = "hybrid", "direct"
STATIC, DHCP = "static", "dhcp"


class Instance(Resource, frozen=True, kw_only=True):
    """A namespace on one host, named after the instance, that stands in for a virtual machine.

    ``interfaces`` maps the device name inside the instance (eth0, …) to a port id. ``plugging`` is ``hybrid``
    (tap, qbr, qvb, qvo) or ``direct`` (tap on br-int). ``addressing`` is ``static`` (the agent writes addresses and
    routes) or ``dhcp`` (a DHCP client in the instance asks for them). ``public_keys`` (OpenSSH lines), ``user_data``
    (text) and ``metadata`` are what the metadata service tells the instance.
    """

    host: str
    plugging: str = HYBRID
    interfaces: Mapping[str, str] = {}
    addressing: str = STATIC
    public_keys: tuple[str, ...] = ()
    user_data: str = ""
    metadata: Mapping[str, str] = {}
