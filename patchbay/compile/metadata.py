"""The metadata server of a host: one process with a listener in each namespace that needs it.

In a router's namespace the packet filter leads 169.254.169.254:80 to port 9697 (seed 001); in a DHCP server's the
address itself is there.
"""

from collections.abc import Iterable

import msgspec

from patchbay.compile import names
from patchbay.compile.dhcp_options import METADATA_ADDRESS
from patchbay.compile.knowledge import HostKnowledge
from patchbay.hoststate import Daemon, Resource

ROUTER_PORT, SERVER_PORT = 9697, 80


def compile_metadata(view: HostKnowledge) -> Iterable[Resource]:
    """The server, if a router or a DHCP server is here."""
    if not view.routers_here() and not view.dhcp_here():
        return ()
    directory = f"{view.facts.run_dir}/metadata/host"
    pidfile, listeners = f"{directory}/pid", f"{directory}/listeners.json"
    return (
        Daemon(
            kind="metadata",
            owner="host",
            command=(*view.facts.metadata_command, "--pid-file", pidfile, "--listeners", listeners),
            pidfile=pidfile,
            files=((listeners, _listeners(view)),),
            reload="HUP",
        ),
    )


def _listeners(view: HostKnowledge) -> str:
    """A JSON list, one listener a line."""
    found: list[dict[str, str | int]] = [
        {
            "namespace": names.dhcp_namespace(network_id),
            "network_id": network_id,
            "address": METADATA_ADDRESS,
            "port": SERVER_PORT,
        }
        for network_id in view.dhcp_here()
        if network_id in view.networks and view.needs_metadata(network_id)
    ]
    found += (
        {
            "namespace": names.router_namespace(router_id),
            "router_id": router_id,
            "address": "0.0.0.0",  # noqa: S104 - of a namespace that only one router's networks reach
            "port": ROUTER_PORT,
        }
        for router_id in view.routers_here()
    )
    lines = sorted(msgspec.json.encode(listener).decode() for listener in found)
    return "[" + ",\n ".join(lines) + "]\n"
