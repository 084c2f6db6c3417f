"""The options of ``patchbay serve`` about TLS, hosts that join, and bounds of clients."""

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click

from patchbay.cli.options import remotes_of

if TYPE_CHECKING:
    from patchbay.api.tls import TlsSettings

Command = TypeVar("Command", bound=Callable[..., Any])

FILE = click.Path(dir_okay=False, path_type=Path)


def tls_options(function: Command) -> Command:
    """``--tls``, ``--tls-cert`` …"""
    for option in reversed(OPTIONS):
        function = option(function)
    return function


OPTIONS: tuple[Callable[[Any], Any], ...] = (
    click.option(
        "--tls/--no-tls",
        default=False,
        show_default=True,
        help="Both APIs over TLS; by itself when --tls-cert is given.",
    ),
    click.option(
        "--tls-cert",
        type=FILE,
        metavar="FILE",
        help="Certificate (PEM, with its chain); by default one of the service's own authority. Read again on SIGHUP.",
    ),
    click.option("--tls-key", type=FILE, metavar="FILE", help="Its private key (PEM)."),
    click.option("--tls-client-ca", type=FILE, metavar="FILE", help="Clients need a certificate from there."),
    click.option(
        "--tls-name",
        metavar="NAME",
        multiple=True,
        help="A further name or address of this server in certificates of the service's own authority.",
    ),
    click.option(
        "--hosts-listen",
        metavar="ADDRESS:PORT",
        default="",
        help="Where else than at the API hosts join and renew, over TLS whatever the API has.",
    ),
    click.option(
        "--intent-advertise",
        metavar="ssl:ADDRESS:PORT",
        multiple=True,
        help="Where hosts that join reach the intent database; by default where --intent-listen is.",
    ),
    click.option(
        "--host-certificate-life",
        type=click.FloatRange(min=5),
        metavar="SECONDS",
        default=86400.0,
        show_default=True,
        help="How long certificates of hosts are good; agents renew them at half of it.",
    ),
    click.option(
        "--requests-per-second",
        type=click.FloatRange(min=0),
        metavar="N",
        show_default="200, and no limit where only this machine can ask",
        help="What one client address may ask of an API; 0: no limit.",
    ),
)


def tls_settings(given: Mapping[str, Any]) -> "TlsSettings":
    """The settings that the options gave."""
    from patchbay.api.tls import TlsSettings  # noqa: PLC0415  # only when a command runs: help answers at once

    if (given["tls_cert"] is None) != (given["tls_key"] is None):
        raise click.UsageError("--tls-cert and --tls-key go together.")
    is_on = given["tls"] or given["tls_cert"] is not None
    if given["tls_client_ca"] is not None and not is_on:
        raise click.UsageError("--tls-client-ca needs --tls.")
    return TlsSettings(
        is_on=is_on,
        certificate=given["tls_cert"],
        key=given["tls_key"],
        client_ca=given["tls_client_ca"],
        names=given["tls_name"],
        agent_life_s=given["host_certificate_life"],
        hosts_listen=given["hosts_listen"],
        intent=remotes_of(given["intent_advertise"]),
    )
