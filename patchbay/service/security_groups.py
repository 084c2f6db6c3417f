"""Security groups: create, change, delete, show, and the group ``default`` that every project has.

Neutron API reference, "Security groups"; neutron ``db/securitygroups_db.py``. Ids of default groups follow from the
project, so that several servers which make the same one at once end with one.
"""

import functools
import uuid
from collections.abc import Sequence

import msgspec
from msgspec import UNSET

from patchbay.intent.database import Delete, Insert, Update, Write
from patchbay.model import SecurityGroup, SecurityGroupRule
from patchbay.model.security import DEFAULT_GROUP
from patchbay.service.access import (
    FIRST_REVISION,
    Attempt,
    beginning,
    carry_out,
    check_revision,
    is_visible,
    now,
    revise,
    touched,
)
from patchbay.service.context import RequestContext
from patchbay.service.default_security_group_rules import rules_of_new
from patchbay.service.security_errors import (
    SecurityGroupCannotRemoveDefault,
    SecurityGroupCannotUpdateDefault,
    SecurityGroupInUse,
    SecurityGroupNotFound,
)
from patchbay.service.security_specs import SecurityGroupSpec
from patchbay.service.service import Service
from patchbay.service.sharing import EVERYBODY, SHARED, policies_of

DEFAULT_GROUP_IDS = uuid.UUID("5b8f2f4e-7a3c-5d61-9c0e-3f1d8a6b2c47")
DEFAULT_GROUP_DESCRIPTION = "Default security group"


@functools.lru_cache(maxsize=4096)
def default_group_id(project_id: str) -> str:
    """The id of a project's group ``default``, made already or not."""
    return str(uuid.uuid5(DEFAULT_GROUP_IDS, project_id))


def is_default(group: SecurityGroup) -> bool:
    """Whether it is the group ``default`` of its project."""
    return group.id == default_group_id(group.project_id)


def get_security_group(service: Service, context: RequestContext, group_id: str) -> SecurityGroup:
    """The group, or SecurityGroupNotFound."""
    group = service.db.security_groups.get(group_id)
    if group is None or not is_visible(context, group):
        raise SecurityGroupNotFound(group_id)
    return group


def is_shared(service: Service, group: SecurityGroup) -> bool:
    """Whether every project may use the group."""
    return any(policy.target_project == EVERYBODY for policy in policies_of(service.db, group.id, SHARED))


def rules_of(service: Service, group_id: str) -> list[SecurityGroupRule]:
    """The group's rules, oldest first."""
    db = service.db
    rules = [db.security_group_rules[id_] for id_ in db.rules_by_security_group.get(group_id, ())]
    return sorted(rules, key=lambda rule: (rule.created_at, rule.id))


def missing_default(service: Service, project_id: str) -> list[Write]:
    """What makes the project's group ``default``; nothing when it is there."""
    group_id = default_group_id(project_id)
    if group_id in service.db.security_groups:
        return []
    moment = now()
    group = SecurityGroup(
        id=group_id,
        project_id=project_id,
        name=DEFAULT_GROUP,
        description=DEFAULT_GROUP_DESCRIPTION,
        revision_number=FIRST_REVISION,
        created_at=moment,
        updated_at=moment,
    )
    return [Insert(group), *map(Insert, rules_of_new(service, group, is_default=True))]


async def ensure_default(service: Service, context: RequestContext, project_id: str) -> None:
    """Makes the project's group ``default`` unless it is there, or somebody asks who is nobody in the project."""
    if default_group_id(project_id) in service.db.security_groups:
        return
    if context.is_admin or (project_id == context.project_id and "reader" in context.roles):
        what = f"the default security group of project {project_id}"
        await carry_out(service, what, lambda _attempt: (None, missing_default(service, project_id)))


async def create_security_groups(
    service: Service, context: RequestContext, specs: Sequence[SecurityGroupSpec]
) -> list[SecurityGroup]:
    """New groups, all or none, each with the rules that new groups get: by default two that let everything out."""

    def plan(_attempt: Attempt) -> tuple[list[SecurityGroup], list[Write]]:
        groups = [
            SecurityGroup(**beginning(context, spec), stateful=True if spec.stateful is UNSET else spec.stateful)
            for spec in specs
        ]
        projects = dict.fromkeys(group.project_id for group in groups)
        writes = [write for project_id in projects for write in missing_default(service, project_id)]
        for group in groups:
            writes += [Insert(group), *map(Insert, rules_of_new(service, group, is_default=False))]
        return groups, writes

    return await carry_out(service, "security groups", plan)


async def update_security_group(
    service: Service, context: RequestContext, group_id: str, spec: SecurityGroupSpec, if_match: int | None = None
) -> SecurityGroup:
    """The group as changed.

    Raises SecurityGroupNotFound, SecurityGroupCannotUpdateDefault for another name of ``default``, SecurityGroupInUse
    when ports are in a group that should become stateful or stateless.
    """

    def change(old: SecurityGroup) -> SecurityGroup:
        stateful = old.stateful if spec.stateful is UNSET else spec.stateful
        if stateful != old.stateful and service.db.ports_by_security_group.get(group_id):
            raise SecurityGroupInUse(group_id)
        if spec.name is not UNSET and is_default(old):
            raise SecurityGroupCannotUpdateDefault
        return msgspec.structs.replace(
            old,
            name=old.name if spec.name is UNSET else spec.name,
            description=old.description if spec.description is UNSET else spec.description,
            stateful=stateful,
        )

    what = f"security group {group_id}"
    return await revise(service, what, lambda: get_security_group(service, context, group_id), change, if_match)


async def delete_security_group(
    service: Service, context: RequestContext, group_id: str, if_match: int | None = None
) -> None:
    """The group goes with its rules, and with those of other groups that let its members in or out.

    Raises SecurityGroupNotFound, SecurityGroupInUse while ports are in it, SecurityGroupCannotRemoveDefault: only an
    administrator may delete the group ``default``, which is made again when it is needed.
    """

    def plan(_attempt: Attempt) -> tuple[None, list[Write]]:
        group = get_security_group(service, context, group_id)
        check_revision(group, if_match)
        if service.db.ports_by_security_group.get(group_id):
            raise SecurityGroupInUse(group_id)
        if is_default(group) and not context.is_admin:
            raise SecurityGroupCannotRemoveDefault
        return None, _deletion(service, group)

    await carry_out(service, f"security group {group_id}", plan)


def _deletion(service: Service, group: SecurityGroup) -> list[Write]:
    db = service.db
    own, others = db.rules_by_security_group.get(group.id, ()), db.rules_by_remote_group.get(group.id, ())
    rules = [db.security_group_rules[id_] for id_ in {*own, *others}]
    parents = {rule.security_group_id for rule in rules} - {group.id}
    changed = [db.security_groups[id_] for id_ in sorted(parents)]
    return [
        *(Update(parent, touched(parent)) for parent in changed),
        *map(Delete, rules),
        Delete(group),
    ]
