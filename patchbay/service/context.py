"""Who asks: goes with every call from the API to the service, so that authentication and policy slot in later."""

import msgspec


class RequestContext(msgspec.Struct, frozen=True, kw_only=True):
    """The caller of one request.

    ``project_id`` is the project that new objects belong to unless the request names one ("" when the caller named
    none). Without authentication every caller is an administrator and sees all projects, as with Neutron's
    ``auth_strategy = noauth``. ``request_id`` is the one that the response carries (``req-<uuid>``).
    """

    project_id: str = ""
    is_admin: bool = True
    request_id: str = ""


ADMIN = RequestContext()
