"""The shell lines of operations, in the style of the seeds: ovs-vsctl, ovs-ofctl, ip.

Called by ``plan.operations`` only. Every line is complete: it can be pasted into a root shell.
"""

import re
import shlex
from collections.abc import Iterable

import msgspec

from patchbay.hoststate import Bridge, BridgePort, Flow, Link, Namespace, PortTag, Route, Sysctl
from patchbay.hoststate.flow import DEFAULT_PRIORITY
from patchbay.hoststate.ingress import bytecode, is_ingress
from patchbay.hoststate.switch import CLOSED_MODE, CLOSED_VLAN, OWNER, Pairs

HEREDOC_FROM = 16
"""From so many flows on, one ovs-ofctl process reads them all: a process each costs 5 to 40 ms."""

METERED = "meter:"

PLAIN_VALUE = re.compile(r"[A-Za-z0-9_.-]+")

quote = shlex.quote


def inside(namespace: str, line: str) -> str:
    """The line as it runs in a namespace ("" is the host's own)."""
    return f"ip netns exec {quote(namespace)} {line}" if namespace else line


def place(link: Link) -> str:
    """``eth0 in web1``, or only the name on the host."""
    return f"{link.name} in {link.namespace}" if link.namespace else link.name


def changes(old: msgspec.Struct, new: msgspec.Struct) -> str:
    """``mtu 1450 (was 1500), master qbr… (was none)``: what differs between two values of one kind."""
    pairs = ((field, getattr(old, field), getattr(new, field)) for field in new.__struct_fields__)
    return ", ".join(f"{field} {_say(b)} (was {_say(a)})" for field, a, b in pairs if a != b) or "nothing"


def _say(value: object) -> str:
    if isinstance(value, tuple):
        return " ".join(f"{key}={item}" for key, item in value) or "none"
    return "none" if value in ("", None) else str(value)


# Open vSwitch database


def value(text: str) -> str:
    """A string as ovs-vsctl reads it: quoted unless it is a plain word."""
    return text if PLAIN_VALUE.fullmatch(text) else '"' + text.replace("\\", "\\\\").replace('"', '\\"') + '"'


def _settings(column: str, pairs: Pairs) -> Iterable[str]:
    return (quote(f"{column}:{key}={value(item)}") for key, item in pairs)


def _clause(verb: str, table: str, name: str, settings: Iterable[str]) -> str:
    words = list(settings)
    return f"{verb} {table} {name} {' '.join(words)}" if words else ""


def _vsctl(*clauses: str) -> list[str]:
    present = [clause for clause in clauses if clause]
    return [f"ovs-vsctl {' -- '.join(present)}"] if present else []


def add_bridge(bridge: Bridge) -> list[str]:
    """As the seed: add-br, then set-fail-mode. Somebody may have made br-int already, for libvirt: it is taken over."""
    settings = [f"datapath_type={bridge.datapath_type}"] if bridge.datapath_type else []
    settings.append(f"external_ids:{OWNER}={value(bridge.owner)}")
    lines = _vsctl(f"--may-exist add-br {bridge.name}", _clause("set", "bridge", bridge.name, settings))
    return lines + ([f"ovs-vsctl set-fail-mode {bridge.name} {bridge.fail_mode}"] if bridge.fail_mode else [])


def set_bridge(old: Bridge, new: Bridge) -> list[str]:
    """Only the columns that differ."""
    settings = []
    if new.datapath_type != old.datapath_type:
        settings.append(f"datapath_type={value(new.datapath_type)}")
    if new.owner != old.owner:
        settings.append(f"external_ids:{OWNER}={value(new.owner)}")
    lines = _vsctl(_clause("set", "bridge", new.name, settings))
    if new.fail_mode == old.fail_mode:
        return lines
    verb = f"set-fail-mode {new.name} {new.fail_mode}" if new.fail_mode else f"del-fail-mode {new.name}"
    return [*lines, f"ovs-vsctl {verb}"]


CLOSED = [f"vlan_mode={CLOSED_MODE}", f"cvlans={CLOSED_VLAN}"]
"""The columns of a port that ordinary switching does not use."""


def add_port(port: BridgePort) -> list[str]:
    """One ovs-vsctl transaction: the port never exists without its tag."""
    interface = [f"type={port.type}"] if port.type else []
    interface += [*_settings("options", port.options), *_settings("external_ids", port.external_ids)]
    columns = [] if port.tag is None else [f"tag={port.tag}"]
    columns += [f"trunks={_numbers(port.trunks)}"] if port.trunks else []
    columns += CLOSED if port.is_closed else []
    columns += [*_settings("other_config", port.other_config), f"external_ids:{OWNER}={quote(value(port.owner))}"]
    return _vsctl(
        f"--may-exist add-port {port.bridge} {port.name}",
        _clause("set", "interface", port.name, interface),
        _clause("set", "port", port.name, columns),
    )


