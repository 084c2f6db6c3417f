"""The commands for security groups, rules, address groups, and port security of ports and networks."""

from typing import Any

import msgspec
import pytest

from tests.functional.cli.conftest import Run


def made(run: Run, *command: str) -> Any:
    return msgspec.json.decode(run(*command, "-f", "json").stdout)


def test_a_group_its_rules_and_an_address_group(patchbay: Run) -> None:
    web = made(patchbay, "security-group", "create", "web", "--description", "d", "--tag", "x")
    offices = made(
        patchbay, "address", "group", "create", "offices", "--address", "10.1.0.0/16", "--address", "fd00::1"
    )
    assert offices["addresses"] == ["10.1.0.0/16", "fd00::1/128"]
    create = ("security", "group", "rule", "create", "web")
    for options, wanted in (
        (("--protocol", "tcp", "--dst-port", "22"), ("ingress", "IPv4", "tcp", 22, 22, None)),
        (("--protocol", "udp", "--dst-port", "53:54", "--egress"), ("egress", "IPv4", "udp", 53, 54, None)),
        (("--protocol", "icmp", "--icmp-type", "8", "--icmp-code", "0"), ("ingress", "IPv4", "icmp", 8, 0, None)),
        (("--remote-ip", "fd00::/8"), ("ingress", "IPv6", None, None, None, "fd00::/8")),
    ):
        rule = made(patchbay, *create, *options)
        names = ("direction", "ethertype", "protocol", "port_range_min", "port_range_max", "remote_ip_prefix")
        assert tuple(rule[name] for name in names) == wanted
    assert made(patchbay, *create, "--remote-address-group", "offices")["remote_address_group_id"] == offices["id"]
    inner = made(patchbay, *create, "--remote-group", "default", "--protocol", "tcp")
    assert len(made(patchbay, "security-group-rule", "list", "web")) == 8
    assert len(made(patchbay, "security-group-rule", "list", "web", "--egress")) == 3
    assert [one["id"] for one in made(patchbay, "security-group-rule", "list", "--remote-group", "default", "web")] == [
        inner["id"]
    ]
    assert "--dst-port is for protocols" in patchbay(*create, "--dst-port", "1", "--icmp-type", "8", code=2).stderr
    assert "ICMP has no ports" in patchbay(*create, "--protocol", "icmp", "--dst-port", "1", code=2).stderr
    patchbay("security-group-rule", "delete", inner["id"])
    patchbay("security-group", "set", "web", "--stateless", "--name", "www")
    assert made(patchbay, "security-group", "show", "www") | {
        "stateful": False,
        "tags": ["x"],
        "id": web["id"],
    } == made(patchbay, "security-group", "show", "www")
    patchbay("address-group", "add", "address", "offices", "192.0.2.0/24", "198.51.100.7")
    patchbay("address-group", "remove", "address", "offices", "10.1.0.0/16")
    shown = made(patchbay, "address-group", "show", "offices")
    assert shown["addresses"] == ["192.0.2.0/24", "198.51.100.7/32", "fd00::1/128"]
    assert "is in use" in patchbay("address-group", "delete", "offices", code=1).stderr
    patchbay("security-group", "delete", "www")
    patchbay("address-group", "delete", "offices")


@pytest.fixture
def networks(patchbay: Run) -> Any:
    patchbay("network", "create", "net")
    patchbay("network", "create", "bare", "--disable-port-security")
    patchbay("security-group", "create", "web")
    yield
    patchbay("network", "set", "bare", "--enable-port-security")
    for port in made(patchbay, "port", "list"):
        patchbay("port", "delete", port["id"])
    patchbay("network", "delete", "net", "bare")
    patchbay("security-group", "delete", "web")


@pytest.mark.usefixtures("networks")
def test_ports_are_in_groups_or_without_port_security(patchbay: Run) -> None:
    web = made(patchbay, "security-group", "show", "web")["id"]
    default = made(patchbay, "security-group", "show", "default")["id"]

    def protection() -> tuple[bool, list[str]]:
        port = made(patchbay, "port", "show", "p")
        return port["port_security_enabled"], port["security_groups"]

    patchbay("port", "create", "p", "--network", "net")
    assert protection() == (True, [default])
    for options, wanted in (
        (("--security-group", "web", "--security-group", "default"), (True, sorted([web, default]))),
        (("--security-group", "web"), (True, [web])),
        (("--disable-port-security", "--no-security-group"), (False, [])),
        (("--enable-port-security",), (True, [])),
        (("--security-group", "web"), (True, [web])),
    ):
        patchbay("port", "set", "p", *options)
        assert protection() == wanted
    assert [port["name"] for port in made(patchbay, "port", "list", "--security-group", "web")] == ["p"]
    contradiction = ("--security-group", "web", "--no-security-group")
    assert "contradict" in patchbay("port", "set", "p", *contradiction, code=2).stderr
    open_port = made(patchbay, "port", "create", "q", "--network", "bare")
    assert (open_port["port_security_enabled"], open_port["security_groups"]) == (False, [])
    assert [one["name"] for one in made(patchbay, "network", "list", "--disable-port-security")] == ["bare"]
