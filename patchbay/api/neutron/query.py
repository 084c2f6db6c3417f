"""Query strings: filters, fields, sorting and pages (API reference, "Filtering", "Sorting", "Pagination").

All of it works on the view of an object, so that every attribute that is shown can be asked for.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any
from urllib.parse import urlencode

import msgspec

from patchbay.api.errors import HTTPBadRequest
from patchbay.api.neutron import checks
from patchbay.api.neutron.attributes import NOT_VISIBLE, Attribute, Attributes
from patchbay.api.neutron.resource import Filters, View
from patchbay.service.errors import BadRequestFor

CONTROL = frozenset(("fields", "sort_key", "sort_dir", "limit", "marker", "page_reverse"))
TAG_FILTERS = frozenset(("tags", "tags-any", "not-tags", "not-tags-any"))
LISTS_OF_OBJECTS = frozenset(("allocation_pools", "dhcp_ranges", "extra_dhcp_opts", "host_routes"))
"""Attributes that a view shows in another form than the value has; ``start=10.0.0.2`` finds a member."""

Predicate = Callable[[Any], bool]


class Page(msgspec.Struct, frozen=True, kw_only=True):
    """What part of a list is wanted, and in which order. ``sorts`` are (attribute, ascending)."""

    fields: frozenset[str] = frozenset()
    sorts: tuple[tuple[str, bool], ...] = ()
    limit: int = 0
    marker: str = ""
    is_reverse: bool = False


def grouped(query: Sequence[tuple[str, str]]) -> dict[str, list[str]]:
    """The values of each parameter, in order."""
    groups: dict[str, list[str]] = {}
    for key, value in query:
        groups.setdefault(key, []).append(value)
    return groups


def read_page(query: Mapping[str, Sequence[str]], attributes: Attributes) -> Page:
    """The control parameters. Raises HTTPBadRequest or BadRequestFor with Neutron's messages."""
    keys = [key for key in query.get("sort_key", ()) if key]
    directions = [direction for direction in query.get("sort_dir", ()) if direction]
    if len(keys) != len(directions):
        raise HTTPBadRequest("The number of sort_keys and sort_dirs must be same")
    absent = [key for key in keys if key not in attributes or not attributes[key].is_sort_key]
    if absent:
        raise HTTPBadRequest(f"{absent} is invalid attribute for sort_keys")
    invalid = [direction for direction in directions if direction not in ("asc", "desc")]
    if invalid:
        raise HTTPBadRequest(f"{invalid} is invalid value for sort_dirs, valid value is 'asc' and 'desc'")
    return Page(
        fields=frozenset(field for field in query.get("fields", ()) if field),
        sorts=tuple((key, direction == "asc") for key, direction in zip(keys, directions, strict=True)),
        limit=_limit(query.get("limit", ("0",))[-1]),
        marker=query.get("marker", ("",))[-1],
        is_reverse=query.get("page_reverse", ("",))[-1].lower() == "true",
    )


def _limit(text: str) -> int:
    if text.isascii() and text.isdecimal() and len(text) < 10:
        return int(text)
    raise BadRequestFor("limit", f"Limit must be an integer 0 or greater and not '{text}'")


def read_filters(query: Mapping[str, Sequence[str]], attributes: Attributes) -> dict[str, list[str]]:
    """The filters; HTTPBadRequest for an attribute that cannot filter."""
    filters = {key: list(values) for key, values in query.items() if key not in CONTROL}
    invalid = [key for key in filters if key not in attributes or not attributes[key].is_filter]
    if invalid:
        raise HTTPBadRequest(f"{invalid} is invalid attribute for filtering")
    return filters


def predicates(filters: Filters, attributes: Attributes) -> tuple[Predicate | None, Predicate | None]:
    """Whether a value passes the filters that can be told from it alone, and whether its view passes the others.

    Values of one filter are alternatives. None where there is nothing to test. A view costs as much as many tests of
    values, so it is made for those values only that pass.
    """
    of_values: list[Predicate] = []
    of_views: list[Predicate] = []
    for key, values in filters.items():
        if key in TAG_FILTERS:
            of_values.append(_tag_test(key, {tag for value in values for tag in value.split(",")}))
        elif key == "fixed_ips":
            of_values.append(_fixed_ip_test(values))
        elif key == "changed_since":
            of_views.append(_since_test(min(values)))
        elif (field := attributes[key].field) and key not in LISTS_OF_OBJECTS:
            of_values.append(_field_test(field, _wanted(values, attributes[key])))
        elif key in LISTS_OF_OBJECTS:
            of_views.append(_view_test(key, set(values)))
        else:
            of_views.append(_view_test(key, _wanted(values, attributes[key])))
    return _all_of(of_values), _all_of(of_views)


def _since_test(moment: str) -> Predicate:
    return lambda view: bool(view["updated_at"] >= moment)


