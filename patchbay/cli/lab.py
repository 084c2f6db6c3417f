"""``patchbay lab``: virtual hosts on this machine, from a topology file.

Called by ``main``. Promises: exit code 1 when an expectation is not met; progress goes to standard error, results to
standard output; a lab that could not be started leaves nothing.
"""

import os
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import NoReturn

import click

from patchbay.cli.endpoint import Endpoint
from patchbay.cli.output import Row, output_options, print_list, print_table
from patchbay.cli.router_picture import draw_routers
from patchbay.errors import LabError
from patchbay.lab.apply_security import speaks_of_security
from patchbay.lab.lab import Lab
from patchbay.lab.outcomes import Outcome, Pair
from patchbay.lab.reading import load_topology
from patchbay.lab.registry import find, living
from patchbay.lab.topology import FloatingIP, Topology
from patchbay.lab.vhost import LOGS, VirtualHost, inside

DEMOS = ("examples/seed002.yaml", "examples/seed001.yaml")
SHOWN = {
    "br-tun": "ovs-ofctl --no-stats dump-flows br-tun",
    "router": "for n in $(ip netns list | grep -o ^qrouter-[^\\ ]*); do ip netns exec $n iptables -t nat -S; done",
}
"""What a demonstration shows of the first host: how tenants are kept apart, or how they get out."""
PREFERRED_PORT, PREFERRED_VNET_PORT = 9696, 9090
OUTCOME_COLUMNS = ("from", "to", "address", "expected", "found", "verdict", "rtt_ms", "detail")
MANY = 60

topology_file = click.argument("file", type=click.Path(dir_okay=False, path_type=Path))
lab_option = click.option("--lab", "name", default="", metavar="NAME", help="Which lab; needed only when several run.")


@click.group()
def lab() -> None:
    """Virtual hosts on this machine, from a topology file."""


@lab.command()
@topology_file
@click.option("--name", default="", help="Name of the lab; the topology's when left out.")
@click.option(
    "--port", type=int, default=None, help="Port of the API on the loopback; 9696 or any free one by default."
)
@click.option(
    "--vnet-port", type=int, default=None, help="Port of OpenVNet's WebAPI there; 9090 or any free one by default."
)
@click.option("--bare", is_flag=True, help="Hosts and wires only: to build a network by hand.")
@click.option("--no-check", is_flag=True, help="Do not prove the file's expectations.")
def up(file: Path, name: str, port: int | None, vnet_port: int | None, *, bare: bool, no_check: bool) -> int:
    """Start the lab of a topology FILE and prove what it expects."""
    started = time.monotonic()
    topology = load_topology(file)
    running = Lab.up(
        topology,
        name=name or topology.name,
        ports=(PREFERRED_PORT, 0) if port is None else (port,),
        vnet_ports=(PREFERRED_VNET_PORT, 0) if vnet_port is None else (vnet_port,),
        is_bare=bare,
        say=progress(started),
    )
    outcomes: list[Outcome] | None = None
    try:
        if not bare and not no_check:
            outcomes = running.check()
            progress(started)(f"{len(outcomes)} expectations checked")
    finally:
        running.detach()
    print_instances(topology)
    click.echo()
    if running.endpoint:
        click.echo(f"API: {running.endpoint} (openstack --os-auth-type none --os-endpoint {running.endpoint} …)")
        webapi = running.vnet_endpoint.removeprefix("http://")  # as OpenVNet's own vnctl wants it
        click.echo(f"OpenVNet's WebAPI: {webapi} (VNET_WEBAPI={webapi} vnctl …)")
    click.echo(f"Hosts: {', '.join(running.hosts)} (patchbay lab shell {next(iter(running.hosts))})")
    if outcomes is None:
        return 0
    click.echo()
    return report(outcomes, "table", (), running)


