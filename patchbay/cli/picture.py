"""A host as a drawing: bridges with their ports, what each port leads to, local VLANs, routers, namespaces.

Pure: rows of ovs-vsctl and ``ip -j``, lines of iptables-save in, lines out. Called by ``show``.
"""

import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import msgspec

from patchbay.cli.output import aligned
from patchbay.hoststate.switch import CLOSED_MODE, CLOSED_VLAN, OWNER

Row = Mapping[str, Any]
# Chains of Neutron's l3 agent: to floating IPs and their forwarded ports, and from instances out.
TRANSLATION = re.compile(
    r"-A neutron-l3-agent-(?:PREROUTING|float-snat|snat) (?=.*-j (DNAT|SNAT) )(.*) -j .NAT --to-\w+ (\S+)"
)


class Picture(msgspec.Struct, frozen=True, kw_only=True):
    """What is on a host, as its tools print it.

    ``bridges``, ``ports``, ``interfaces`` are OVSDB rows; ``links`` the rows of ``ip -j -d link`` of the host's own
    namespace; ``namespaces`` maps each namespace to its rows of ``ip -j addr``; ``namespace_ids`` maps the kernel's
    number of a namespace to its name; ``translations`` are the lines of ``iptables-save -t nat`` of routers;
    ``processes`` maps a namespace ("": the host's own) to what the agent keeps running in it, in words.
    """

    bridges: Sequence[Row]
    ports: Sequence[Row]
    interfaces: Sequence[Row]
    links: Sequence[Row] = ()
    namespaces: Mapping[str, Sequence[Row]] = {}
    namespace_ids: Mapping[int, str] = {}
    translations: Mapping[str, Sequence[str]] = {}
    processes: Mapping[str, Sequence[str]] = {}


def draw(picture: Picture) -> list[str]:
    """The whole drawing, line by line."""
    lines: list[str] = []
    for bridge in sorted(picture.bridges, key=bridge_order):
        lines += [*draw_bridge(picture, bridge), ""]
    vlans = local_vlans(picture)
    if vlans:
        lines += [*aligned([["LOCAL VLAN", "NETWORK", "SEGMENT", "PORTS HERE"], *vlans]), ""]
    ways = ways_out(picture)
    if ways:
        lines += [*aligned([["ROUTER", "FROM", "TO"], *ways]), ""]
    if picture.namespaces:
        lines += draw_namespaces(picture)
    if here := picture.processes.get("", ()):
        lines += ["the host's own namespace", *branches(here)]
    return lines or ["No Open vSwitch bridge and no namespace on this host."]


def bridge_order(bridge: Row) -> tuple[int, str]:
    """br-int first, br-tun second, as packets pass; then the others by name."""
    name = bridge["name"]
    return ({"br-int": 0, "br-tun": 1}.get(name, 2), name)


def draw_bridge(picture: Picture, bridge: Row) -> list[str]:
    """A bridge and its ports as a tree."""
    datapath = bridge["datapath_type"] or "system"
    fail_mode = bridge["fail_mode"] or "standalone"
    foreign = "" if OWNER in bridge["external_ids"] else "  (not made by Patchbay)"
    by_uuid = {port["_uuid"]: port for port in picture.ports}
    members = [by_uuid[uuid] for uuid in as_list(bridge["ports"]) if by_uuid[uuid]["name"] != bridge["name"]]
    cells = [
        [port["name"], vlan_of(port), describe(picture, port)]
        for port in sorted(members, key=lambda port: str(port["name"]))
    ]
    title = f"{bridge['name']}  {fail_mode}, datapath {datapath}{foreign}"
    return [title, *branches(aligned(cells) if cells else [])]


def vlan_of(port: Row) -> str:
    """``VLAN 1``; of a port with port security, which ordinary switching never uses, ``VLAN 1, secured``."""
    if port["tag"] == []:
        return ""
    is_secured = port.get("vlan_mode") == CLOSED_MODE and port["tag"] != CLOSED_VLAN
    return f"VLAN {port['tag']}" + (", secured" if is_secured else "")


def branches(lines: Sequence[str]) -> list[str]:
    """Lines as the branches of a tree."""
    return [("└─ " if number == len(lines) - 1 else "├─ ") + line for number, line in enumerate(lines)]


def describe(picture: Picture, port: Row) -> str:
    """What a port is and where it leads."""
    interfaces = {row["_uuid"]: row for row in picture.interfaces}
    interface = interfaces[as_list(port["interfaces"])[0]]
    options = interface["options"]
    if interface["type"] == "patch":
        return f"patch to {options.get('peer', 'nothing')}{bridge_of(picture, options.get('peer'))}"
    if interface["type"] == "vxlan":
        return f"VXLAN to {options.get('remote_ip')} from {options.get('local_ip', 'any address')}"
    parts = [f"port {interface['external_ids']['iface-id']}"] if "iface-id" in interface["external_ids"] else []
    parts += [" ─ ".join(path)] if (path := list(walk(picture, port["name"]))) else []
    parts += [end] if interface["type"] == "internal" and (end := moved_to(picture, port["name"])) else []
    parts += [f"error: {interface['error']}"] if interface.get("error", []) != [] else []
    return ": ".join(parts) or interface["type"] or "device of the host"


