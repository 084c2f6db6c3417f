"""Leases that a DHCP server must forget: their port is gone, or has another address.

dnsmasq keeps a lease until it ends, and lends the address to nobody else, even when its files say so. It forgets one
that is given back: ``dhcp_release`` and ``dhcp_release6`` do that in the name of a client which went without a word.
Pure.
"""

from collections.abc import Iterator

from patchbay.hoststate import Daemon

KIND, HOSTS_FILE, LEASES_OPTION = "dhcp", "/host", "--dhcp-leasefile="

RELEASE = """for lease; do dhcp_release "$0" ${lease% *} "${lease#* }"; done"""
"""All at once (device, and address and MAC of each): a network may go with a thousand ports."""

RELEASE6 = """\
server=$(awk '$1 == "duid" { print $2 }' "$2")
awk -v address="$1" '$3 == address { print $2, $5 }' "$2" | while read -r iaid client; do
    dhcp_release6 --iface "$0" --ip "$1" --server-id "$server" --client-id "$client" --iaid "${iaid#T}"
done
"""
"""An IPv6 lease is known by what its client called itself, which dnsmasq's lease file tells (device, address, file)."""

Lease = tuple[str, str]
"""MAC and address."""


def withdrawn_leases(old: Daemon, new: Daemon) -> list[tuple[str, ...]]:
    """The commands that give back leases which ``old`` has in its hosts file and ``new`` has not."""
    if new.kind != KIND:
        return []
    before, after = set(_lines(old)), set(_lines(new))
    gone = {lease for line in before - after for lease in _leases(line)}
    gone -= {lease for line in after - before for lease in _leases(line)}
    file = next((word.removeprefix(LEASES_OPTION) for word in new.command if word.startswith(LEASES_OPTION)), "")
    leases = [f"{address} {mac}" for mac, address in sorted(gone) if ":" not in address]
    addresses = [address for _, address in sorted(gone) if ":" in address]
    commands: list[tuple[str, ...]] = [("sh", "-c", RELEASE, new.link, *leases)] if leases else []
    return commands + [("sh", "-c", RELEASE6, new.link, address, file) for address in addresses if file]


def _lines(daemon: Daemon) -> Iterator[str]:
    return (line for path, text in daemon.files if path.endswith(HOSTS_FILE) for line in text.splitlines())


def _leases(line: str) -> Iterator[Lease]:
    """Those of ``fa:16:3e:…,[id:…,]name,10.0.1.5[,set:…]`` and ``fa:16:3e:…,tag:dhcpv6,name,[fd00::5],[fd00::6]``."""
    mac, *words = line.split(",")
    for word in words:
        if word.startswith("["):
            yield mac, word.strip("[]")
        elif word.replace(".", "").isdigit() and word.count(".") == 3:
            yield mac, word
