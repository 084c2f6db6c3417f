"""Which MAC this host's neighbours of distributed routers may remember for a router's address.

Used by the reporter. An interface that is taken away and made again has another MAC; who knew the first one would send
to it until it asks again, most of a minute later. An address that comes here for the first time is known to nobody.
"""

from collections.abc import Collection

from patchbay.model import Port

MOST = 10_000
"""So many addresses are remembered before those of networks that are not here any more are forgotten."""


class LinkMacs:
    """The last MAC of each address of an interface here, also after the interface is gone."""

    def __init__(self) -> None:
        self._known: dict[tuple[str, str], str] = {}

    def note(self, port: Port, networks_here: Collection[str]) -> bool:
        """This interface works here now; returns whether one of its addresses had another MAC before."""
        if len(self._known) > MOST:
            self._known = {key: mac for key, mac in self._known.items() if key[0] in networks_here}
        keys = [(port.network_id, fixed.ip_address) for fixed in port.fixed_ips]
        is_other = any(self._known.get(key, port.mac_address) != port.mac_address for key in keys)
        self._known.update(dict.fromkeys(keys, port.mac_address))
        return is_other
