"""What the OpenVNet WebAPI says of an object beyond what the model has for it (axsh/openvnet, ``vnet/models``)."""

from patchbay.model.resource import Resource

DATAPATH = "datapath"
"""``VnetObject.kind`` of a bridge that was registered by its datapath id."""
IP_LEASE = "ip_lease"
"""``VnetObject.kind`` of an IPv4 address of a subnet; with ``object_id`` "" it is nobody's, and still taken."""


class VnetObject(Resource, frozen=True, kw_only=True):
    """The OpenVNet face of an object, or an object that only OpenVNet has.

    ``kind`` is OpenVNet's name of the class in the singular (``network``, ``ip_lease``, ``datapath_network``), ``uuid``
    its canonical uuid (``nw-net1``); a relation, which has none, has those of both ends: ``dp-br0/nw-net1``.
    ``object_id`` is the id of the network, subnet, port or router that it is the face of ("" if there is none; the
    object may have gone meanwhile). ``dpid`` is that of a datapath: 16 hexadecimal digits, lower case. ``data`` is a
    JSON object with every attribute that the model does not hold. ``name`` is OpenVNet's ``display_name``.
    """

    kind: str
    uuid: str
    object_id: str = ""
    dpid: str = ""
    data: str = "{}"
