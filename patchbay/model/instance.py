"""Instances: namespaces that stand in for virtual machines, as in the seeds."""

from collections.abc import Mapping

from patchbay.model.resource import Resource

HYBRID, DIRECT = "hybrid", "direct"


class Instance(Resource, frozen=True, kw_only=True):
    """A namespace on one host, named after the instance, that stands in for a virtual machine.

    ``interfaces`` maps the device name inside the instance (eth0, …) to a port id. ``plugging`` is ``hybrid``
    (tap, qbr, qvb, qvo) or ``direct`` (tap on br-int).
    """

    host: str
    plugging: str = HYBRID
    interfaces: Mapping[str, str] = {}
