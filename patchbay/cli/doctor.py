"""``patchbay doctor``: can this host be a Patchbay host? Each check says what was found and what to do about it.

Called by ``main``. Promises: changes nothing; exit code 1 when something is missing that the agent cannot do without.
"""

import os
import platform
import re
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

import click
import msgspec

from patchbay.cli.daemons import RUN_DIR, read_daemons, run_dir_option
from patchbay.cli.output import FORMATS, aligned, print_data
from patchbay.cli.tools import ip_json, ovs_table, read
from patchbay.errors import HostError
from patchbay.host.probe import has_kernel_datapath
from patchbay.host.programs import PACKAGES, search_path
from patchbay.plan.limit_operations import DATAPATHS

OK, NOTE, FAILED = "ok", "note", "FAILED"
COLOURS = {OK: "green", NOTE: "yellow", FAILED: "red"}

TOOLS = ("ovs-vsctl", "ovs-ofctl", "ovsdb-server", "ovsdb-tool", "ip", "ethtool")
SERVICES = {
    "DHCP and DNS": ("dnsmasq", "dhcp_release", "dhcp_release6"),
    "routers": ("iptables-restore", "ip6tables-restore", "iptables-save", "ip6tables-save", "conntrack"),
    "IPv6 routers": ("radvd",),
    "DHCP clients": ("dhclient",),
}
"""What a host can do besides switching, and the programs that do it."""
OLDEST_OVS = (2, 17)
FEW_NEIGHBOURS = 4096
FULL_SHARE = 0.8
VXLAN_BYTES = 50
"""What VXLAN over IPv4 adds to a packet (RFC 7348): a network's MTU is the underlay's less this."""

NOT_UNDERLAY = ("br-", "ovs-", "qbr", "qvb", "qvo", "tap")
"""Beginnings of names of links that carry tenants' packets, not tunnels (Neutron's names)."""


class Finding(msgspec.Struct, frozen=True, kw_only=True):
    """The result of one check. ``verdict`` is ok, note (works, but know this) or FAILED."""

    check: str
    verdict: str
    found: str
    remedy: str = ""


@click.command()
@click.option("--tunnel-ip", metavar="ADDRESS", help="Check this address as the local end of tunnels.")
@run_dir_option
@click.option("-f", "--format", "style", type=click.Choice(FORMATS[:3]), default="table", show_default=True)
def doctor(tunnel_ip: str | None, run_dir: str, style: str) -> int:
    """Check that this host can be a Patchbay host, and say what to do where it cannot."""
    findings = [finding for check in CHECKS for finding in run(check)]
    findings += check_daemons(run_dir)
    findings += check_tunnel_ip(tunnel_ip) if tunnel_ip else []
    if style != "table":
        print_data(findings, style)
    else:
        show(findings)
    return int(any(finding.verdict == FAILED for finding in findings))


def run(check: Callable[[], Iterator[Finding]]) -> list[Finding]:
    """A check's findings; a tool that refuses is a finding too."""
    try:
        return list(check())
    except HostError as error:
        name = (check.__doc__ or "").partition(":")[0]
        return [Finding(check=name, verdict=FAILED, found=error.message, remedy=error.remedy)]


def show(findings: list[Finding]) -> None:
    """Print the findings, the remedy under each that has one."""
    lines = aligned([[finding.check, finding.verdict, finding.found] for finding in findings])
    for finding, line in zip(findings, lines, strict=True):
        click.secho(line, fg=COLOURS[finding.verdict] if finding.verdict != OK else None)
        if finding.remedy:
            click.echo(f"    → {finding.remedy}")


def check_permissions() -> Iterator[Finding]:
    """permissions: network namespaces and Open vSwitch need root."""
    if os.geteuid() == 0:
        yield Finding(check="permissions", verdict=OK, found="root")
    else:
        yield Finding(check="permissions", verdict=FAILED, found="not root", remedy="Run this and the agent as root.")


def check_tools() -> Iterator[Finding]:
    """tools: those the agent or its people call."""
    missing = [tool for tool in TOOLS if not shutil.which(tool)]
    if missing:
        remedy = "apt install openvswitch-switch iproute2 ethtool (or the like elsewhere)."
        yield Finding(check="tools", verdict=FAILED, found=f"missing: {', '.join(missing)}", remedy=remedy)
    else:
        yield Finding(check="tools", verdict=OK, found=", ".join(TOOLS))


