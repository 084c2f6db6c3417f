"""What dnsmasq knows of each port: its line in ``host`` (who gets which lease) and in ``addn_hosts`` (names), and the
options of its own in ``opts``.

The text of a port is made once and kept as long as the port and what it depends on stay: one more port on a network of
a thousand costs a join of texts that are there.
"""

import re
from collections.abc import Iterable, Iterator, Sequence
from ipaddress import ip_address

import msgspec

from patchbay.model import DhcpOption, Port, Subnet
from patchbay.model.port import DHCP_SERVER

DEFAULT_DOMAIN = "openstacklocal"
"""The domain of networks and ports that name none (seed 001)."""

STATEFUL, STATELESS, SLAAC = "dhcpv6-stateful", "dhcpv6-stateless", "slaac"
NOT_CLIENTS = (DHCP_SERVER, "network:floatingip")
"""Owners of ports that never ask for a lease and whose names nobody asks for."""

CLIENT_ID = ("client-id", "61")
_NAME = re.compile(r"(?=.{1,253}\Z)[a-z0-9_-]{1,63}(\.[a-z0-9_-]{1,63})*", re.IGNORECASE)


class Served(msgspec.Struct, frozen=True):
    """What the text of every port of a network depends on: its served subnets by id, and its domain."""

    subnets: dict[str, Subnet]
    domain: str = DEFAULT_DOMAIN


class PortText(msgspec.Struct, frozen=True):
    """Lines of one port, each with its end: for ``host``, ``addn_hosts`` and ``opts``."""

    hosts: str
    names: str
    options: str


class HostTexts:
    """The texts of one network's ports."""

    def __init__(self) -> None:
        self._served: Served | None = None
        self._texts: dict[str, tuple[Port, PortText]] = {}

    def refresh(self, ports: Iterable[Port], served: Served) -> Sequence[PortText]:
        """The texts of these ports, in their order; made again only for ports that are not the very same."""
        known = self._texts if served == self._served else {}
        self._served, self._texts = served, {}
        for port in ports:
            entry = known.get(port.id)
            if entry is None or entry[0] is not port:
                entry = (port, port_text(port, served))
            self._texts[port.id] = entry
        return [text for _, text in self._texts.values()]


def port_text(port: Port, served: Served) -> PortText:
    """All that the files say of a port."""
    if port.device_owner in NOT_CLIENTS:
        return PortText("", "", "")
    hosts, names, options = _host_lines(port, served), _name_lines(port, served.domain), _option_lines(port)
    return PortText(*("".join(f"{line}\n" for line in lines) for lines in (hosts, names, options)))


def is_stateful(subnet: Subnet) -> bool:
    """Its addresses are lent: every IPv4 subnet, and an IPv6 subnet of that mode or of none."""
    return subnet.ip_version == 4 or subnet.ipv6_address_mode in (None, STATEFUL)


def bare_domain(text: str) -> str:
    """A domain without its final dot; the default for one that no file of dnsmasq can hold."""
    name = text.rstrip(".")
    return name if _NAME.fullmatch(name) else DEFAULT_DOMAIN


def _host_lines(port: Port, served: Served) -> Iterator[str]:
    """``<mac>,<name>,<address>``; IPv6 only for DHCPv6 requests, all addresses of a subnet in one line."""
    leased: dict[str, list[str]] = {}
    for fixed in port.fixed_ips:
        subnet = served.subnets.get(fixed.subnet_id)
        if subnet is not None:
            leased.setdefault(subnet.id, []).append(fixed.ip_address)
    client_id = next((_one_line(option.value) for option in port.extra_dhcp_opts if option.name in CLIENT_ID), "")
    who = [f"id:{client_id}"] if client_id and "," not in client_id else []
    tags = [f"set:{port_tag_name(port)}"] if _own_options(port) else []
    for subnet_id, addresses in leased.items():
        subnet = served.subnets[subnet_id]
        family = ["tag:dhcpv6"] if subnet.ip_version == 6 else []
        if is_stateful(subnet):
            name = f"{host_name(port, addresses[0])}.{_domain(port, served.domain)}"
            # dnsmasq takes several IPv6 addresses of one line from behind; a client that wants one gets the first.
            for lent in [addresses[::-1]] if family else [[address] for address in addresses]:
                shown = [f"[{address}]" if family else address for address in lent]
                yield ",".join([port.mac_address, *family, *who, name, *shown, *tags])
        elif subnet.ipv6_address_mode == STATELESS and tags:
            yield ",".join([port.mac_address, *family, *tags])


def _name_lines(port: Port, domain: str) -> Iterator[str]:
    """``<address>⇥<whole name> <name>``: the first is what the address resolves to."""
    for fixed in port.fixed_ips:
        names = dict.fromkeys((host_name(port, fixed.ip_address), default_name(fixed.ip_address)))
        whole = (f"{name}.{_domain(port, domain)} {name}" for name in names)
        yield f"{fixed.ip_address}\t{' '.join(whole)}"


def _option_lines(port: Port) -> Iterator[str]:
    """The port's own options, of the families that it has addresses of."""
    versions = {6 if ":" in fixed.ip_address else 4 for fixed in port.fixed_ips}
    for option in _own_options(port):
        if option.ip_version in versions:
            yield option_line(port_tag_name(port), option.ip_version, option.name, _one_line(option.value))


def _own_options(port: Port) -> list[DhcpOption]:
    return [option for option in port.extra_dhcp_opts if option.name not in CLIENT_ID]


def option_line(tag: str, ip_version: int, name: str, *values: str) -> str:
    """``tag:tag0,option:router,10.0.1.1``; dnsmasq takes bare numbers for IPv4 only. ``name`` may begin with a tag."""
    further, name = _split_tag(_one_line(name))
    if ip_version == 6:
        name = f"option6:{name}"
    elif not name.isdigit():
        name = f"option:{name}"
    return ",".join([f"tag:{tag}", *further, name, *(value for value in values if value)])


def _split_tag(name: str) -> tuple[list[str], str]:
    """``tag:ipxe,bootfile-name``: Neutron lets an option of a port hang on a further tag."""
    if not name.startswith("tag:") or "," not in name:
        return [], name
    tag, _, rest = name.partition(",")
    return [tag], rest


def host_name(port: Port, address: str) -> str:
    """The port's ``dns_name``, else the name made from the address."""
    return port.dns_name if port.dns_name and _NAME.fullmatch(port.dns_name) else default_name(address)


def default_name(address: str) -> str:
    """``host-10-0-1-5``."""
    return "host-" + address.replace(".", "-").replace(":", "-")


def _domain(port: Port, domain: str) -> str:
    return bare_domain(port.dns_domain) if port.dns_domain else domain


def port_tag_name(port: Port) -> str:
    """The tag of the port's own options."""
    return f"port-{port.id}"


def literal(address: str) -> str:
    """An address as dnsmasq's options want it: IPv6 in brackets."""
    return f"[{address}]" if ip_address(address).version == 6 else address


def _one_line(text: str) -> str:
    """What comes after a line end would be a line of its own."""
    return re.split(r"[\r\n]", text, maxsplit=1)[0]
