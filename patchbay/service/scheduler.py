"""The scheduler: gives networks their DHCP servers and routers their hosts, and moves them when a host is gone.

Runs beside the API and follows the change feed; only what changed is looked at. Several servers may run one each on one
database: ids of DHCP ports follow from the network, and every write is guarded, so the first one wins and the others
find nothing left to do.
"""

import asyncio
import logging
import uuid
from collections.abc import Coroutine, Iterable
from typing import Any

import msgspec

from patchbay.errors import PatchbayError, ServiceUnavailable
from patchbay.intent.database import Change, Delete, Duplicate, Insert, Stale, StillReferenced, Update, Write
from patchbay.model import FloatingIP, Host, Network, Plug, Port, Router, Subnet
from patchbay.model.port import DHCP_SERVER
from patchbay.model.router import FLOATING_GATEWAY
from patchbay.service import placement
from patchbay.service.access import revised
from patchbay.service.allocation import Allocator
from patchbay.service.placing import dhcp_device_id, give_floating_gateways, move_router, new_dhcp_port
from patchbay.service.ports import readdressed
from patchbay.service.presence import Presence
from patchbay.service.service import Reservations, Service, reservations
from patchbay.service.specs import WantedIP

logger = logging.getLogger(__name__)

AT_ONCE = 64
"""So many networks and routers are placed side by side; their writes share a sync of the disk."""
RETRY_S = 1.0
ATTEMPTS = 5
PORT_IDS = uuid.UUID("7062d4c9-0d7c-5b36-9f0e-6d6c0f0a4d3b")


