"""The metadata server with real namespaces, packets and database."""

import asyncio
import json
import os
import sys
from pathlib import Path

import pytest

from patchbay.intent.database import Delete, Insert
from patchbay.intent.server import EmbeddedServer
from patchbay.model import FloatingIP, Network
from tests.functional.intent.intent_world import new_id
from tests.functional.metadata.conftest import FOLDER

ID, HOSTNAME = "/latest/meta-data/instance-id", "/latest/meta-data/hostname"


def short(instance) -> str:
    return f"i-{instance.id[:8]}"


def test_guests_of_two_routers_with_the_same_address_get_their_own(on_metadata_host):
    async def scenario(one):
        instances = {}
        for name in ("red", "blue"):
            network, subnet = await one.network(name)
            port = await one.port(network, subnet, "10.0.0.5")
            instances[name] = await one.instance(f"{name}1", port, user_data=f"I am {name}\n")
            one.wire_router(await one.router(network, subnet), (f"{name}1", "10.0.0.5"), (f"{name}2", "10.0.0.9"))
        one.start()
        for name, instance in instances.items():
            assert await one.ask(f"{name}1", ID) == (200, short(instance))
            assert await one.ask(f"{name}1", HOSTNAME) == (200, f"{name}1.openstacklocal")
            assert await one.ask(f"{name}1", "/openstack/latest/user_data") == (200, f"I am {name}\n")
            assert (await one.ask(f"{name}2", ID))[0] == 404, "no port has its address"
        lies = ("X-Forwarded-For=10.0.0.9", f"X-Instance-ID={instances['blue'].id}", "X-Tenant-ID=blue")
        assert await one.ask("red1", ID, *lies) == (200, short(instances["red"]))

    on_metadata_host(scenario)


def test_a_network_without_a_router_is_served_in_its_dhcp_namespace(on_metadata_host):
    async def scenario(one):
        network, subnet = await one.network("red")
        port = await one.port(network, subnet, "10.0.0.5", dns_name="db", device_id="vm-1", device_owner="compute:east")
        namespace = f"qdhcp-{network.id}"
        one.host.sh(
            f"ip netns add {namespace}; ip -n {namespace} link set lo up; ip -n {namespace} link add br0 type bridge\n"
            f"ip -n {namespace} addr add 10.0.0.2/24 dev br0; ip -n {namespace} link set br0 up"
        )
        one.wire_guests(namespace, (("vm", "10.0.0.5"),))
        one.host.sh("ip -n vm route add 169.254.169.254 via 10.0.0.2")
        one.listeners = [{"namespace": namespace, "network_id": network.id, "address": "169.254.169.254", "port": 80}]
        one.start()
        one.host.sh(f"ip -n {namespace} addr add 169.254.169.254/32 dev br0")
        status, body = await one.ask("vm", "/openstack/latest/meta_data.json")
        assert status == 200
        found = json.loads(body)
        assert (found["uuid"], found["hostname"], found["availability_zone"]) == ("vm-1", "db.openstacklocal", "east")
        status, body = await one.ask("vm", "/openstack/latest/network_data.json")
        assert [link["vif_id"] for link in json.loads(body)["links"]] == [port.id]

    on_metadata_host(scenario)


def test_namespaces_that_go_and_come_and_lists_that_change_are_followed(on_metadata_host):
    async def scenario(one):
        network, subnet = await one.network("red")
        red = await one.instance("red1", await one.port(network, subnet, "10.0.0.5"))
        router = await one.router(network, subnet)
        one.wire_router(router, ("red1", "10.0.0.5"))
        one.start()
        await one.gets("red1", ID, short(red))
        one.host.sh(f"ip netns del red1; ip netns del qrouter-{router.id}")
        await one.host.until(lambda: "its namespace has gone" in log(), "the deleted namespace is let go", 5.0)
        one.listeners.clear()
        one.wire_router(router, ("red1", "10.0.0.5"))
        await one.gets("red1", ID, short(red))
        kept, one.listeners = one.listeners, []
        one.reload()
        await one.host.until(lambda: "not wanted any more" in log(), "the listener is closed", 5.0)
        assert (await one.ask("red1", ID))[0] == 0
        (FOLDER / "listeners.json").write_text("[{]")
        os.kill(one.pid, 1)
        await one.host.until(lambda: "the list of listeners stays as it was" in log(), "a bad list is told", 5.0)
        one.listeners = kept
        one.reload()
        await one.gets("red1", ID, short(red))

    on_metadata_host(scenario)


def test_the_database_may_go_and_come_back(on_metadata_host):
    async def scenario(one):
        network, subnet = await one.network("red")
        red = await one.instance("red1", await one.port(network, subnet, "10.0.0.5"))
        one.wire_router(await one.router(network, subnet), ("red1", "10.0.0.5"))
        await one.server.stop()
        one.start()
        assert (await one.ask("red1", ID))[0] == 503
        one.server = await EmbeddedServer.start(one.server.state_dir)
        await one.gets("red1", ID, short(red))

    on_metadata_host(scenario)


