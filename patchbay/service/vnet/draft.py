"""An interface while one request changes it: its row, ports and leases as they will be, and at the end what is written.

Everything that a request does to an interface is done to its ``Draft``, so that it is one transaction, and one port is
written once, however many addresses come and go.
"""

from collections.abc import Sequence
from ipaddress import IPv4Address, IPv4Network
from typing import Any

import msgspec
from msgspec import UNSET

from patchbay.intent.database import Insert, Update, Write
from patchbay.model import Port, Router, Subnet, VnetObject
from patchbay.model.router import ROUTER_INTERFACE_DISTRIBUTED
from patchbay.service.access import Attempt, revised
from patchbay.service.allocation import Allocator
from patchbay.service.context import RequestContext
from patchbay.service.port_security import missing_defaults
from patchbay.service.port_uses import check_deletion, deletion, released
from patchbay.service.ports import new_port
from patchbay.service.security_groups import default_group_id
from patchbay.service.service import Service
from patchbay.service.specs import PortSpec, WantedIP
from patchbay.service.vnet import simulated
from patchbay.service.vnet.errors import ArgumentError
from patchbay.service.vnet.kinds import INTERFACE
from patchbay.service.vnet.leases import MAC_LEASES, IpLease, MacLease, interface_of, mac_leases_of, ports_of
from patchbay.service.vnet.mac_ranges import check_unicast
from patchbay.service.vnet.objects import (
    FURTHER_PORTS,
    Data,
    Face,
    changed,
    data_of,
    insertion,
    new_row,
    update,
)
from patchbay.service.vnet.plugging import PLUGS, plugged, reserved, wanted_plug
from patchbay.service.vnet.settling import settle

VIF, SIMULATED = "vif", "simulated"
MODES = ("host", "internal", "patch", "promiscuous", "remote", SIMULATED, VIF, "edge")
"""OpenVNet's modes of interfaces: today's, and that of 2013 for gateways to VLANs."""

FILTERED = "enable_filtering"
"""In an interface's data: whether its ports have port security. OpenVNet's interfaces have it only when asked for."""


class MacDraft(msgspec.Struct):
    """A MAC lease as it will be. ``network_id``: it has a port there even without an address ("": only with one).

    ``is_known``: it has had its uuid without a row.
    """

    address: str
    old: VnetObject | None
    row: VnetObject | None
    network_id: str = ""
    is_known: bool = False


