"""The other hosts of the overlay, as one host sees them: by name, by tunnel address, and the port that leads there.

Called by ``HostView``. A host without a tunnel address, with ours, or with one of the other family cannot be reached.
Two rows of one name or one address (a moment between two updates) do no harm: the lowest address counts.
"""

from patchbay.compile import names
from patchbay.compile.facts import Facts
from patchbay.compile.index import Index
from patchbay.model import Host


class Tunnels:
    """Host rows by id, and by what leads to them."""

    def __init__(self, facts: Facts) -> None:
        self._host, self._tunnel_ip = facts.host, facts.tunnel_ip
        self._hosts: dict[str, Host] = {}
        self._rows = Index()

    def put(self, host: Host) -> None:
        """There is such a host, new or changed."""
        self.discard(host.id)
        self._hosts[host.id] = host
        self._rows.add(("name", host.name), host.id)
        self._rows.add(("address", host.tunnel_ip), host.id)

    def discard(self, host_id: str) -> None:
        """There is no such host any more."""
        old = self._hosts.pop(host_id, None)
        if old is not None:
            self._rows.discard(("name", old.name), host_id)
            self._rows.discard(("address", old.tunnel_ip), host_id)

    def is_remote(self, host: Host) -> bool:
        """A tunnel can lead there."""
        ours, theirs = self._tunnel_ip, host.tunnel_ip
        return bool(ours and theirs) and host.name != self._host and ours != theirs and (":" in ours) == (":" in theirs)

    def addresses(self) -> set[str]:
        """Tunnel addresses of all hosts that can be reached."""
        return {host.tunnel_ip for host in self._hosts.values() if self.is_remote(host)}

    def leads_to(self, tunnel_ip: str) -> bool:
        """Some host that can be reached has this tunnel address."""
        return any(self.is_remote(self._hosts[host_id]) for host_id in self._rows.owners(("address", tunnel_ip)))

    def port_to(self, host_name: str) -> str | None:
        """The port of br-tun that leads to this host; None if there is none."""
        found = [self._hosts[host_id] for host_id in self._rows.owners(("name", host_name))]
        remote = sorted(host.tunnel_ip for host in found if self.is_remote(host))
        return names.tunnel_port(remote[0]) if remote else None