def set_port(old: BridgePort, new: BridgePort) -> list[str]:
    """Only what differs: keys that go are removed, keys that change are set."""
    name = new.name
    columns = list(_settings("other_config", _missing(new.other_config, old.other_config)))
    if new.tag is not None and new.tag != old.tag:
        columns.insert(0, f"tag={new.tag}")
    if new.trunks and new.trunks != old.trunks:
        columns.append(f"trunks={_numbers(new.trunks)}")
    columns += CLOSED if new.is_closed and not old.is_closed else []
    if new.owner != old.owner:
        columns.append(f"external_ids:{OWNER}={quote(value(new.owner))}")
    interface = [
        *_settings("options", _missing(new.options, old.options)),
        *_settings("external_ids", _missing(new.external_ids, old.external_ids)),
    ]
    return _vsctl(
        f"clear port {name} tag" if new.tag is None and old.tag is not None else "",
        f"clear port {name} trunks" if old.trunks and not new.trunks else "",
        f"clear port {name} vlan_mode cvlans" if old.is_closed and not new.is_closed else "",
        *_removals("port", name, "other_config", old.other_config, new.other_config),
        *_removals("interface", name, "options", old.options, new.options),
        *_removals("interface", name, "external_ids", old.external_ids, new.external_ids),
        _clause("set", "interface", name, interface),
        _clause("set", "port", name, columns),
    )


def _numbers(numbers: tuple[int, ...]) -> str:
    return ",".join(map(str, numbers))


def set_port_tag(old: PortTag | None, new: PortTag) -> list[str]:
    """Tag and our other_config keys of somebody else's port."""
    before = old.other_config if old else ()
    settings = [f"tag={new.tag}", *_settings("other_config", _missing(new.other_config, before))]
    was_closed = old is not None and old.is_closed
    settings += CLOSED if new.is_closed and not was_closed else []
    return _vsctl(
        f"clear port {new.name} vlan_mode cvlans" if was_closed and not new.is_closed else "",
        *_removals("port", new.name, "other_config", before, new.other_config),
        _clause("set", "port", new.name, settings),
    )


def clear_port_tag(tag: PortTag) -> list[str]:
    """Back to a port without tag."""
    columns = "tag vlan_mode cvlans" if tag.is_closed else "tag"
    return _vsctl(
        f"clear port {tag.name} {columns}", *_removals("port", tag.name, "other_config", tag.other_config, ())
    )


def _missing(wanted: Pairs, present: Pairs) -> Pairs:
    return tuple(pair for pair in wanted if pair not in present)


def _removals(table: str, name: str, column: str, old: Pairs, new: Pairs) -> list[str]:
    kept = dict(new)
    gone = [quote(value(key)) for key, _ in old if key not in kept]
    return [f"remove {table} {name} {column} {' '.join(gone)}"] if gone else []


# Flows


def add_flows(bridge: str, flows: tuple[Flow, ...]) -> list[str]:
    """A line each as the seed types them, or one process that reads many; with meters, which OpenFlow 1.0 has not."""
    metered = tuple(flow for flow in flows if flow.actions.startswith(METERED))
    plain = tuple(flow for flow in flows if not flow.actions.startswith(METERED))
    return [*_add_flows("ovs-ofctl", bridge, plain), *_add_flows("ovs-ofctl -O OpenFlow14", bridge, metered)]


def _add_flows(program: str, bridge: str, flows: tuple[Flow, ...]) -> list[str]:
    if len(flows) < HEREDOC_FROM:
        return [f"{program} add-flow {bridge} {quote(flow.text)}" for flow in flows]
    return [f"{program} add-flows {bridge} - <<'EOF'", *(flow.text for flow in flows), "EOF"]


def del_flows(bridge: str, flows: tuple[Flow, ...]) -> list[str]:
    """Strict: this table, priority and match, and only with our cookie."""
    return [f"ovs-ofctl --strict del-flows {bridge} {quote(_identity(flow))}" for flow in flows]


def _identity(flow: Flow) -> str:
    priority = "" if flow.priority == DEFAULT_PRIORITY else f"priority={flow.priority}"
    parts = (f"cookie={flow.cookie:#x}/-1", f"table={flow.table}", priority, flow.match)
    return ",".join(part for part in parts if part)


# Kernel


