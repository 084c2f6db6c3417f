"""Values for attributes of the API: what an attribute's own check lets through, what lies at its edges, and nonsense.

The checks themselves say what they want: ``checks.text(255)`` is a closure that holds 255, ``checks.one_of`` holds the
choices. So a new attribute is fuzzed without a word here.
"""

import random
from collections.abc import Callable, Mapping
from typing import Any

from patchbay.api.neutron import checks, security_checks
from patchbay.api.neutron.attributes import Attribute

NOWHERE = "deadbeef-0000-4000-8000-000000000000"
NASTY = [
    *("", " ", "\0", "a\0b", "\n", "a\nb", "\t", "\x7f", "\ud7ff", "\U0010ffff", "😀", "é" * 200, "\u202e", "\ufeff"),
    *("x" * 255, "x" * 256, "x" * 70000, "%s%n", "{base}", "${x}", "$(reboot)", "`id`", "'; DROP", "../../etc", "<a>"),
    *(
        "null",
        "None",
        "True",
        "NaN",
        "1e400",
        "-0",
        "0x1",
        "٣",
        "1_0",
        "*",
        "default",
        "admin",
        "-",
        "--",
        ".",
        "a" * 64,
    ),
    *("10.0.0.0/0", "10.0.0.1/33", "::/129", "fe80::1%eth0", "::ffff:10.0.0.1", "255.255.255.255", "0.0.0.0", "::"),
    *("224.0.0.1", "ff02::1", "127.0.0.1", "010.0.0.1", "10.0.0", "1" * 400, "network:dhcp", "network:router_gateway"),
    *("ff:ff:ff:ff:ff:ff", "00:00:00:00:00:00", "01:00:5e:00:00:01", NOWHERE, NOWHERE.upper(), "{" + NOWHERE + "}"),
]
"""Texts that have broken something, somewhere."""
NUMBERS = [0, 1, -1, 2, 4, 6, 7, 8, 24, 32, 64, 128, 255, 256, 1500, 4094, 4095, 65535, 65536, 2**24, 2**31, 2**63]
NUMBERS += [-(2**63), -(2**63) - 1, 2**64, 2**70, 0.5, 1.0, -0.0, 1e300]
ADDRESSES = [f"10.{net}.0.{number}" for net in (0, 1, 2) for number in (0, 1, 2, 3, 5, 9, 20, 255)]
ADDRESSES += ["203.0.113.1", "203.0.113.9", "203.0.113.20", "fd00::1", "fd00::5", "fd00:1::5", "192.0.2.1"]
BLOCKS = ["10.0.0.0/24", "10.0.0.128/25", "10.1.0.0/24", "10.2.0.0/28", "10.3.0.0/30", "10.4.0.0/31", "10.5.0.1/32"]
BLOCKS += ["10.0.0.0/8", "203.0.113.0/24", "fd00::/64", "fd00:1::/64", "fd00::/48", "fd00:2::/120", "0.0.0.0/0", "::/0"]
MACS = [f"fa:16:3e:00:00:0{number}" for number in range(4)] + ["FA-16-3E-00-00-02", "fa163e000003"]
NAMES = ["a", "b", "web", "default", "db.example", "Ünïcode", "vlan", "vxlan", "flat", "local", "physnet1", "h1", "h2"]
OWNERS = ["", "compute:a", "network:dhcp", "network:router_interface", "network:floatingip", "neutron:x"]
OPTIONS = ["router", "150", "server-ip-address", "tag:x", "a,b", "bootfile-name", "mtu", "classless-static-route"]

Make = Callable[["Values"], Any]