@lab.command()
@click.argument("name", default="")
@click.option("--all", "is_all", is_flag=True, help="End every lab.")
def down(name: str, is_all: bool) -> None:
    """End a lab; nothing is left of it."""
    if is_all and name:
        raise click.UsageError("Give a name or --all, not both.")
    records = living()
    if not records and not name:
        click.echo("No lab runs.", err=True)
    elif not is_all:
        records = [find(name)]
    for record in records:
        Lab(record).down()
        click.echo(f"Lab {record.name} is down.", err=True)


@lab.command()
@output_options
def status(style: str, columns: Sequence[str]) -> None:
    """Which labs run, and what runs in their hosts."""
    rows: list[Row] = []
    for record in living():
        running = Lab(record)
        serving = "" if not running.endpoint else "up" if running.is_serving() else "down"
        one: Row = {
            "lab": record.name,
            "state": "ready" if record.is_ready else "starting",
            "endpoint": running.endpoint,
            "service": serving,
            "topology": record.topology.path,
        }
        rows += [{**one, **host_row(host)} for host in running.hosts.values()] or [one]
    shown = ("lab", "state", "endpoint", "service", "host", "tunnel_ip", "openvswitch", "agent")
    print_list(rows, shown, style, columns)


@lab.command()
@click.argument("host")
@click.argument("instance", default="")
@lab_option
def shell(host: str, instance: str, name: str) -> None:
    """A shell on HOST (or on a machine outside), or in an INSTANCE on it."""
    running = Lab.attach(name)
    space = running.outside[host] if host in running.outside and not instance else running.host(host).space
    place = f"{host} {instance}".strip()
    environment = {"PS1": f"[{place} \\w]# ", **dhclient_of(instance)}
    become(space.command(inside(instance, ["bash", "--norc", "--noprofile", "-i"])), environment)


@lab.command("exec", context_settings={"ignore_unknown_options": True, "allow_interspersed_args": False})
@click.argument("place")
@click.argument("command", nargs=-1, required=True, type=click.UNPROCESSED)
@lab_option
def run(place: str, command: Sequence[str], name: str) -> None:
    """Run COMMAND on a host, in an instance or on a machine outside."""
    command = command[1:] if command[0] == "--" else command
    running = Lab.attach(name)
    if place in running.hosts:
        full = running.host(place).space.command(command)
    elif place in running.topology.instances:
        become(running.host_of(place).space.command(inside(place, command)), dhclient_of(place))
    elif place in running.outside:
        full = running.outside[place].command(command)
    else:
        known = ", ".join([*running.hosts, *running.topology.instances, *running.outside])
        raise LabError(f"Lab {running.name}: {place} is neither a host nor an instance.", f"Known: {known}.")
    become(full, {})


@lab.command()
@click.argument("host", default="")
@lab_option
def show(host: str, name: str) -> None:
    """Draw HOST, or every host, the routers between the networks, and the machines outside."""
    running = Lab.attach(name)
    for each in [running.host(host)] if host else running.hosts.values():
        done = each.run([sys.executable, "-m", "patchbay", "show", "host"])
        click.echo(done.stdout)
    if host:
        return
    if running.endpoint and running.is_serving():
        click.echo("\n".join(draw_routers(Endpoint(running.endpoint))))
    print_ways_out(running.topology)


@lab.command()
@click.argument("place", metavar="[service|HOST]", default="service")
@click.argument("process", type=click.Choice(sorted(LOGS)), default="agent")
@click.option("-n", "--lines", default=20, show_default=True, help="How many.")
@lab_option
def logs(place: str, process: str, lines: int, name: str) -> None:
    """The last lines of the service's or a host's log."""
    running = Lab.attach(name)
    click.echo(running.service_log(lines) if place == "service" else running.host(place).log(process, lines))


@lab.command()
@click.argument("source", metavar="FROM")
@click.argument("target", metavar="TO")
@lab_option
@output_options
def ping(source: str, target: str, name: str, style: str, columns: Sequence[str]) -> int:
    """Ping an instance, a machine outside or an address, and say who answered. Exit code 1 when it does not reach."""
    outcomes = Lab.attach(name).ping(source, target)
    shown = ("from", "to", "address", "found", "rtt_ms", "detail")
    print_list([outcome_row(outcome) for outcome in outcomes], shown, style, columns)
    return 0 if outcomes and all(outcome.found for outcome in outcomes) else 1


