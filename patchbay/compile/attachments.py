"""Bridges registered as OpenVNet datapaths on this host, and the interfaces that may be attached there by their names.

Pure. ``HostView`` computes it anew when a registration or a fact changes. Whose an interface is, is the view's to say:
the port that has its name as ``interface_name``.
"""

from collections.abc import Iterable, Mapping

import msgspec

from patchbay.compile import names
from patchbay.compile.facts import BridgeSettings, Facts
from patchbay.model import VnetObject


class Attachments(msgspec.Struct, frozen=True):
    """``bridges``: the registered ones, with their administrator's settings. ``places``: interface → its bridge."""

    bridges: Mapping[str, BridgeSettings] = {}
    places: Mapping[str, str] = {}

    def differences(self, other: "Attachments") -> tuple[set[str], set[str]]:
        """Bridges, and interfaces, that are not the same in both."""
        return _differing(self.bridges, other.bridges), _differing(self.places, other.places)


def find_attachments(facts: Facts, registered: Iterable[VnetObject]) -> Attachments:
    """What is registered here. A bridge itself (its LOCAL port) is an interface of its name."""
    numbers = {datapath.dpid for datapath in registered}
    bridges = sorted(bridge for number, bridge in facts.datapaths.items() if number in numbers)
    places: dict[str, str] = {}
    for bridge in bridges:
        for name in facts.bridge_ports.get(bridge, ()):
            if names.PORT_NAME.fullmatch(name):
                places.setdefault(name, bridge)
    settings = {bridge: facts.bridge_settings.get(bridge, BridgeSettings()) for bridge in bridges}
    return Attachments(settings, places)


def _differing(one: Mapping[str, object], other: Mapping[str, object]) -> set[str]:
    return {name for name in {*one, *other} if one.get(name) != other.get(name)}
