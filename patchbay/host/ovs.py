"""Open vSwitch's database on this host: bridges and ports, what is there and what changes.

The agent opens one ``Switch``. ``resources`` is then always the current Bridges, BridgePorts and PortTags that are
ours, ``plugged``, ``local_vlans`` and ``ofports`` what compile must know of the rest; a monitor keeps them current.
``apply`` makes all changes of a batch in one transaction, so that ovs-vswitchd reconfigures once.
"""

import asyncio
from collections.abc import Callable, Sequence
from typing import Any

import msgspec

from patchbay.compile.facts import BridgeSettings, Plugged
from patchbay.compile.local_vlans import DEAD_VLAN
from patchbay.compile.names import BR_INT, BR_TUN
from patchbay.errors import HostError
from patchbay.host import borrowing
from patchbay.host import ovs_rows as rows
from patchbay.host.ovs_write import SWITCH_OPERATIONS, SwitchOperation, Transaction
from patchbay.hoststate import BridgePort, Key, Resource
from patchbay.hoststate.switch import OWNER
from patchbay.ovsdb.client import Connection
from patchbay.ovsdb.errors import OvsdbError, TransactionError
from patchbay.ovsdb.replica import Replica, RowChange
from patchbay.ovsdb.values import Row
from patchbay.plan.operations import AddPort, DelPort

COMMIT_PATIENCE_S = 1.0
"""How long a change waits for ovsdb-server: meanwhile nothing else is repaired."""
REMOVAL_PATIENCE_S = 1.0
"""How long it waits for ovs-vswitchd to let go of the devices of internal ports."""
SOCKET = "unix:/run/openvswitch/db.sock"
__all__ = ["SWITCH_OPERATIONS", "Switch", "SwitchChange", "SwitchOperation"]

_COLUMNS = {
    "Open_vSwitch": ("bridges", "next_cfg", "cur_cfg", "ovs_version"),
    "Bridge": ("name", "ports", "datapath_type", "fail_mode", "external_ids", *borrowing.BRIDGE_COLUMNS),
    "Port": ("name", "interfaces", "tag", "trunks", "vlan_mode", "cvlans", "other_config", "external_ids"),
    "Interface": ("name", "type", "options", "external_ids", "ofport", "error"),
    "Controller": ("target",),
}


class SwitchChange(msgspec.Struct, frozen=True):
    """One update: keys of resources that came, changed or went; ports (bridge, name) whose number changed.

    ``is_fact``: bridges, plugged interfaces or local VLANs changed, so facts must be taken anew.
    """

    keys: frozenset[Key]
    ofports: frozenset[tuple[str, str]]
    is_fact: bool


Listener = Callable[[SwitchChange], None]