class Values:
    """Draws values. ``ids`` gives an id of an object of a kind (``network``), whoever's it is."""

    def __init__(self, chance: random.Random, ids: Callable[[str], str]) -> None:
        self.chance = chance
        self.ids = ids
        self.is_sane = False
        """Whether what is drawn now should mostly be right: else a history never gets far."""

    def one(self, *choices: Any) -> Any:
        """One of them."""
        return self.chance.choice(choices)

    def some(self, make: Callable[[], Any], most: int = 3) -> list[Any]:
        """A list of up to ``most``."""
        return [make() for _ in range(self.chance.randint(0, most))]

    def nonsense(self, depth: int = 3) -> Any:
        """Any JSON value."""
        roll = self.chance.random()
        if roll < 0.4:
            return self.chance.choice(NASTY)
        if roll < 0.6:
            return self.chance.choice(NUMBERS)
        if roll < 0.75 or not depth:
            return self.chance.choice([None, True, False, [], {}, [[]], [None], {"": {}}])
        if roll < 0.87:
            return self.some(lambda: self.nonsense(depth - 1))
        return {self.chance.choice([*NASTY[:16], *WORDS]): self.nonsense(depth - 1) for _ in range(2)}

    def attribute(self, name: str, attribute: Attribute, wild: float = 0.12) -> Any:
        """A value for the attribute; one in so many is nonsense."""
        if self.chance.random() < (0.005 if self.is_sane else wild):
            return self.nonsense()
        if name in PLAUSIBLE:
            return PLAUSIBLE[name](self)
        if self.is_sane and name.removesuffix("_id") in KINDS:
            return self.ids(name.removesuffix("_id"))
        if name.removesuffix("_id") in KINDS:
            return self.one(self.ids(name.removesuffix("_id")), self.ids(name.removesuffix("_id")), None, NOWHERE)
        return self._checked(attribute)

    def _checked(self, attribute: Attribute) -> Any:
        if self.is_sane and attribute.check in (checks.name, None):
            return self.one(*NAMES) if attribute.check else self.one(True, False)
        if attribute.convert is checks.to_bool:
            return self.one(True, False, "yes", "0", "maybe", 2)
        if attribute.convert is checks.to_int:
            return self.one(*NUMBERS, "7", "٣", " 5 ")
        if attribute.convert in (checks.to_address, security_checks.to_prefix):
            return self.one(*ADDRESSES, *BLOCKS, None)
        check = attribute.check
        held = held_by(check)
        if "max_length" in held:
            if self.is_sane:
                return self.one(*NAMES)
            length = held["max_length"]
            return self.one(*NAMES, "", "ü" * length, "x" * length, "x" * (length + 1))
        if "values" in held:
            return self.one(*held["values"], "other", None)
        if "check" in held:
            return self.one(None, self._checked(Attribute(check=held["check"])))
        makes: Mapping[Any, Make] = {
            checks.uuid: lambda v: v.one(v.ids("network"), NOWHERE),
            checks.name: lambda v: v.one(*NAMES),
            checks.mac: lambda v: v.one(*MACS),
            checks.address: lambda v: v.one(*ADDRESSES),
            checks.subnet: lambda v: v.one(*BLOCKS),
            security_checks.blocks: lambda v: v.some(lambda: v.one(*BLOCKS)),
            security_checks.uuids: lambda v: v.some(lambda: v.ids("security_group")),
        }
        return makes[check](self) if check in makes else self.one(*NAMES, *NUMBERS, None, [], {})


def held_by(check: Any) -> dict[str, Any]:
    """What a check closes over: the length of ``text(255)``, the choices of ``one_of``."""
    cells = getattr(check, "__closure__", None) or ()
    names = check.__code__.co_freevars if cells else ()
    return {name: cell.cell_contents for name, cell in zip(names, cells, strict=True)}


def _pool(v: Values) -> Any:
    return {"start": v.one(*ADDRESSES), "end": v.one(*ADDRESSES)}


def _route(v: Values) -> Any:
    return {"destination": v.one(*BLOCKS), "nexthop": v.one(*ADDRESSES)}


def _fixed_ip(v: Values) -> Any:
    given = {"ip_address": v.one(*ADDRESSES), "subnet_id": v.ids("subnet")}
    return {key: value for key, value in given.items() if v.chance.random() < 0.6}


def _gateway(v: Values) -> Any:
    given = {"enable_snat": v.one(True, "no", 7), "external_fixed_ips": v.some(lambda: _fixed_ip(v))}
    kept = {key: value for key, value in given.items() if v.chance.random() < 0.25}
    return v.one({"network_id": v.ids("external"), **kept}, {"network_id": v.ids("network"), **kept}, kept, None)


def _option(v: Values) -> Any:
    version = {"ip_version": v.one(4, 6, "4", 5)} if v.chance.random() < 0.3 else {}
    return {"opt_name": v.one(*OPTIONS), "opt_value": v.one("x", "", None, "a\nb", "10.0.0.1", *NASTY), **version}


def _pair(v: Values) -> Any:
    mac = {"mac_address": v.one(*MACS)} if v.chance.random() < 0.3 else {}
    return {"ip_address": v.one(*ADDRESSES, *BLOCKS), **mac}


def _port_number(v: Values) -> Any:
    return v.one(1, 22, 80, "443", 0, 65535, 65536, None)


def _port_range(v: Values) -> Any:
    return v.one("1:9", "20:28", "9:1", "22", ":", "1:2:3", "1:65535", None)