def _field_test(field: str, wanted: set[object]) -> Predicate:
    return lambda value: _matches(getattr(value, field), wanted)


def _view_test(key: str, wanted: set[object]) -> Predicate:
    return lambda view: _matches(view[key], wanted)


def _all_of(tests: Sequence[Predicate]) -> Predicate | None:
    if len(tests) < 2:
        return tests[0] if tests else None
    return lambda item: all(test(item) for test in tests)


def _wanted(values: Sequence[str], attribute: Attribute) -> set[object]:
    wanted: set[object] = set()
    for value in values:
        converted = attribute.convert(value) if attribute.convert is not None and value != "" else value
        wanted.add(converted if isinstance(converted, (str, bool, int)) else value)
    return wanted | {str(value) for value in wanted if not isinstance(value, bool)}


def _matches(value: Any, wanted: set[object]) -> bool:
    if isinstance(value, (str, bool)):
        return value in wanted
    if value is None:
        return "" in wanted or "None" in wanted
    if isinstance(value, int):
        return str(value) in wanted
    if isinstance(value, Mapping):
        return any(f"{key}={item}" in wanted for key, item in value.items())
    return any(_matches(item, wanted) for item in value)


def _tag_test(key: str, tags: set[str]) -> Predicate:
    match key:
        case "tags":
            return lambda value: tags.issubset(value.tags)
        case "tags-any":
            return lambda value: not tags.isdisjoint(value.tags)
        case "not-tags":
            return lambda value: not tags.issubset(value.tags)
    return lambda value: tags.isdisjoint(value.tags)


def fixed_ip_filter(values: Sequence[str]) -> dict[str, set[str]]:
    """What a filter on ``fixed_ips`` asks for, by ``ip_address``, ``subnet_id`` and ``ip_address_substr``."""
    wanted: dict[str, set[str]] = {}
    for value in values:
        key, sign, text = value.partition("=")
        if not sign or key not in ("ip_address", "subnet_id", "ip_address_substr"):
            raise HTTPBadRequest(
                f"Invalid input for fixed_ips. Reason: '{value}' is not of the form <key>=[value] with ip_address, "
                "subnet_id or ip_address_substr."
            )
        wanted.setdefault(key, set()).add(str(checks.to_address(text)))
    return wanted


def _fixed_ip_test(values: Sequence[str]) -> Predicate:
    wanted = fixed_ip_filter(values)
    addresses, subnets, parts = (wanted.get(key) for key in ("ip_address", "subnet_id", "ip_address_substr"))
    return lambda port: any(
        (addresses is None or ip.ip_address in addresses)
        and (subnets is None or ip.subnet_id in subnets)
        and (parts is None or any(part in ip.ip_address for part in parts))
        for ip in port.fixed_ips
    )


def ordered(views: Iterable[View], sorts: Sequence[tuple[str, bool]]) -> list[View]:
    """The views by the sort keys, then by id; null sorts first."""
    result = sorted(views, key=lambda view: view["id"])
    for key, ascending in reversed(sorts):
        result.sort(key=lambda view: _sortable(view[key]), reverse=not ascending)
    return result


def _sortable(value: Any) -> tuple[bool, Any]:
    return (value is not None, "" if value is None else value)


def cut(items: Sequence[Any], page: Page, ids: Sequence[str]) -> Sequence[Any] | None:
    """The items of the page; ``ids`` are theirs. None when the marker is not among them."""
    if page.marker and page.limit:
        if page.marker not in ids:
            return None
        at = ids.index(page.marker)
        return items[max(at - page.limit, 0) : at] if page.is_reverse else items[at + 1 : at + 1 + page.limit]
    if not page.limit:
        return items
    return items[max(len(items) - page.limit, 0) :] if page.is_reverse else items[: page.limit]


def links(url: str, query: Sequence[tuple[str, str]], page: Page, ids: Sequence[str]) -> list[dict[str, str]]:
    """Links to the next and previous page, as Neutron makes them."""
    if not page.limit:
        return []
    kept = [(key, value) for key, value in query if key not in ("marker", "page_reverse")]
    is_full = len(ids) >= page.limit
    result = []
    if is_full or page.is_reverse:
        following = [*kept, ("marker", ids[-1])] if ids else kept
        result.append({"rel": "next", "href": f"{url}?{urlencode(following)}"})
    if is_full or not page.is_reverse:
        before = [*kept, ("marker", ids[0])] if ids else kept
        result.append({"rel": "previous", "href": f"{url}?{urlencode([*before, ('page_reverse', 'True')])}"})
    return result


def selected(view: View, fields: frozenset[str]) -> View:
    """The view with only these fields; all without any."""
    if not fields:
        return view
    return {key: value for key, value in view.items() if key in fields and key not in NOT_VISIBLE}
