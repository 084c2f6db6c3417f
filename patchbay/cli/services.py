"""``patchbay serve``, ``patchbay agent`` and ``patchbay metadata``: from options to the services.

Called by ``main``. Promises: every option can also stand in the environment (PATCHBAY_SERVE_…, PATCHBAY_AGENT_…) or in
the file that ``--config`` names; SIGTERM and SIGINT end the process cleanly. A service is imported when it is run,
so that help answers at once.
"""

import asyncio
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

import click

from patchbay.cli.auth_options import auth_options, auth_settings, quotas_of
from patchbay.cli.config import config_option
from patchbay.cli.logs import FORMATS, LEVELS, log_to_file, start_logging
from patchbay.cli.options import agent_options, agent_settings, passive_remotes_of, range_of, remotes_of, vlan_ranges_of
from patchbay.cli.serve_tls import tls_options, tls_settings
from patchbay.errors import HostError

Command = TypeVar("Command", bound=Callable[..., Any])


def log_options(function: Command) -> Command:
    """``--log-format`` and ``--log-level``."""
    function = click.option("--log-level", type=click.Choice(LEVELS), default="info", show_default=True)(function)
    return click.option(
        "--log-format", type=click.Choice(FORMATS), default="logfmt", show_default=True, help="Form of the log lines."
    )(function)


@click.command()
@click.option(
    "--state-dir",
    type=click.Path(file_okay=False, path_type=Path),
    default="/var/lib/patchbay",
    show_default=True,
    help="Where the intent database has its file and its socket.",
)
@click.option(
    "--listen",
    metavar="ADDRESS:PORT",
    default="127.0.0.1:9696",
    show_default=True,
    help="Where the API answers; port 0 takes a free one. unix:PATH: a socket for this user alone.",
)
@click.option("--listen-fd", type=int, metavar="NUMBER", help="An inherited listening socket, used instead.")
@click.option(
    "--vnet-listen",
    metavar="ADDRESS:PORT",
    default="",
    show_default="127.0.0.1:9090 if it is free",
    help="Where OpenVNet's WebAPI answers; none: nowhere.",
)
@click.option("--vnet-listen-fd", type=int, metavar="NUMBER", help="An inherited listening socket, used instead.")
@click.option(
    "--intent",
    metavar="REMOTE",
    multiple=True,
    help="Use the intent database there (unix:PATH, tcp:ADDRESS:PORT; several by commas) and embed none.",
)
@click.option(
    "--intent-listen",
    metavar="pssl:PORT[:ADDRESS]",
    multiple=True,
    help="Where the embedded database answers agents of other hosts, to those with a certificate (see `patchbay host "
    "join`); ptcp: instead lets everybody do everything. May be repeated.",
)
@click.option(
    "--cluster-local",
    metavar="tcp:ADDRESS:PORT",
    help="Be a member of a Raft cluster, whose other members reach this one here.",
)
@click.option(
    "--cluster-join",
    metavar="tcp:ADDRESS:PORT",
    multiple=True,
    help="A member of the cluster to join; may be repeated. None: this one is the first.",
)
@click.option(
    "--network-type",
    metavar="TYPE",
    multiple=True,
    default=("vxlan",),
    show_default=True,
    help="Type of a network whose request names none; several are tried in order.",
)
@click.option(
    "--vni-range",
    metavar="FIRST:LAST",
    multiple=True,
    default=("1:65536",),
    show_default=True,
    help="VNIs to choose from.",
)
@click.option(
    "--vlan-range",
    metavar="PHYSNET:FIRST:LAST",
    multiple=True,
    help="VLAN ids of a physical network to choose from; may be repeated.",
)
@click.option(
    "--path-mtu",
    type=int,
    metavar="BYTES",
    default=1500,
    show_default=True,
    help="Largest IP packet between hosts; VXLAN networks get 50 bytes less.",
)
@click.option(
    "--agent-down-time",
    type=click.FloatRange(min=1),
    metavar="SECONDS",
    default=75.0,
    show_default=True,
    help="A host not heard of for so long, and of which no other host can say anything, is gone.",
)
@click.option(
    "--suspect-after",
    type=click.FloatRange(min=1),
    metavar="SECONDS",
    default=8.0,
    show_default=True,
    help="Other hosts look for one not heard of for so long; if it does not answer, its routers and DHCP servers move.",
)
@click.option(
    "--dhcp-agents-per-network",
    type=click.IntRange(1, 16),
    metavar="N",
    default=1,
    show_default=True,
    help="DHCP servers that each network gets, every one on another host.",
)
@click.option(
    "--router-distributed/--no-router-distributed",
    default=False,
    show_default=True,
    help="Routers whose request does not say are distributed: every host forwards between subnets itself.",
)
@click.option(
    "--vnet-physical-network",
    metavar="NAME",
    default="",
    help="Where OpenVNet's networks of mode physical are; by default on the first that a host has a bridge for.",
)
@tls_options
@auth_options
@log_options
@config_option("listen: 192.0.2.10:9696")
def serve(log_format: str, log_level: str, **given: Any) -> None:
    """Run the API service, with its intent database embedded or in a cluster."""
    start_logging(log_format, log_level)
    import uvloop  # noqa: PLC0415  # see above

    from patchbay.api import server  # noqa: PLC0415  # see above
    from patchbay.intent.server import ClusterMember  # noqa: PLC0415  # see above
    from patchbay.service.settings import NetworkSettings  # noqa: PLC0415  # see above

    if given["cluster_join"] and not given["cluster_local"]:
        raise click.UsageError("--cluster-join needs --cluster-local: where the other members reach this one.")
    cluster = ClusterMember(given["cluster_local"], given["cluster_join"]) if given["cluster_local"] else None
    settings = server.ServeSettings(
        state_dir=given["state_dir"].absolute(),
        listen=given["listen"],
        listen_fd=given["listen_fd"],
        vnet_listen=given["vnet_listen"],
        vnet_listen_fd=given["vnet_listen_fd"],
        intent=remotes_of(given["intent"]),
        intent_listen=passive_remotes_of(given["intent_listen"]),
        cluster=cluster,
        tls=tls_settings(given),
        requests_per_s=given["requests_per_second"],
        networks=NetworkSettings(
            project_network_types=given["network_type"],
            vni_ranges=tuple(range_of(one) for one in given["vni_range"]),
            vlan_ranges=vlan_ranges_of(given["vlan_range"]),
            path_mtu=given["path_mtu"],
            agent_down_time_s=given["agent_down_time"],
            suspect_after_s=given["suspect_after"],
            dhcp_agents_per_network=given["dhcp_agents_per_network"],
            vnet_physical_network=given["vnet_physical_network"],
            router_distributed=given["router_distributed"],
            quotas=quotas_of(given["quota"], given["auth"]),
        ),
        auth=auth_settings(given),
    )
    uvloop.run(server.serve(settings))