class Switch:
    """Open vSwitch's database, kept current. Open with ``await Switch.open()``."""

    def __init__(self, connection: Connection) -> None:
        self.connection = connection
        self.resources: dict[Key, Resource] = {}
        self.ofports: dict[str, dict[str, int]] = {}
        self._replica = Replica(connection, _COLUMNS)
        self._port_of_interface: dict[str, str] = {}
        self._bridge_of_port: dict[str, str] = {}
        self._ports: dict[str, rows.PortFacts] = {}
        self._listeners: list[Listener] = []
        self._settled = asyncio.Event()
        self._is_away = False

    @classmethod
    async def open(cls, remote: str = SOCKET, timeout_s: float | None = None) -> "Switch":
        """Connect and read. Waits for ovsdb-server, at most ``timeout_s`` (then raises ConnectionLost)."""
        switch = cls(await Connection.open([remote], "Open_vSwitch", timeout_s=timeout_s))
        switch._replica.subscribe(switch._take_in)
        await switch._replica.start()
        return switch

    async def close(self) -> None:
        """Close the connection; bridges and ports stay as they are."""
        self._listeners.clear()
        await self.connection.close()

    def subscribe(self, listener: Listener) -> None:
        """Call ``listener`` once for each update that changes something."""
        self._listeners.append(listener)

    @property
    def is_in_sync(self) -> bool:
        """Whether ``resources`` is what the database holds now; not while ovsdb-server is away."""
        return self._replica.in_sync.is_set()

    async def wait_in_sync(self) -> None:
        """Returns when ``resources`` is what the database holds now."""
        await self._replica.in_sync.wait()

    @property
    def version(self) -> str:
        """The version of Open vSwitch, "" before ovs-vswitchd or ovs-ctl told it."""
        return next((row["ovs_version"] or "" for row in self._replica.rows("Open_vSwitch").values()), "")

    @property
    def is_settled(self) -> bool:
        """Whether ovs-vswitchd has done all that the database asks for (cur_cfg has reached next_cfg)."""
        return all(row["cur_cfg"] >= row["next_cfg"] for row in self._replica.rows("Open_vSwitch").values())

    async def wait_settled(self, timeout_s: float) -> bool:
        """Wait until ovs-vswitchd has done what the database asks for; False when it has not after ``timeout_s``."""
        try:
            async with asyncio.timeout(timeout_s):
                await self._settled.wait()
        except TimeoutError:
            return False
        return True

    async def confirm(self, timeout_s: float) -> bool:
        """Let ovs-vswitchd say that it has seen what the database holds now; False when it has not in time."""
        try:
            await self._commit([])
        except HostError:
            return False
        return await self.wait_settled(timeout_s)

    def bridges(self) -> frozenset[str]:
        """Names of all bridges, foreign ones included."""
        return frozenset(row["name"] for row in self._replica.rows("Bridge").values())

    def local_vlans(self) -> dict[str, int]:
        """Network id → local VLAN, as found on the ports of br-int (other_config:net_uuid and tag)."""
        found: dict[str, int] = {}
        for port in self._ports.values():
            if port.net_uuid and port.local_vlan and port.bridge == BR_INT:
                found[port.net_uuid] = min(port.local_vlan, found.get(port.net_uuid, DEAD_VLAN))
        return found

    def plugged(self) -> dict[str, Plugged]:
        """iface-id → interface of br-int that carries it; of several the first by name."""
        found: dict[str, Plugged] = {}
        for port in self._ports.values():
            if port.iface_id and port.bridge == BR_INT:
                known = found.get(port.iface_id)
                if known is None or port.name < known.name:
                    ofport = -1 if port.ofport is None else port.ofport
                    found[port.iface_id] = Plugged(name=port.name, bridge=port.bridge, ofport=ofport, ours=port.is_ours)
        return found

    def datapaths(self) -> dict[str, str]:
        """Datapath id → name of those bridges that are not Patchbay's own."""
        return borrowing.datapaths(self._strangers())

    def bridge_ports(self) -> dict[str, frozenset[str]]:
        """Bridge that is not Patchbay's own → names of the ports, but for bonds, that somebody else plugged into it."""
        found: dict[str, set[str]] = {row["name"]: set() for row in self._strangers()}
        for port in self._ports.values():
            if port.bridge in found and not port.is_ours and not port.is_bond:
                found[port.bridge].add(port.name)
        return {bridge: frozenset(ports) for bridge, ports in found.items()}

    def bridge_settings(self) -> dict[str, BridgeSettings]:
        """Bridge that is not Patchbay's own → what its administrator set."""
        controllers = self._replica.rows("Controller")
        return {row["name"]: borrowing.settings(row, controllers) for row in self._strangers()}

    def _strangers(self) -> list[Row]:
        rows = self._replica.rows("Bridge").values()
        return [row for row in rows if row["name"] not in (BR_INT, BR_TUN) and OWNER not in row["external_ids"]]

    def errors(self) -> dict[str, str]:
        """Interface name → what ovs-vswitchd says is wrong with it."""
        return {row["name"]: row["error"] for row in self._replica.rows("Interface").values() if row["error"]}

    async def apply(self, operations: Sequence[SwitchOperation]) -> list[tuple[SwitchOperation, HostError]]:
        """Make all changes, in one transaction if that gives what is meant; returns those refused, with why.

        When the whole is refused, each operation is tried alone, in order, so that one bad name keeps nobody else
        away. Raises HostError when ovsdb-server is away. When this returns, ``resources`` shows the result, and
        ovs-vswitchd has removed the devices of internal ports that were deleted, if it runs: it reads from a device
        without end that goes with its namespace before, and a port deleted and added at once stays what it was.
        """
        refused: list[tuple[SwitchOperation, HostError]] = []
        for part in _split_replugged(operations):
            is_removal = any(isinstance(one, DelPort) and self._is_internal(one.name) for one in part)
            refused += await self._commit(part)
            if is_removal and not self._is_away:
                self._is_away = not await self.wait_settled(REMOVAL_PATIENCE_S)
        return refused

    def _is_internal(self, name: str) -> bool:
        port = self.resources.get(("bridge-port", name))
        return isinstance(port, BridgePort) and port.type == "internal"

    async def _commit(self, operations: Sequence[SwitchOperation]) -> list[tuple[SwitchOperation, HostError]]:
        transaction = Transaction(self._replica, self._bridge_of_port)
        refused: list[tuple[SwitchOperation, HostError]] = []
        for operation in operations:
            try:
                transaction.add(operation)
            except HostError as error:
                refused.append((operation, error))
        try:
            await self.connection.transact(transaction.finish(), timeout_s=COMMIT_PATIENCE_S)
        except TransactionError as refusal:
            if len(operations) == 1:
                return [(operations[0], _refused(operations[0], refusal))]
            return [failure for one in operations for failure in await self._commit([one])]
        except OvsdbError as error:
            raise HostError(
                f"Open vSwitch's database cannot be changed: {error}", "Is ovsdb-server running?"
            ) from error
        return refused

    # --- taking in ----------------------------------------------------------------------------------------------------

    def _take_in(self, changes: list[RowChange]) -> None:
        (self._settled.set if self.is_settled else self._settled.clear)()
        self._is_away &= not self.is_settled
        ports: set[str] = set()
        interfaces: set[str] = set()
        keys: set[Key] = set()
        for change in changes:
            if change.table == "Bridge":
                ports |= _note_members(change, "ports", self._bridge_of_port)
                keys |= self._note_bridge(change)
            elif change.table == "Port":
                _note_members(change, "interfaces", self._port_of_interface)
                ports.add(change.uuid)
            elif change.table == "Interface":
                interfaces.add(change.uuid)
        ports |= {self._port_of_interface[uuid] for uuid in interfaces if uuid in self._port_of_interface}
        pairs = [(self._ports.pop(uuid, None), self._describe(uuid), uuid) for uuid in ports]
        pairs = [pair for pair in pairs if self._keep(*pair)]
        for before, _, _ in pairs:
            self._forget(before)
        for _, after, _ in pairs:
            self._remember(after)
        keys |= {resource.key for pair in pairs for one in pair[:2] if one for resource in rows.resources(one)}
        ofports = {
            (one.bridge, one.name) for pair in pairs if _number(pair[0]) != _number(pair[1]) for one in pair[:2] if one
        }
        is_fact = any(_fact(before) != _fact(after) for before, after, _ in pairs)
        is_fact |= any(
            change.table == "Bridge" and _bridge_fact(change.old) != _bridge_fact(change.new) for change in changes
        )
        if keys or ofports or is_fact:
            told = SwitchChange(frozenset(keys), frozenset(ofports), is_fact)
            for listener in self._listeners:
                listener(told)

    def _keep(self, before: rows.PortFacts | None, after: rows.PortFacts | None, uuid: str) -> bool:
        """Store what a port is now; returns whether that is something else than before."""
        if after:
            self._ports[uuid] = after
        return before != after

    def _forget(self, port: rows.PortFacts | None) -> None:
        if port:
            self.ofports.get(port.bridge, {}).pop(port.name, None)
            for resource in rows.resources(port):
                self.resources.pop(resource.key, None)

    def _remember(self, port: rows.PortFacts | None) -> None:
        if port:
            if port.ofport is not None:
                self.ofports.setdefault(port.bridge, {})[port.name] = port.ofport
            for resource in rows.resources(port):
                self.resources[resource.key] = resource

    def _note_bridge(self, change: RowChange) -> set[Key]:
        name = (change.new or change.old or {})["name"]
        bridge = rows.bridge(change.new) if change.new else None
        controllers = self._replica.rows("Controller")
        borrowed = borrowing.borrowed("Bridge", change.new, controllers) if change.new else None
        return self._note(("bridge", name), bridge) | self._note(("borrowed", "Bridge", name), borrowed)

    def _note(self, key: Key, resource: Resource | None) -> set[Key]:
        if self.resources.get(key) == resource:
            return set()
        if resource:
            self.resources[key] = resource
        else:
            self.resources.pop(key)
        return {key}

    def _describe(self, uuid: str) -> rows.PortFacts | None:
        """What a port is now; None when it is gone, or in no bridge, or without an interface."""
        port = self._replica.rows("Port").get(uuid)
        bridge = self._replica.rows("Bridge").get(self._bridge_of_port.get(uuid, ""))
        interface = self._replica.rows("Interface").get(min(port["interfaces"], default="")) if port else None
        if port is None or bridge is None or interface is None:
            return None
        return rows.describe(bridge, port, interface)


