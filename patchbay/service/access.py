"""What every object has: who may see it, revision numbers, timestamps, and how a change of it is carried out."""

import contextlib
import datetime
import uuid
from collections.abc import Callable, Sequence
from typing import Protocol, TypedDict, TypeVar

import msgspec

from patchbay.intent.database import Duplicate, Stale, StillReferenced, Update, Write
from patchbay.model import Resource
from patchbay.service.context import RequestContext
from patchbay.service.errors import RevisionNumberConstraintFailed, TooMuchContention
from patchbay.service.service import ATTEMPTS, Reservations, Service, reservations

R = TypeVar("R", bound=Resource)
V = TypeVar("V")

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


class Described(Protocol):
    """What specifications of new objects have in common."""

    @property
    def project_id(self) -> str: ...
    @property
    def name(self) -> str | msgspec.UnsetType: ...
    @property
    def description(self) -> str | msgspec.UnsetType: ...


class Beginning(TypedDict):
    """The attributes that every new object begins with."""

    id: str
    project_id: str
    name: str
    description: str
    revision_number: int
    created_at: str
    updated_at: str


def beginning(context: RequestContext, spec: Described) -> Beginning:
    """What a new object begins with: an id, its owner (by default who asks), its names, its first revision."""
    moment = now()
    return {
        "id": new_id(),
        "project_id": spec.project_id or context.project_id,
        "name": "" if isinstance(spec.name, msgspec.UnsetType) else spec.name,
        "description": "" if isinstance(spec.description, msgspec.UnsetType) else spec.description,
        "revision_number": FIRST_REVISION,
        "created_at": moment,
        "updated_at": moment,
    }


def is_visible(context: RequestContext, resource: Resource) -> bool:
    """Whether the caller may see the object: administrators everything, others their project's and what is shared."""
    if context.is_admin or (resource.project_id == context.project_id and "reader" in context.roles):
        return True
    return getattr(resource, "shared", False) or resource.id in context.shared


def check_revision(resource: Resource, if_match: int | None) -> None:
    """Raises RevisionNumberConstraintFailed when the caller expected another revision (``If-Match``)."""
    if if_match is not None and resource.revision_number != if_match:
        raise RevisionNumberConstraintFailed(if_match, resource.revision_number)


def revised(old: R, new: R) -> R:
    """``new`` with the next revision number and time, or ``old`` itself when nothing differs."""
    if new == old:
        return old
    return msgspec.structs.replace(new, revision_number=old.revision_number + 1, updated_at=now())


class Attempt(msgspec.Struct, frozen=True):
    """One try of a change: the numbers that it takes, and whether it should choose among free ones at random."""

    taken: Reservations
    spread: bool


async def carry_out(service: Service, what: str, plan: Callable[[Attempt], tuple[V, Sequence[Write]]]) -> V:
    """Commits what the plan writes and returns its result; asks it again when somebody else was quicker.

    The plan reads the database and raises what is wrong. When it writes nothing, because everything is so already, it
    is asked once more with all that other servers have written. Those that were not quick enough take turns, so that
    many changes of one object in this process all come through.
    ``what`` names the object in TooMuchContention, which other servers could cause.
    """
    is_current = False
    async with contextlib.AsyncExitStack() as stack:
        for number in range(ATTEMPTS):
            if number == 1:
                await stack.enter_async_context(service.turn)
            with reservations() as taken:
                result, writes = plan(Attempt(taken, spread=number > 0))
                if not writes and is_current:
                    return result
                if not writes:
                    # Another server may have undone a moment ago what seems to be there already.
                    await service.catch_up()
                    is_current = True
                    continue
                try:
                    await service.commit(*writes)
                except (Stale, Duplicate, StillReferenced):
                    continue
                return result
    raise TooMuchContention(what)


async def revise(
    service: Service, what: str, get: Callable[[], R], change: Callable[[R], R], if_match: int | None = None
) -> R:
    """The object as changed: ``get`` finds it or raises, ``change`` gives its new state or raises."""

    def plan(_attempt: Attempt) -> tuple[R, Sequence[Write]]:
        old = get()
        check_revision(old, if_match)
        new = revised(old, change(old))
        return new, updates((old, new))

    return await carry_out(service, what, plan)


def updates(*pairs: tuple[Resource, Resource]) -> list[Write]:
    """Updates of those pairs of before and after that differ."""
    return [Update(old, new) for old, new in pairs if new is not old]  # type: ignore[arg-type]


def touched(value: R) -> R:
    """The next revision of the object, otherwise as it is: whoever read the one before must read again."""
    return msgspec.structs.replace(value, revision_number=value.revision_number + 1, updated_at=now())
