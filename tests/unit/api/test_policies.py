"""The table of policies: it covers every endpoint, names nothing that does not exist, and says no as Neutron does."""

import re
from typing import Any

import pytest

from patchbay.api.neutron.agent_schedulers import ADD, AGENTS_OF
from patchbay.api.neutron.port_forwardings import port_forwardings_of
from patchbay.api.neutron.routes import ACTIONS, COLLECTIONS
from patchbay.service.context import RequestContext, with_implied
from patchbay.service.policy import POLICIES, authorize, hidden_attributes, is_allowed
from patchbay.service.policy_errors import PolicyNotAuthorized
from patchbay.service.policy_rules import Target

MEMBERS = {one.member: one for one in (*COLLECTIONS.values(), port_forwardings_of("any"))}
SCHEDULING = {kind for _, kind in AGENTS_OF} | set(ADD)
ONLY_ADMINISTRATORS_CREATE = {"default_security_group_rule"}


def caller(*roles: str, project: str = "red") -> RequestContext:
    return RequestContext(project_id=project, is_admin=False, roles=with_implied(frozenset(roles)))


def test_every_verb_of_every_collection_and_every_action_has_a_policy() -> None:
    wanted = {f"get_{member}" for member in MEMBERS}
    for verb in ("create", "update", "delete"):
        wanted |= {f"{verb}_{member}" for member, one in MEMBERS.items() if getattr(one, verb) is not None}
    wanted |= {action for actions in ACTIONS.values() for action in actions}
    missing = wanted - set(POLICIES)
    assert {name for name in missing if name.partition("_")[2] not in ONLY_ADMINISTRATORS_CREATE} == set()


def test_every_policy_is_about_something_that_exists() -> None:
    known = {f"{verb}_{member}" for verb in ("get", "create", "update", "delete") for member in (*MEMBERS, "quota")}
    known |= {action for actions in ACTIONS.values() for action in actions}
    known |= {f"get_{kind}" for kind in SCHEDULING} | {f"{v}_{k[:-1]}" for v in ("create", "delete") for k in ADD}
    for key in POLICIES:
        action, _, attribute = key.partition(":")
        assert action in known, key
        if attribute:
            member = re.sub("^(get|create|update)_", "", action)
            names = MEMBERS[member].attributes
            assert attribute in names or attribute.split(":")[0] in names, key


OWN, OTHER = Target(project_id="red"), Target(project_id="blue")
ON_SHARED = Target(project_id="red", network_project="blue", is_network_shared=True)


@pytest.mark.parametrize(
    ("roles", "action", "target", "expected"),
    [
        (["member"], "create_network", OWN, True),
        (["reader"], "create_network", OWN, False),
        (["manager"], "create_network", OWN, True),
        ([], "create_network", OWN, False),
        (["member"], "update_network", OTHER, False),
        (["member"], "create_subnet", ON_SHARED, False),
        (["member"], "create_port", ON_SHARED, True),
        (["reader"], "create_port", ON_SHARED, False),
        (["member"], "create_port", Target(project_id="red", network_project="blue"), False),
        (["member"], "delete_port", Target(project_id="blue", network_project="red"), True),
        (["member"], "update_port", Target(project_id="blue", network_project="red"), False),
        (["member"], "update_port:mac_address", Target(project_id="red", network_project="red"), False),
        (["manager"], "update_port:mac_address", Target(project_id="red", network_project="red"), True),
        (["member"], "update_agent", OWN, False),
        (["manager"], "update_quota", OWN, False),
        (["manager"], "what_nobody_thought_of", OWN, False),
    ],
)
def test_roles_and_owners(roles: list[str], action: str, target: Target, expected: bool) -> None:
    assert is_allowed(caller(*roles), action, target) is expected
    assert is_allowed(RequestContext(), action, target)


@pytest.mark.parametrize(
    ("action", "named", "text"),
    [
        ("create_network", {"shared": True}, "(rule:create_network and rule:create_network:shared)"),
        ("create_network", {"name": "n", "shared": False, "router:external": False}, ""),
        ("update_network", {"shared": False}, "(rule:update_network and rule:update_network:shared)"),
        ("create_router", {"external_gateway_info": {"network_id": "n"}}, ""),
        (
            "create_router",
            {"external_gateway_info": {"network_id": "n", "enable_snat": True}},
            "(rule:create_router and (rule:create_router:external_gateway_info and "
            "rule:create_router:external_gateway_info:enable_snat))",
        ),
    ],
)
def test_what_a_request_names(action: str, named: dict[str, Any], text: str) -> None:
    if not text:
        authorize(caller("member"), action, OWN, named)
        return
    with pytest.raises(PolicyNotAuthorized) as caught:
        authorize(caller("member"), action, OWN, named)
    assert caught.value.message == f"{text} is disallowed by policy"
    authorize(RequestContext(), action, OWN, named)


def test_what_is_hidden() -> None:
    assert hidden_attributes(caller("member"), "router") == {"distributed", "ha"}
    assert hidden_attributes(RequestContext(), "router") == frozenset()
