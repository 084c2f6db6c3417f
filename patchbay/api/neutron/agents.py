"""/v2.0/agents: what runs on the hosts, as Neutron's agents (API reference, "Networking Agents")."""

import datetime
from collections.abc import Iterable

import msgspec

from patchbay.api.neutron import checks
from patchbay.api.neutron.attributes import LIST, READ_ONLY, Attribute, Attributes, Body, spec_fields
from patchbay.api.neutron.resource import Collection, Filters, View, narrowed
from patchbay.model.port import DHCP_SERVER
from patchbay.service.agents import SWITCH, Agent, all_agents, delete_agent, get_agent, update_agent
from patchbay.service.context import RequestContext
from patchbay.service.placement import DHCP, L3, METADATA
from patchbay.service.service import Service
from patchbay.service.specs import AgentSpec
from patchbay.service.status import is_alive

NAMES = {
    SWITCH: ("Open vSwitch agent", "neutron-openvswitch-agent", "N/A"),
    DHCP: ("DHCP agent", "neutron-dhcp-agent", "dhcp_agent"),
    L3: ("L3 agent", "neutron-l3-agent", "l3_agent"),
    METADATA: ("Metadata agent", "neutron-metadata-agent", "N/A"),
}
"""Neutron's words for each kind of agent: type, binary and topic, by which clients tell them apart."""


def to_agent_type(value: object) -> object:
    """Neutron's word for a kind of agent, however it is capitalised: its databases do not mind."""
    words = (word for word, _, _ in NAMES.values())
    return next((word for word in words if word.lower() == str(value).lower()), value)


ATTRIBUTES: Attributes = {
    "id": READ_ONLY,
    "agent_type": Attribute(convert=to_agent_type),
    "binary": READ_ONLY,
    "topic": READ_ONLY,
    "host": READ_ONLY,
    "availability_zone": READ_ONLY,
    "admin_state_up": Attribute(field="admin_state_up", put=True, convert=checks.to_bool),
    "created_at": READ_ONLY,
    "started_at": READ_ONLY,
    "heartbeat_timestamp": READ_ONLY,
    "alive": Attribute(convert=checks.to_bool),
    "configurations": LIST,
    "description": Attribute(field="description", put=True, convert=checks.none_to_text, check=checks.text(255)),
}


_LAST_MOMENT = 253_402_300_799
"""The end of the year 9999. An agent writes its own moments, and may write any number."""


def _moment(unix_seconds: int) -> str:
    shown = min(max(unix_seconds, 0), _LAST_MOMENT)
    return datetime.datetime.fromtimestamp(shown, datetime.UTC).strftime("%Y-%m-%d %H:%M:%S")


AVAILABILITY_ZONE = "nova"
"""There is one; Neutron calls it so when nobody names another."""


def view_agent(service: Service, agent: Agent) -> View:
    """One agent of a host as the API shows it."""
    host = agent.host
    agent_type, binary, topic = NAMES[agent.kind]
    return {
        "id": agent.id,
        "agent_type": agent_type,
        "binary": binary,
        "topic": topic,
        "host": host.name,
        "admin_state_up": agent.admin_state_up,
        "availability_zone": AVAILABILITY_ZONE if agent.kind in (DHCP, L3) else None,
        "created_at": _moment(host.started_at),
        "started_at": _moment(host.started_at),
        "heartbeat_timestamp": _moment(host.heartbeat_at),
        "alive": is_alive(service, host),
        "configurations": _configurations(service, agent),
        "description": host.description,
    }


def _configurations(service: Service, agent: Agent) -> View:
    """What this kind of agent tells about itself, under Neutron's keys."""
    host, db = agent.host, service.db
    if agent.kind == SWITCH:
        return {
            "bridge_mappings": dict(host.bridge_mappings),
            "datapath_type": host.datapath_type,
            "integration_bridge": "br-int",
            "tunnel_types": ["vxlan"] if host.tunnel_ip else [],
            "tunneling_ip": host.tunnel_ip,
            "version": host.version,
        }
    if agent.kind == DHCP:
        ports = (db.ports[port_id] for port_id in db.ports_by_host.get(host.name, ()))
        served = {port.network_id for port in ports if port.device_owner == DHCP_SERVER}
        return {
            "dhcp_driver": "dnsmasq",
            "dhcp_lease_duration": 86400,
            "networks": len(served),
            "version": host.version,
        }
    if agent.kind == L3:
        routers = len(db.routers_by_host.get(host.name, ()))
        return {"agent_mode": "dvr_snat", "routers": routers, "version": host.version}
    return {"version": host.version}


def _encoded(service: Service, agent: Agent) -> bytes:
    return msgspec.json.encode(view_agent(service, agent))


def _candidates(service: Service, _context: RequestContext, filters: Filters) -> Iterable[Agent]:
    return narrowed(filters, {agent.id: agent for agent in all_agents(service)}, {})


async def _update(service: Service, context: RequestContext, id_: str, item: Body, _if_match: int | None) -> Agent:
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
