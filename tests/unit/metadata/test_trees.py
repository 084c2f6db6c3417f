"""What guests find under which path, beside what Nova's service gives."""

import base64
import json
import re

import pytest

from patchbay.metadata.ec2 import ec2_tree
from patchbay.metadata.guest import Guest
from patchbay.metadata.openstack import openstack_tree
from patchbay.metadata.tree import JSON, TEXT, Trees, find
from tests.unit.metadata.guests import KEY, bare, machine, web

SEED = bytes(range(16))


def trees(guest: Guest) -> Trees:
    return Trees(ec2_tree(guest), openstack_tree(guest, SEED))


def read(path: str, guest: Guest | None = None) -> str | None:
    document = find(trees(guest or web()), path)
    return None if document is None else document.body.decode()


EC2 = {
    "/": "1.0\n2007-01-19\n2007-03-01\n2007-08-29\n2007-10-10\n2007-12-15\n2008-02-01\n2008-09-01\n2009-04-04\nlatest",
    "/latest": "meta-data/\nuser-data",
    "/2009-04-04/": "meta-data/\nuser-data",
    "/latest/user-data": "#!/bin/sh\necho grüß\n",
    "/latest/meta-data/": (
        "ami-id\nami-launch-index\nami-manifest-path\nblock-device-mapping/\nhostname\ninstance-action\ninstance-id"
        "\ninstance-type\nlocal-hostname\nlocal-ipv4\nmac\nplacement/\npublic-hostname\npublic-ipv4\npublic-keys/"
        "\nreservation-id\nsecurity-groups"
    ),
    "/1.0/meta-data": (
        "ami-id\nami-launch-index\nami-manifest-path\nhostname\ninstance-id\nlocal-ipv4\nmac\npublic-keys/\nreservation-id"
        "\nsecurity-groups"
    ),
    "/latest/meta-data/instance-id": "i-0a1b2c3d",
    "/latest/meta-data/hostname": "web-1.openstacklocal",
    "/latest/meta-data/local-hostname": "web-1.openstacklocal",
    "/latest/meta-data/local-ipv4": "10.0.0.5",
    "/latest/meta-data/public-ipv4": "203.0.113.20",
    "/latest/meta-data/mac": "fa:16:3e:00:00:01",
    "/latest/meta-data/placement": "availability-zone",
    "/latest/meta-data/placement/availability-zone": "nova",
    "/latest/meta-data/public-keys/": "0=ann@laptop\n1=key1",
    "/latest/meta-data/public-keys/0": "openssh-key",
    "/latest/meta-data/public-keys/0/": "openssh-key",
    "/latest/meta-data/public-keys/0/openssh-key": KEY,
    "/latest/meta-data/block-device-mapping/root": "/dev/vda",
    "//latest///meta-data/./instance-id/": "i-0a1b2c3d",
    "/ec2/latest/meta-data/instance-id": "i-0a1b2c3d",
    "latest/meta-data/instance-id": "i-0a1b2c3d",
}
OPENSTACK = {
    "/openstack": "2012-08-10\n2013-04-04\n2013-10-17\n2015-10-15\n2016-06-30\n2016-10-06\n2017-02-22\n2018-08-27\n"
    "2020-10-14\nlatest",
    "/openstack/latest/": "meta_data.json\nnetwork_data.json\nuser_data\nvendor_data.json\nvendor_data2.json",
    "/openstack/2012-08-10": "meta_data.json\nuser_data",
    "/openstack/2013-10-17": "meta_data.json\nuser_data\nvendor_data.json",
    "/openstack/latest/user_data": "#!/bin/sh\necho grüß\n",
    "/openstack/latest/vendor_data.json": "{}",
    "/openstack/latest/vendor_data2.json": '{"static":{}}',
}
NOTHING = (
    "/latest/meta-data/none",
    "/2009-04-05/meta-data",
    "/latest/meta-data/instance-id/x",
    "/openstack/2011-01-01",
    "/openstack/2012-08-10/network_data.json",
    "/openstack/latest/password",
    "/openstack/content/0000",
    "/meta-data",
    "/../../etc/passwd",
    "/latest/meta-data/public-keys/0=ann@laptop",
    "/\x00",
)


@pytest.mark.parametrize(("path", "expected"), [*EC2.items(), *OPENSTACK.items()])
def test_a_path_gives(path: str, expected: str) -> None:
    assert read(path) == expected


@pytest.mark.parametrize("path", NOTHING)
def test_nothing_is_at(path: str) -> None:
    assert read(path) is None


