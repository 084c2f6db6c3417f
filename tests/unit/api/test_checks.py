"""What single attribute values are accepted, and how they are written afterwards."""

import contextlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from patchbay.api.neutron import checks
from patchbay.errors import PatchbayError
from patchbay.service.errors import InvalidInput

ANYTHING = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=5,
)


@pytest.mark.parametrize("value", [True, "true", "True", "1", 1, "yes", "on"])
def test_many_words_mean_yes(value: object) -> None:
    assert checks.to_bool(value) is True


@pytest.mark.parametrize("value", [False, "false", "0", 0, "no", "off"])
def test_many_words_mean_no(value: object) -> None:
    assert checks.to_bool(value) is False


@pytest.mark.parametrize("value", [None, "", "maybe", 2, [], {}])
def test_other_words_mean_neither(value: object) -> None:
    with pytest.raises(InvalidInput):
        checks.to_bool(value)


@pytest.mark.parametrize(
    "value", ["fa:16:3e:00:00:0a", "FA:16:3E:00:00:0A", "fa-16-3e-0-0-a", "fa16.3e00.000a", "fa163e00000a"]
)
def test_a_mac_may_be_spelled_in_many_ways(value: str) -> None:
    assert checks.to_mac(value) == "fa:16:3e:00:00:0a"
    assert checks.mac(value) is None


@pytest.mark.parametrize("value", ["", "fa:16:3e:00:00", "fa:16:3e:00:00:0g", "fa 16 3e 00 00 0a", 7, None, "00" * 6])
def test_what_is_no_mac_of_a_port_is_refused(value: object) -> None:
    assert checks.mac(value) == f"'{value}' is not a valid MAC address"


@pytest.mark.parametrize("value", ["10.0.0.1", "fd00::1", "::ffff:10.0.0.1"])
def test_addresses_are_accepted(value: str) -> None:
    assert checks.address(value) is None


@pytest.mark.parametrize(
    "value", ["10.0.0", "10.0.0.01", "10.0.0.1 ", "10.0.0.1/24", "fe80::1%eth0", "1" * 59, 7, None]
)
def test_what_is_no_address_is_refused(value: object) -> None:
    assert checks.address(value) == f"'{value}' is not a valid IP address"


@pytest.mark.parametrize("value", ["", "a", "blue net", "グリーン", "a\u00a0b", "x" * 255])
def test_names_are_printable(value: str) -> None:
    assert checks.name(value) is None


@pytest.mark.parametrize("value", [" a", "a ", "a\tb", "a\nb", "a\0b", "x" * 256, 7, None])
def test_what_is_no_name_is_refused(value: object) -> None:
    assert checks.name(value) is not None


@pytest.mark.parametrize("value", ["3e5f1a2c-a515-4e43-bf3e-b906752bf870", "3E5F1A2C-A515-4E43-BF3E-B906752BF870"])
def test_uuids_are_accepted(value: str) -> None:
    assert checks.uuid(value) is None


@pytest.mark.parametrize("value", ["", "blue", "3e5f1a2ca5154e43bf3eb906752bf870x", "{3e5f1a2c}", 7, None])
def test_what_is_no_uuid_is_refused(value: object) -> None:
    assert checks.uuid(value) == f"'{value}' is not a valid UUID"


CHECKS = [
    checks.name,
    checks.text(10),
    checks.uuid,
    checks.mac,
    checks.address,
    checks.subnet,
    checks.route_cidr,
    checks.is_dict,
    checks.non_negative,
    checks.int64,
    checks.unique_texts(10),
    checks.one_of((4, 6)),
]
CONVERSIONS = [checks.to_bool, checks.to_int, checks.to_mac, checks.to_address, checks.to_cidr]


@given(ANYTHING)
def test_whatever_is_sent_a_check_answers_and_a_conversion_converts_or_refuses(value: object) -> None:
    for check in CHECKS:
        assert isinstance(check(value), (str, type(None)))
    for convert in CONVERSIONS:
        with contextlib.suppress(PatchbayError):
            convert(value)
