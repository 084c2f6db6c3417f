"""/v2.0/agents: the hosts, as Neutron's Open vSwitch agents (API reference, "Networking Agents")."""

import datetime
from collections.abc import Iterable

import msgspec

from patchbay.api.neutron import checks
from patchbay.api.neutron.attributes import LIST, READ_ONLY, Attribute, Attributes, Body, spec_fields
from patchbay.api.neutron.resource import Collection, Filters, View, narrowed
from patchbay.model import Host
from patchbay.service.agents import delete_agent, get_agent, update_agent
from patchbay.service.context import RequestContext
from patchbay.service.service import Service
from patchbay.service.specs import AgentSpec
from patchbay.service.status import is_alive

ATTRIBUTES: Attributes = {
    "id": READ_ONLY,
    "agent_type": READ_ONLY,
    "binary": READ_ONLY,
    "topic": READ_ONLY,
    "host": READ_ONLY,
    "admin_state_up": Attribute(field="admin_state_up", put=True, convert=checks.to_bool),
    "created_at": READ_ONLY,
    "started_at": READ_ONLY,
    "heartbeat_timestamp": READ_ONLY,
    "alive": Attribute(convert=checks.to_bool),
    "configurations": LIST,
    "description": Attribute(field="description", put=True, convert=checks.none_to_text, check=checks.text(255)),
}


def _moment(unix_seconds: int) -> str:
    return datetime.datetime.fromtimestamp(unix_seconds, datetime.UTC).strftime("%Y-%m-%d %H:%M:%S")


def view_agent(service: Service, host: Host) -> View:
    """The host's agent as the API shows it."""
    return {
        "id": host.id,
        "agent_type": "Open vSwitch agent",
        "binary": "neutron-openvswitch-agent",
        "topic": "N/A",
        "host": host.name,
        "admin_state_up": host.admin_state_up,
        "created_at": _moment(host.started_at),
        "started_at": _moment(host.started_at),
        "heartbeat_timestamp": _moment(host.heartbeat_at),
        "alive": is_alive(service, host),
        "configurations": {
            "bridge_mappings": dict(host.bridge_mappings),
            "datapath_type": host.datapath_type,
            "integration_bridge": "br-int",
            "tunnel_types": ["vxlan"] if host.tunnel_ip else [],
            "tunneling_ip": host.tunnel_ip,
            "version": host.version,
        },
        "description": host.description,
    }


def _encoded(service: Service, host: Host) -> bytes:
    return msgspec.json.encode(view_agent(service, host))


def _candidates(service: Service, _context: RequestContext, filters: Filters) -> Iterable[Host]:
    return narrowed(filters, service.db.hosts, {})


async def _update(service: Service, context: RequestContext, id_: str, item: Body, _if_match: int | None) -> Host:
    return await update_agent(service, context, id_, msgspec.convert(spec_fields(ATTRIBUTES, item), AgentSpec))


async def _delete(service: Service, context: RequestContext, id_: str, _if_match: int | None) -> None:
    await delete_agent(service, context, id_)


AGENTS = Collection(
    name="agents",
    member="agent",
    attributes=ATTRIBUTES,
    indexed=frozenset(()),
    candidates=_candidates,
    get=get_agent,
    view=view_agent,
    encoded=_encoded,
    update=_update,
    delete=_delete,
)