@click.command()
@agent_options
@log_options
@config_option("tunnel-ip: 192.0.2.11")
def agent(log_format: str, log_level: str, **given: Any) -> None:
    """Run the agent: make this host what the intent says, and keep it so."""
    if os.geteuid() != 0:
        raise HostError(
            "The agent is not root: it cannot change networks.", "Run it as root, as its systemd unit does."
        )
    start_logging(log_format, log_level)
    from patchbay.agent import run_agent  # noqa: PLC0415  # see above

    asyncio.run(run_agent(agent_settings(given)))


@click.command()
@click.option(
    "--intent",
    metavar="REMOTE",
    multiple=True,
    required=True,
    help="Intent database: unix:PATH, tcp:ADDRESS:PORT or ssl:ADDRESS:PORT; servers of a cluster by commas.",
)
@click.option(
    "--credentials",
    metavar="DIR",
    default="/etc/patchbay",
    show_default=True,
    help="This host's key and certificate, for ssl: remotes.",
)
@click.option(
    "--listeners",
    type=click.Path(dir_okay=False, path_type=Path),
    required=True,
    help="The list of where to listen, as the agent writes it; read again on SIGHUP.",
)
@click.option(
    "--pid-file",
    type=click.Path(dir_okay=False, path_type=Path),
    show_default="pid, beside the list",
    help="Where the process's id is written when it is ready.",
)
@click.option(
    "--log-file",
    type=click.Path(dir_okay=False, path_type=Path),
    show_default="log, beside the list",
    help="Where it logs; at 1 MiB a new one is begun and the last one kept.",
)
@click.option("--requests-per-second", type=int, default=200, show_default=True, help="What one instance may ask.")
@click.option("--foreground", is_flag=True, help="Stay in the foreground, and log to standard error.")
@log_options
def metadata(log_format: str, log_level: str, **given: Any) -> None:
    """Run the metadata server of this host; its agent does this by itself.

    Goes into the background when it has tried to listen everywhere on its list.
    """
    from patchbay.metadata.background import locked, run_in_background, write_id  # noqa: PLC0415  # see above
    from patchbay.metadata.server import MetadataSettings, serve_metadata  # noqa: PLC0415  # see above

    path = given["listeners"].absolute()
    settings = MetadataSettings(
        intent=remotes_of(given["intent"]),
        listeners=path,
        requests_per_s=given["requests_per_second"],
        credentials=given["credentials"],
    )
    pid_file = given["pid_file"] or path.with_name("pid")
    if given["foreground"]:
        start_logging(log_format, log_level)
        descriptor = locked(pid_file)
        asyncio.run(serve_metadata(settings, lambda: write_id(descriptor)))
        return
    log_to_file(given["log_file"] or path.with_name("log"), log_format, log_level)
    run_in_background(lambda ready: asyncio.run(serve_metadata(settings, ready)), pid_file)
