"""What every object has: who may see it, revision numbers, timestamps."""

import datetime
import uuid
from typing import TypeVar

import msgspec

from patchbay.model import Network, Resource
from patchbay.service.context import RequestContext
from patchbay.service.errors import RevisionNumberConstraintFailed

R = TypeVar("R", bound=Resource)

FIRST_REVISION = 1


def new_id() -> str:
    """A random UUID; it becomes the row's."""
    return str(uuid.uuid4())


def now() -> str:
    """The present in the form of ``Resource.created_at``."""
    return timestamp(datetime.datetime.now(datetime.UTC))


def timestamp(moment: datetime.datetime) -> str:
    """RFC 3339 in UTC with whole seconds, as Neutron writes it."""
    return moment.strftime("%Y-%m-%dT%H:%M:%SZ")


def is_visible(context: RequestContext, resource: Resource) -> bool:
    """Whether the caller may see the object: administrators everything, others their project's and shared networks."""
    if context.is_admin or resource.project_id == context.project_id:
        return True
    return isinstance(resource, Network) and (resource.shared or resource.external)


def check_revision(resource: Resource, if_match: int | None) -> None:
    """Raises RevisionNumberConstraintFailed when the caller expected another revision (``If-Match``)."""
    if if_match is not None and resource.revision_number != if_match:
        raise RevisionNumberConstraintFailed(if_match, resource.revision_number)


def revised(old: R, new: R) -> R:
    """``new`` with the next revision number and time, or ``old`` itself when nothing differs."""
    if new == old:
        return old
    return msgspec.structs.replace(new, revision_number=old.revision_number + 1, updated_at=now())
