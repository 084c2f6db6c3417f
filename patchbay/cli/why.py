"""``patchbay why``: which rule lets one port speak to another, or that none does.

Called by ``main``. Asks the service; ``compile/security_reasons`` judges. Changes nothing and sends no packet.
"""

import ipaddress
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import click
import msgspec

from patchbay.cli.endpoint import UUID, Endpoint, Object
from patchbay.cli.output import FORMATS, aligned, print_data
from patchbay.cli.resources import endpoint_option
from patchbay.compile.security_groups import SecurityGroups
from patchbay.compile.security_reasons import Finding, Packet, describe, known_of, reasons
from patchbay.errors import BadRequest, Conflict, NotFound
from patchbay.model import Port
from patchbay.model.port import AddressPair, FixedIP
from patchbay.model.protocols import ICMP, ICMPV6, protocol_number
from patchbay.model.security import EGRESS, AddressGroup, SecurityGroup, SecurityGroupRule

MOST = 40
"""So many rules that do not allow it are shown."""
WITH_PORTS = {6: "tcp", 17: "udp", 132: "sctp"}
PORT_FIELDS = (
    *("id", "name", "network_id", "mac_address", "fixed_ips", "admin_state_up", "device_owner", "status"),
    *("allowed_address_pairs", "port_security_enabled", "security_groups"),
)


class End(msgspec.Struct, frozen=True):
    """One end as it was named: its addresses, and the port that has them (None: nobody of this service)."""

    name: str
    addresses: tuple[str, ...]
    port: Port | None = None
    status: str = ""


@click.command()
@click.argument("source", metavar="FROM")
@click.argument("target", metavar="TO")
@click.argument("what", metavar="[WHAT]", default="icmp")
@endpoint_option
@click.option("-f", "--format", "style", type=click.Choice(FORMATS[:3]), default="table", show_default=True)
def why(endpoint: str, source: str, target: str, what: str, style: str) -> int:
    """Whether port security and security groups let FROM speak to TO, and which rules say so.

    FROM and TO are ports or instances by name or id, or addresses: of ports, floating IPs, or of anybody outside. WHAT
    is tcp/80, udp/53, icmp (an echo request, the default), icmp/3/4 (type and code), or any protocol by name or number.
    Whether a router leads from one to the other is not looked at. Exit code 1 if it is dropped.

    \b
    patchbay why guest db tcp/5432
    patchbay why 203.0.113.80 web1 tcp/80
    """
    service = Endpoint(endpoint)
    trips = list(trips_between(find_ends(service, source), find_ends(service, target)))
    if not trips:
        raise BadRequest(f"{source} and {target} have no addresses of one IP version.", "Give one of them an address.")
    ports = [end.port for trip in trips for end in trip if end.port]
    if not ports:
        raise BadRequest(f"Neither {source} nor {target} is a port of this service.", "Name a port by name or address.")
    known, names = ask(service, ports)
    found = []
    for sender, receiver in trips:
        packet = packet_of(what, sender.addresses[0], receiver.addresses[0])
        found.append((sender, receiver, packet, reasons(known, sender.port, receiver.port, packet)))
    if style == "table":
        click.echo("\n\n".join("\n".join(draw(*one, names)) for one in found))
    else:
        print_data([as_data(*one, names) for one in found], style)
    return 0 if all(is_allowed(findings) for *_, findings in found) else 1


def find_ends(service: Endpoint, handle: str) -> list[End]:
    """The ports that a handle means. Raises NotFound, Conflict, Refused."""
    try:
        address = str(ipaddress.ip_address(handle))
    except ValueError:
        return [_end(port) for port in _named(service, handle)]
    inner = {
        each["port_id"]: each["fixed_ip_address"]
        for each in service.list("floatingips", {"floating_ip_address": address})
        if each["port_id"]
    }
    if inner:
        ports = _listed(service, id=list(inner))
        return [msgspec.structs.replace(_end(port), addresses=(inner[port["id"]],)) for port in ports]
    at = _listed(service, fixed_ips=f"ip_address={address}")
    if not at:
        return [End(address, (address,))]
    if len(at) > 1:
        listed = ", ".join(f"{port['name'] or '-'} ({port['id']})" for port in at)
        raise Conflict(f"{len(at)} ports have the address {address}: {listed}.", "Name one of them instead.")
    return [msgspec.structs.replace(_end(at[0]), addresses=(address,))]


