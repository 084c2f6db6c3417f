"""What the convergence tests share: traffic that runs while something happens, and the proof that all is well then.

A test reads: ``with traffic(lab, "agent killed", ...) as seen: <the event>; converged(lab)``. ``traffic`` notes what
was lost and for how long (the figures stand in the summary at the end of the run); ``converged`` waits until every
agent has nothing left to do, sees what a fresh one would see, and the topology's expectations are met.
"""

import asyncio
import contextlib
import difflib
import ipaddress
import re
import time
from collections.abc import Callable, Iterable, Iterator
from typing import Any

import msgspec

from patchbay.agent.control import ask
from patchbay.compile import names
from patchbay.lab.lab import Lab
from patchbay.lab.stream import PingReport, PingStream
from patchbay.lab.vhost import VirtualHost

Object = dict[str, Any]
ACROSS = (("red1", "red2"), ("blue2", "blue1"))
INTERVAL_S = 0.01
PORT_CHANGE_MS = 250.0
COLLECTIONS = ("networks", "subnets", "ports", "instances")


class Loss(msgspec.Struct, frozen=True):
    """What one event cost one stream of pings."""

    event: str
    stream: str
    sent: int
    lost: int
    longest_ms: float


LOSSES: list[Loss] = []


class Seen:
    """The losses of one event, known when its ``traffic`` has ended."""

    def __init__(self) -> None:
        self.losses: list[Loss] = []

    @property
    def lost(self) -> int:
        """Lost packets of all streams."""
        return sum(loss.lost for loss in self.losses)

    @property
    def is_undisturbed(self) -> bool:
        """No more is lost than Open vSwitch's userspace datapath loses when any port comes or goes, whoever does it."""
        return self.longest_ms <= PORT_CHANGE_MS

    @property
    def longest_ms(self) -> float:
        """The longest time that a stream was without a packet that got through."""
        return max(loss.longest_ms for loss in self.losses)


@contextlib.contextmanager
def traffic(lab: Lab, event: str, *pairs: tuple[str, str], interval_s: float = INTERVAL_S) -> Iterator[Seen]:
    """Pings between instances of two hosts while ``event`` happens; at the end they must come through again."""
    seen = Seen()
    with contextlib.ExitStack() as stack:
        streams = {pair: stack.enter_context(lab.ping_stream(*pair, interval_s)) for pair in pairs or ACROSS}
        _wait_until_flowing(streams, f"before: {event}")
        yield seen
        _wait_until_flowing(streams, f"after: {event}")
        for pair, stream in streams.items():
            seen.losses.append(_loss(event, pair, stream.stop(grace_s=0.25)))
    for loss in seen.losses:
        print(f"{loss.event}: {loss.stream} lost {loss.lost} of {loss.sent}, longest outage {loss.longest_ms:.0f} ms")
    LOSSES.extend(seen.losses)


def _wait_until_flowing(streams: dict[tuple[str, str], PingStream], when: str) -> None:
    for (source, target), stream in streams.items():
        assert stream.wait_for_replies(5), f"{when}: no more replies from {target} to {source}"


def _loss(event: str, pair: tuple[str, str], report: PingReport) -> Loss:
    return Loss(event, " → ".join(pair), report.sent, report.lost, report.longest_outage_s * 1000)


def wait_for(condition: Callable[[], object], what: Callable[[], object] | str, timeout_s: float = 15.0) -> None:
    """Wait until ``condition``; fail saying ``what`` was missing."""
    deadline = time.monotonic() + timeout_s
    while not condition():
        if time.monotonic() > deadline:
            raise AssertionError(f"not within {timeout_s:g} s: {what() if callable(what) else what}")
        time.sleep(0.02)


# --- what agents say --------------------------------------------------------------------------------------------------


def agent(host: VirtualHost, command: str = "status") -> Object:
    """The answer of a host's agent over its control socket. Raises OSError when it does not run (yet)."""

    async def asked() -> Object:
        async with asyncio.timeout(10):
            return await ask(str(host.space.path("/run/patchbay")), command)  # type: ignore[no-any-return]

    return asyncio.run(asked())


