"""A real virtual machine beside the instances of seed 001, plugged as Nova and libvirt do: a tap on a Linux bridge."""

import json
import sys
from collections.abc import Iterator
from contextlib import closing
from typing import Any

import pytest

from patchbay.compile import names
from patchbay.lab.lab import Lab
from patchbay.lab.reading import load_topology
from patchbay.lab.vhost import VirtualHost
from tests.functional.convergence.scene import wait_for
from tests.functional.vm.machine import ROOT, VirtualMachine, boot

Object = dict[str, Any]
METADATA = "http://169.254.169.254"
VM_ID = "3f1f3a52-6a0c-4c8e-9d5e-7b1f0a2c4d6e"


@pytest.fixture(scope="module")
def lab(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Lab]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PATCHBAY_LAB_DIR", str(tmp_path_factory.mktemp("labs")))
        with Lab.up(load_topology(ROOT / "examples" / "seed001.yaml")) as running:
            yield running


def create(lab: Lab, collection: str, **fields: Any) -> Object:
    """Create something by the API."""
    noun = collection.removesuffix("s")
    with closing(lab.client()) as client:
        found: Object = client.request("POST", f"/v2.0/{collection}", {noun: fields})[noun]
    return found


def find(lab: Lab, collection: str, **filters: str) -> list[Object]:
    """What the API lists."""
    asked = "&".join(f"{key}={value}" for key, value in filters.items())
    with closing(lab.client()) as client:
        found: list[Object] = client.request("GET", f"/v2.0/{collection}?{asked}")[collection]
    return found


def plug(host: VirtualHost, port: Object) -> str:
    """Plug a port as Nova does for libvirt with hybrid plugging; returns its tap."""
    tap, qbr, qvb, qvo = (names.device(prefix, port["id"]) for prefix in ("tap", "qbr", "qvb", "qvo"))
    script = (
        f"ip link add {qbr} type bridge forward_delay 0 mcast_snooping 0; ip link set {qbr} addrgenmode none up\n"
        f"ip link add {qvb} type veth peer name {qvo}; ip link set {qvb} master {qbr}\n"
        f"ip link set {qvb} addrgenmode none up; ip link set {qvo} addrgenmode none up\n"
        # Open vSwitch in userspace completes no checksums.
        f"ethtool -K {qvb} tx off >/dev/null; ethtool -K {qvo} tx off >/dev/null\n"
        f"ip tuntap add dev {tap} mode tap; ip link set {tap} master {qbr} up\n"
        f"ovs-vsctl add-port br-int {qvo} -- set interface {qvo} external_ids:iface-id={port['id']}"
        f" external_ids:iface-status=active 'external_ids:attached-mac=\"{port['mac_address']}\"'"
        f" external_ids:vm-uuid={port['device_id']}"
    )
    host.run(["bash", "-euc", script])
    return tap


@pytest.fixture(scope="module")
def port(lab: Lab) -> Object:
    """The port of the machine, made as Nova makes one."""
    (network,) = find(lab, "networks", name="demo-net")
    return create(
        lab,
        "ports",
        network_id=network["id"],
        project_id=network["project_id"],
        device_id=VM_ID,
        device_owner="compute:nova",
        dns_name="vm1",
        **{"binding:host_id": "compute"},
    )


@pytest.fixture(scope="module")
def machine(lab: Lab, port: Object, tmp_path_factory: pytest.TempPathFactory) -> Iterator[VirtualMachine]:
    """The machine, booted on its tap."""
    host = lab.host("compute")
    tap = plug(host, port)
    wait_for(lambda: find(lab, "ports", id=port["id"])[0]["status"] == "ACTIVE", "the machine's port is ACTIVE")
    started = boot(tap, port["mac_address"], tmp_path_factory.mktemp("vm"), host.space.command([], ("-n",)))
    yield started
    started.end()


@pytest.fixture(scope="module")
def lease(machine: VirtualMachine) -> dict[str, str]:
    """What its DHCP client got."""
    return machine.lease()


def test_it_gets_its_lease(port: Object, lease: dict[str, str]) -> None:
    assert lease["ip"] == port["fixed_ips"][0]["ip_address"]
    assert (lease["router"], lease["mask"], lease["domain"]) == ("10.0.1.1", "28", "openstacklocal")
    assert lease["dns"].split()


@pytest.mark.usefixtures("lease")
def test_it_resolves_names_of_its_network_and_of_the_internet(machine: VirtualMachine, port: Object) -> None:
    assert "10.0.1.6" in machine.sh("nslookup -type=a cirros02.openstacklocal")
    assert port["fixed_ips"][0]["ip_address"] in machine.sh("nslookup -type=a vm1.openstacklocal")
    assert "203.0.113.80" in machine.sh("nslookup -type=a www.example.net")


@pytest.mark.usefixtures("lease")
def test_it_reads_its_metadata(machine: VirtualMachine, port: Object) -> None:
    def read(path: str) -> str:
        return machine.sh(f"wget -q -O - {METADATA}{path}; echo").rstrip("\n")

    assert read("/latest/meta-data/local-ipv4") == port["fixed_ips"][0]["ip_address"]
    assert read("/latest/meta-data/hostname") == "vm1.openstacklocal"
    assert read("/latest/meta-data/instance-id") == f"i-{VM_ID[:8]}"
    found = json.loads(read("/openstack/latest/meta_data.json"))
    assert (found["uuid"], found["name"], found["availability_zone"]) == (VM_ID, "vm1", "nova")
    (link,) = json.loads(read("/openstack/latest/network_data.json"))["links"]
    assert (link["vif_id"], link["ethernet_mac_address"]) == (port["id"], port["mac_address"])


@pytest.mark.usefixtures("lease")
def test_it_reaches_the_outside_and_is_reached_by_its_floating_ip(
    lab: Lab, machine: VirtualMachine, port: Object
) -> None:
    assert "192.168.1.245" in machine.sh("wget -q -O - http://203.0.113.80/; echo"), "seen as the router"
    (outside,) = find(lab, "networks", name="ext-net")
    floating = create(
        lab, "floatingips", floating_network_id=outside["id"], port_id=port["id"], project_id=port["project_id"]
    )
    address = floating["floating_ip_address"]
    wait_for(lambda: find(lab, "floatingips", id=floating["id"])[0]["status"] == "ACTIVE", "the floating IP is ACTIVE")
    for place in ("desk", "internet"):
        said = lab.outside[place].run(["ping", "-c", "3", "-i", "0.2", "-W", "5", address]).stdout
        assert "3 received" in said, f"from {place}: {said}"
    assert address in machine.sh("wget -q -O - http://203.0.113.80/; echo"), "seen as its floating IP"
    wait_for(
        lambda: machine.sh(f"wget -q -O - {METADATA}/latest/meta-data/public-ipv4; echo").strip() == address,
        "metadata tell the floating IP",
    )


def test_nobody_outside_reaches_the_metadata_server(lab: Lab) -> None:
    desk = lab.outside["desk"]
    desk.run(["ip", "route", "replace", "169.254.169.254", "via", "192.168.1.245"])
    script = "import socket, sys; socket.create_connection((sys.argv[1], int(sys.argv[2])), 1)"
    for address, number in (("192.168.1.245", "9697"), ("169.254.169.254", "80"), ("169.254.169.254", "9697")):
        tried = desk.run([sys.executable, "-c", script, address, number], check=False)
        assert tried.returncode, f"{address} port {number} answers the desk"
