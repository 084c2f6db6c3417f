"""Ports: where an instance, router or service meets a network (Neutron API reference: "Ports")."""

import msgspec

from patchbay.model.resource import Resource


class FixedIP(msgspec.Struct, frozen=True):
    """One address of a port, from one subnet of its network."""

    subnet_id: str
    ip_address: str


class AddressPair(msgspec.Struct, frozen=True):
    """A further address (or CIDR) and MAC that the port may use."""

    ip_address: str
    mac_address: str


class DhcpOption(msgspec.Struct, frozen=True):
    """One of Neutron's ``extra_dhcp_opts``: ``name`` is dnsmasq's name or a number, ``ip_version`` 4 or 6."""

    name: str
    value: str
    ip_version: int = 4


DHCP_SERVER = "network:dhcp"
"""``device_owner`` of the port of a DHCP server; its ``host`` is where the server runs."""


class Port(Resource, frozen=True, kw_only=True):
    """A port. ``host`` is Neutron's ``binding:host_id`` ("" while unbound).

    Its status is not stored: it follows from the ``Plug`` rows that agents write.
    ``profile`` is the JSON text of ``binding:profile``. ``dns_name`` is its host name ("" : made from its address).
    With ``port_security_enabled`` it sends only from its own MAC and addresses and those of its
    ``allowed_address_pairs``, and is sent and sends only what the groups in ``security_groups`` (ids) allow.
    ``interface_name``: the interface of this name, on a bridge that is registered as an OpenVNet datapath, is this
    port's, wherever it is plugged (``host`` "") or only on ``host``.
    """

    network_id: str
    mac_address: str
    fixed_ips: tuple[FixedIP, ...] = ()
    admin_state_up: bool = True
    device_id: str = ""
    device_owner: str = ""
    host: str = ""
    vnic_type: str = "normal"
    profile: str = "{}"
    allowed_address_pairs: tuple[AddressPair, ...] = ()
    dns_name: str = ""
    dns_domain: str = ""
    extra_dhcp_opts: tuple[DhcpOption, ...] = ()
    port_security_enabled: bool = True
    security_groups: tuple[str, ...] = ()
    interface_name: str = ""

    @property
    def is_secured(self) -> bool:
        """Port security holds for it: never for ports of the network itself."""
        return self.port_security_enabled and not self.device_owner.startswith("network:")