def unfinished(host: VirtualHost) -> list[str]:
    """Sentences about what this host's agent still has to do, or sees otherwise than a fresh one would."""
    try:
        checked, planned, status = agent(host, "check"), agent(host, "plan"), agent(host)
    except (OSError, TimeoutError, msgspec.DecodeError) as error:
        return [f"{host.name}: its agent does not answer ({error!r})"]
    wrong = checked["wrong"] if "wrong" in checked else [checked["error"]]
    wrong = [*wrong, *(one["sentence"] for one in planned["operations"])]
    wrong += [f"{key} is not settled" for key in status["unsettled"]]
    return [f"{host.name}: {one}" for one in wrong]


def settled(*hosts: VirtualHost, timeout_s: float = 20.0) -> None:
    """Wait until these hosts' agents have nothing left to do: empty plan, incremental equals full."""
    for host in hosts:
        left: list[str] = []

        def is_settled(host: VirtualHost = host, left: list[str] = left) -> bool:
            left[:] = unfinished(host)
            return not left

        wait_for(is_settled, lambda left=left, host=host: _story(left, host), timeout_s)  # type: ignore[misc]


def _story(left: Iterable[str], host: VirtualHost) -> str:
    return "\n".join([*left, f"The agent's log on {host.name} ends:", host.log("agent", 12)])


def converged(lab: Lab, timeout_s: float = 20.0) -> None:
    """All agents settled, all ports ACTIVE, all expectations met."""
    settled(*lab.hosts.values(), timeout_s=timeout_s)
    lab.wait_until_active(timeout_s)
    wrong = [
        f"{each.pair.source} → {each.pair.target}: {each.detail}" for each in lab.check(quiet_s=0.2) if not each.is_met
    ]
    assert not wrong, "\n".join(wrong)
    settled(*lab.hosts.values(), timeout_s=5.0)


# --- what hosts show --------------------------------------------------------------------------------------------------

_DURATION = re.compile(r"duration=([0-9.]+)s, ")
# Flags and states are the kernel's: they follow carriers, captures and the switch.
_LINK = re.compile(r"^\d+: \S+|mtu \d+|master \S+|link/ether \S+|inet \S+")
_COUNTERS = re.compile(r"\b(n_packets|n_bytes|idle_age|hard_age)=\d+, ")


def flow_durations(host: VirtualHost, bridge: str) -> dict[str, float]:
    """Flow without counters → how long it has been installed, in seconds. Learned flows are left out."""
    found = {}
    for line in host.run(["ovs-ofctl", "-O", "OpenFlow14", "dump-flows", bridge]).stdout.splitlines():
        duration = _DURATION.search(line)
        if duration and "hard_timeout=" not in line.partition(" actions=")[0]:
            found[_COUNTERS.sub("", _DURATION.sub("", line.strip()))] = float(duration[1])
    return found


class Fingerprint(msgspec.Struct, frozen=True):
    """What must stay the very same while nobody changes anything: rewriting a thing with its own value shows, too."""

    next_cfg: str
    switch: str
    links: str
    flows: dict[str, dict[str, float]]

    def differences(self, later: "Fingerprint") -> list[str]:
        """Sentences about what was touched between this and a ``later`` one."""
        wrong = [
            "\n".join([what, *difflib.unified_diff(before.splitlines(), after.splitlines(), lineterm="", n=0)])
            for what, before, after in (
                ("transactions on the switch's database (next_cfg)", self.next_cfg, later.next_cfg),
                ("bridges and ports", self.switch, later.switch),
                ("links", self.links, later.links),
            )
            if before != after
        ]
        for bridge, before in self.flows.items():
            after = later.flows[bridge]
            wrong += [f"flow came or went on {bridge}: {flow}" for flow in before.keys() ^ after.keys()]
            wrong += [
                f"flow installed anew on {bridge}: {flow}" for flow in before if after.get(flow, 1e9) < before[flow]
            ]
        return wrong


