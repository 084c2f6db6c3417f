"""What tempest meets: a host of its own with Open vSwitch, the agent, the service and an identity endpoint.

Everything runs in the private namespaces that ``scripts/tempest`` makes, and ends with them.
"""

import http.client
import json
import os
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from patchbay.service.identity.passwords import hash_password
from tests.tempest.keystone import ROUNDS, IdentityFile, WritableKeystone

WORK = Path("/run/tempest")
API, KEYSTONE = 9696, 5000
PATIENCE_S = 30.0
QUOTAS = {"router": 100, "floatingip": 500, "security_group": 150, "security_group_rule": 1000}
"""Larger than the defaults, as where Neutron itself runs these tests: a class keeps all that it makes to its end."""
PRIVATE_HOST = """\
mount --make-rprivate /
mount -t tmpfs tmpfs /run
mkdir -p /run/netns /run/openvswitch /etc/openvswitch /run/tempest/locks
mount -t tmpfs tmpfs /etc/openvswitch
hostname tempest
ip link set lo up
ovsdb-tool create /etc/openvswitch/conf.db /usr/share/openvswitch/vswitch.ovsschema
ovsdb-server --remote=punix:/run/openvswitch/db.sock --pidfile --detach --no-chdir --log-file=/run/ovsdb.log \\
  /etc/openvswitch/conf.db
ovs-vsctl --no-wait init
ovs-vswitchd --pidfile --detach --no-chdir --log-file=/run/vswitchd.log
ovs-vsctl add-br br-ex -- set bridge br-ex datapath_type=DATAPATH
"""
CONFIGURATION = """\
[DEFAULT]
debug = false
log_file = tempest.log
[oslo_concurrency]
lock_path = {work}/locks
[auth]
use_dynamic_credentials = true
create_isolated_networks = false
admin_username = admin
admin_password = admin
admin_project_name = cloud
admin_domain_name = Default
default_credentials_domain_name = Default
[identity]
uri_v3 = http://127.0.0.1:{keystone}/v3
auth_version = v3
region = RegionOne
v3_endpoint_type = public
[service_available]
neutron = true
nova = false
cinder = false
glance = false
swift = false
horizon = false
[validation]
run_validation = false
[network]
public_network_id = {public}
floating_network_name = public
endpoint_type = public
[network-feature-enabled]
api_extensions = {extensions}
ipv6 = true
ipv6_subnet_attributes = true
port_security = true
[neutron_plugin_options]
available_type_drivers = flat,vlan,local,vxlan
provider_vlans = physnet1
agent_availability_zone = nova
max_networks_per_project = 8
"""


def start() -> Path:
    """Starts it all; returns tempest's configuration file, in a directory of the run's own."""
    subprocess.run(["bash", "-euc", PRIVATE_HOST.replace("DATAPATH", datapath())], check=True)
    identity = IdentityFile(WORK / "identity.yaml", _identity())
    _spawn("serve", *_service_options())
    WritableKeystone(KEYSTONE, API, identity)
    _until(lambda: ask("GET", "/v2.0/extensions") is not None, "the service answers")
    options = [f"--intent=unix:{WORK}/intent.sock", "--host=tempest", "--tunnel-ip=127.0.0.1"]
    _spawn("agent", *options, "--bridge-mapping=physnet1:br-ex", f"--datapath-type={datapath()}")
    _until(lambda: len(ask("GET", "/v2.0/agents")["agents"]) > 0, "the agent has said that it is there")
    return _configuration()


def datapath() -> str:
    """The datapath type of bridges on this machine."""
    return "system" if Path("/sys/module/openvswitch").exists() else "netdev"


def logs() -> str:
    """What went wrong, in the words of the service and the agent."""
    lines = [line for name in ("serve", "agent") for line in (WORK / f"{name}.log").read_text().splitlines()]
    return "\n".join(line for line in lines if "level=error" in line or "Traceback" in line)


def ask(method: str, path: str, body: object = None) -> Any:
    """The answer of the API to the administrator; None while it does not answer."""
    try:
        headers = {"Content-Type": "application/json", "X-Auth-Token": _token()}
        return _request(method, path, body, headers)[1]
    except OSError:
        return None


def _token() -> str:
    user = {"name": "admin", "domain": {"name": "Default"}, "password": "admin"}
    said = {"auth": {"identity": {"methods": ["password"], "password": {"user": user}}}}
    return _request("POST", "/v3/auth/tokens", said, {})[0].get("X-Subject-Token") or ""


def _request(method: str, path: str, body: object, headers: dict[str, str]) -> tuple[Any, Any]:
    connection = http.client.HTTPConnection("127.0.0.1", API, timeout=30)
    try:
        connection.request(method, path, None if body is None else json.dumps(body), headers)
        answer = connection.getresponse()
        text = answer.read()
        if answer.status >= 400:
            raise RuntimeError(f"{method} {path}: {answer.status} {text.decode()}")
        return answer.headers, json.loads(text)
    finally:
        connection.close()


def _identity() -> dict[str, Any]:
    url = "http://127.0.0.1"
    return {
        "projects": {"cloud": {"id": "c10dc10dc10dc10dc10dc10dc10dc10d"}},
        "users": {
            "admin": {
                "id": "ad31ad31ad31ad31ad31ad31ad31ad31",
                "password": hash_password("admin", rounds=ROUNDS),
                "roles": {"cloud": ["admin"]},
            }
        },
        "catalog": [
            {"type": "network", "name": "neutron", "url": f"{url}:{API}"},
            {"type": "identity", "name": "keystone", "url": f"{url}:{KEYSTONE}/v3"},
        ],
    }


def _service_options() -> list[str]:
    return [
        *("--auth=builtin", f"--identity={WORK}/identity.yaml", f"--state-dir={WORK}"),
        *(f"--listen=127.0.0.1:{API}", "--vnet-listen=none", "--vlan-range=physnet1:1000:1999"),
        *(f"--quota={kind}={limit}" for kind, limit in QUOTAS.items()),
    ]


def _spawn(*command: str) -> None:
    with (WORK / f"{command[0]}.log").open("w") as log:
        environment = {**os.environ, "PYTHONPATH": str(Path(__file__).resolve().parents[2])}
        subprocess.Popen([sys.executable, "-m", "patchbay", *command], stdout=log, stderr=log, env=environment)


def _until(condition: Callable[[], bool], what: str) -> None:
    end = time.monotonic() + PATIENCE_S
    while not condition():
        if time.monotonic() > end:
            sys.exit(f"After {PATIENCE_S:g} s still not: {what}\n{logs()}")
        time.sleep(0.1)


def _configuration() -> Path:
    network = {"name": "public", "router:external": True, "is_default": True}
    public = ask("POST", "/v2.0/networks", {"network": network})["network"]["id"]
    subnet = {"network_id": public, "ip_version": 4, "cidr": "203.0.113.0/24", "enable_dhcp": False}
    ask("POST", "/v2.0/subnets", {"subnet": subnet})
    extensions = ",".join(one["alias"] for one in ask("GET", "/v2.0/extensions")["extensions"])
    path = WORK / "tempest.conf"
    path.write_text(CONFIGURATION.format(work=WORK, keystone=KEYSTONE, public=public, extensions=extensions))
    return path
