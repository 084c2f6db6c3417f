"""The unmodified ``openstack`` client and openstacksdk do their work on ``patchbay serve``."""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import openstack
import pytest
from openstack import exceptions

from tests.functional.api.conftest import Serving, Start

pytestmark = pytest.mark.filterwarnings("ignore::PendingDeprecationWarning:openstack")

CLIENT = Path(sys.executable).with_name("openstack")


def run(serving: Serving, *commands: str, path: str = "") -> list[Any]:
    """The JSON that the commands printed, one after the other; one run of the client reads them from its input."""
    settings = {"OS_AUTH_TYPE": "none", "OS_ENDPOINT": serving.url + path}
    script = "".join(f"{command}\n" for command in commands)
    done = subprocess.run(
        [CLIENT], env={**os.environ, **settings}, input=script, capture_output=True, text=True, timeout=100, check=False
    )
    assert not done.stderr.strip(), done.stderr
    answers, at = [], 0
    while at < len(done.stdout.rstrip()):
        answer, at = json.JSONDecoder().raw_decode(done.stdout, at)
        answers.append(answer)
        at += len(done.stdout[at:]) - len(done.stdout[at:].lstrip())
    return answers


def test_networks_subnets_and_ports_by_name(start_serve: Start) -> None:
    answers = run(
        start_serve(),
        "network create -f json --description d --mtu 1400 --share --tag t1 blue",
        "subnet create -f json --network blue --subnet-range 10.1.0.0/24 --dns-nameserver 9.9.9.9 --tag t2 ten",
        "port create -f json --network blue --fixed-ip subnet=ten,ip-address=10.1.0.9 --tag t3 --tag t4 web",
        "port set --name www --description e --disable --host compute1 --no-tag --tag t5 web",
        "port show -f json www",
        "port list -f json --network blue --fixed-ip ip-address=10.1.0.9 --long",
        "port list -f json --tags t5",
        "subnet set --no-dns-nameservers --gateway none ten",
        "subnet show -f json ten",
        "network list -f json --internal --name blue --long",
        "port delete www",
        "network delete blue",
        "network list -f json",
    )
    network, subnet, port, changed, listed, tagged, open_, networks, rest = answers
    assert network | {"name": "blue", "mtu": 1400, "shared": True, "tags": ["t1"]} == network
    assert subnet["allocation_pools"] == [{"start": "10.1.0.2", "end": "10.1.0.254"}]
    assert port["fixed_ips"] == [{"subnet_id": subnet["id"], "ip_address": "10.1.0.9"}]
    assert port["tags"] == ["t3", "t4"]
    assert changed | {"description": "e", "admin_state_up": False, "tags": ["t5"]} == changed
    assert changed["binding_host_id"] == "compute1"
    assert [one["Name"] for one in listed] == [one["Name"] for one in tagged] == ["www"]
    assert (open_["gateway_ip"], open_["dns_nameservers"]) == (None, [])
    assert networks[0]["Network Type"] == "vxlan"
    assert rest == []


def test_provider_networks_agents_and_extensions(start_serve: Start) -> None:
    vlan = "--provider-network-type vlan --provider-physical-network physnet1 --provider-segment 100"
    created, external, extensions, agents = run(
        start_serve(),
        f"network create -f json {vlan} --external v100",
        "network list -f json --external",
        "extension list --network -f json",
        "network agent list -f json",
        path="/v2.0",
    )
    assert created["provider:segmentation_id"] == 100
    assert [one["Name"] for one in external] == ["v100"]
    assert {"provider", "binding", "agent", "standard-attr-tag"} <= {one["Alias"] for one in extensions}
    assert agents == []


def test_the_sdk_creates_finds_changes_pages_and_deletes(start_serve: Start) -> None:
    cloud = openstack.connect(auth_type="none", endpoint=start_serve().url)
    network = cloud.network.create_network(name="blue")
    subnet = cloud.network.create_subnet(network_id=network.id, ip_version=4, cidr="10.2.0.0/24", name="ten")
    made = list(cloud.network.create_ports([{"network_id": network.id, "name": f"p{n}"} for n in range(5)]))
    assert [port.name for port in made] == [f"p{n}" for n in range(5)]
    assert cloud.network.find_network("blue").id == network.id
    assert cloud.network.find_port("nobody") is None
    assert cloud.network.find_subnet("ten").gateway_ip == "10.2.0.1"
    assert {port.id for port in cloud.network.ports(network_id=network.id, limit=2)} == {port.id for port in made}
    assert [port.id for port in cloud.network.ports(fixed_ips="ip_address=10.2.0.3")] == [made[1].id]
    port = cloud.network.update_port(made[0], description="d", if_revision=made[0].revision_number)
    assert (port.description, port.revision_number) == ("d", 2)
    with pytest.raises(exceptions.PreconditionFailedException):
        cloud.network.update_port(port.id, description="e", if_revision=1)
    cloud.network.set_tags(network, ["a", "b"])
    assert cloud.network.get_network(network.id).tags == ["a", "b"]
    with pytest.raises(exceptions.ConflictException, match="There are one or more ports still in use"):
        cloud.network.delete_network(network, ignore_missing=False)
    for port in made:
        cloud.network.delete_port(port, ignore_missing=False)
    cloud.network.delete_subnet(subnet, ignore_missing=False)
    cloud.network.delete_network(network, ignore_missing=False)
    assert list(cloud.network.networks()) == []
    assert {agent.host for agent in cloud.network.agents()} == set()
    assert cloud.network.find_extension("provider").alias == "provider"
