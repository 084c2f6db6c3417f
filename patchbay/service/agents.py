"""Agents: one per host, as Neutron's "Open vSwitch agent" (Neutron API reference, "Agents")."""

import msgspec
from msgspec import UNSET

from patchbay.intent.database import Delete, Stale, Update
from patchbay.model import Host
from patchbay.service.context import RequestContext
from patchbay.service.errors import AgentNotFound, TooMuchContention
from patchbay.service.service import ATTEMPTS, Service
from patchbay.service.specs import AgentSpec


def get_agent(service: Service, _context: RequestContext, agent_id: str) -> Host:
    """The host of the agent, or AgentNotFound."""
    host = service.db.hosts.get(agent_id)
    if host is None:
        raise AgentNotFound(agent_id)
    return host


async def update_agent(service: Service, context: RequestContext, agent_id: str, spec: AgentSpec) -> Host:
    """The host as changed."""
    for _ in range(ATTEMPTS):
        old = get_agent(service, context, agent_id)
        new = msgspec.structs.replace(
            old,
            admin_state_up=old.admin_state_up if spec.admin_state_up is UNSET else spec.admin_state_up,
            description=old.description if spec.description is UNSET else spec.description,
        )
        if new == old:
            return old
        try:
            await service.commit(Update(old, new))
        except Stale:
            continue
        return new
    raise TooMuchContention(f"agent {agent_id}")


async def delete_agent(service: Service, context: RequestContext, agent_id: str) -> None:
    """The host is forgotten until its agent reports again."""
    await service.commit(Delete(get_agent(service, context, agent_id)))
