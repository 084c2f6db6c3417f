"""Applying a changed file: floating IPs change places, leave their instances, and become forwarded ports."""

import json
from pathlib import Path

from tests.functional.cli.conftest import Run

TOWN = """\
name: swap-town
hosts:
  one: {tunnel_ip: 10.9.0.1}
networks:
  swap-ext: {external: true, subnets: {swap-ext-v4: 198.51.100.0/24}}
  swap-in: {subnets: {swap-in-v4: 10.1.0.0/24}}
routers:
  swap-way: {external: swap-ext, interfaces: [swap-in-v4]}
instances:
  swap1: {host: one, network: swap-in, addresses: [10.1.0.11, 10.1.0.12]}
  swap2: {host: one, network: swap-in, address: 10.1.0.13}
floating_ips:
"""
BEFORE = """\
  - {address: 198.51.100.11, instance: swap1, fixed_address: 10.1.0.11}
  - {address: 198.51.100.12, instance: swap1, fixed_address: 10.1.0.12}
  - {address: 198.51.100.13, instance: swap2}
"""
SWAPPED = """\
  - {address: 198.51.100.11, instance: swap2}
  - {address: 198.51.100.12, instance: swap1, fixed_address: 10.1.0.11}
  - {address: 198.51.100.13, instance: swap1, fixed_address: 10.1.0.12}
"""
FORWARDED = """\
  - {address: 198.51.100.11, instance: swap2}
  - {address: 198.51.100.12, port_forwardings: [{port: 2222, to: "swap1:22"}]}
  - {address: 198.51.100.13}
"""


def test_floating_ips_follow_their_file(patchbay: Run, tmp_path: Path) -> None:
    def apply(floating_ips: str) -> str:
        (tmp_path / "town.yaml").write_text(TOWN + floating_ips)
        return patchbay("apply", "-f", str(tmp_path / "town.yaml")).stderr.splitlines()[-1]

    def leads_to() -> dict[str, str | None]:
        listed = json.loads(patchbay("floating-ip", "list", "-f", "json").stdout)
        return {each["floating_ip_address"][-2:]: each["fixed_ip_address"] for each in listed}

    apply(BEFORE)
    assert leads_to() == {"11": "10.1.0.11", "12": "10.1.0.12", "13": "10.1.0.13"}
    assert apply(SWAPPED).startswith("0 created, 3 updated,")
    assert leads_to() == {"11": "10.1.0.13", "12": "10.1.0.11", "13": "10.1.0.12"}
    assert apply(SWAPPED).startswith("0 created, 0 updated,")
    assert apply(FORWARDED).startswith("1 created, 2 updated,")
    assert leads_to() == {"11": "10.1.0.13", "12": None, "13": None}
    assert "10.1.0.11" in patchbay("port-forwarding", "list", "198.51.100.12").stdout


def test_forwarded_ports_follow_their_file(patchbay: Run, tmp_path: Path) -> None:
    def apply(*forwardings: str) -> str:
        listed = ", ".join(f"{{port: {each.split()[0]}, to: {each.split()[1]}}}" for each in forwardings)
        entry = f"  - {{address: 198.51.100.99, port_forwardings: [{listed}]}}\n"
        (tmp_path / "town.yaml").write_text(TOWN.replace("swap", "fwd") + entry)
        return patchbay("apply", "-f", str(tmp_path / "town.yaml")).stderr.splitlines()[-1]

    def leads_to() -> dict[int, str]:
        listed = json.loads(patchbay("port-forwarding", "list", "198.51.100.99", "-f", "json").stdout)
        return {each["external_port"]: f"{each['internal_ip_address']}:{each['internal_port']}" for each in listed}

    apply("22 fwd1:1022", "23 fwd2:1022", "80 fwd2:80")
    apply("22 fwd2:1022", "23 fwd1:1022", "80 fwd2:8080")
    assert leads_to() == {22: "10.1.0.13:1022", 23: "10.1.0.11:1022", 80: "10.1.0.13:8080"}
    apply("2222 fwd2:1022", "23 fwd1:1022")
    assert leads_to() == {2222: "10.1.0.13:1022", 23: "10.1.0.11:1022", 80: "10.1.0.13:8080"}
    assert apply("2222 fwd2:1022", "23 fwd1:1022").startswith("0 created, 0 updated,")
