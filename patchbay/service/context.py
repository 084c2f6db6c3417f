"""Who asks: goes with every call from the API to the service."""

from collections.abc import Container

import msgspec

ROLES = frozenset(("admin", "member", "reader"))
IMPLIED = {"admin": ("manager", "member", "reader"), "manager": ("member", "reader"), "member": ("reader",)}
"""Roles that a role brings along, as in a new Keystone."""


class RequestContext(msgspec.Struct, frozen=True, kw_only=True):
    """The caller of one request.

    ``project_id`` is the project that new objects belong to unless the request names one ("" when the caller named
    none). Without authentication every caller is an administrator and sees all projects, as with Neutron's
    ``auth_strategy = noauth``. ``roles`` are the caller's in the project, with those that they imply. ``shared`` holds
    the ids of objects of others that RBAC policies let the project see. ``request_id`` is the one that the response
    carries (``req-<uuid>``).
    """

    project_id: str = ""
    is_admin: bool = True
    request_id: str = ""
    user_id: str = ""
    roles: frozenset[str] = ROLES
    shared: Container[str] = frozenset()


ADMIN = RequestContext()


def with_implied(roles: frozenset[str]) -> frozenset[str]:
    """The roles and those that they imply."""
    return roles.union(*(IMPLIED.get(role, ()) for role in roles))