class Draft:
    """See the module. ``row`` is that of a new interface; otherwise ``face`` is the one to change.

    ``goes``: the interface is deleted, with all that refers to it.
    """

    def __init__(
        self,
        service: Service,
        context: RequestContext,
        attempt: Attempt,
        face: Face | None,
        row: VnetObject | None = None,
    ) -> None:
        self._service, self._context, self._attempt = service, context, attempt
        self._old_row = None if face is None else face.row
        self.row = row if face is None else face.row
        self.uuid = face.uuid if face is not None else row.uuid if row is not None else ""
        self._known_as = self.uuid
        ports = [] if face is None else ports_of(service, face)
        self.ports = {port.id: port for port in ports}
        self._old_ports = dict(self.ports)
        self.macs: dict[str, MacDraft] = {}
        for lease in [] if face is None else mac_leases_of(service, face):
            self._know(lease)
        self.name = ports[0].name if ports else self.row.name if self.row is not None else ""
        self._more: list[Write] = []
        self.goes = False

    def _know(self, lease: MacLease) -> None:
        segment = data_of(lease.row).get("network_id", "") if lease.row is not None else ""
        self.macs[lease.uuid] = MacDraft(lease.mac_address, lease.row, lease.row, segment)

    @property
    def data(self) -> Data:
        """What the row keeps now."""
        return data_of(self.row) if self.row is not None else {}

    @property
    def is_simulated(self) -> bool:
        """Whether a router answers for the interface."""
        if self.row is not None and "mode" in self.data:
            return bool(self.data["mode"] == SIMULATED)
        return any(map(simulated.is_simulated, self.ports.values()))

    def keep(self, **data: Any) -> None:
        """Note attributes that the model has not; an interface that Neutron's API made gets a row for them."""
        if self.row is None:
            first = next(iter(self.ports), "")
            mode = SIMULATED if self.is_simulated else VIF
            self.row = new_row(self._context, INTERFACE, self.uuid, object_id=first, name=self.name, mode=mode, **data)
        else:
            self.row = changed(self.row, **data)

    def add_mac(self, uuid: str, address: str, row: VnetObject | None, network_id: str = "") -> None:
        """One MAC lease more; with ``network_id`` it has a port on that network from the start.

        Raises ArgumentError.
        """
        check_unicast(address)
        self.macs[uuid] = MacDraft(address, None, row, network_id)
        if row is not None:
            self.keep(**{MAC_LEASES: [*self.data.get(MAC_LEASES, ()), uuid]})
        if network_id and self._port_on(address, network_id) is None:
            self._add_port(address, network_id, ())

    def remove_mac(self, uuid: str) -> None:
        """The MAC lease goes, with its ports; its row, and what refers to it, the caller removes."""
        mac = self.macs.pop(uuid)
        for port in [port for port in self.ports.values() if port.mac_address == mac.address]:
            del self.ports[port.id]
        if uuid in self.data.get(MAC_LEASES, ()):
            self.keep(**{MAC_LEASES: [one for one in self.data[MAC_LEASES] if one != uuid]})

    def add_ip(self, mac_uuid: str, subnet: Subnet, address: str) -> Port:
        """One address more, of the MAC lease. Raises ArgumentError, or the errors of ``Allocator.allocate``."""
        mac = self.macs[mac_uuid]
        check_in_subnet(subnet, address)
        port = self._port_on(mac.address, subnet.network_id)
        if port is None:
            return self._add_port(mac.address, subnet.network_id, (WantedIP(subnet_id=subnet.id, ip_address=address),))
        wanted = [WantedIP(subnet_id=subnet.id, ip_address=address)]
        added = self._allocator(subnet.network_id).allocate(wanted, port.mac_address, port.device_owner, port.fixed_ips)
        ordered = sorted((*port.fixed_ips, *added), key=lambda ip: (":" in ip.ip_address, ip.ip_address))
        self.ports[port.id] = msgspec.structs.replace(port, fixed_ips=tuple(ordered))
        return self.ports[port.id]

    def add_network(self, network_id: str, mac_address: str | None) -> Port:
        """A port without an address of its own choice, on a network that the interface is on from the start."""
        return self._add_port(mac_address, network_id, ())

    def remove_ip(self, lease: IpLease) -> None:
        """The address goes, and the port with its last one, unless Neutron's API made it or a segment needs it."""
        assert lease.port is not None, "only an attached lease is removed"
        port = self.ports[lease.port.id]
        kept = tuple(ip for ip in port.fixed_ips if ip.ip_address != lease.ipv4_address)
        needed = any(
            mac.address == port.mac_address and mac.network_id == port.network_id for mac in self.macs.values()
        )
        if kept or needed or self.row is None:
            self.ports[port.id] = msgspec.structs.replace(port, fixed_ips=kept)
        else:
            del self.ports[port.id]

    def take_over(self, other: "Draft", mac_uuid: str) -> None:
        """A MAC lease of another interface becomes this one's, with its ports. Raises ArgumentError."""
        if self.is_simulated != other.is_simulated:
            raise ArgumentError(
                f"MAC lease {mac_uuid}: {self.uuid} and {other.uuid} are not both simulated",
                "A MAC lease moves between interfaces of one sort: delete it and make another.",
            )
        self.keep()
        mac = self.macs[mac_uuid] = other.macs[mac_uuid]
        for port in [port for port in other.ports.values() if port.mac_address == mac.address]:
            self.ports[port.id] = port
            self._old_ports[port.id] = other._old_ports.pop(port.id)
        other.remove_mac(mac_uuid)
        if mac.row is not None:
            mac.row = changed(mac.row, interface_uuid=self.uuid)
            self.keep(**{MAC_LEASES: [*self.data.get(MAC_LEASES, ()), mac_uuid]})

    def _port_on(self, address: str, network_id: str) -> Port | None:
        found = (one for one in self.ports.values() if (one.mac_address, one.network_id) == (address, network_id))
        return next(found, None)

    def _allocator(self, network_id: str) -> Allocator:
        return Allocator(self._service, network_id, self._attempt.taken, self._attempt.spread)

    def _add_port(self, mac_address: str | None, network_id: str, wanted: Sequence[WantedIP]) -> Port:
        service, db = self._service, self._service.db
        for id_ in db.ports_by_mac_address.get(mac_address or "", ()):
            if db.ports[id_].network_id == network_id and id_ not in self._old_ports:
                raise ArgumentError(
                    f"MAC address {mac_address} is in use by {_interface_name(service, db.ports[id_])}",
                    "Two interfaces of one network need different MAC addresses.",
                )
        spec = PortSpec(
            network_id=network_id,
            name=self.name,
            mac_address=UNSET if mac_address is None else mac_address,
            fixed_ips=tuple(wanted),
            device_owner=ROUTER_INTERFACE_DISTRIBUTED if self.is_simulated else "",
            port_security_enabled=self.is_filtered,
        )
        port = new_port(service.settings, self._context, spec, self._allocator(network_id))
        if self.is_simulated:
            router = simulated.own_router(self._context, self.uuid)
            port = simulated.interface_of(port, router.id)
            self._more.append(Insert(router))
        # The network is written as it is: this fails when it has gone, or got subnets that do not show here yet.
        self._more.append(Update(db.networks[network_id], db.networks[network_id]))
        self.ports[port.id] = port
        self._note_group(port)
        return port

    @property
    def is_filtered(self) -> bool:
        """Whether the interface's ports have port security: by its enable_filtering, else as its ports have it."""
        kept = self.data.get(FILTERED)
        return kept is True if kept is not None else any(port.port_security_enabled for port in self.ports.values())

    def protect(self) -> None:
        """The ports have port security and the project's default group, or neither, as enable_filtering says."""
        if self.is_simulated:
            return
        enabled = self.is_filtered
        for id_, port in self.ports.items():
            if port.port_security_enabled != enabled:
                groups = (default_group_id(port.project_id),) if enabled else ()
                new = msgspec.structs.replace(port, port_security_enabled=enabled, security_groups=groups)
                self.ports[id_] = new
                self._note_group(new)

    def _note_group(self, port: Port) -> None:
        """The default group is made with the first port in it."""
        made = {write.value.id for write in self._more if isinstance(write, Insert)}
        if made.isdisjoint(port.security_groups):
            self._more += missing_defaults(self._service, [port])

    def rename(self, name: str) -> None:
        """Another display_name."""
        self.name = name
        self.ports = {id_: msgspec.structs.replace(port, name=name) for id_, port in self.ports.items()}
        if self.row is not None:
            self.row = changed(self.row, name=name)

    def rename_uuid(self, uuid: str) -> None:
        """Another uuid; what refers to the interface is the caller's to change."""
        self.uuid = uuid
        self.keep()
        assert self.row is not None
        if self.row.uuid != uuid:
            self.row = revised(self.row, msgspec.structs.replace(self.row, uuid=uuid))

    def writes(self) -> list[Write]:
        """What makes the intent as drafted. Raises ArgumentError when another interface has the port's name."""
        self._plug()
        self._settle()
        ids = list(self.ports)
        if self.row is None and len(ids) > 1:
            self.keep()
        if self.row is not None:
            if ids[1:] or FURTHER_PORTS in self.data:
                self.keep(**{FURTHER_PORTS: ids[1:]})
            self.row = changed(self.row, object_id=ids[0] if ids else "")
        gone = [port for id_, port in self._old_ports.items() if id_ not in self.ports]
        return _unrepeated([*self._of_gone(gone), *self._of_ports(), *self._of_rows(), *self._of_bridge(), *self._more])

    def _settle(self) -> None:
        """Routes and services over the interface go along with its addresses; those of one that goes, go with it."""
        if self.goes or (self._old_row is None and not self._old_ports):
            return
        settled = settle(self._service, self.uuid, self._old_ports, self.ports)
        self.ports = settled.ports
        routers = {port.device_id for port in self.ports.values()}
        unused = [
            write
            for write in self._more
            if isinstance(write, Insert) and isinstance(write.value, Router) and write.value.id not in routers
        ]
        self._more = [*(write for write in self._more if write not in unused), *settled.writes]

    def _of_gone(self, gone: Sequence[Port]) -> list[Write]:
        writes: list[Write] = []
        for port in gone:
            is_ours = self._old_row is not None or simulated.has_own_router(self._service, port)
            if not simulated.is_simulated(port) or not is_ours:
                check_deletion(self._service, port)
            writes += [*deletion(self._service, port), *simulated.without_own_router(self._service, port)]
        return writes

    def _of_ports(self) -> list[Write]:
        writes: list[Write] = []
        for id_, port in self.ports.items():
            old = self._old_ports.get(id_)
            if old is None:
                writes.append(Insert(port))
            elif (new := revised(old, port)) is not old:
                writes += [*released(self._service, old, new.fixed_ips), Update(old, new)]
        return writes

    def _of_rows(self) -> list[Write]:
        writes: list[Write] = []
        for mac in self.macs.values():
            if mac.row is not None:
                first = next((id_ for id_, port in self.ports.items() if port.mac_address == mac.address), "")
                new = changed(mac.row, object_id=first)
                if mac.old is not None:
                    writes += update(mac.old, new)
                else:
                    writes += [Insert(new)] if mac.is_known else insertion(self._service, new)
        if self.row is None:
            return writes
        if self._old_row is not None:
            return [*writes, *update(self._old_row, self.row)]
        if self._old_ports:  # Neutron's API made the interface: its row keeps the uuid that it has
            return [*writes, Insert(self.row)]
        return [*writes, *insertion(self._service, self.row)]

    def _of_bridge(self) -> list[Write]:
        if self.row is None:
            return []
        plugs = self.data.get(PLUGS, ()) if self.ports and not self.is_simulated else ()
        return reserved(self._service, self._context, self.uuid, wanted_plug(self._service, self.uuid, plugs))

    def _plug(self) -> None:
        """Which port of a bridge is the interface's, and on which host."""
        if self.row is not None and not self.is_simulated:
            plugs = self.data.get(PLUGS, ())
            self.ports = plugged(self._service, self.uuid, plugs, self.ports, self._known_as)


def _interface_name(service: Service, port: Port) -> str:
    """How OpenVNet knows who has the port, for errors."""
    return f"interface {interface_of(service, port.id).uuid}"


def _unrepeated(writes: Sequence[Write]) -> list[Write]:
    """The writes, each network noted once."""
    found: list[Write] = []
    for write in writes:
        if not (isinstance(write, Update) and write.old is write.new and write in found):
            found.append(write)
    return found


def check_in_subnet(subnet: Subnet, address: str) -> None:
    """Raises OpenVNet's ArgumentError when the address is outside."""
    if IPv4Address(address) not in IPv4Network(subnet.cidr):
        raise ArgumentError(f"IP Address {address} not in subnet {subnet.cidr}.", f"Give an address of {subnet.cidr}.")