@lab.command()
@click.option("--patience", type=float, default=5.0, show_default=True, help="Seconds that a connection may take.")
@lab_option
@output_options
def check(patience: float, name: str, style: str, columns: Sequence[str]) -> int:
    """Prove the topology's expectations with real packets. Exit code 1 when one is not met."""
    running = Lab.attach(name)
    return report(running.check(patience_s=patience), style, columns, running)


@lab.command()
@click.argument("files", metavar="[FILE]...", type=click.Path(dir_okay=False, path_type=Path), nargs=-1)
def demo(files: tuple[Path, ...]) -> int:
    """Seeds 002 and 001 up, proven, shown and down again, one after the other."""
    return max(show_off(load_topology(file)) for file in files or [example(name) for name in DEMOS])


def show_off(topology: Topology) -> int:
    """One lab of a demonstration."""
    started = time.monotonic()
    with Lab.up(topology, ports=(PREFERRED_PORT, 0), say=progress(started)) as running:
        outcomes = running.check()
        elapsed = time.monotonic() - started
        name, host = next(iter(running.hosts.items()))
        shown = "br-tun" if topology.routers == {} else "router"
        click.echo(f"[root@{name} ~]# {SHOWN[shown]}")
        click.echo(host.run(["sh", "-c", SHOWN[shown]]).stdout)
        print_instances(topology)
        click.echo()
        code = report(outcomes, "table", ())
        hosts = "1 host" if len(running.hosts) == 1 else f"{len(running.hosts)} hosts"
    click.echo(f"{hosts} up and verified in {elapsed:.1f} s; the lab is down again, nothing is left of it.\n")
    return code


def dhclient_of(instance: str) -> dict[str, str]:
    """A pid file for who types dhclient in an instance: by default all on a host share one, and end each other."""
    return {"PATH_DHCLIENT_PID": f"/run/dhclient-{instance}.pid"} if instance else {}


def become(command: list[str], environment: Mapping[str, str]) -> NoReturn:
    """Let a command take this process's place and terminal; Patchbay's own command is on its path, too."""
    path = os.pathsep.join((str(Path(sys.executable).parent), os.environ.get("PATH", os.defpath), "/usr/sbin", "/sbin"))
    sys.stdout.flush()
    os.execvpe(command[0], command, {**os.environ, "PATH": path, **environment})  # noqa: S606  # no shell is involved


def progress(started: float) -> Callable[[str], None]:
    """Lines on standard error, each with the time since the start."""

    def say(text: str) -> None:
        click.echo(f"{time.monotonic() - started:6.2f} s  {text}", err=True)

    return say


def report(outcomes: Sequence[Outcome], style: str, columns: Sequence[str], running: Lab | None = None) -> int:
    """Print what was found beside what was expected; 1 when they differ anywhere."""
    wrong = [outcome for outcome in outcomes if not outcome.is_met]
    shown = wrong if style == "table" and len(outcomes) > MANY else outcomes
    if shown or style != "table":
        print_list([outcome_row(outcome) for outcome in shown], OUTCOME_COLUMNS, style, columns)
    if style == "table":
        verdict = "all met" if not wrong else f"{len(wrong)} WRONG"
        click.secho(f"\n{len(outcomes)} expectations, {verdict}.", fg="red" if wrong else "green", bold=True)
        if wrong and running is not None and speaks_of_security(running.topology):
            click.echo(
                f"Which rules of security groups were asked: patchbay why --endpoint {running.endpoint} FROM TO tcp/80"
            )
    return 1 if wrong else 0


def outcome_row(outcome: Outcome) -> Row:
    """One line of the table of expectations."""
    return {
        "from": outcome.pair.source,
        "to": outcome.pair.target,
        "address": None if outcome.pair.address is None else str(outcome.pair.address),
        "expected": outcome.pair.wanted or expectation(outcome.pair),
        "found": found(outcome),
        "verdict": "met" if outcome.is_met else "WRONG",
        "rtt_ms": None if outcome.rtt_ms is None else round(outcome.rtt_ms, 2),
        "detail": outcome.detail,
        "line": outcome.pair.line,
    }


