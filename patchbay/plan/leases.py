"""Leases that a DHCP server must forget: their port is gone, or has another address.

dnsmasq keeps a lease until it ends, and lends the address to nobody else, even when its files say so. It forgets one
that is given back: ``dhcp_release`` does that in the name of a client which went without a word. Pure.
"""

from collections.abc import Iterator

from patchbay.hoststate import Daemon

KIND, HOSTS_FILE = "dhcp", "/host"


def withdrawn_leases(old: Daemon, new: Daemon) -> list[tuple[str, ...]]:
    """The commands that give back IPv4 leases which ``old`` has in its hosts file and ``new`` has not."""
    if new.kind != KIND:
        return []
    kept = set(_lines(new))
    gone = {lease for line in _lines(old) if line not in kept and (lease := _lease(line))}
    gone -= {lease for line in kept - set(_lines(old)) if (lease := _lease(line))}
    return [("dhcp_release", new.link, address, mac) for mac, address in sorted(gone)]


def _lines(daemon: Daemon) -> Iterator[str]:
    return (line for path, text in daemon.files if path.endswith(HOSTS_FILE) for line in text.splitlines())


def _lease(line: str) -> tuple[str, str] | None:
    """MAC and IPv4 address of ``fa:16:3e:…,[id:…,]name,10.0.1.5[,set:…]``."""
    mac, *words = line.split(",")
    words = [word for word in words if not word.startswith(("id:", "set:", "tag:"))]
    return (mac, words[1]) if len(words) == 2 and words[1].replace(".", "").isdigit() else None
