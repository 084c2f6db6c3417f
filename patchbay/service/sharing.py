"""Whom objects are shared with: RBAC policies as the rules of visibility read them. Changes nothing.

``Network.shared``, ``SubnetPool.shared`` and ``AddressScope.shared`` *are* the policy ``access_as_shared`` for all
projects, which has no row of its own. An external network without any policy ``access_as_external`` is for all.
"""

import uuid
from collections.abc import Iterable, Iterator

from patchbay.intent.rows import Delete, Update, Write
from patchbay.intent.tables import Tables
from patchbay.model import AddressScope, Network, RBACPolicy, SubnetPool
from patchbay.model.resource import Resource
from patchbay.service.context import RequestContext

SHARED, EXTERNAL = "access_as_shared", "access_as_external"
EVERYBODY = "*"

KINDS = {
    "network": "networks",
    "security_group": "security_groups",
    "subnetpool": "subnetpools",
    "address_scope": "address_scopes",
    "address_group": "address_groups",
}
"""Types of objects that can be shared, and where they are in the database."""


class SharedWith:
    """The ids of the objects that policies let a project see, external networks among them; asked live."""

    def __init__(self, db: Tables, project_id: str) -> None:
        self._db = db
        self._targets = (EVERYBODY, project_id)

    def __contains__(self, object_id: object) -> bool:
        db, id_ = self._db, str(object_id)
        if any(
            db.rbac_policies[one].target_project in self._targets for one in db.rbac_policies_by_object.get(id_, ())
        ):
            return True
        network = db.networks.get(id_)
        return network is not None and is_for_all(db, network)


def policies_of(db: Tables, object_id: str, action: str) -> Iterator[RBACPolicy]:
    """The rows for an object and action."""
    for id_ in db.rbac_policies_by_object.get(object_id, ()):
        if db.rbac_policies[id_].action == action:
            yield db.rbac_policies[id_]


def ended_policies(db: Tables, writes: Iterable[Write]) -> list[Write]:
    """The deletions of the policies that end with what the writes do: delete an object, or make a network internal."""
    if not db.rbac_policies:
        return []
    writes = tuple(writes)
    gone = {write.value.id for write in writes if isinstance(write, Delete)}
    ended = [id_ for object_id in gone for id_ in db.rbac_policies_by_object.get(object_id, ())]
    for write in writes:
        if isinstance(write, Update) and isinstance(write.new, Network) and not write.new.external:
            ended += [policy.id for policy in policies_of(db, write.new.id, EXTERNAL)]
    return [Delete(db.rbac_policies[id_]) for id_ in dict.fromkeys(ended) if id_ not in gone]


def is_shared(db: Tables, context: RequestContext, value: Resource) -> bool:
    """Whether the object is shared with the caller's project (not only external)."""
    targets = (EVERYBODY, context.project_id)
    return getattr(value, "shared", False) or any(
        policy.target_project in targets for policy in policies_of(db, value.id, SHARED)
    )


def is_for_all(db: Tables, network: Network) -> bool:
    """Whether an external network is external for every project: by a policy, or because no policy says for whom."""
    targets = {policy.target_project for policy in policies_of(db, network.id, EXTERNAL)}
    return network.external and (not targets or EVERYBODY in targets)


def implied_policies(db: Tables, value: Resource) -> Iterator[RBACPolicy]:
    """The policies for all projects that an object's own attributes are."""
    kind = next((kind for kind, name in KINDS.items() if value.id in getattr(db, name)), "")
    if isinstance(value, (Network, SubnetPool, AddressScope)) and value.shared:
        yield implied_policy(db, kind, value, SHARED)
    if isinstance(value, Network) and value.external and not any(policies_of(db, value.id, EXTERNAL)):
        yield implied_policy(db, kind, value, EXTERNAL)


def implied_policy(db: Tables, kind: str, value: Resource, action: str) -> RBACPolicy:
    """The policy for all projects, with an id that follows from the object's, and that no row has."""
    names = (action, f"{action}:{EVERYBODY}")
    ids = [str(uuid.uuid5(uuid.UUID(value.id), name)) for name in names]
    return RBACPolicy(
        id=next((id_ for id_ in ids if id_ not in db.rbac_policies), ids[-1]),
        project_id=value.project_id,
        object_type=kind,
        object_id=value.id,
        action=action,
        target_project=EVERYBODY,
    )
