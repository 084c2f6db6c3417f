"""How often one user of a project may ask, from however many addresses; see ``limits`` for addresses."""

import math

import msgspec

from patchbay.api.authentication.strategy import Authentication
from patchbay.api.http import Request
from patchbay.api.limits import Buckets
from patchbay.service.context import RequestContext
from patchbay.service.identity.errors import TooManyFailures


class TooManyRequests(TooManyFailures):
    """This user has asked too often."""

    def __init__(self, wait_s: float) -> None:
        super().__init__(math.ceil(wait_s))
        self.message = f"Too many requests of this user; the next may come in {wait_s:.2f} s."


def metered(authentication: Authentication | None, buckets: Buckets | None) -> Authentication | None:
    """The strategy, for callers who do not ask too much: each user in each project has a bucket."""
    if authentication is None or buckets is None:
        return authentication
    known = authentication.authenticate

    async def authenticate(request: Request) -> RequestContext:
        context = await known(request)
        wait_s = buckets.take(f"{context.user_id}\0{context.project_id}")
        if wait_s:
            raise TooManyRequests(wait_s)
        return context

    return msgspec.structs.replace(authentication, authenticate=authenticate)
