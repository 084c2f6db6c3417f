"""Agents: what runs on each host, shown as Neutron's agents (Neutron API reference, "Networking Agents").

One process does the work of all of them. Each host has an "Open vSwitch agent", whose id is the host's, and one more
for each service that it can give; their ids follow from the host's.
"""

import uuid
from collections.abc import Sequence

import msgspec
from msgspec import UNSET

from patchbay.intent.database import Delete, Update, Write
from patchbay.model import Host
from patchbay.service.access import Attempt, carry_out
from patchbay.service.context import RequestContext
from patchbay.service.errors import AgentNotFound
from patchbay.service.placement import DHCP, L3, METADATA
from patchbay.service.service import Service
from patchbay.service.specs import AgentSpec

SWITCH = "switch"
KINDS = (SWITCH, DHCP, L3, METADATA)


class Agent(msgspec.Struct, frozen=True):
    """One agent of a host: ``kind`` is one of ``KINDS``."""

    host: Host
    kind: str

    @property
    def id(self) -> str:
        """The host's id, or one that follows from it."""
        return self.host.id if self.kind == SWITCH else str(uuid.uuid5(uuid.UUID(self.host.id), self.kind))

    @property
    def admin_state_up(self) -> bool:
        """Whether it is to get new work."""
        if self.kind == SWITCH:
            return self.host.admin_state_up
        return self.host.admin_state_up and self.kind not in self.host.disabled_services

    @property
    def description(self) -> str:
        """The host's."""
        return self.host.description


def agents_of(host: Host) -> list[Agent]:
    """The agents of one host."""
    return [Agent(host, kind) for kind in KINDS if kind == SWITCH or kind in host.services]


def all_agents(service: Service) -> list[Agent]:
    """Every agent of every host."""
    return [agent for host in service.db.hosts.values() for agent in agents_of(host)]


def get_agent(service: Service, _context: RequestContext, agent_id: str) -> Agent:
    """The agent, or AgentNotFound."""
    host = service.db.hosts.get(agent_id)
    if host is not None:
        return Agent(host, SWITCH)
    for agent in all_agents(service):
        if agent.id == agent_id:
            return agent
    raise AgentNotFound(agent_id)


async def update_agent(service: Service, context: RequestContext, agent_id: str, spec: AgentSpec) -> Agent:
    """The agent as changed. One that is disabled gets no new networks or routers; what it has stays."""

    def plan(_attempt: Attempt) -> tuple[Agent, Sequence[Write]]:
        agent = get_agent(service, context, agent_id)
        new = agent.host
        if spec.description is not UNSET:
            new = msgspec.structs.replace(new, description=spec.description)
        if spec.admin_state_up is not UNSET:
            new = _switched(new, agent.kind, spec.admin_state_up)
        return Agent(new, agent.kind), [Update(agent.host, new)] if new != agent.host else []

    return await carry_out(service, f"agent {agent_id}", plan)


def _switched(host: Host, kind: str, is_up: bool) -> Host:
    if kind == SWITCH:
        return msgspec.structs.replace(host, admin_state_up=is_up)
    disabled = {*host.disabled_services} - {kind} if is_up else {*host.disabled_services, kind}
    return msgspec.structs.replace(host, disabled_services=tuple(sorted(disabled)))


async def delete_agent(service: Service, context: RequestContext, agent_id: str) -> None:
    """The agent is forgotten until it reports again; with the Open vSwitch agent, the whole host is."""

    def plan(_attempt: Attempt) -> tuple[None, Sequence[Write]]:
        agent = get_agent(service, context, agent_id)
        left = tuple(kind for kind in agent.host.services if kind != agent.kind)
        smaller = msgspec.structs.replace(agent.host, services=left)
        return None, [Delete(agent.host) if agent.kind == SWITCH else Update(agent.host, smaller)]

    await carry_out(service, f"agent {agent_id}", plan)
