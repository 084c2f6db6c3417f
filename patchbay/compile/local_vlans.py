"""Local VLANs: the number by which a host tells its networks apart inside br-int.

Called by ``HostView``. Promises: a network keeps its number while it is on the host; a number that the host already
shows for a network (a fact) is taken again; a new network gets the lowest free one. Networks that arrive together are
numbered in the order of their creation, so the order of calls does not matter. A number given back rests for one
round, so that no plan both takes it from one network and gives it to another.
"""

from collections.abc import Mapping

FIRST, LAST = 1, 4094
DEAD_VLAN = 4095
"""Neutron's VLAN for ports that must not talk (DEAD_VLAN_TAG)."""


class LocalVlans:
    """Which network holds which local VLAN."""

    def __init__(self, shown: Mapping[str, int], before: Mapping[str, int] | None = None) -> None:
        self.shown = shown
        """Numbers that the host shows."""
        self._before = before or {}
        """Numbers given before all was indexed anew."""
        self._held: dict[str, int] = {}
        self._resting: set[int] = set()
        self._waiting: dict[str, str] = {}
        self._is_settled = True

    def want(self, network_id: str, created_at: str) -> None:
        """This network is on the host and needs a number at the next ``get``."""
        if network_id not in self._held:
            self._waiting[network_id] = created_at
            self._is_settled = False

    def release(self, network_id: str) -> list[str]:
        """This network left the host. Returns the networks that may have its number now."""
        self._waiting.pop(network_id, None)
        local_vlan = self._held.pop(network_id, None)
        if local_vlan is None:
            return []
        self._resting.add(local_vlan)
        self._is_settled = False
        return list(self._waiting)

    def get(self, network_id: str) -> int | None:
        """Its number; None if the network is not here, or if all 4094 are taken."""
        if not self._is_settled:
            self._settle()
        return self._held.get(network_id)

    def given(self) -> Mapping[str, int]:
        """All numbers given so far, by network id."""
        return dict(self._held)

    def _settle(self) -> None:
        """Give numbers to waiting networks: first those that the host shows, then new ones, oldest network first."""
        ordered = sorted(self._waiting, key=lambda network_id: (self._waiting[network_id], network_id))
        used = set(self._held.values())
        for network_id in ordered:
            local_vlan = self._before.get(network_id) or self.shown.get(network_id, 0)
            if FIRST <= local_vlan <= LAST and local_vlan not in used:
                self._give(network_id, local_vlan, used)
        reserved = {local_vlan for network_id, local_vlan in self.shown.items() if network_id not in self._held}
        for network_id in ordered:
            if network_id not in self._held:
                free = _lowest_free(used | reserved | self._resting) or _lowest_free(used)
                if free is None:
                    break
                self._give(network_id, free, used)
        self._resting.clear()
        self._is_settled = True
        self._before = {}

    def _give(self, network_id: str, local_vlan: int, used: set[int]) -> None:
        self._held[network_id] = local_vlan
        used.add(local_vlan)
        del self._waiting[network_id]


def _lowest_free(taken: set[int]) -> int | None:
    return next((number for number in range(FIRST, LAST + 1) if number not in taken), None)
