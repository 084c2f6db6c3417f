"""The packet filter rules of a router, chain by chain as in seed 001, in the text and order of iptables-save.

Which packet meets which rule (nat; only the first packet of a connection, answers follow by themselves):

- from one interface to another: the rule of neutron-l3-agent-POSTROUTING; never rewritten;
- from an interface out by the gateway: neutron-l3-agent-snat; the floating IP of the sender if it has one
  (float-snat), else the router's own address, if the router has enable_snat;
- from outside to a floating IP: neutron-l3-agent-PREROUTING gives it the internal address; the sender stays;
- from an interface to a floating IP, of a neighbour or its own: PREROUTING gives it the internal address, and since
  that was done (``--ctstate DNAT``) POSTROUTING lets it go on to neutron-l3-agent-snat, so that the answer comes back
  to the router and not straight to the sender, who would not know it.

From outside to an internal address nothing is filtered, as in Neutron, and nothing of IPv6 is rewritten. What comes
from outside does not go back there: packets for a floating IP that is away for a moment would make the kernel remember
connections that are not translated, and whoever goes on sending would not reach the port that gets it next.
"""

from collections.abc import Iterator, Sequence

from patchbay.compile.router_ports import RouterPort, gateway, ipv4_number
from patchbay.compile.router_routes import EVERYTHING, extra_routes
from patchbay.hoststate import Ruleset
from patchbay.model import FloatingIP, PortForwarding, Router

METADATA_PORT = 9697
PROTOCOLS = ("tcp", "udp", "sctp", "dccp")
"""Protocols whose ports iptables can forward."""

_L3 = "neutron-l3-agent"
_FILTER = (
    ":INPUT ACCEPT",
    ":FORWARD ACCEPT",
    ":OUTPUT ACCEPT",
    ":neutron-filter-top -",
    f":{_L3}-FORWARD -",
    f":{_L3}-INPUT -",
    f":{_L3}-OUTPUT -",
    f":{_L3}-local -",
    f"-A INPUT -j {_L3}-INPUT",
    "-A FORWARD -j neutron-filter-top",
    f"-A FORWARD -j {_L3}-FORWARD",
    "-A OUTPUT -j neutron-filter-top",
    f"-A OUTPUT -j {_L3}-OUTPUT",
    f"-A neutron-filter-top -j {_L3}-local",
)
_TO_METADATA = f"-p tcp -m tcp --dport {METADATA_PORT}"
_LOCAL_METADATA = f"-A {_L3}-INPUT -d 127.0.0.1/32 {_TO_METADATA} -j ACCEPT"
_NO_METADATA = f"-A {_L3}-INPUT {_TO_METADATA} -j DROP"
_REDIRECTED_METADATA = f"-A {_L3}-INPUT -i qr-+ {_TO_METADATA} -m conntrack --ctstate DNAT -j ACCEPT"
"""Only who asked for 169.254.169.254, on an interface, reaches the metadata server; Neutron marks such packets."""

_NAT = (
    ":PREROUTING ACCEPT",
    ":INPUT ACCEPT",
    ":OUTPUT ACCEPT",
    ":POSTROUTING ACCEPT",
    f":{_L3}-OUTPUT -",
    f":{_L3}-POSTROUTING -",
    f":{_L3}-PREROUTING -",
    f":{_L3}-float-snat -",
    f":{_L3}-snat -",
    ":neutron-postrouting-bottom -",
    f"-A PREROUTING -j {_L3}-PREROUTING",
    f"-A OUTPUT -j {_L3}-OUTPUT",
    f"-A POSTROUTING -j {_L3}-POSTROUTING",
    "-A POSTROUTING -j neutron-postrouting-bottom",
)
_METADATA = f"-d 169.254.169.254/32 -p tcp -m tcp --dport 80 -j REDIRECT --to-ports {METADATA_PORT}"


def compile_rules(
    namespace: str,
    router: Router,
    ports: Sequence[RouterPort],
    carried: Sequence[FloatingIP],
    away: Sequence[FloatingIP] = (),
) -> list[Ruleset]:
    """iptables and ip6tables of a router with the floating IPs that its gateway carries; others are ``away``, on other
    hosts."""
    outside = gateway(ports)
    back = [f"-A {_L3}-FORWARD -i {outside.device} -o {outside.device} -j DROP"] if outside else []
    filter4 = (*_FILTER, *back, _LOCAL_METADATA, _REDIRECTED_METADATA, _NO_METADATA)
    nat = tuple(_translation(router, ports, carried, away))
    return [
        Ruleset(namespace=namespace, version=4, tables=(("filter", filter4), ("nat", nat))),
        Ruleset(namespace=namespace, version=6, tables=(("filter", (*_FILTER, _NO_METADATA)),)),
    ]


