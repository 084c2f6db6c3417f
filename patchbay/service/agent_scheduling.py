"""Which agent serves what, and how an administrator moves it (Neutron's agent schedulers)."""

from collections.abc import Callable, Sequence

import msgspec

from patchbay.intent.database import Delete, Insert, Update, Write
from patchbay.model import Network, Router
from patchbay.model.port import DHCP_SERVER
from patchbay.service import placement
from patchbay.service.access import Attempt, carry_out, new_id, revised
from patchbay.service.agents import Agent, agents_of, get_agent
from patchbay.service.allocation import Allocator
from patchbay.service.context import RequestContext
from patchbay.service.errors import NetworkNotFound, RouterNotFound
from patchbay.service.networks import get_network
from patchbay.service.placement import DHCP, L3
from patchbay.service.placing import dhcp_device_id, move_router, new_dhcp_port
from patchbay.service.scheduling_errors import (
    InvalidDHCPAgent,
    InvalidL3Agent,
    NetworkHostedByDHCPAgent,
    NetworkNotHostedByDhcpAgent,
    RouterNotHostedByL3Agent,
)
from patchbay.service.service import Service
from patchbay.service.status import is_alive

# DHCP


def networks_on(service: Service, context: RequestContext, agent_id: str) -> list[Network]:
    """The networks that this DHCP agent serves. Raises AgentNotFound."""
    host = get_agent(service, context, agent_id).host
    ports = (service.db.ports[port_id] for port_id in service.db.ports_by_host.get(host.name, ()))
    ids = {port.network_id for port in ports if port.device_owner == DHCP_SERVER}
    return [service.db.networks[network_id] for network_id in sorted(ids)]


def dhcp_agents_of(service: Service, context: RequestContext, network_id: str) -> list[Agent]:
    """The DHCP agents that serve this network. Raises NetworkNotFound."""
    get_network(service, context, network_id)
    hosts = {port.host for port in placement.dhcp_ports(service, network_id)}
    return [agent for agent in _agents_on(service, hosts) if agent.kind == DHCP]


async def add_network(service: Service, context: RequestContext, agent_id: str, network_id: str) -> None:
    """One more DHCP server of the network, on the agent's host.

    Raises AgentNotFound, InvalidDHCPAgent, NetworkNotFound, NetworkHostedByDHCPAgent.
    """

    def plan(attempt: Attempt) -> tuple[None, Sequence[Write]]:
        agent = _usable(service, context, agent_id, DHCP, InvalidDHCPAgent)
        network = service.db.networks.get(network_id)
        if network is None:
            raise NetworkNotFound(network_id)
        if any(port.host == agent.host.name for port in placement.dhcp_ports(service, network_id)):
            raise NetworkHostedByDHCPAgent(network_id, agent_id)
        allocator = Allocator(service, network_id, attempt.taken, attempt.spread)
        return None, [Insert(new_dhcp_port(service, network, agent.host.name, allocator, new_id()))]

    await carry_out(service, f"network {network_id}", plan)


async def remove_network(service: Service, context: RequestContext, agent_id: str, network_id: str) -> None:
    """The network's DHCP server leaves the agent's host, for the best other host if there is one.

    A network that is left with fewer servers than it should have gets another from the scheduler, here again only if
    this agent still takes new networks. Raises AgentNotFound, NetworkNotHostedByDhcpAgent.
    """

    def plan(_attempt: Attempt) -> tuple[None, Sequence[Write]]:
        host = get_agent(service, context, agent_id).host
        servers = placement.dhcp_ports(service, network_id)
        port = next((port for port in servers if port.host == host.name), None)
        if port is None:
            raise NetworkNotHostedByDhcpAgent(network_id, agent_id)
        network = service.db.networks[network_id]
        hosts = [server.host for server in servers]
        other = placement.choose_dhcp_host(service, network, lambda name: _is_alive(service, name), hosts)
        if other is None or len(servers) > service.settings.dhcp_agents_per_network:
            return None, [Delete(port)]
        moved = msgspec.structs.replace(port, host=other, device_id=dhcp_device_id(other, network_id))
        return None, [Update(port, revised(port, moved))]

    await carry_out(service, f"network {network_id}", plan)


# L3


def routers_on(service: Service, context: RequestContext, agent_id: str) -> list[Router]:
    """The routers that live with this L3 agent. Raises AgentNotFound."""
    host = get_agent(service, context, agent_id).host
    return [service.db.routers[router_id] for router_id in sorted(service.db.routers_by_host.get(host.name, ()))]


def l3_agents_of(service: Service, _context: RequestContext, router_id: str) -> list[Agent]:
    """The L3 agent that has this router. Raises RouterNotFound."""
    router = _router(service, router_id)
    return [agent for agent in _agents_on(service, {router.host}) if agent.kind == L3]


async def add_router(service: Service, context: RequestContext, agent_id: str, router_id: str) -> None:
    """The router moves to the agent's host, with all its ports; as in Neutron, one that is there already stays.

    Neutron refuses while another agent has the router. Here another has it as soon as it leaves one, so it moves.
    Raises AgentNotFound, InvalidL3Agent, RouterNotFound.
    """

    def plan(_attempt: Attempt) -> tuple[None, Sequence[Write]]:
        agent = _usable(service, context, agent_id, L3, InvalidL3Agent)
        router = _router(service, router_id)
        if router.host == agent.host.name:
            return None, []
        if not placement.may_run_router(service, router, agent.host):
            raise InvalidL3Agent(agent_id)
        return None, move_router(service, router, agent.host.name)

    await carry_out(service, f"router {router_id}", plan)


async def remove_router(service: Service, context: RequestContext, agent_id: str, router_id: str) -> None:
    """The router leaves the agent's host, for the best other host; without one it waits for a host.

    Raises AgentNotFound, RouterNotHostedByL3Agent.
    """

    def plan(_attempt: Attempt) -> tuple[None, Sequence[Write]]:
        host = get_agent(service, context, agent_id).host
        router = service.db.routers.get(router_id)
        if router is None or router.host != host.name:
            raise RouterNotHostedByL3Agent(router_id, agent_id)
        other = placement.choose_router_host(service, router, lambda name: _is_alive(service, name), but=host.name)
        return None, move_router(service, router, other or "")

    await carry_out(service, f"router {router_id}", plan)


def _usable(
    service: Service, context: RequestContext, agent_id: str, kind: str, invalid: Callable[[str], Exception]
) -> Agent:
    agent = get_agent(service, context, agent_id)
    if agent.kind != kind or not agent.admin_state_up:
        raise invalid(agent_id)
    return agent


def _router(service: Service, router_id: str) -> Router:
    router = service.db.routers.get(router_id)
    if router is None:
        raise RouterNotFound(router_id)
    return router


def _agents_on(service: Service, names: set[str]) -> list[Agent]:
    hosts = map(service.db.host_named, sorted(names))
    return [agent for host in hosts if host is not None for agent in agents_of(host)]


def _is_alive(service: Service, name: str) -> bool:
    host = service.db.host_named(name)
    return host is not None and is_alive(service, host)