def check_services() -> Iterator[Finding]:
    """services: the programs of DHCP servers, routers and instances; a host without them only switches."""
    for service, programs in SERVICES.items():
        missing = [name for name in programs if not shutil.which(name, path=search_path())]
        if missing:
            packages = " ".join(dict.fromkeys(PACKAGES[name] for name in missing))
            found = f"missing: {', '.join(missing)}; other hosts must serve these"
            if service == "DHCP clients":
                found = f"missing: {', '.join(missing)}; instances with addressing dhcp get no address here"
            yield Finding(check=service, verdict=NOTE, found=found, remedy=f"apt-get install {packages}")
        else:
            yield Finding(check=service, verdict=OK, found=", ".join(programs))


def check_daemons(run_dir: str = RUN_DIR) -> list[Finding]:
    """processes: those that the agent keeps running do run."""
    kept = read_daemons(run_dir)
    dead = [one for one in kept if one.number is None]
    if not kept:
        return []
    if not dead:
        return [Finding(check="processes", verdict=OK, found=f"all {len(kept)} of the agent's run")]
    return [
        Finding(
            check="processes",
            verdict=FAILED,
            found=f"{one.program} of {one.kind} {one.owner} does not run in {one.namespace or 'the host'}",
            remedy=f"A running agent starts it again: see that it runs, then {one.log}.",
        )
        for one in dead
    ]


def check_open_vswitch() -> Iterator[Finding]:
    """Open vSwitch: running, and of a version whose features we use."""
    version = read("ovs-vswitchd", "--version").split("\n", 1)[0].rsplit(" ", 1)[-1]
    rows = ovs_table("Open_vSwitch")
    if not rows or rows[0]["cur_cfg"] != rows[0]["next_cfg"]:
        remedy = "Start it (systemctl start openvswitch-switch) and look into its log."
        yield Finding(check="Open vSwitch", verdict=FAILED, found="ovs-vswitchd does not follow", remedy=remedy)
        return
    if tuple(int(part) for part in version.split(".")[:2]) < OLDEST_OVS:
        remedy = f"Use {OLDEST_OVS[0]}.{OLDEST_OVS[1]} or later."
        yield Finding(check="Open vSwitch", verdict=FAILED, found=version, remedy=remedy)
        return
    yield Finding(check="Open vSwitch", verdict=OK, found=version)
    if "vxlan" not in rows[0]["iface_types"]:
        remedy = "Use a build of Open vSwitch with VXLAN, or networks of type vlan and flat."
        yield Finding(check="VXLAN", verdict=FAILED, found="not offered by this Open vSwitch", remedy=remedy)
    yield from check_bridges()


def check_datapath() -> Iterator[Finding]:
    """datapath: in the kernel when its module is there, else in userspace."""
    if has_kernel_datapath():
        yield Finding(check="datapath", verdict=OK, found="system: the kernel has Open vSwitch's datapath")
        return
    yield Finding(
        check="datapath",
        verdict=NOTE,
        found=f"netdev (userspace): kernel {platform.release()} has no module openvswitch",
        remedy="Works, with less throughput. Install a kernel that has the module, or keep --datapath-type netdev.",
    )


def check_namespaces() -> Iterator[Finding]:
    """namespaces: the kernel offers them, and /run/netns can be written."""
    if not Path("/proc/self/ns/net").exists():
        remedy = "Use a kernel with CONFIG_NET_NS."
        yield Finding(check="namespaces", verdict=FAILED, found="not in this kernel", remedy=remedy)
        return
    place = Path("/run/netns") if Path("/run/netns").exists() else Path("/run")
    if os.access(place, os.W_OK):
        yield Finding(check="namespaces", verdict=OK, found=f"{place} is writable")
    else:
        remedy = f"Make {place} writable for the agent (in a container: a tmpfs on /run)."
        yield Finding(check="namespaces", verdict=FAILED, found=f"{place} is not writable", remedy=remedy)


