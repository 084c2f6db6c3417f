"""Objects of a service as a topology wants them: what is missing is created, what differs is updated.

Called by ``apply`` and ``apply_routers``. Objects are known by project and name. Few requests: one list and at most one
bulk create for each kind, one update for each object that differs.
"""

from collections.abc import Iterable, Mapping
from typing import Any

import msgspec

from patchbay.lab.client import Client

Object = dict[str, Any]
Key = tuple[str, ...]

# What may be given on create only: a difference cannot be repaired by an update.
FIXED = frozenset(
    ("project_id", "name", "network_id", "ip_version", "cidr", "ipv6_ra_mode", "ipv6_address_mode", "addresses")
)


class Applied(msgspec.Struct, frozen=True):
    """What was done: one ``(kind, name)`` for each object."""

    created: tuple[tuple[str, str], ...] = ()
    updated: tuple[tuple[str, str], ...] = ()
    unchanged: int = 0


def together(steps: Iterable[Applied]) -> Applied:
    """Several steps as one."""
    steps = list(steps)
    return Applied(
        created=tuple(each for step in steps for each in step.created),
        updated=tuple(each for step in steps for each in step.updated),
        unchanged=sum(step.unchanged for step in steps),
    )


def bring_about(
    client: Client,
    collection: str,
    wanted: Mapping[Key, Object],
    steps: list[Applied],
    *,
    parents: Mapping[str, str] | None = None,
    initially: Mapping[str, Any] | None = None,
) -> dict[Key, str]:
    """Create and update one kind of object; returns the ids. Subnets are keyed by their network's name, too.

    ``initially`` is for objects that are created; those that are there keep what they have.
    """
    if not wanted:
        return {}
    wrapped = collection.replace("-", "_")
    listed = client.request("GET", f"/v2.0/{collection}")[wrapped]
    known = {_key(each, parents): each for each in listed if parents is None or each["network_id"] in parents}
    missing = {key: body for key, body in wanted.items() if key not in known}
    if missing:
        bodies = [{**(initially or {}), **body} for body in missing.values()]
        created = client.request("POST", f"/v2.0/{collection}", {wrapped: bodies})[wrapped]
        known |= dict(zip(missing, created, strict=True))
    changed = []
    for key in wanted.keys() - missing.keys():
        if change := difference(wanted[key], known[key]):
            member = wrapped.removesuffix("s")
            client.request("PUT", f"/v2.0/{collection}/{known[key]['id']}", {member: change})
            changed.append(key)
    steps.append(
        Applied(_named(collection, missing), _named(collection, changed), len(wanted) - len(missing) - len(changed))
    )
    return {key: known[key]["id"] for key in wanted}


def difference(wanted: Object, found: Object) -> Object:
    """The attributes to change. What the service filled in (a pool, an address, a segment) is no difference."""
    return {
        name: value
        for name, value in wanted.items()
        if name not in FIXED and _comparable(name, value) != _comparable(name, found.get(name), value)
    }


def _named(collection: str, keys: Iterable[Key]) -> tuple[tuple[str, str], ...]:
    return tuple((collection.removesuffix("s").replace("-", " "), key[-1]) for key in keys)


def _key(found: Object, parents: Mapping[str, str] | None) -> Key:
    between = () if parents is None else (parents[found["network_id"]],)
    return (found["project_id"], *between, found["name"])


def _comparable(name: str, value: Any, like: Any = None) -> Any:
    """A value in a form in which equal ones are equal; of a gateway only what ``like`` (a wanted one) names."""
    if name in ("fixed_ips", "external_fixed_ips"):
        return sorted(each["ip_address"] for each in value or [])
    if name in ("allocation_pools", "dhcp_ranges"):
        return sorted((each["start"], each["end"]) for each in value or [])
    if name in ("host_routes", "routes"):
        return sorted((each["destination"], each["nexthop"]) for each in value or [])
    if name == "security_groups":
        return sorted(value or [])
    if name == "external_gateway_info" and value is not None:
        return {part: _comparable(part, inner) for part, inner in value.items() if like is None or part in like}
    return value