def add_namespace(namespace: Namespace) -> list[str]:
    """As the seed, with lo up and marked."""
    return [
        f"ip netns add {quote(namespace.name)}",
        inside(namespace.name, f"ip link set dev lo alias {namespace.alias} up"),
    ]


def add_veth(a: Link, b: Link) -> list[str]:
    """Both ends made in their places with MAC and MTU, then configured, then up."""
    make = f"ip link add {_end(a)} type veth peer {_end(b)}"
    return [make, *_configure(a), *_configure(b)]


def _end(link: Link) -> str:
    words = [f"name {link.name}"]
    if link.namespace:
        words.append(f"netns {quote(link.namespace)}")
    if link.mac:
        words.append(f"address {link.mac}")
    return " ".join([*words, f"mtu {link.mtu}"])


def add_bridge_link(link: Link) -> list[str]:
    """A Linux bridge as ``brctl addbr`` makes it, but without snooping: it says nothing of its own to the network."""
    address = f" address {link.mac}" if link.mac else ""
    make = inside(link.namespace, f"ip link add name {link.name}{address} mtu {link.mtu} type bridge mcast_snooping 0")
    return [make, *_configure(link)]


def _configure(link: Link) -> list[str]:
    """IPv6 and offload before the link is up: nothing leaves that should not."""
    lines = [] if link.ipv6 else [_ipv6(link)]
    if not link.tx_checksum:
        lines.append(_checksum(link))
    master = f" master {link.master}" if link.master else ""
    lines.append(f"ip link set dev {link.name} alias {link.alias}{master} up")
    return [inside(link.namespace, line) for line in lines]


def adopt_device(link: Link) -> list[str]:
    """Out of the host's namespace, then as any link: IPv6 and offload first, MAC, MTU and mark before it is up."""
    lines = [] if link.ipv6 else [_ipv6(link)]
    if not link.tx_checksum:
        lines.append(_checksum(link))
    address = f" address {link.mac}" if link.mac else ""
    lines.append(f"ip link set dev {link.name}{address} mtu {link.mtu} alias {link.alias} up")
    move = [f"ip link set {link.name} netns {quote(link.namespace)}"] if link.namespace else []
    return [*move, *(inside(link.namespace, line) for line in lines)]


def set_sysctls(namespace: str, sysctls: tuple[Sysctl, ...]) -> list[str]:
    """One line each, as a person types them."""
    return [inside(namespace, line) for one in sysctls for line in _set(one)]


def _set(one: Sysctl) -> list[str]:
    if not is_ingress(one.name):
        return [f"sysctl -w {quote(f'{one.name}={one.value}')}"]
    device = one.name.split("/")[1]
    program = f"bpf bytecode {quote(bytecode(one.value))} direct-action"
    return [
        f"tc qdisc replace dev {device} clsact",
        f"tc filter replace dev {device} ingress protocol all pref 1 handle 1 {program}",
    ]


def _ipv6(link: Link) -> str:
    return f"sysctl -qw net/ipv6/conf/{link.name}/disable_ipv6={0 if link.ipv6 else 1}"


def _checksum(link: Link) -> str:
    return f"ethtool -K {link.name} tx {'on' if link.tx_checksum else 'off'} >/dev/null"


def set_link(old: Link, new: Link) -> list[str]:
    """Only what differs."""
    lines = []
    if new.ipv6 != old.ipv6:
        lines.append(_ipv6(new))
    if new.tx_checksum != old.tx_checksum:
        lines.append(_checksum(new))
    words = []
    if new.mac and new.mac != old.mac:
        words.append(f"address {new.mac}")
    if new.mtu != old.mtu:
        words.append(f"mtu {new.mtu}")
    if new.alias != old.alias:
        words.append(f"alias {new.alias}")
    if new.master != old.master:
        words.append(f"master {new.master}" if new.master else "nomaster")
    if words:
        lines.append(f"ip link set dev {new.name} {' '.join(words)}")
    return [inside(new.namespace, line) for line in lines]


def route(verb: str, wanted: Route) -> str:
    """``ip route replace default via …``; without a link the kernel finds the one that leads to the gateway."""
    family = "-6 " if ":" in wanted.destination else ""
    destination = "default" if wanted.destination in ("0.0.0.0/0", "::/0") else wanted.destination
    via = f" via {wanted.gateway}" if wanted.gateway else ""
    device = f" dev {wanted.link}" if wanted.link else ""
    metric = f" metric {wanted.metric}" if wanted.metric else ""
    return inside(wanted.namespace, f"ip {family}route {verb} {destination}{via}{device}{metric}")