def check_bridges() -> Iterator[Finding]:
    """bridges: br-int and br-tun are ours, or nobody's yet."""
    taken = [
        row["name"]
        for row in ovs_table("Bridge")
        if row["name"] in ("br-int", "br-tun") and "patchbay" not in row["external_ids"]
    ]
    if taken:
        remedy = "Stop what made them (a Neutron agent?) before this host becomes Patchbay's."
        yield Finding(check="bridges", verdict=NOTE, found=f"{', '.join(taken)} made by somebody else", remedy=remedy)
    else:
        yield Finding(check="bridges", verdict=OK, found="br-int and br-tun are Patchbay's or free")


def check_mtu() -> Iterator[Finding]:
    """MTU: of the links that are up; VXLAN networks get 50 bytes less."""
    physical = [
        row
        for row in ip_json("link", "show", "up")
        if row.get("link_type") == "ether" and not row["ifname"].startswith(NOT_UNDERLAY)
    ]
    if not physical:
        yield Finding(check="MTU", verdict=NOTE, found="no link is up besides lo", remedy="Tunnels need an underlay.")
    for row in physical[:4]:
        inner = row["mtu"] - VXLAN_BYTES
        remedy = "" if inner >= 1450 else "Raise the MTU of the underlay, or give networks --mtu."
        verdict = OK if inner >= 1450 else NOTE
        found = f"{row['ifname']} {row['mtu']}: VXLAN networks over it carry {inner}"
        yield Finding(check="MTU", verdict=verdict, found=found, remedy=remedy)


def check_neighbours() -> Iterator[Finding]:
    """neighbours: the kernel's tables, one for all routers, have room; only the machine's own namespace tells."""
    for family in ("ipv4", "ipv6"):
        path = Path(f"/proc/sys/net/{family}/neigh/default/gc_thresh3")
        if path.exists() and (most := int(path.read_text())) < FEW_NEIGHBOURS:
            remedy = (
                f"Where many routers are: sysctl -w net.{family}.neigh.default.gc_thresh3=16384, and gc_thresh2=8192."
            )
            found = f"{most} of {family} for all routers of this host"
            yield Finding(check="neighbours", verdict=NOTE, found=found, remedy=remedy)


def check_connections() -> Iterator[Finding]:
    """connections: no network has nearly all that it may have on this host."""
    try:
        bridges = [row for row in ovs_table("Bridge") if row["name"] == "br-int"]
        datapath = DATAPATHS[bridges[0]["datapath_type"]] if bridges else ""
        text = read("ovs-appctl", "dpctl/ct-get-limits", datapath) if bridges else ""
    except HostError as error:
        yield Finding(check="connections", verdict=NOTE, found=f"no limits are known: {error.message}")
        return
    zones = [tuple(map(int, one)) for one in re.findall(r"zone=(\d+),limit=(\d+),count=(\d+)", text)]
    full = [(zone, limit, count) for zone, limit, count in zones if count >= limit * FULL_SHARE]
    for zone, limit, count in full:
        found = f"{count} of the network with local VLAN {zone}, which may have {limit}"
        remedy = "See who has so many (ovs-appctl dpctl/dump-conntrack); --connections-per-network of the agent."
        yield Finding(check="connections", verdict=NOTE, found=found, remedy=remedy)
    if zones and not full:
        found = f"{sum(count for *_, count in zones)} tracked in {len(zones)} networks, none near its limit"
        yield Finding(check="connections", verdict=OK, found=found)


def check_tunnel_ip(tunnel_ip: str) -> list[Finding]:
    """tunnel address: it is on one of this host's links."""
    for row in ip_json("addr", "show"):
        if any(one.get("local") == tunnel_ip for one in row.get("addr_info", ())):
            return [Finding(check="tunnel address", verdict=OK, found=f"{tunnel_ip} on {row['ifname']}")]
    remedy = "Give --tunnel-ip an address of this host that the other hosts can reach."
    found = f"{tunnel_ip} is on no link of this host"
    return [Finding(check="tunnel address", verdict=FAILED, found=found, remedy=remedy)]


CHECKS = (
    check_permissions,
    check_tools,
    check_services,
    check_open_vswitch,
    check_datapath,
    check_namespaces,
    check_mtu,
    check_neighbours,
    check_connections,
)