class Scheduler:
    """See the module. ``run`` ends only by cancellation."""

    def __init__(self, service: Service) -> None:
        self._service = service
        self._presence = Presence(service)
        self._networks: set[str] = set()
        self._routers: set[str] = set()
        self._served: set[str] = set()
        self._is_asking = False
        self._wake = asyncio.Event()
        self._note_everything()
        service.db.subscribe(self._follow)

    async def run(self) -> None:
        """Place what changed, and whatever the end of a host's patience concerns."""
        while True:
            for host in self._presence.turned():
                self._note_host(host)
                self._is_asking = True
            if self._is_asking:
                self._is_asking = not await self._retried(self._ask, "suspected hosts")
            if not (self._networks or self._routers):
                await self._wait()
                continue
            networks, self._networks = self._networks, set()
            routers, self._routers = self._routers, set()
            work: list[Coroutine[Any, Any, bool]] = [
                self._retried(self._place_network, item) for item in sorted(networks)
            ]
            work += [self._retried(self._place_router, item) for item in sorted(routers)]
            names = [*sorted(networks), *sorted(routers)]
            failed: set[str] = set()
            for first in range(0, len(work), AT_ONCE):
                done = await asyncio.gather(*work[first : first + AT_ONCE])
                failed.update(name for name, is_done in zip(names[first:], done, strict=False) if not is_done)
            if failed:
                await asyncio.sleep(RETRY_S)
                self._networks |= failed & networks
                self._routers |= failed & routers

    async def _wait(self) -> None:
        self._wake.clear()
        patience = RETRY_S if self._is_asking else self._presence.next_in_s()
        try:
            async with asyncio.timeout(None if patience is None else max(patience, 0.0)):
                await self._wake.wait()
        except TimeoutError:
            pass

    # --- what changed -------------------------------------------------------------------------------------------------

    def _follow(self, changes: list[Change]) -> None:
        for change in changes:
            old, new = change.old, change.new
            match new if new is not None else old:
                case Port() as port:
                    self._follow_port(port, old if isinstance(old, Port) else None, new is not None)
                case Plug(port_id=port_id):
                    self._follow_client(self._service.db.ports.get(port_id))
                case Subnet(network_id=network_id) | Network(id=network_id):
                    # What it is called, or who may see it, is nothing to look at all of its ports for.
                    if _placed_by(old) != _placed_by(new):
                        self._networks.add(network_id)
                case Router(id=router_id):
                    self._routers.add(router_id)
                case FloatingIP():
                    floatingips = (item for item in (old, new) if isinstance(item, FloatingIP))
                    self._routers.update(item.router_id for item in floatingips if item.router_id)
                case Host():
                    self._follow_host(old if isinstance(old, Host) else None, new if isinstance(new, Host) else None)
        if self._networks or self._routers:
            self._wake.set()

    def _follow_port(self, port: Port, old: Port | None, is_there: bool) -> None:
        owners = {port.device_owner, old.device_owner if old else ""}
        if DHCP_SERVER in owners:
            self._networks.add(port.network_id)
        elif is_there:
            self._follow_client(port)
        if old is None or old.host != port.host:
            self._routers.update(_routers_to(self._service, port.id))
        if owners & {*placement.ROUTER_PORTS, FLOATING_GATEWAY}:
            self._routers.update(item.device_id for item in (port, old) if item is not None and item.device_id)

    def _follow_client(self, port: Port | None) -> None:
        """Look at the network of a port that may ask for a lease while no server is there and a host could give it.

        Called for every port: a look at the network costs as much as the network has ports, and so is not taken in
        vain. A network that no host can take now is looked at again when a host comes.
        """
        if port is None or port.network_id in self._served or not placement.may_ask(self._service, port):
            return
        hosts = self._service.db.hosts.values()
        if placement.dhcp_subnets(self._service, port.network_id) and any(
            placement.DHCP in host.services
            and placement.takes_new(host, placement.DHCP)
            and self._presence.is_alive(host.name)
            for host in hosts
        ):
            self._networks.add(port.network_id)

    def _follow_host(self, old: Host | None, new: Host | None) -> None:
        for name in self._presence.hear(old, new):
            self._note_host(name)
        self._wake.set()
        before, after = (_abilities(host) if host else None for host in (old, new))
        if before != after:
            self._note_host((new or old or _NOBODY).name)

    def _note_host(self, name: str) -> None:
        """Look at what is on this host; if it can take something, at all that has no place, or a better one."""
        db = self._service.db
        self._routers.update(db.routers_by_host.get(name, ()))
        ports = (db.ports[port_id] for port_id in db.ports_by_host.get(name, ()))
        self._networks.update(port.network_id for port in ports if port.device_owner == DHCP_SERVER)
        if self._presence.is_alive(name):
            self._networks.update(network_id for network_id in db.networks if network_id not in self._served)
            self._routers.update(
                router.id for router in db.routers.values() if router.distributed or self._presence.is_lost(router.host)
            )
            servers = (port for port in db.ports.values() if port.device_owner == DHCP_SERVER)
            self._networks.update(port.network_id for port in servers if self._presence.is_lost(port.host))

    def _note_everything(self) -> None:
        self._networks.update(self._service.db.networks)
        self._routers.update(self._service.db.routers)

    # --- placing ------------------------------------------------------------------------------------------------------

    async def _ask(self, _what: str) -> None:
        await self._presence.ask()

    async def _retried(self, place: Any, item: str) -> bool:
        """Place one thing; False when it must be tried again later."""
        for _ in range(ATTEMPTS):
            try:
                await place(item)
            except (Stale, Duplicate, StillReferenced):
                await self._service.catch_up()
            except PatchbayError as error:
                logger.warning("not placed: %s", error.message, extra={"id": item, "remedy": error.remedy})
                return not isinstance(error, ServiceUnavailable)
            except Exception:
                logger.exception("%s cannot be placed", item)
                return True
            else:
                return True
        return False

    async def _place_router(self, router_id: str) -> None:
        """Give the router a host if it has something to route and none, or a dead one; bring its ports there.

        A distributed one gets its way out on every host that carries floating IPs itself, too.
        """
        service = self._service
        router = service.db.routers.get(router_id)
        if router is None:
            return
        ports = placement.router_ports(service, router_id)
        host = self._router_host(router) if ports else router.host
        if host != router.host:
            logger.info("router placed", extra={"router": router.id, "host": host, "before": router.host})
        await service.commit(*move_router(service, router, host), *give_floating_gateways(service, router, host))

    def _router_host(self, router: Router) -> str:
        """Where it should be: where it is, as long as that works and no other host reaches more of its networks."""
        service = self._service
        current = service.db.host_named(router.host)
        missed = None
        if current and not self._presence.is_lost(current.name) and placement.may_run_router(service, router, current):
            missed = placement.cut_off(service, router, current)
        if missed == 0:
            return router.host
        best = service.db.host_named(placement.choose_router_host(service, router, self._presence.is_alive) or "")
        if best is None or (missed is not None and placement.cut_off(service, router, best) >= missed):
            return router.host
        return best.name

    async def _place_network(self, network_id: str) -> None:
        """As many DHCP servers as wanted, each on a host that is alive, each with an address in every subnet."""
        service = self._service
        network = service.db.networks.get(network_id)
        if network is None:
            self._served.discard(network_id)
            return
        ports = placement.dhcp_ports(service, network_id)
        (self._served.add if ports else self._served.discard)(network_id)
        if not placement.dhcp_subnets(service, network_id):
            await service.commit(*(Delete(port) for port in ports))
            return
        if not ports and not placement.needs_dhcp(service, network):
            return
        with reservations() as taken:
            await service.commit(*self._serve(network, ports, taken))

    def _serve(self, network: Network, ports: list[Port], taken: Reservations) -> Iterable[Write]:
        allocator = Allocator(self._service, network.id, taken, spread=False)
        hosts: list[str] = []
        for port in ports:
            host = self._dhcp_host(network, port, hosts)
            hosts.append(host)
            new = self._addressed(network, self._settled(port, host, network.id), allocator)
            if new != port:
                yield Update(port, revised(port, new))
        ids = (str(uuid.uuid5(PORT_IDS, f"{network.id}-{number}")) for number in range(len(ports) + self._wanted))
        free = (port_id for port_id in ids if port_id not in self._service.db.ports)
        for port_id in list(free)[: max(self._wanted - len(ports), 0)]:
            chosen = placement.choose_dhcp_host(self._service, network, self._presence.is_alive, hosts)
            if chosen is None:
                return
            hosts.append(chosen)
            logger.info("DHCP server placed", extra={"network": network.id, "host": chosen})
            yield Insert(new_dhcp_port(self._service, network, chosen, allocator, port_id))

    @property
    def _wanted(self) -> int:
        return self._service.settings.dhcp_agents_per_network

    def _dhcp_host(self, network: Network, port: Port, taken: list[str]) -> str:
        """Where this server should be: where it is, as long as that works and no other server is there."""
        current = self._service.db.host_named(port.host)
        fits = (
            current
            and not self._presence.is_lost(port.host)
            and placement.may_run_dhcp(self._service, network, current)
        )
        if fits and port.host not in taken:
            return port.host
        return placement.choose_dhcp_host(self._service, network, self._presence.is_alive, taken) or port.host

    @staticmethod
    def _settled(port: Port, host: str, network_id: str) -> Port:
        if port.host == host:
            return port
        return msgspec.structs.replace(port, host=host, device_id=dhcp_device_id(host, network_id))

    def _addressed(self, network: Network, port: Port, allocator: Allocator) -> Port:
        """The port with an address in every subnet that wants DHCP, and in no other."""
        wanted = set(placement.dhcp_subnets(self._service, network.id))
        if {fixed_ip.subnet_id for fixed_ip in port.fixed_ips} == wanted:
            return port
        kept = [
            WantedIP(subnet_id=ip.subnet_id, ip_address=ip.ip_address)
            for ip in port.fixed_ips
            if ip.subnet_id in wanted
        ]
        had = {ip.subnet_id for ip in kept}
        added = [WantedIP(subnet_id=subnet_id) for subnet_id in sorted(wanted - had)]
        return readdressed(self._service, port, port, [*kept, *added], allocator)


_NOBODY = Host(id="", name="")


def _placed_by(value: object) -> tuple[object, ...]:
    """What placement looks at of a network or a subnet."""
    match value:
        case Network():
            return value.admin_state_up, value.network_type, value.physical_network
        case Subnet():
            return value.enable_dhcp, value.cidr
    return ()


def _routers_to(service: Service, port_id: str) -> Iterable[str]:
    """Ids of the routers of the floating IPs that lead to this port."""
    floatingips = (service.db.floatingips[id_] for id_ in service.db.floatingips_by_port.get(port_id, ()))
    return [item.router_id for item in floatingips if item.router_id]


def _abilities(host: Host) -> tuple[object, ...]:
    """What placement looks at."""
    return host.services, host.disabled_services, host.admin_state_up, tuple(sorted(host.bridge_mappings.items()))