def _split_replugged(operations: Sequence[SwitchOperation]) -> list[Sequence[SwitchOperation]]:
    """The operations in two parts if a port is deleted and then added: up to the last such deletion, and the rest."""
    added = {one.port.name for one in operations if isinstance(one, AddPort)}
    replugged = [at for at, one in enumerate(operations, 1) if isinstance(one, DelPort) and one.name in added]
    end = max(replugged, default=0)
    return [part for part in (operations[:end], operations[end:]) if part]


def _note_members(change: RowChange, column: str, owners: dict[str, str]) -> set[str]:
    """Keep member → owner current for one change of an owner; returns the members that joined or left."""
    before: frozenset[str] = change.old[column] if change.old else frozenset()
    after: frozenset[str] = change.new[column] if change.new else frozenset()
    for member in before - after:
        if owners.get(member) == change.uuid:
            del owners[member]
    for member in after - before:
        owners[member] = change.uuid
    return set(before ^ after)


def _number(port: rows.PortFacts | None) -> int | None:
    return port.ofport if port else None


def _bridge_fact(row: Row | None) -> Any:
    """What facts say of a bridge."""
    if row is None:
        return None
    return row["name"], OWNER in row["external_ids"], borrowing.note_of(row), *map(row.get, borrowing.FACT_COLUMNS)


def _fact(port: rows.PortFacts | None) -> Any:
    """What facts say of a port; None when they do not mention it."""
    if port is None:
        return None
    if port.bridge not in (BR_INT, BR_TUN) and not port.is_ours:
        return port.bridge, port.name, port.is_bond
    if port.bridge != BR_INT or not (port.iface_id or port.net_uuid):
        return None
    return port.name, port.iface_id, port.net_uuid, port.local_vlan, port.ofport, port.is_ours


def _refused(operation: SwitchOperation, refusal: TransactionError) -> HostError:
    return HostError(
        f"{operation.sentence().rstrip('.')}: Open vSwitch's database refused it: {refusal}.",
        "See ovs-vsctl show, and ovs-vswitchd.conf.db(5) for what is allowed.",
    )
