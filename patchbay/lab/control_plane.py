"""The way of a lab's hosts to its service: a socket that all share, or TLS across the underlay, as on real hosts.

With ``control_plane: tls`` the service has an address on the underlay. Each host joins there with a token, and its
agent has no more than its certificate lets it do.
"""

import sys
import time
from collections.abc import Sequence

from patchbay.errors import LabError
from patchbay.lab.namespaces import Space
from patchbay.lab.rules import underlay_block
from patchbay.lab.topology import Topology

TLS = "tls"
SOCKET_INTENT = "unix:/run/service/intent.sock"
JOIN_PORT, INTENT_PORT = 9697, 6641
CREDENTIALS = "/run/patchbay/credentials"
PATIENCE_S = 20.0

PATCHBAY = (sys.executable, "-m", "patchbay")


def service_address(topology: Topology) -> str:
    """The service's address on the underlay: the last that no host has."""
    block = underlay_block(topology.underlay, topology.hosts.values())
    if block is None:
        raise LabError(f"Lab {topology.name}: the underlay has no addresses.", "Give underlay.cidr.")
    taken = {host.tunnel_ip for host in topology.hosts.values()}
    last = block.num_addresses - (2 if block.version == 4 else 1)
    return next(str(block[at]) for at in range(last, 0, -1) if str(block[at]) not in taken)


def service_options(topology: Topology) -> list[str]:
    """What ``patchbay serve`` is told besides."""
    if topology.control_plane != TLS:
        return []
    address = service_address(topology)
    written = f"[{address}]" if ":" in address else address
    return [f"--hosts-listen={written}:{JOIN_PORT}", f"--intent-listen=pssl:{INTENT_PORT}:{written}"]


def underlay_lines(topology: Topology, bridge: str) -> list[str]:
    """Lines of ``ip`` that give the service its address."""
    if topology.control_plane != TLS:
        return []
    block = underlay_block(topology.underlay, topology.hosts.values())
    assert block is not None
    nodad = " nodad" if block.version == 6 else ""
    return [f"address add {service_address(topology)}/{block.prefixlen} dev {bridge}{nodad}"]


def agent_options(topology: Topology, name: str, lab: Space, host: Space) -> Sequence[str]:
    """How the agent of a host reaches the intent database; with TLS the host joins first, unless it has."""
    if topology.control_plane != TLS:
        return [f"--intent={SOCKET_INTENT}"]
    address = service_address(topology)
    written = f"[{address}]" if ":" in address else address
    if not host.path(f"{CREDENTIALS}/host.pem").exists():
        join(name, f"https://{written}:{JOIN_PORT}", lab, host)
    return [f"--intent=ssl:{written}:{INTENT_PORT}", f"--credentials={CREDENTIALS}"]


def join(name: str, api: str, lab: Space, host: Space) -> None:
    """Make a token at the service and use it on the host, as an administrator does."""
    end = time.monotonic() + PATIENCE_S
    while True:
        create = [*PATCHBAY, "host", "token", "create", f"--host={name}", "--state-dir=/run/service"]
        made = lab.run(create, check=False)
        if made.returncode == 0:
            use = [*PATCHBAY, "host", "join", f"--api={api}", "--token=-", f"--credentials={CREDENTIALS}"]
            joined = host.run(use, text=made.stdout, check=False)
            if joined.returncode == 0:
                return
            made = joined
        if time.monotonic() > end:
            raise LabError(f"Host {name} cannot join: {made.stderr.strip()}")
        time.sleep(0.1)