KINDS = (
    *("network", "subnet", "port", "router", "floatingip", "subnetpool", "address_scope", "security_group"),
    *("address_group", "instance", "agent", "rbac_policy", "security_group_rule"),
)
WORDS = ("start", "end", "ip_address", "subnet_id", "mac_address", "network_id", "tags", "id", "__proto__", "eth0")
PLAUSIBLE: Mapping[str, Make] = {
    "project_id": lambda v: v.one(v.ids("project"), v.ids("project"), "", "other"),
    "tenant_id": lambda v: v.one(v.ids("project"), "other"),
    "target_tenant": lambda v: v.one(v.ids("project"), "*", "other"),
    "target_project": lambda v: v.one(v.ids("project"), "*", "other"),
    "object_type": lambda v: v.one("network", "security_group", "subnetpool", "address_scope", "address_group", "x"),
    "object_id": lambda v: v.ids(v.one("network", "security_group", "subnetpool", "address_scope", "address_group")),
    "action": lambda v: v.one("access_as_shared", "access_as_external", "x"),
    "tags": lambda v: v.some(lambda: v.one(*NAMES, *NASTY)),
    "ip_version": lambda v: v.one(4, 4, 6, "4", 5),
    "cidr": lambda v: v.one(*BLOCKS, None),
    "gateway_ip": lambda v: v.one(None, *ADDRESSES),
    "allocation_pools": lambda v: v.some(lambda: _pool(v), 2),
    "dhcp_ranges": lambda v: v.some(lambda: _pool(v), 2),
    "dns_nameservers": lambda v: v.some(lambda: v.one(*ADDRESSES), 6),
    "host_routes": lambda v: v.some(lambda: _route(v)),
    "routes": lambda v: v.some(lambda: _route(v)),
    "service_types": lambda v: v.some(lambda: v.one(*OWNERS)),
    "device_owner": lambda v: v.one(*OWNERS),
    "device_id": lambda v: v.one("", v.ids("router"), v.ids("instance"), "vm", "reserved_dhcp_port"),
    "fixed_ips": lambda v: v.some(lambda: _fixed_ip(v)),
    "mac_address": lambda v: v.one(*MACS),
    "security_groups": lambda v: v.one(v.some(lambda: v.ids("security_group")), None),
    "allowed_address_pairs": lambda v: v.some(lambda: _pair(v)),
    "extra_dhcp_opts": lambda v: v.some(lambda: _option(v)),
    "binding:host_id": lambda v: v.one("h1", "h2", "gone", "", None),
    "binding:profile": lambda v: v.one({}, None, {"a": v.nonsense()}),
    "dns_name": lambda v: v.one("web", "Web.a", "-", "web.", "", "a" * 63, "a" * 64),
    "dns_domain": lambda v: v.one("example.", "example", "", "a." * 120),
    "host": lambda v: v.one("h1", "h2", "gone"),
    "interfaces": lambda v: {v.one("eth0", "eth1", "lo", "a/b", "x" * 16): v.ids("port") for _ in range(2)},
    "ports": lambda v: v.some(lambda: v.ids("port")),
    "plugging": lambda v: v.one("hybrid", "direct", "x"),
    "addressing": lambda v: v.one("static", "dhcp", "x"),
    "public_keys": lambda v: v.some(lambda: v.one("ssh-rsa AAAA me", "ssh-rsa", "ssh-rsa AAAA a\nb")),
    "metadata": lambda v: {v.one(*NAMES): v.one(*NAMES, *NASTY) for _ in range(2)},
    "external_gateway_info": _gateway,
    "floating_network_id": lambda v: v.one(v.ids("external"), v.ids("external"), v.ids("network")),
    "floating_ip_address": lambda v: v.one("203.0.113.9", "203.0.113.20", "192.0.2.1", None),
    "internal_port_id": lambda v: v.ids("port"),
    "internal_port": _port_number,
    "external_port": _port_number,
    "internal_port_range": _port_range,
    "external_port_range": _port_range,
    "protocol": lambda v: v.one("tcp", "UDP", 6, "icmp", "ipv6-icmp", 17, 255, 256, "any", None, "58"),
    "port_range_min": _port_number,
    "port_range_max": _port_number,
    "ethertype": lambda v: v.one("IPv4", "ipv6", "IPv6", "x", None),
    "direction": lambda v: v.one("ingress", "egress", "x"),
    "remote_group_id": lambda v: v.one(v.ids("security_group"), None),
    "remote_address_group_id": lambda v: v.one(v.ids("address_group"), None),
    "provider:network_type": lambda v: v.one("vlan", "vxlan", "flat", "local", "gre"),
    "provider:physical_network": lambda v: v.one("physnet1", "physnet2"),
    "provider:segmentation_id": lambda v: v.chance.choice([*range(100, 110), 0, 4095, -1]),
    "mtu": lambda v: v.one(0, 68, 1280, 1450, 1500, 9000, 2**31),
    "prefixes": lambda v: v.some(lambda: v.one(*BLOCKS)),
    "min_prefixlen": lambda v: v.one(8, 16, "24", 33, 64),
    "max_prefixlen": lambda v: v.one(16, 24, "28", 129),
    "default_prefixlen": lambda v: v.one(8, 24, 26, 64),
    "prefixlen": lambda v: v.one(16, 24, 28, 64, 0),
    "default_quota": lambda v: v.one(-1, 0, 256, 600),
}
"""Attributes whose check alone does not say what would be sensible."""