def _named(service: Endpoint, handle: str) -> list[Object]:
    """The port of this name or id, or the ports of the instance."""
    named = _listed(service, **{"id" if UUID.fullmatch(handle) else "name": handle})
    if len(named) > 1:
        ids = ", ".join(port["id"] for port in named)
        raise Conflict(f"Port {handle}: {len(named)} ports have this name: {ids}.", "Use an id instead.")
    if named:
        return named
    instances = service.list("instances", {"id" if UUID.fullmatch(handle) else "name": handle})
    ports = _listed(service, device_id=[each["id"] for each in instances]) if instances else []
    if len(instances) > 1:
        raise Conflict(f"Instance {handle}: {len(instances)} instances have this name.", "Use an id instead.")
    if not ports:
        raise NotFound(f"{handle} is no port and no instance.", "`patchbay port list` shows the ports.")
    return ports


def _listed(service: Endpoint, **filters: Any) -> list[Object]:
    return service.list("ports", {**filters, "fields": PORT_FIELDS})


def _addresses(port: Object) -> list[str]:
    return [fixed["ip_address"] for fixed in port["fixed_ips"]]


def _end(port: Object) -> End:
    return End(port["name"] or port["id"], tuple(_addresses(port)), port_of(port), port["status"])


def port_of(found: Object) -> Port:
    """A port of the API, as far as rules are concerned."""
    return Port(
        id=found["id"],
        name=found["name"],
        network_id=found["network_id"],
        mac_address=found["mac_address"],
        fixed_ips=tuple(FixedIP(each["subnet_id"], each["ip_address"]) for each in found["fixed_ips"]),
        device_owner=found["device_owner"],
        allowed_address_pairs=tuple(
            AddressPair(each["ip_address"], each["mac_address"]) for each in found["allowed_address_pairs"]
        ),
        port_security_enabled=found["port_security_enabled"],
        security_groups=tuple(found["security_groups"]),
    )


def trips_between(sources: Sequence[End], targets: Sequence[End]) -> Iterator[tuple[End, End]]:
    """Each address of one end with each of the other, of one IP version; if some are on one network, only those."""
    pairs = [(one, other) for one in sources for other in targets]
    near = [(one, other) for one, other in pairs if one.port and other.port and on_one_network(one, other)]
    for one, other in near or pairs:
        for own in one.addresses:
            for wanted in other.addresses:
                if ipaddress.ip_address(own).version == ipaddress.ip_address(wanted).version:
                    yield (
                        msgspec.structs.replace(one, addresses=(own,)),
                        msgspec.structs.replace(other, addresses=(wanted,)),
                    )


def on_one_network(one: End, other: End) -> bool:
    """No router is between them."""
    return bool(one.port and other.port and one.port.network_id == other.port.network_id)


def packet_of(what: str, source: str, target: str) -> Packet:
    """The first packet of ``tcp/80``, ``icmp``, ``icmp/3/4``, ``gre``."""
    name, *numbers = what.split("/")
    version = ipaddress.ip_address(source).version
    try:
        protocol = protocol_number(name)
        given = [int(number) for number in numbers]
    except ValueError:
        raise _unclear(what) from None
    if protocol in (ICMP, ICMPV6):
        protocol, echo = (ICMP, 8) if version == 4 else (ICMPV6, 128)
        first, last = (given or [echo])[0], (given[1:] or [0])[0]
        if len(given) > 2 or not 0 <= first < 256 or not 0 <= last < 256:
            raise _unclear(what)
        return Packet(source, target, protocol, first, last)
    if protocol not in WITH_PORTS:
        if given or not 0 <= protocol < 256:
            raise _unclear(what)
        return Packet(source, target, protocol)
    if len(given) != 1 or not 0 <= given[0] < 65536:
        raise _unclear(what)
    return Packet(source, target, protocol, given[0], given[0])


def _unclear(what: str) -> BadRequest:
    return BadRequest(
        f"{what}: not something that can be sent.", "Write tcp/80, udp/53, icmp, icmp/TYPE/CODE, or a protocol."
    )


