"""Values of gateways and port forwardings: what is taken, what is refused and why."""

import pytest

from patchbay.api.neutron.port_forwardings import port_number, port_range, to_protocol, view_forwarding
from patchbay.api.neutron.routers import gateway, to_gateway
from patchbay.model import PortForwarding

NETWORK = "11111111-2222-4333-8444-555555555555"


@pytest.mark.parametrize("value", [None, 1, 65535])
def test_port_numbers(value: object) -> None:
    assert port_number(value) is None


@pytest.mark.parametrize(("value", "reason"), [(0, "too small"), (-1, "too small"), (65536, "too large")])
def test_what_is_no_port_number(value: object, reason: str) -> None:
    assert reason in str(port_number(value))


@pytest.mark.parametrize("value", [None, "1:65535", "22", "22:22", 22])
def test_port_ranges(value: object) -> None:
    assert port_range(value) is None


@pytest.mark.parametrize(
    ("value", "reason"),
    [
        ("1:2:3", "two integers separated by a colon"),
        (":2", "two integers separated by a colon"),
        ("", "two integers separated by a colon"),
        ("a:b", "Invalid port: a"),
        ("1:٣", "Invalid port"),
        ("0:9", "must be in the range"),
        ("1:65536", "must be in the range"),
        ("9:8", "First port in a port range must be lower"),
    ],
)
def test_what_is_no_port_range(value: object, reason: str) -> None:
    assert reason in str(port_range(value))


@pytest.mark.parametrize(("value", "name"), [("TCP", "tcp"), (17, "udp"), ("6", "tcp"), ("icmp", "icmp")])
def test_protocols_have_one_spelling(value: object, name: str) -> None:
    assert to_protocol(value) == name


def test_a_range_is_shown_without_a_single_port() -> None:
    forwarding = PortForwarding(
        id="f",
        protocol="tcp",
        external_ports=(8000, 8009),
        internal_port_id="p",
        internal_ip_address="10.0.0.5",
        internal_ports=(80, 80),
    )
    view = view_forwarding(None, forwarding)  # type: ignore[arg-type]
    assert (view["external_port"], view["external_port_range"]) == (None, "8000:8009")
    assert (view["internal_port"], view["internal_port_range"]) == (80, "80:80")


@pytest.mark.parametrize("value", [None, {}, ""])
def test_an_empty_gateway_is_none(value: object) -> None:
    assert to_gateway(value) is None
    assert gateway(to_gateway(value)) is None


def test_a_gateway_names_a_network_and_may_say_more() -> None:
    value = to_gateway({"network_id": NETWORK, "enable_snat": "no", "external_fixed_ips": [{"subnet_id": NETWORK}]})
    assert isinstance(value, dict)
    assert value["enable_snat"] is False
    assert gateway(value) is None


@pytest.mark.parametrize(
    ("value", "reason"),
    [
        (7, "is not a dictionary"),
        ({"enable_snat": True}, "Expected keys"),
        ({"network_id": "x"}, "is not a valid UUID"),
        ({"network_id": NETWORK, "colour": 1}, "Unexpected keys supplied: colour"),
        ({"network_id": NETWORK, "external_fixed_ips": 7}, "Invalid data format for fixed IP"),
        ({"network_id": NETWORK, "external_fixed_ips": [{"ip_address": "x"}]}, "is not a valid IP address"),
    ],
)
def test_what_is_no_gateway(value: object, reason: str) -> None:
    assert reason in str(gateway(to_gateway(value)))
