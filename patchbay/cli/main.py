"""The entry point: which commands there are, and how an error reaches a person.

Called by the ``patchbay`` script and ``python -m patchbay``. Promises: no command's module is imported before that
command is called; a ``PatchbayError`` is shown as "object: rule. remedy" without a traceback. Exit codes: 0 done,
1 failed, 2 wrong usage, 130 interrupted.
"""

import importlib
import os
import sys
from collections.abc import Mapping
from typing import Any

import click

from patchbay import __version__
from patchbay.errors import PatchbayError

COMMANDS: Mapping[str, tuple[str, str]] = {
    "serve": ("patchbay.cli.services:serve", "Run the API service, with its intent database embedded or in a cluster."),
    "agent": ("patchbay.cli.services:agent", "Run the agent: make this host what the intent says, and keep it so."),
    "metadata": (
        "patchbay.cli.services:metadata",
        "Run the metadata server of this host; its agent does this by itself.",
    ),
    "identity": ("patchbay.cli.identity:identity", "Users, projects and roles of the built-in identity endpoint."),
    "network": ("patchbay.cli.resources:network", "Networks: layer-2 domains, local, flat, VLAN or VXLAN."),
    "subnet": ("patchbay.cli.resources:subnet", "Subnets: blocks of addresses on networks."),
    "port": ("patchbay.cli.resources:port", "Ports: where an instance meets a network."),
    "instance": ("patchbay.cli.resources:instance", "Instances: namespaces that stand in for virtual machines."),
    "router": ("patchbay.cli.routers:router", "Routers: between subnets, and to the outside."),
    "floating-ip": ("patchbay.cli.resources:floating_ip", "Floating IPs: outside addresses that lead to ports."),
    "port-forwarding": (
        "patchbay.cli.resources:port_forwarding",
        "Port forwardings: single ports of a floating IP.",
    ),
    "subnet-pool": ("patchbay.cli.resources:subnet_pool", "Subnet pools: prefixes that subnets are cut from."),
    "address-scope": (
        "patchbay.cli.resources:address_scope",
        "Address scopes: subnet pools whose prefixes never overlap.",
    ),
    "security-group": ("patchbay.cli.security:security_group", "Security groups: what may go to ports, and from them."),
    "security-group-rule": (
        "patchbay.cli.security:security_group_rule",
        "Rules of security groups: what a group lets in or out.",
    ),
    "address-group": (
        "patchbay.cli.security:address_group",
        "Address groups: CIDRs that rules of security groups name together.",
    ),
    "default-security-group-rule": (
        "patchbay.cli.sharing:default_security_group_rule",
        "Rules that new security groups get.",
    ),
    "network-rbac": ("patchbay.cli.sharing:network_rbac", "RBAC policies: whom a project lets use what it has."),
    "quota": ("patchbay.cli.quotas:quota", "Quotas: how many of each resource a project may have."),
    "host": ("patchbay.cli.hosts:host", "Hosts: machines with an agent; how they join and leave."),
    "apply": ("patchbay.cli.apply:apply", "Bring networks, subnets, ports and instances of a topology file about."),
    "plan": ("patchbay.cli.plan:plan", "What the agent would change on this host, as operations or as a script."),
    "show": ("patchbay.cli.show:show", "Draw what is on this host: bridges, ports, VLANs, namespaces."),
    "flows": ("patchbay.cli.flows:flows", "Flows of a bridge, with every table named and explained."),
    "why": ("patchbay.cli.why:why", "Which rules of security groups let one port speak to another, or that none does."),
    "doctor": ("patchbay.cli.doctor:doctor", "Check that this host can be a Patchbay host."),
    "nic": ("patchbay.cli.nic:nic", "Move this host's network card onto a bridge, and back."),
    "lab": ("patchbay.cli.lab:lab", "Virtual hosts on this machine, from a topology file."),
    "vnctl": ("patchbay.cli.vnctl:vnctl", "OpenVNet's API: what its own client, vnctl, does."),
}
"""Name: where the click command is, and what ``patchbay --help`` says of it (so that help imports nothing)."""


class LazyGroup(click.Group):
    """A group that imports a command's module when the command is called."""

    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002  # click's signature
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:  # noqa: ARG002  # click's signature
        return load_command(cmd_name) if cmd_name in COMMANDS else None

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """``security group rule`` is ``security-group-rule``: the openstack client writes such names apart."""
        joined = ("-".join(args[:count]) for count in (4, 3, 2) if len(args) >= count)
        name = next((each for each in joined if each in COMMANDS), "")
        return super().resolve_command(ctx, [name, *args[name.count("-") + 1 :]] if name else args)

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:  # noqa: ARG002  # as above
        with formatter.section("Commands"):
            formatter.write_dl([(name, summary) for name, (_, summary) in COMMANDS.items()])


def load_command(name: str) -> click.Command:
    """The click command of that name in ``COMMANDS``."""
    module, attribute = COMMANDS[name][0].split(":")
    command: click.Command = getattr(importlib.import_module(module), attribute)
    return command


@click.group(
    cls=LazyGroup,
    context_settings={
        "help_option_names": ["-h", "--help"],
        "auto_envvar_prefix": "PATCHBAY",
        "max_content_width": 100,
    },
)
@click.version_option(__version__, prog_name="patchbay", message="%(prog)s %(version)s")
def patchbay() -> None:
    """Tenant networks for Linux hosts: the Neutron API on Open vSwitch and network namespaces.

    Every option can be given as an environment variable too: PATCHBAY_SERVE_LISTEN for the option --listen of serve,
    and PATCHBAY_ENDPOINT for the service that the other commands talk to.
    """


def main(arguments: list[str] | None = None) -> None:
    """Run the command line and exit with its code."""
    sys.exit(run(patchbay, arguments))


def run(command: click.Command, arguments: list[str] | None = None, name: str = "patchbay", **context: Any) -> int:
    """Run a command and return the exit code; errors are shown on standard error as one or two sentences."""
    try:
        result = command.main(arguments, prog_name=name, standalone_mode=False, **context)
    except click.ClickException as error:
        error.show()
        return error.exit_code
    except click.Abort:
        click.echo("Interrupted.", err=True)
        return 130
    except PatchbayError as error:
        click.echo(f"{name}: {error}", err=True)
        return 1
    except BrokenPipeError:
        # The reader (head, less) has gone: not an error of ours. Closing standard output again would raise once more.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    return result if isinstance(result, int) else 0
