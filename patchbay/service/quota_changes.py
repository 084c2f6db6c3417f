"""Limits of single projects: change them, and take them back to the defaults."""

from collections.abc import Mapping

import msgspec

from patchbay.intent.database import Delete, Insert, Update, Write
from patchbay.service.access import Attempt, carry_out
from patchbay.service.errors import BadRequestFor
from patchbay.service.policy_errors import TenantQuotaNotFound
from patchbay.service.quotas import UNLIMITED, new_quota, next_revision
from patchbay.service.service import Service


async def update_quota(service: Service, project_id: str, limits: Mapping[str, int], *, force: bool) -> dict[str, int]:
    """The project's limits as changed.

    Raises BadRequest for one that is less than what the project has, unless ``force`` says that this is meant.
    """

    def plan(_attempt: Attempt) -> tuple[None, list[Write]]:
        for kind, limit in () if force else limits.items():
            used = service.quotas.usage.of(kind, project_id)
            if limit != UNLIMITED and used > limit:
                raise BadRequestFor(
                    "quota",
                    f"Quota limit {limit} for {kind} must be greater than or equal to already used {used}",
                )
        old = service.quotas.row(project_id)
        if old is None:
            return None, [Insert(new_quota(project_id, limits))]
        new = msgspec.structs.replace(next_revision(old), limits={**old.limits, **limits})
        return None, [] if new.limits == old.limits else [Update(old, new)]

    await carry_out(service, f"quota of project {project_id}", plan)
    return service.quotas.limits(project_id)


async def delete_quota(service: Service, project_id: str) -> None:
    """The defaults hold for the project again. Raises TenantQuotaNotFound when they did."""

    def plan(_attempt: Attempt) -> tuple[None, list[Write]]:
        old = service.quotas.row(project_id)
        if old is None:
            raise TenantQuotaNotFound(project_id)
        return None, [Delete(old)]

    await carry_out(service, f"quota of project {project_id}", plan)
