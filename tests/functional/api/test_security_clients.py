"""The unmodified ``openstack`` client, openstacksdk and ``neutron`` shell on security groups and port security."""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from openstack import connect, exceptions

from tests.functional.api.conftest import Start
from tests.functional.api.test_openstack_clients import run

pytestmark = pytest.mark.filterwarnings("ignore::PendingDeprecationWarning:openstack")

NEUTRON = str(Path(sys.executable).with_name("neutron"))
NETWORK = ("network create -f json net", "subnet create -f json --network net --subnet-range 10.0.0.0/24 sub")


def test_a_group_and_its_rules(start_serve: Start) -> None:
    serving = start_serve()
    web, ssh, ping, six, named, rules, listed, shown, changed, left = run(
        serving,
        "security group create -f json --description d --tag x web",
        "security group rule create -f json --protocol tcp --dst-port 22 --remote-ip 10.0.0.0/8 web",
        "security group rule create -f json --protocol icmp --icmp-type 8 --icmp-code 0 web",
        "security group rule create -f json --ethertype IPv6 --protocol icmpv6 --egress --description six web",
        "security group rule create -f json --protocol udp --dst-port 53:54 --remote-group default web",
        "security group rule list -f json web",
        "security group list -f json --tags x",
        "security group show -f json web",
        "security group set --name www --description e --stateless web",
        "security group unset --tag x www",
        "security group show -f json www",
        "security group delete www",
        "security group list -f json",
    )
    assert (web["name"], web["description"], web["tags"]) == ("web", "d", ["x"])
    assert (ssh["port_range_min"], ssh["port_range_max"], ssh["remote_ip_prefix"]) == (22, 22, "10.0.0.0/8")
    assert (ping["port_range_min"], ping["port_range_max"]) == (8, 0)
    assert (six["protocol"], six["direction"], six["description"]) == ("ipv6-icmp", "egress", "six")
    assert (named["port_range_min"], named["port_range_max"]) == (53, 54)
    assert len(rules) == 6
    assert {"53:54", "22:22"} <= {one["Port Range"] for one in rules}
    assert [one["Name"] for one in listed] == ["web"]
    assert len(shown["rules"]) == 6
    assert (changed["name"], changed["description"], changed["stateful"], changed["tags"]) == ("www", "e", False, [])
    assert [one["Name"] for one in left] == ["default"]


def test_groups_and_port_security_of_ports_and_networks(start_serve: Start) -> None:
    serving = start_serve()
    *_, one, named, none, off, on, bare, open_port = run(
        serving,
        *NETWORK,
        "security group create -f json web",
        "port create -f json --network net p",
        "port set --security-group web p",
        "port show -f json p",
        "port unset --security-group web p",
        "port set --no-security-group p",
        "port show -f json p",
        "port set --disable-port-security p",
        "port show -f json p",
        "port set --enable-port-security --security-group web p",
        "port show -f json p",
        "network create -f json --disable-port-security bare",
        "port create -f json --network bare q",
    )
    assert one["port_security_enabled"] is True
    assert len(one["security_group_ids"]) == 1
    assert len(named["security_group_ids"]) == 2
    assert none["security_group_ids"] == []
    assert (off["port_security_enabled"], off["security_group_ids"]) == (False, [])
    assert (on["port_security_enabled"], len(on["security_group_ids"])) == (True, 1)
    assert bare["port_security_enabled"] is False
    assert (open_port["port_security_enabled"], open_port["security_group_ids"]) == (False, [])
    cloud = connect(auth_type="none", endpoint=serving.url)
    assert [each.name for each in cloud.network.ports(security_group_ids=on["security_group_ids"])] == ["p"]
    with pytest.raises(exceptions.ConflictException, match="in use"):
        cloud.network.delete_security_group(cloud.network.find_security_group("web").id, ignore_missing=False)


def test_address_groups_and_default_rules(start_serve: Start) -> None:
    offices, rule, changed, listed, default, rest = run(
        start_serve(),
        "address group create -f json --address 10.1.0.0/16 --address 192.0.2.1 offices",
        "security group rule create -f json --remote-address-group offices default",
        "address group set --address 10.2.0.0/16 --description d offices",
        "address group unset --address 192.0.2.1/32 offices",
        "address group show -f json offices",
        "address group list -f json",
        "default security group rule list -f json",
        "security group rule list -f json default",
    )
    assert offices["addresses"] == ["10.1.0.0/16", "192.0.2.1/32"]
    assert rule["remote_address_group_id"] == offices["id"]
    assert (changed["addresses"], changed["description"]) == (["10.1.0.0/16", "10.2.0.0/16"], "d")
    assert [one["Name"] for one in listed] == ["offices"]
    assert len(default) == 4
    assert len(rest) == 5


def test_the_neutron_shell(start_serve: Start) -> None:
    serving = start_serve()

    def neutron(command: str) -> Any:
        settings = {"OS_AUTH_TYPE": "none", "OS_ENDPOINT": serving.url}
        words = [NEUTRON, *command.split(), "-f", "json"]
        environment = {**os.environ, **settings}
        done = subprocess.run(words, env=environment, capture_output=True, text=True, timeout=60, check=False)
        assert done.returncode == 0, done.stderr
        return json.loads(done.stdout[done.stdout.find("{" if "create" in command else "[") :])

    web = neutron("security-group-create --description d web")
    rule = neutron("security-group-rule-create --direction ingress --protocol tcp --port-range-min 80"
                   " --port-range-max 80 --remote-ip-prefix 10.0.0.0/8 web")  # fmt: skip
    assert (web["name"], rule["security_group_id"], rule["port_range_max"]) == ("web", web["id"], 80)
    assert len(neutron("security-group-rule-list")) == 7
    assert {one["name"] for one in neutron("security-group-list")} == {"default", "web"}
    network = neutron("net-create --port_security_enabled=False net")
    assert network["port_security_enabled"] is False
    port = neutron("port-create --security-group web net")
    assert (port["port_security_enabled"], port["security_groups"]) == (True, [web["id"]])