def test_what_is_told_follows_the_intent(on_metadata_host):
    async def scenario(one):
        network, subnet = await one.network("red")
        port = await one.port(network, subnet, "10.0.0.5")
        one.wire_router(await one.router(network, subnet), ("red1", "10.0.0.5"))
        one.start()
        await one.gets("red1", HOSTNAME, "host-10-0-0-5.openstacklocal")
        red = await one.instance("red1", port)
        await one.gets("red1", HOSTNAME, "red1.openstacklocal")
        outside = Network(id=new_id(), name="outside", external=True, segmentation_id=99)
        await one.database.transact(Insert(outside))
        held = await one.port(outside, subnet, "203.0.113.20", device_owner="network:floatingip")
        floating = FloatingIP(
            id=new_id(),
            floating_network_id=outside.id,
            floating_ip_address="203.0.113.20",
            floating_port_id=held.id,
            port_id=port.id,
            fixed_ip_address="10.0.0.5",
        )
        await one.database.transact(Insert(floating))
        await one.gets("red1", "/latest/meta-data/public-ipv4", "203.0.113.20")
        await one.database.transact(Delete(floating))
        await one.gets("red1", "/latest/meta-data/public-ipv4", "")
        await one.database.transact(Delete(red))
        await one.gets("red1", HOSTNAME, "host-10-0-0-5.openstacklocal")

    on_metadata_host(scenario)


def test_a_port_that_claims_somebody_else_s_instance_learns_nothing_of_it(on_metadata_host):
    async def scenario(one):
        network, subnet = await one.network("red")
        victim = await one.instance(
            "red1", await one.port(network, subnet, "10.0.0.5"), project_id="red", user_data="s"
        )
        thief = {"device_id": victim.id, "device_owner": "compute:nova", "project_id": "mallory", "host": "compute1"}
        await one.port(network, subnet, "10.0.0.66", **thief)
        one.wire_router(await one.router(network, subnet), ("thief", "10.0.0.66"))
        one.start()
        assert (await one.ask("thief", "/latest/user-data"))[0] == 404
        assert await one.ask("thief", HOSTNAME) == (200, "host-10-0-0-66.openstacklocal")

    on_metadata_host(scenario)


FLOOD = """
import contextlib, selectors, socket, sys
sys.stdout.write("begun\\n"); sys.stdout.flush()
ask = b"GET /latest/user-data HTTP/1.1\\r\\n\\r\\n" * 20
kept = []
while True:
    with contextlib.suppress(OSError):
        one = socket.create_connection(("169.254.169.254", 80), 1)
        one.setblocking(False)
        kept.append(one)
    for one in kept[-64:]:
        with contextlib.suppress(OSError):
            one.send(ask)
    del kept[:-64]
"""


def test_an_instance_that_floods_the_server_keeps_no_other_from_it(on_metadata_host):
    async def scenario(one):
        instances = {}
        for name in ("red", "blue"):
            network, subnet = await one.network(name)
            port = await one.port(network, subnet, "10.0.0.5")
            instances[name] = await one.instance(f"{name}1", port, user_data="x" * 20000)
            one.wire_router(await one.router(network, subnet), (f"{name}1", "10.0.0.5"))
        one.start()
        command = ["ip", "netns", "exec", "red1", sys.executable, "-c", FLOOD]
        flood = await asyncio.create_subprocess_exec(*command, stdout=asyncio.subprocess.PIPE)
        try:
            await flood.stdout.readline()
            for _ in range(10):
                assert await one.ask("blue1", ID) == (200, short(instances["blue"]))
            assert memory_kib(one.pid) < 60_000
        finally:
            flood.kill()
            await flood.wait()
        await one.gets("red1", ID, short(instances["red"]))

    on_metadata_host(scenario)


def test_one_server_runs_at_a_time_and_says_why_it_cannot(on_metadata_host):
    async def scenario(one):
        one.start()
        first = one.pid
        with pytest.raises(AssertionError, match="Another metadata server runs on this host"):
            one.start()
        os.kill(first, 15)
        one.start()
        assert one.pid != first
        one.stop()
        (FOLDER / "listeners.json").write_text("{}")
        with pytest.raises(AssertionError, match="The agent writes it"):
            one.host.sh(command)

    command = f"{sys.executable} -m patchbay metadata --intent unix:/nowhere --listeners {FOLDER}/listeners.json"

    on_metadata_host(scenario)


def log() -> str:
    return (FOLDER / "log").read_text()


def memory_kib(pid: int) -> int:
    return int(Path(f"/proc/{pid}/status").read_text().partition("VmRSS:")[2].split()[0])