def bridge_of(picture: Picture, port_name: str | None) -> str:
    """`` on br-tun`` for a port of br-tun."""
    uuids = {port["_uuid"] for port in picture.ports if port["name"] == port_name}
    owners = [bridge["name"] for bridge in picture.bridges if uuids & set(as_list(bridge["ports"]))]
    return f" on {owners[0]}" if owners else ""


def walk(picture: Picture, device: str) -> Iterator[str]:
    """The devices that a port's device leads to: over a Linux bridge if there is one, to its end in a namespace."""
    links = {row["ifname"]: row for row in picture.links}
    seen = {device}
    while device in links:
        link = links[device]
        if "link_netnsid" in link:
            yield end_in_namespace(picture, link)
            return
        peer = links.get(str(link.get("link")))
        if peer is None or peer["ifname"] in seen:
            return
        seen.add(peer["ifname"])
        master = peer.get("master")
        others = [row["ifname"] for row in picture.links if master and row.get("master") == master]
        others = [name for name in others if name not in seen]
        yield peer["ifname"]
        if len(others) != 1:
            return
        yield from (str(master), others[0])
        device = others[0]
        seen.add(device)


def end_in_namespace(picture: Picture, link: Row) -> str:
    """``eth0 in blue-1 (192.168.10.11/24)`` for the far end of a veth pair."""
    namespace = picture.namespace_ids.get(link["link_netnsid"])
    for row in picture.namespaces.get(namespace or "", ()):
        if row["ifindex"] == link.get("link_index"):
            addresses = ", ".join(global_addresses(row)) or "no address"
            return f"{row['ifname']} in {namespace} ({addresses})"
    return "another namespace"


def moved_to(picture: Picture, device: str) -> str:
    """``in qrouter-… (10.0.1.1/24)`` for an internal port whose device is in a namespace of this host; else ""."""
    for namespace, rows in sorted(picture.namespaces.items()):
        for row in rows:
            if row["ifname"] == device:
                return f"in {namespace} ({', '.join(global_addresses(row)) or 'no address'})"
    return ""


def ways_out(picture: Picture) -> list[list[str]]:
    """One row for each translation of a router: what comes to a floating IP, and what leaves as another address."""
    rows = []
    for namespace, lines in sorted(picture.translations.items()):
        for line in lines:
            if found := TRANSLATION.match(line):
                which, matched, target = found.groups()
                what = " ".join(re.sub(r"-[dsp] |--dport |-m \w+ |/32", "", matched).split())
                rows.append([namespace, what, target if which == "DNAT" else f"seen as {target}"])
    return rows


def global_addresses(row: Row) -> list[str]:
    """The addresses of a link with their prefix lengths, link-local ones left out."""
    return [f"{one['local']}/{one['prefixlen']}" for one in row.get("addr_info", ()) if one.get("scope") != "link"]


def local_vlans(picture: Picture) -> list[list[str]]:
    """One row per local VLAN: number, network, segment, number of ports. The agent keeps these on the ports."""
    networks: dict[tuple[int, str, str], int] = {}
    for port in picture.ports:
        facts = port["other_config"]
        if "net_uuid" in facts and "tag" in facts:
            segment = [
                facts.get("network_type", ""),
                facts.get("physical_network", ""),
                facts.get("segmentation_id", ""),
            ]
            key = (int(facts["tag"]), facts["net_uuid"], " ".join(filter(None, segment)))
            networks[key] = networks.get(key, 0) + 1
    return [[str(vlan), network, segment, str(count)] for (vlan, network, segment), count in sorted(networks.items())]


def draw_namespaces(picture: Picture) -> list[str]:
    """Each namespace with its links, addresses and processes."""
    lines: list[str] = []
    for name, rows in sorted(picture.namespaces.items()):
        links = [row for row in rows if row["ifname"] != "lo"]
        cells = [
            [row["ifname"], row.get("address", ""), f"mtu {row['mtu']}", ", ".join(global_addresses(row))]
            for row in links
        ]
        drawn = aligned(cells) if cells else ["no link besides lo"]
        lines += [f"namespace {name}", *branches([*drawn, *picture.processes.get(name, ())])]
    return lines


def as_list(value: Any) -> list[Any]:
    """A set column: OVSDB writes a set of one as its element."""
    return value if isinstance(value, list) else [value]