def test_meta_data_json_says_who_the_instance_is() -> None:
    found = json.loads(read("/openstack/latest/meta_data.json") or "")
    assert found == {
        "uuid": "0a1b2c3d-4e5f-6071-8293-a4b5c6d7e8f9",
        "name": "web_1",
        "hostname": "web-1.openstacklocal",
        "project_id": "ann",
        "launch_index": 0,
        "availability_zone": "nova",
        "meta": {"role": "web"},
        "public_keys": {"ann@laptop": KEY, "key1": "ssh-rsa AAAAB3NzaC1yc2E"},
        "keys": [
            {"name": "ann@laptop", "type": "ssh", "data": KEY},
            {"name": "key1", "type": "ssh", "data": "ssh-rsa AAAAB3NzaC1yc2E"},
        ],
        "random_seed": base64.b64encode(SEED).decode(),
        "devices": [],
        "dedicated_cpus": [],
    }


def test_old_versions_say_what_they_said_then() -> None:
    oldest = json.loads(read("/openstack/2012-08-10/meta_data.json") or "")
    assert not {"random_seed", "project_id", "devices"} & set(oldest)
    assert "random_seed" in json.loads(read("/openstack/2013-04-04/meta_data.json") or "")
    assert "project_id" in json.loads(read("/openstack/2015-10-15/meta_data.json") or "")


def test_network_data_json_describes_links_networks_and_name_servers() -> None:
    found = json.loads(read("/openstack/latest/network_data.json") or "")
    assert found["links"] == [
        {
            "id": "tap10000000-aa",
            "vif_id": "10000000-aaaa-bbbb-cccc-dddddddddddd",
            "type": "ovs",
            "mtu": 1450,
            "ethernet_mac_address": "fa:16:3e:00:00:01",
        },
        {
            "id": "tap20000000-aa",
            "vif_id": "20000000-aaaa-bbbb-cccc-dddddddddddd",
            "type": "ovs",
            "mtu": 1500,
            "ethernet_mac_address": "fa:16:3e:00:00:02",
        },
    ]
    dynamic, automatic, written = found["networks"]
    assert dynamic == {
        "id": "network0",
        "type": "ipv4_dhcp",
        "link": "tap10000000-aa",
        "network_id": "11111111-0000-0000-0000-000000000000",
    }
    assert (automatic["type"], automatic["ip_address"]) == ("ipv6_slaac", "fd00:1::5")
    assert automatic["routes"] == [{"network": "::", "netmask": "::", "gateway": "fd00:1::1"}]
    assert (written["type"], written["ip_address"], written["netmask"]) == ("ipv4", "10.9.0.7", "255.255.0.0")
    assert written["routes"] == [
        {"network": "0.0.0.0", "netmask": "0.0.0.0", "gateway": "10.9.0.1"},
        {"network": "198.51.100.0", "netmask": "255.255.255.0", "gateway": "10.9.0.2"},
    ]
    assert found["services"] == [
        {"type": "dns", "address": "203.0.113.53"},
        {"type": "dns", "address": "203.0.113.54"},
    ]


def test_what_was_not_said_is_not_there() -> None:
    assert read("/latest/user-data", bare()) is None
    assert read("/openstack/latest/user_data", bare()) is None
    assert read("/latest/meta-data/public-keys", bare()) is None
    assert read("/latest", bare()) == "meta-data/"
    assert read("/latest/meta-data/public-ipv4", bare()) == ""
    assert "keys" not in json.loads(read("/openstack/latest/meta_data.json", bare()) or "")


def test_json_is_sent_as_json() -> None:
    known = trees(web())
    found = find(known, "/openstack/latest/meta_data.json"), find(known, "/latest/user-data")
    assert [each and each.media_type for each in found] == [JSON, TEXT]


def test_a_machine_that_is_no_instance_is_known_by_its_port() -> None:
    mine = machine(device_id="vm-7", device_owner="compute:rack2", dns_name="db", project_id="ann")
    found = json.loads(read("/openstack/latest/meta_data.json", mine) or "")
    assert (found["uuid"], found["hostname"], found["name"]) == ("vm-7", "db.openstacklocal", "db")
    assert (found["availability_zone"], found["project_id"]) == ("rack2", "ann")
    assert re.fullmatch("i-[0-9a-f]{8}", read("/latest/meta-data/instance-id", mine) or "")
    nameless = machine()
    assert read("/latest/meta-data/hostname", nameless) == "host-10-0-0-9.openstacklocal"
    assert json.loads(read("/openstack/latest/meta_data.json", nameless) or "")["uuid"].startswith("30000000-")
    named = machine(name="Front Door", dns_domain="shop.example.")
    assert read("/latest/meta-data/hostname", named) == "front-door.shop.example"