def _translation(
    router: Router, ports: Sequence[RouterPort], carried: Sequence[FloatingIP], away: Sequence[FloatingIP]
) -> Iterator[str]:
    """The nat table, chain after chain in the order of their names, as iptables-save prints it."""
    outside = gateway(ports)
    own = outside.own(4) if outside else []
    inward = [rule for floatingip in carried for rule in _inward(floatingip)]
    yield from _NAT
    yield from (f"-A {_L3}-OUTPUT {rule}" for rule in inward)
    if outside and (own or carried):
        yield f"-A {_L3}-POSTROUTING ! -o {outside.device} -m conntrack ! --ctstate DNAT -j ACCEPT"
    yield f"-A {_L3}-PREROUTING {_METADATA}"
    yield from (f"-A {_L3}-PREROUTING {rule}" for rule in inward)
    yield from (f"-A {_L3}-float-snat {rule}" for floatingip in carried for rule in _outward(floatingip))
    yield f"-A {_L3}-snat -j {_L3}-float-snat"
    if own:
        yield from _source(router, ports, str(own[0].ip), away)
    yield f"-A neutron-postrouting-bottom -j {_L3}-snat"


def _inward(floatingip: FloatingIP) -> Iterator[str]:
    """To the floating IP: the port forwardings, then the port that has all of it."""
    floating = f"-d {floatingip.floating_ip_address}/32"
    for forwarding in sorted(floatingip.port_forwardings, key=lambda item: (item.protocol, item.external_ports)):
        if target := _target(forwarding):
            ports = _joined(forwarding.external_ports, ":")
            match = f"-p {forwarding.protocol} -m {forwarding.protocol} --dport {ports}"
            yield f"{floating} {match} -j DNAT --to-destination {target}"
    fixed = floatingip.fixed_ip_address
    if floatingip.port_id and fixed and ipv4_number(fixed):
        yield f"{floating} -j DNAT --to-destination {fixed}"


def _target(forwarding: PortForwarding) -> str:
    """``10.0.1.5:22``; of a range ``10.0.1.5:4000-4010/3000``, where 3000 becomes 4000; "" if it cannot be done."""
    outer, inner = forwarding.external_ports, forwarding.internal_ports
    if forwarding.protocol not in PROTOCOLS or not ipv4_number(forwarding.internal_ip_address):
        return ""
    target = f"{forwarding.internal_ip_address}:{_joined(inner, '-')}"
    if inner[0] == inner[1]:
        return target
    return f"{target}/{outer[0]}" if outer[1] - outer[0] == inner[1] - inner[0] else ""


def _joined(ports: tuple[int, int], separator: str) -> str:
    first, last = ports
    return str(first) if first == last else f"{first}{separator}{last}"


def _outward(floatingip: FloatingIP) -> Iterator[str]:
    """From the port that has the floating IP."""
    fixed = floatingip.fixed_ip_address
    if floatingip.port_id and fixed and ipv4_number(fixed):
        yield f"-s {fixed}/32 -j SNAT --to-source {floatingip.floating_ip_address}"


def _source(router: Router, ports: Sequence[RouterPort], address: str, away: Sequence[FloatingIP]) -> Iterator[str]:
    """For each subnet inside, and each network behind one: the router's own address outside.

    Without enable_snat only for connections to a floating IP, here or away, so that the answer finds its way back.
    """
    inside = [port for port in ports if not port.is_gateway]
    sources = [str(own.network) for port in inside for own in port.own(4)]
    behind = (route.destination for route, port in extra_routes(router, ports) if not port.is_gateway)
    sources += (network for network in behind if ":" not in network and network != EVERYTHING[4])
    which = "" if router.enable_snat else " -m conntrack --ctstate DNAT"
    for source in dict.fromkeys(sources):
        yield f"-A {_L3}-snat -s {source}{which} -j SNAT --to-source {address}"
        for floating in () if router.enable_snat else (item.floating_ip_address for item in away):
            if ipv4_number(floating):
                yield f"-A {_L3}-snat -s {source} -d {floating}/32 -j SNAT --to-source {address}"