def fingerprint(host: VirtualHost) -> Fingerprint:
    """The host as it is now."""
    ports = "ovs-vsctl -f csv --columns=_uuid,name,tag,other_config list port; "
    ports += "ovs-vsctl -f csv --columns=_uuid,name,ofport,options list interface"
    links = "ip -o link; for n in $(ip netns list | cut -d' ' -f1); do ip -n $n -o link; ip -n $n -o -4 addr; done"
    return Fingerprint(
        next_cfg=host.run(["ovs-vsctl", "get", "Open_vSwitch", ".", "next_cfg"]).stdout,
        switch=host.run(["sh", "-c", ports]).stdout,
        links="\n".join(" ".join(_LINK.findall(line)) for line in host.run(["sh", "-c", links]).stdout.splitlines()),
        flows={bridge: flow_durations(host, bridge) for bridge in ("br-int", "br-tun")},
    )


def left_overs(host: VirtualHost) -> list[str]:
    """What a host has of us beyond bare br-int and br-tun: links, namespaces, ports, flows of networks and ports.

    Learned flows are left out: they expire, and nothing can use them before their VLAN is given again.
    """
    script = "ip -o link | grep -oE '(tap|qbr|qvb|qvo)[0-9a-f-]+' | sort -u; ip netns list"
    found = host.run(["sh", "-c", script]).stdout.split("\n")
    for bridge, bare in (("br-int", r"patch-tun|int-.*"), ("br-tun", r"patch-int|vxlan-.*")):
        ports = host.run(["ovs-vsctl", "list-ports", bridge]).stdout.split()
        found += [f"{bridge} {port}" for port in ports if not re.fullmatch(bare, port)]
    flows = host.run(["ovs-ofctl", "--no-stats", "dump-flows", "br-tun"]).stdout.splitlines()
    ours = [flow for flow in flows if "learn(" not in flow and "hard_timeout=" not in flow]
    found += [flow for flow in ours if re.search(r"tun_id=|vlan|table=2[01],.*dl_dst", flow)]
    return [line.strip() for line in found if line.strip()]


# --- names ------------------------------------------------------------------------------------------------------------


def port_ids(lab: Lab) -> dict[str, str]:
    """Instance → id of its port."""
    with contextlib.closing(lab.client()) as client:
        ports = client.request("GET", "/v2.0/ports")["ports"]
    return {port["name"].removesuffix("-eth0"): port["id"] for port in ports}


def device(lab: Lab, kind: str, instance: str) -> str:
    """The name of an instance's device: ``kind`` is tap, qvo, qvb or qbr."""
    return names.device(kind, port_ids(lab)[instance])


def tunnel_to(lab: Lab, host: str) -> str:
    """The name of the VXLAN port that leads to a host."""
    return f"vxlan-{int(ipaddress.ip_address(lab.topology.hosts[host].tunnel_ip)):08x}"


def objects(lab: Lab, collection: str) -> dict[str, Object]:
    """The objects of a collection by name."""
    with contextlib.closing(lab.client()) as client:
        return {each["name"]: each for each in client.request("GET", f"/v2.0/{collection}")[collection]}


def learned(host: VirtualHost) -> list[str]:
    """Flows of br-tun that were learned from traffic."""
    lines = host.run(["ovs-ofctl", "--no-stats", "dump-flows", "br-tun", "table=20"]).stdout.splitlines()
    return [line for line in lines if "hard_timeout=" in line]


def delete_everything(lab: Lab) -> None:
    """Delete all instances, ports and networks through the API."""
    with contextlib.closing(lab.client()) as client:
        for collection in ("instances", "ports", "subnets", "networks"):
            for each in client.request("GET", f"/v2.0/{collection}")[collection]:
                client.request("DELETE", f"/v2.0/{collection}/{each['id']}")


def find(lab: Lab, collection: str, name: str) -> Object:
    """One object by name."""
    return objects(lab, collection)[name]


def change(lab: Lab, collection: str, name: str, **attributes: Any) -> Object:
    """Change an object through the API."""
    member, found = collection.removesuffix("s"), find(lab, collection, name)
    with contextlib.closing(lab.client()) as client:
        body = {member: attributes}
        return client.request("PUT", f"/v2.0/{collection}/{found['id']}", body)[member]  # type: ignore[no-any-return]


def delete(lab: Lab, collection: str, *wanted: str) -> None:
    """Delete objects through the API."""
    found = objects(lab, collection)
    with contextlib.closing(lab.client()) as client:
        for name in wanted:
            client.request("DELETE", f"/v2.0/{collection}/{found[name]['id']}")
