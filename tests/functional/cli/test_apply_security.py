"""Applying a file that speaks of security groups: groups, rules, address groups, and who is in them."""

import json
from pathlib import Path
from typing import Any

from tests.functional.cli.conftest import Run

SILENT = """\
name: walled-town
hosts: {one: {tunnel_ip: 10.9.0.1}}
networks:
  walled: {subnets: {walled-v4: 10.1.0.0/24}}
instances:
  walled1: {host: one, network: walled, address: 10.1.0.11}
"""
SPEAKING = (
    SILENT.replace("address: 10.1.0.11", "address: 10.1.0.11, security_groups: [gate, default]")
    + """\
security_groups:
  gate:
    - {protocol: tcp, ports: 80, from: offices}
    - {protocol: icmp, from: gate}
  default: [{protocol: tcp, ports: 22}]
address_groups: {offices: [192.0.2.0/24, 198.51.100.0/24]}
"""
)


def test_groups_follow_their_file(patchbay: Run, tmp_path: Path) -> None:
    def apply(text: str) -> str:
        (tmp_path / "town.yaml").write_text(text)
        return patchbay("apply", "-f", str(tmp_path / "town.yaml")).stderr.splitlines()[-1]

    def listed(noun: str, *options: str) -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = json.loads(patchbay(noun, "list", "-f", "json", *options).stdout)
        return found

    def shown() -> dict[str, Any]:
        (port,) = listed("port", "--filter", "name=walled1-eth0")
        found: dict[str, Any] = json.loads(patchbay("port", "show", port["id"], "-f", "json").stdout)
        return found

    apply(SILENT)
    port = shown()
    assert (port["port_security_enabled"], port["security_groups"]) == (False, [])
    patchbay("port", "set", port["id"], "--enable-port-security")
    patchbay("network", "set", "walled", "--enable-port-security")
    assert apply(SILENT).startswith("0 created, 0 updated,")
    assert apply(SPEAKING).startswith("5 created, 1 updated,")
    groups = {one["name"]: one for one in listed("security-group", "--project", "walled-town")}
    assert groups.keys() == {"gate", "default"}
    port = shown()
    assert port["security_groups"] == sorted(one["id"] for one in groups.values())
    rules = listed("security-group-rule", groups["gate"]["id"], "--ingress")
    assert {(rule["protocol"], rule["port_range_min"], rule["remote_group_id"]) for rule in rules} == {
        ("tcp", 80, None),
        ("icmp", None, groups["gate"]["id"]),
    }
    assert apply(SPEAKING).startswith("0 created, 0 updated,")
    assert apply(SPEAKING.replace("198.51.100.0/24", "203.0.113.7")).startswith("0 created, 1 updated,")
    assert listed("address-group")[0]["addresses"] == ["192.0.2.0/24", "203.0.113.7/32"]
    closed = SPEAKING.replace("security_groups: [gate, default]", "port_security: false")
    assert apply(closed).startswith("0 created, 2 updated,"), "the port, and the address group again"
    port = shown()
    assert (port["port_security_enabled"], port["security_groups"]) == (False, [])
