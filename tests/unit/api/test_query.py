"""Pages and their links; filters on any shape of value."""

from urllib.parse import parse_qs, urlsplit

from hypothesis import given
from hypothesis import strategies as st

from patchbay.api.neutron.attributes import LIST, READ_ONLY, STANDARD
from patchbay.api.neutron.query import Page, cut, links, ordered, predicates, selected
from patchbay.model import Network

ATTRIBUTES = {**STANDARD, "names": LIST, "map": LIST, "pools": LIST, "number": READ_ONLY, "maybe": READ_ONLY}


@given(st.integers(0, 25), st.integers(1, 7))
def test_walking_the_pages_shows_everything_once_in_both_directions(count: int, limit: int) -> None:
    items = [f"id{number:02}" for number in range(count)]
    for is_reverse in (False, True):
        seen: list[str] = []
        marker = ""
        while part := list(cut(items, Page(limit=limit, marker=marker, is_reverse=is_reverse), items) or ()):
            seen = [*part, *seen] if is_reverse else [*seen, *part]
            marker = part[0] if is_reverse else part[-1]
        assert seen == items


def test_an_unknown_marker_finds_no_page() -> None:
    assert cut(["a"], Page(limit=1, marker="b"), ["a"]) is None
    assert cut(["a"], Page(marker="b"), ["a"]) == ["a"]


def test_links_lead_on_and_back_with_the_query_kept() -> None:
    query = (("name", "a b"), ("marker", "old"), ("limit", "2"))
    following, before = links("http://h/v2.0/ports", query, Page(limit=2), ["x", "y"])
    assert parse_qs(urlsplit(following["href"]).query) == {"name": ["a b"], "limit": ["2"], "marker": ["y"]}
    assert parse_qs(urlsplit(before["href"]).query)["marker"] == ["x"]
    assert parse_qs(urlsplit(before["href"]).query)["page_reverse"] == ["True"]
    assert (following["rel"], before["rel"]) == ("next", "previous")


def test_the_last_page_leads_only_back_and_no_limit_nowhere() -> None:
    assert [link["rel"] for link in links("u", (), Page(limit=2), ["x"])] == ["previous"]
    assert [link["rel"] for link in links("u", (), Page(limit=2, is_reverse=True), ["x"])] == ["next"]
    assert links("u", (), Page(), ["x"]) == []


def test_null_sorts_first_and_equal_values_by_id() -> None:
    views = [{"id": "c", "n": 1}, {"id": "b", "n": None}, {"id": "a", "n": 1}]
    assert [view["id"] for view in ordered(views, [("n", True)])] == ["b", "a", "c"]
    assert [view["id"] for view in ordered(views, [("n", False)])] == ["a", "c", "b"]


def test_filters_match_views_of_any_shape() -> None:
    view = {"names": ["a", "b"], "map": {"k": "v"}, "pools": [{"start": "1", "end": "2"}], "number": 7, "maybe": None}

    def matches(**filters: list[str]) -> bool:
        of_value, of_view = predicates(filters, ATTRIBUTES)
        assert of_value is None
        assert of_view is not None
        return bool(of_view(view))

    assert matches(names=["b"])
    assert not matches(names=["c"])
    assert matches(map=["k=v"])
    assert matches(pools=["start=1"])
    assert matches(number=["7", "8"])
    assert not matches(number=["8"])
    assert matches(maybe=[""])
    assert not matches(number=["7"], names=["c"])


def test_what_a_value_tells_is_asked_before_its_view() -> None:
    network = Network(id="n", name="blue", project_id="p", tags=("a",))
    of_value, of_view = predicates({"name": ["red", "blue"], "tags": ["a"], "number": ["7"]}, ATTRIBUTES)
    assert of_value is not None
    assert of_view is not None
    assert of_value(network)
    assert not of_value(Network(id="n", name="blue", tags=("b",)))
    assert of_view({"number": 7})
    assert predicates({}, ATTRIBUTES) == (None, None)


def test_fields_choose() -> None:
    assert selected({"a": 1, "b": 2}, frozenset(("a", "c"))) == {"a": 1}
    assert selected({"a": 1}, frozenset()) == {"a": 1}