def expectation(pair: Pair) -> str:
    """What a ping must show, in words."""
    return word(pair.expected) + (f", seen as {pair.seen_as}" if pair.seen_as else "")


def found(outcome: Outcome) -> str:
    """What was found, in words."""
    if outcome.pair.wanted:
        return outcome.answer or "no answer"
    return word(outcome.found) + (f", {outcome.answer}" if outcome.answer else "")


def host_row(host: VirtualHost) -> Row:
    """What ``status`` says of a host."""
    return {
        "host": host.name,
        "tunnel_ip": host.spec.tunnel_ip,
        "openvswitch": state(host.is_running("ovsdb-server") and host.is_running("ovs-vswitchd")),
        "agent": state(host.is_running("agent")),
        "pid": host.space.pid,
    }


def word(reaches: bool) -> str:
    """A finding in words."""
    return "reaches" if reaches else "does not reach"


def state(is_up: bool) -> str:
    """A process in a word."""
    return "up" if is_up else "down"


def print_instances(topology: Topology) -> None:
    """The instances, a line for each interface."""
    rows = []
    for name, instance in topology.instances.items():
        for device, interface in instance.interfaces.items():
            network = topology.networks[interface.network]
            segment = "" if network.segmentation_id is None else f" {network.segmentation_id:#x}"
            if network.type == "vlan":
                segment = f" {network.segmentation_id}"
            addresses = ", ".join(interface.addresses) or "chosen by the service"
            if interface.is_dynamic:
                addresses = "lent by the DHCP server"
            rows.append(
                [name, instance.host, instance.plugging, device, interface.network, network.type + segment, addresses]
            )
    if rows:
        print_table(rows, ["instance", "host", "plugging", "device", "network", "segment", "addresses"])
    print_ways_out(topology)


def print_ways_out(topology: Topology) -> None:
    """Routers, floating IPs and machines outside, a table for each."""
    routers = [
        [
            name,
            ", ".join(each.address or each.subnet for each in router.interfaces),
            router.external,
            ", ".join(router.external_addresses) or ("chosen by the service" if router.external else ""),
            {None: "as the service says", True: "every host", False: "one host"}[router.distributed],
        ]
        for name, router in topology.routers.items()
    ]
    floating_ips = [
        [each.address, each.network, f"{each.instance} {each.device}" if each.instance else forwarded(each)]
        for each in topology.floating_ips
    ]
    outside = [
        [
            name,
            machine.physical_network + ("" if machine.vlan is None else f" VLAN {machine.vlan}"),
            ", ".join(machine.addresses),
            ", ".join(filter(None, ["DNS" if machine.dns is not None else "", "HTTP" if machine.http else ""])),
        ]
        for name, machine in topology.outside.items()
    ]
    for rows, titles in (
        (routers, ["router", "interfaces", "external network", "its address there", "forwards on"]),
        (floating_ips, ["floating IP", "network", "leads to"]),
        (outside, ["outside", "wire", "addresses", "serves"]),
    ):
        if rows:
            click.echo()
            print_table(rows, titles)


def forwarded(floating_ip: FloatingIP) -> str:
    """Where the ports of a floating IP lead, in words."""
    found = [
        f"{each.protocol} {each.port} to {each.instance}:{each.internal_port}" for each in floating_ip.port_forwardings
    ]
    return ", ".join(found) or "nothing"


def example(path: str) -> Path:
    """A file of the source tree, from wherever the command is called."""
    for folder in (Path.cwd(), Path(__file__).resolve().parents[2]):
        if (folder / path).is_file():
            return folder / path
    raise LabError(f"{path} is not here.", "Call this in Patchbay's source tree, or name a topology file.")


if __name__ == "__main__":
    from patchbay.cli.main import run as run_command

    sys.exit(run_command(lab))
