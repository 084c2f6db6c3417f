"""The real cloud-init, as Debian packages it, reads the metadata service from inside an instance."""

import json
import subprocess
from pathlib import Path

import yaml

from patchbay.intent.database import Insert
from patchbay.model import Subnet
from tests.functional.intent.intent_world import new_id

ROOT = Path(__file__).resolve().parents[3]
PACKAGES = ROOT / "build" / "guest" / "cloud-init" / "usr" / "lib" / "python3" / "dist-packages"
READS = Path(__file__).with_name("cloud_init_reads.py")
KEYS = ("ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIGuest ann@laptop", "ssh-rsa AAAAB3NzaC1yc2EAAAADAQABAAAB bob")
USER_DATA = "#cloud-config\nruncmd:\n  - [echo, grüß]\n"


def cloud_init(host, guest: str) -> dict:
    """What cloud-init finds in a guest, where it has a folder of its own, no name server, and is the first process."""
    host.sh(f"mkdir -p /run/cloud/{guest}")
    text = host.sh(
        f"export PYTHONPATH={PACKAGES} PYTHONDONTWRITEBYTECODE=1 product_name='OpenStack Nova'\n"
        f"ip netns exec {guest} unshare --mount --pid --fork --mount-proc bash -euc"
        f" 'mount --bind /dev/null /etc/resolv.conf; exec /usr/bin/python3 {READS} /run/cloud/{guest}'"
    )
    assert not Path("/run/cloud-init").exists()
    assert not Path("/var/lib/cloud/instances").exists()
    return json.loads(text)


def test_cloud_init_accepts_what_it_is_served(on_metadata_host):
    subprocess.run([ROOT / "scripts" / "guest-packages"], check=True)

    async def scenario(one):
        network, subnet = await one.network("red")
        port = await one.port(network, subnet, "10.0.0.5")
        told = {"public_keys": KEYS, "user_data": USER_DATA, "metadata": {"role": "web"}, "project_id": "ann"}
        instance = await one.instance("web1", port, **told)
        one.wire_router(await one.router(network, subnet), ("web1", "10.0.0.5"))
        one.host.sh(f"ip -n web1 link set eth0 address {port.mac_address}")
        one.start()
        found = cloud_init(one.host, "web1")
        assert found["is_accepted"]
        assert found["version"] == 2
        assert found["instance_id"] == instance.id
        assert (found["hostname"], found["fqdn"]) == ("web1", "web1.openstacklocal")
        assert found["keys"] == list(KEYS)
        assert found["user_data"] == USER_DATA
        assert found["parts"][0] == ["text/cloud-config", USER_DATA]
        assert found["metadata"] == {"meta": {"role": "web"}, "project_id": "ann", "name": "web1"}
        assert found["seed_bytes"] > 500
        assert found["vendor_data"] == {}
        assert found["ec2"]["instance-id"] == f"i-{instance.id[:8]}"
        assert found["ec2"]["local-ipv4"] == "10.0.0.5"
        assert found["ec2"]["public-keys"] == {"ann@laptop": KEYS[0], "bob": KEYS[1]}
        assert found["Ec2"] == {
            "is_accepted": True,
            "instance_id": f"i-{instance.id[:8]}",
            "fqdn": "web1.openstacklocal",
            "keys": list(KEYS),
            "user_data": USER_DATA,
            "zone": "nova",
        }
        (card,) = yaml.safe_load(found["netplan"])["network"]["ethernets"].values()
        assert (card["dhcp4"], card["match"], card["mtu"]) == (True, {"macaddress": port.mac_address}, 1450)

    on_metadata_host(scenario)


def test_cloud_init_configures_a_network_without_dhcp_from_what_it_is_told(on_metadata_host):
    subprocess.run([ROOT / "scripts" / "guest-packages"], check=True)

    async def scenario(one):
        network, _ = await one.network("red")
        written = Subnet(
            id=new_id(),
            network_id=network.id,
            ip_version=4,
            cidr="10.7.0.0/16",
            gateway_ip="10.7.0.1",
            enable_dhcp=False,
            dns_nameservers=("203.0.113.53",),
        )
        await one.database.transact(Insert(written))
        port = await one.port(
            network, written, "10.7.0.5", dns_name="db", device_id="vm-1", device_owner="compute:nova"
        )
        one.wire_router(await one.router(network, written), ("db", "10.7.0.5"))
        one.host.sh(f"ip -n db link set eth0 address {port.mac_address}")
        one.start()
        found = cloud_init(one.host, "db")
        assert found["is_accepted"]
        assert (found["instance_id"], found["fqdn"], found["user_data"]) == ("vm-1", "db.openstacklocal", "")
        (card,) = yaml.safe_load(found["netplan"])["network"]["ethernets"].values()
        assert card["addresses"] == ["10.7.0.5/16"]
        assert "203.0.113.53" in card["nameservers"]["addresses"]
        assert {"to": "0.0.0.0/0", "via": "10.7.0.1"} in card["routes"]

    on_metadata_host(scenario)