def ask(service: Endpoint, ports: Sequence[Port]) -> tuple[SecurityGroups, Mapping[str, str]]:
    """The groups and rules of these ports and whom the rules name; names of groups by id."""
    ids = sorted({group_id for port in ports for group_id in port.security_groups})
    found = service.list("security-group-rules", {"security_group_id": ids}) if ids else []
    remote = sorted({rule["remote_group_id"] for rule in found if rule["remote_group_id"]})
    lists = sorted({rule["remote_address_group_id"] for rule in found if rule["remote_address_group_id"]})
    groups = service.list("security-groups", {"id": [*ids, *remote]}) if ids else []
    address_groups = service.list("address-groups", {"id": lists}) if lists else []
    members = [port_of(each) for each in (_listed(service, security_groups=remote) if remote else [])]
    known = known_of(
        [SecurityGroup(id=each["id"], stateful=each["stateful"]) for each in groups],
        [rule_of(each) for each in found],
        [AddressGroup(id=each["id"], addresses=tuple(each["addresses"])) for each in address_groups],
        members,
    )
    return known, {each["id"]: each["name"] for each in (*groups, *address_groups)}


def rule_of(found: Object) -> SecurityGroupRule:
    """A rule of the API."""
    return msgspec.convert({name: found[name] for name in RULE_FIELDS}, SecurityGroupRule)


RULE_FIELDS = (
    *("id", "security_group_id", "direction", "ethertype", "protocol", "port_range_min", "port_range_max"),
    *("remote_ip_prefix", "remote_group_id", "remote_address_group_id"),
)


def is_allowed(findings: Sequence[Finding]) -> bool:
    """Nobody drops it, nor what comes back."""
    return all(finding.is_allowed for finding in findings)


def draw(
    source: End, target: End, packet: Packet, findings: Sequence[Finding], names: Mapping[str, str]
) -> Iterator[str]:
    """One packet, and what each port says of it."""
    ends = " → ".join(" ".join(dict.fromkeys((end.name, end.addresses[0]))) for end in (source, target))
    verdict = "allowed" if is_allowed(findings) else "dropped"
    yield click.style(f"{ends}  {packet_text(packet)}: {verdict}", bold=True)
    for end in (source, target):
        if end.port and end.status != "ACTIVE":
            yield f"  {end.name} is {end.status}: nothing reaches it, or leaves it, before it is ACTIVE"
    if source.port and target.port and not on_one_network(source, target):
        yield "  on two networks: a router must lead there; where it translates addresses, ask with those"
    for finding in findings:
        said = "allowed" if finding.is_allowed else "dropped"
        yield f"  {step(finding, source, target)}: {said}, {finding.why}"
        shown = [one for one in finding.rules if not one.missed] or list(finding.rules)
        rows = [
            ["", f"group {groups_name(one.rule, names)}", describe(one.rule, names), one.missed] for one in shown[:MOST]
        ]
        yield from (f"  {line}" for line in (aligned(rows) if rows else ()))
        if len(shown) > MOST:
            yield f"    and {len(shown) - MOST} more"


def step(finding: Finding, source: End, target: End) -> str:
    """Who does what, in words."""
    what = "the answer" if finding.is_answer else "it"
    sends = finding.direction == EGRESS
    end = source if sends != finding.is_answer else target
    return f"{end.name} sends {what}" if sends else f"{end.name} is sent {what}"


def groups_name(rule: SecurityGroupRule, names: Mapping[str, str]) -> str:
    """The group of a rule, by name."""
    return names.get(rule.security_group_id, rule.security_group_id)


def packet_text(packet: Packet) -> str:
    """What is sent, in words."""
    if packet.protocol in WITH_PORTS:
        return f"{WITH_PORTS[packet.protocol]}/{packet.first}"
    if packet.protocol in (ICMP, ICMPV6):
        name = "icmp" if packet.protocol == ICMP else "ipv6-icmp"
        echo = (packet.first, packet.last) in ((8, 0), (128, 0))
        return f"{name} echo request" if echo else f"{name}/{packet.first}/{packet.last}"
    return f"protocol {packet.protocol}"


def as_data(
    source: End, target: End, packet: Packet, findings: Sequence[Finding], names: Mapping[str, str]
) -> dict[str, Any]:
    """The same for programs."""
    return {
        "from": source.name,
        "to": target.name,
        "packet": packet_text(packet),
        "source": packet.source,
        "target": packet.target,
        "allowed": is_allowed(findings),
        "steps": [
            {
                "step": step(finding, source, target),
                "allowed": finding.is_allowed,
                "why": finding.why,
                "rules": [
                    {
                        "id": one.rule.id,
                        "security_group": groups_name(one.rule, names),
                        "rule": describe(one.rule, names),
                        "allows": not one.missed,
                        "missed": one.missed,
                    }
                    for one in finding.rules
                ],
            }
            for finding in findings
        ],
    }
