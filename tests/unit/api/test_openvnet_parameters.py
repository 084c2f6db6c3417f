"""How texts become values: parameters of OpenVNet's WebAPI, and the uuids of objects that have no row."""

import contextlib
from typing import Any
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from patchbay.api.openvnet.parameters import (
    Param,
    boolean,
    dpid,
    integer,
    ipv4,
    mac,
    read_values,
    text,
    uuid,
)
from patchbay.api.openvnet.routes import ENDPOINTS, find
from patchbay.errors import NotFound
from patchbay.service.vnet.errors import ArgumentError, InvalidUUID, MissingArgument, VnetError
from patchbay.service.vnet.kinds import INTERFACE, NETWORK
from patchbay.service.vnet.leases import derived_ip_lease
from patchbay.service.vnet.objects import derived_uuid, number_of

ANY = (boolean("x"), integer("x"), ipv4("x"), mac("x"), dpid("x"), uuid(NETWORK, "x"), text("x", choices=("a", "b")))


def read(param: Param, value: Any) -> Any:
    """The value that one parameter gets."""
    return read_values((param,), {param.name: value})[param.name]


@pytest.mark.parametrize(
    ("param", "said", "value"),
    [
        (mac("x"), "52:54:00:0D:84:01", "52:54:00:0d:84:01"),
        (mac("x"), "52-54-0-d-84-1", "52:54:00:0d:84:01"),
        (ipv4("x"), "10.0.0.1", "10.0.0.1"),
        (dpid("x"), "0x000002fdee8e0a44", "000002fdee8e0a44"),
        (dpid("x"), "2FD", "00000000000002fd"),
        (integer("x", least=1, most=32), "24", 24),
        (integer("x"), 24, 24),
        (boolean("x"), "yes", True),
        (boolean("x"), False, False),
        (text("x"), 5, "5"),
        (uuid(INTERFACE, "x"), "if-veth1", "if-veth1"),
    ],
)
def test_what_is_said_becomes_the_value_that_rules_work_with(param: Param, said: object, value: object) -> None:
    assert read(param, said) == value


@pytest.mark.parametrize(
    ("param", "said"),
    [
        (mac("x"), "52:54:00:0d:84"),
        (mac("x"), "52:54:00:0d:84:01:02"),
        (mac("x"), "52:54-00:0d:84:01"),
        (mac("x"), "52:54:00:0d:84:0g"),
        (ipv4("x"), "10.0.0"),
        (ipv4("x"), "10.0.0.256"),
        (ipv4("x"), "10.0.0.1/24"),
        (dpid("x"), "0x00000000000000001"),
        (integer("x", least=1, most=32), "33"),
        (integer("x"), "1.5"),
        (integer("x"), "٣"),
        (integer("x"), True),
        (boolean("x"), "perhaps"),
        (text("x", choices=("a",)), "b"),
        (text("x"), {"a": 1}),
    ],
)
def test_what_is_not_a_value_is_an_argument_error_that_names_it(param: Param, said: object) -> None:
    with pytest.raises(ArgumentError) as caught:
        read(param, said)
    assert str(said) in str(caught.value)
    assert caught.value.remedy


@pytest.mark.parametrize("said", ["", "nw", "nw-", "nw-A", "nw-a_b", "nw-12345678901234567", "if-a", "nw-a\n", 5])
def test_a_uuid_has_its_kind_s_prefix_and_sixteen_characters_at_most(said: object) -> None:
    with pytest.raises(InvalidUUID) as caught:
        read(uuid(NETWORK, "network_uuid"), said)
    assert caught.value.message == f"Network#network_uuid: {said}"


def test_what_is_required_is_missed_by_its_bare_name_and_what_has_a_default_is_not() -> None:
    with pytest.raises(MissingArgument) as caught:
        read_values((text("a", default="x"), text("mode", required=True)), {"mode": ""})
    assert caught.value.message == "mode"
    assert read_values((text("a", default="x"), text("b")), {"c": "1"}) == {"a": "x"}


@given(st.sampled_from(ANY), st.recursive(st.none() | st.booleans() | st.floats() | st.text(), st.lists, max_leaves=3))
def test_any_value_is_read_or_refused(param: Param, value: object) -> None:
    with contextlib.suppress(VnetError):
        read_values((param,), {"x": value})


@given(st.uuids(), st.uuids())
def test_uuids_of_objects_without_a_row_are_valid_and_their_own(one: UUID, other: UUID) -> None:
    assert NETWORK.is_uuid(derived_uuid(NETWORK, str(one)))
    assert derived_uuid(INTERFACE, str(one)).removeprefix("if-") == derived_uuid(NETWORK, str(one)).removeprefix("nw-")
    assert (derived_uuid(NETWORK, str(one)) == derived_uuid(NETWORK, str(other))) == (one.hex[:16] == other.hex[:16])
    assert 0 < number_of(str(one)) < 2**53


@given(st.uuids(), st.ip_addresses(v=4), st.ip_addresses(v=4))
def test_uuids_of_addresses_without_a_row_tell_addresses_apart(port: UUID, one: object, other: object) -> None:
    first, second = (derived_ip_lease(str(port), str(address)) for address in (one, other))
    assert (first == second) == (one == other)
    assert len(first) == len("il-") + 16


def test_no_two_endpoints_answer_one_path() -> None:
    shapes = [
        (one.method, tuple("" if part.startswith(":") else part for part in one.path.split("/"))) for one in ENDPOINTS
    ]
    assert len(shapes) == len(set(shapes))
    for endpoint in ENDPOINTS:
        path = endpoint.path.replace(":", "x")
        for prefix in ("/api", "/api/1.0"):
            assert find(endpoint.method, prefix + path)[0] is endpoint


@pytest.mark.parametrize("path", ["", "/", "/api", "/networks", "/api/2.0/networks", "/api/networks/a/b/c/d"])
def test_elsewhere_nothing_answers(path: str) -> None:
    with pytest.raises(NotFound):
        find("GET", path)
