"""Which agent serves which network and router (API reference, "DHCP agent scheduler", "L3 agent scheduler").

``/v2.0/agents/{id}/dhcp-networks``, ``/v2.0/networks/{id}/dhcp-agents``, ``/v2.0/agents/{id}/l3-routers`` and
``/v2.0/routers/{id}/l3-agents``.
"""

from collections.abc import Sequence

from patchbay.api.errors import HTTPBadRequest, HTTPMethodNotAllowed, HTTPNotFound
from patchbay.api.http import Request, Response, json_response
from patchbay.api.neutron.agents import view_agent
from patchbay.api.neutron.attributes import decode
from patchbay.api.neutron.networks import view_network
from patchbay.api.neutron.routers import view_router
from patchbay.service import agent_scheduling
from patchbay.service.policy import authorize
from patchbay.service.policy_rules import Target
from patchbay.service.service import Service

AGENTS_OF = {
    ("networks", "dhcp-agents"): agent_scheduling.dhcp_agents_of,
    ("routers", "l3-agents"): agent_scheduling.l3_agents_of,
}
ADD = {
    "dhcp-networks": ("network_id", agent_scheduling.add_network),
    "l3-routers": ("router_id", agent_scheduling.add_router),
}
VERBS = {"POST": "create", "DELETE": "delete"}
REMOVE = {"dhcp-networks": agent_scheduling.remove_network, "l3-routers": agent_scheduling.remove_router}


def is_scheduling(parts: Sequence[str]) -> bool:
    """Whether a path (without /v2.0) is one of these."""
    if len(parts) not in (3, 4):
        return False
    return (parts[0], parts[2]) in AGENTS_OF or (parts[0] == "agents" and parts[2] in ADD)


async def answer(service: Service, request: Request, parts: Sequence[str]) -> Response:
    """The answer to a request for one of these paths; errors are raised."""
    context, method = request.context, request.method
    action = f"{VERBS[method]}_{parts[2].removesuffix('s')}" if method in VERBS else f"get_{parts[2]}"
    authorize(context, action, Target(project_id=context.project_id))
    match parts:
        case [owner, id_, kind] if (owner, kind) in AGENTS_OF and method == "GET":
            agents = AGENTS_OF[owner, kind](service, context, id_)
            return json_response({"agents": [view_agent(service, agent) for agent in agents]})
        case ["agents", id_, "dhcp-networks"] if method == "GET":
            networks = agent_scheduling.networks_on(service, context, id_)
            return json_response({"networks": [view_network(service, network) for network in networks]})
        case ["agents", id_, "l3-routers"] if method == "GET":
            routers = agent_scheduling.routers_on(service, context, id_)
            return json_response({"routers": [view_router(service, router) for router in routers]})
        case ["agents", id_, kind] if method == "POST" and kind in ADD:
            name, add = ADD[kind]
            await add(service, context, id_, _named(request, name))
            return Response(status=201, body=b"null")
        case ["agents", id_, kind, item] if kind in REMOVE:
            if method == "DELETE":
                await REMOVE[kind](service, context, id_, item)
                return Response(status=204)
            raise HTTPMethodNotAllowed(method, request.path)
    if len(parts) == 3:
        raise HTTPMethodNotAllowed(method, request.path)
    raise HTTPNotFound


def _named(request: Request, name: str) -> str:
    body = decode(request.body)
    value = body.get(name) if isinstance(body, dict) else None
    if not isinstance(value, str):
        raise HTTPBadRequest(f"Invalid request: the body must hold '{name}', the id to add.")
    return value
