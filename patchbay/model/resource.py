"""What every API object has: identity, owner and Neutron's standard attributes."""

import msgspec


class Resource(msgspec.Struct, frozen=True, kw_only=True):
    """Identity, owner and standard attributes (Neutron API reference, "standard attributes").

    ``id`` is the row's UUID in the intent database, so references in the database are references between objects.
    Timestamps are RFC 3339 in UTC with whole seconds (``2026-01-31T12:00:00Z``); ``revision_number`` grows by one
    with each change.
    """

    id: str
    project_id: str = ""
    name: str = ""
    description: str = ""
    tags: tuple[str, ...] = ()
    revision_number: int = 0
    created_at: str = ""
    updated_at: str = ""
