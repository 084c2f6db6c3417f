"""The instances of one host: which port is on which interface, and who has a namespace's name.

Called by ``HostView``. Names of instances need not be unique, those of namespaces must be: the oldest has it, the
others wait. Likewise a port that several instances name is on the oldest one's interface.
"""

from collections.abc import Iterable

from patchbay.compile import names
from patchbay.compile.index import Index, Trace
from patchbay.model import Instance


class InstancesHere:
    """Instances by id, by the ports that their interfaces are for, and by the names of their namespaces."""

    def __init__(self) -> None:
        self._instances: dict[str, Instance] = {}
        self._rows = Index()

    def put(self, instance: Instance) -> None:
        """This instance is on the host."""
        self._instances[instance.id] = instance
        for row in _rows(instance):
            self._rows.add(row, instance.id)

    def discard(self, instance_id: str) -> None:
        """It is not any more."""
        old = self._instances.pop(instance_id, None)
        for row in _rows(old) if old else ():
            self._rows.discard(row, instance_id)

    def affected_by(self, *changed: Instance) -> tuple[set[str], set[str]]:
        """Ids of instances that share a port or a name with these, and of the ports of all of them."""
        rows = {row for instance in changed for row in _rows(instance)}
        rivals = {rival for row in rows for rival in self._rows.owners(row)}
        rows |= {row for rival in rivals for row in _rows(self._instances[rival])}
        return rivals, {port_id for kind, port_id in rows if kind == "interface"}

    def using(self, port_id: str) -> Iterable[str]:
        """Ids of the instances with an interface for this port."""
        return self._rows.owners(("interface", port_id))

    def owns_namespace(self, instance: Instance) -> bool:
        """It is the oldest of those with its name."""
        rivals = (self._instances[item] for item in self._rows.owners(("namespace", names.namespace(instance))))
        return min(map(_age, rivals), default=None) == _age(instance)

    def interface_of(self, port_id: str) -> tuple[Instance, str] | None:
        """The instance and the device in it that this port is for."""
        found = [item for item in map(self._instances.__getitem__, self.using(port_id)) if self.owns_namespace(item)]
        if not found:
            return None
        instance = min(found, key=_age)
        return instance, min((name for name, port in _interfaces(instance) if port == port_id), key=_device_order)


def _rows(instance: Instance) -> set[Trace]:
    rows: set[Trace] = {("interface", port_id) for _, port_id in _interfaces(instance)}
    return rows | {("namespace", names.namespace(instance))}


def _interfaces(instance: Instance) -> Iterable[tuple[str, str]]:
    """Devices that can be made, with their port ids."""
    return ((name, port_id) for name, port_id in instance.interfaces.items() if names.DEVICE_NAME.fullmatch(name))


def _age(instance: Instance) -> tuple[str, str]:
    """The older, the lower."""
    return instance.created_at, instance.id


def _device_order(name: str) -> tuple[int, str]:
    """eth2 before eth10."""
    return len(name), name
