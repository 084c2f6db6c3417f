"""The nouns of the API as data: RBAC policies, and the rules that new security groups get.

Called by ``sharing``, which makes the commands; ``noun`` says what the data means.
"""

import click

from patchbay.cli import shapes
from patchbay.cli.endpoint import Endpoint, Object
from patchbay.cli.noun import CREATE, DESCRIPTION, EVERYWHERE, LIST, PROJECT, Attribute, Noun
from patchbay.cli.security_nouns import MADE, SECURITY_GROUP_RULES

COLLECTIONS = {
    "network": "networks",
    "security_group": "security-groups",
    "address_group": "address-groups",
    "subnetpool": "subnetpools",
    "address_scope": "address-scopes",
}
"""Where the objects are that can be shared, by their types."""


def of_rbac_policy(service: Endpoint, body: Object, existing: Object) -> Object:
    """The object by name or id, as its type says; ``--target-all-projects`` is the target ``*``."""
    if existing:
        return body
    kind = body["object_type"].replace("-", "_")
    if kind not in COLLECTIONS:
        raise click.UsageError(f"--type {body['object_type']}: write one of {', '.join(COLLECTIONS)}.")
    if body.pop("target_all_projects", False) == ("target_tenant" in body):
        raise click.UsageError("Give either --target-project or --target-all-projects.")
    body = {"target_tenant": "*", "action": "access_as_shared"} | body
    return body | {"object_type": kind, "object_id": service.find(COLLECTIONS[kind], body["object_id"])["id"]}


RBAC_POLICIES = Noun(
    name="network-rbac",
    help="RBAC policies: whom a project lets use its networks, security groups, address groups, subnet pools and "
    "address scopes.",
    collection="rbac-policies",
    columns=("id", "object_type", "object_id", "action", "target_tenant", "project_id"),
    naming="none",
    shape=of_rbac_policy,
    examples=(
        "patchbay network rbac create --type network --target-project 3f2c… blue",
        "patchbay network rbac create --type security_group --target-project 3f2c… web",
        "patchbay network rbac list --type network",
    ),
    attributes=(
        Attribute(
            option="object",
            name="object_id",
            metavar="OBJECT",
            on=frozenset({CREATE}),
            required=True,
            help="What is shared, by name or id.",
        ),
        Attribute(
            option="--type",
            name="object_type",
            metavar="TYPE",
            on=MADE,
            required=True,
            help="What it is: network, security_group, address_group, subnetpool or address_scope.",
        ),
        Attribute(
            option="--action",
            name="action",
            metavar="ACTION",
            on=MADE,
            help="access_as_shared (what is created when not given) or, for networks, access_as_external.",
        ),
        Attribute(
            option="--target-project",
            name="target_tenant",
            metavar="PROJECT",
            on=EVERYWHERE,
            help="Project that it is shared with, by id or name.",
        ),
        Attribute(
            option="--target-all-projects",
            name="target_all_projects",
            kind=bool,
            on=frozenset({CREATE}),
            help="Share it with all projects (administrators).",
        ),
        PROJECT,
    ),
)


def _switch(option: str, name: str, words: str) -> Attribute:
    """Which groups get the rule."""
    return Attribute(option=option, name=name, kind=bool, on=frozenset({CREATE, LIST}), help=words)


DEFAULT_RULES = Noun(
    name="default-security-group-rule",
    help="Rules that new security groups get. Groups that are there already stay as they are.",
    collection="default-security-group-rules",
    columns=(
        *("id", "direction", "ethertype", "protocol", "port_range_min", "port_range_max", "remote_ip_prefix"),
        *("remote_group_id", "remote_address_group_id", "used_in_default_sg", "used_in_non_default_sg"),
    ),
    naming="none",
    verbs=("list", "show", "create", "delete"),
    shape=shapes.of_security_group_rule,
    examples=(
        "patchbay default security group rule list",
        "patchbay default security group rule create --protocol icmp --for-custom-sg",
    ),
    attributes=(
        *(
            attribute
            for attribute in SECURITY_GROUP_RULES.attributes
            if attribute.option.startswith("--") and attribute not in (DESCRIPTION, PROJECT)
        ),
        _switch(
            "--for-default-sg/--not-for-default-sg",
            "used_in_default_sg",
            "For the group default of projects, or not (default).",
        ),
        _switch(
            "--for-custom-sg/--not-for-custom-sg", "used_in_non_default_sg", "For all other groups (default), or not."
        ),
        DESCRIPTION,
    ),
)
