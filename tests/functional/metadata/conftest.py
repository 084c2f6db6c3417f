"""A host with an intent database, two networks of the same addresses, and a metadata server, all real."""

import asyncio
import contextlib
import json
import os
import signal
import sys
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path

import pytest

from patchbay.intent.database import Insert, IntentDatabase
from patchbay.intent.server import EmbeddedServer
from patchbay.model import FixedIP, Instance, Network, Port, Router, Subnet
from tests.functional.intent.intent_world import new_id

FOLDER = Path("/run/patchbay/metadata/host")
ASK = """
import http.client, sys
connection = http.client.HTTPConnection("169.254.169.254", 80, timeout=5)
connection.request("GET", sys.argv[1], headers=dict(each.split("=") for each in sys.argv[2:]))
answer = connection.getresponse()
sys.stdout.write(f"{answer.status}\\n" + answer.read().decode())
"""


class Metadata:
    """What a scenario works with."""

    def __init__(self, host, server: EmbeddedServer, database: IntentDatabase) -> None:
        self.host = host
        self.server = server
        self.database = database
        self.listeners: list[dict] = []
        self.pid = 0

    async def network(self, name: str, **fields) -> tuple[Network, Subnet]:
        """A network of 10.0.0.0/24, as all of them."""
        number = len(self.database.networks) + 1
        network = Network(id=new_id(), name=name, segmentation_id=number, **fields)
        subnet = Subnet(id=new_id(), network_id=network.id, ip_version=4, cidr="10.0.0.0/24", gateway_ip="10.0.0.1")
        await self.database.transact(Insert(network), Insert(subnet))
        return network, subnet

    async def port(self, network: Network, subnet: Subnet, address: str, **fields) -> Port:
        """A port of it."""
        number = len(self.database.ports) + 1
        port = Port(
            id=new_id(),
            network_id=network.id,
            mac_address=f"fa:16:3e:00:00:{number:02x}",
            fixed_ips=(FixedIP(subnet.id, address),),
            **{"host": "compute1", "port_security_enabled": False} | fields,
        )
        await self.database.transact(Insert(port))
        return port

    async def instance(self, name: str, port: Port, **fields) -> Instance:
        """An instance with this port."""
        instance = Instance(id=new_id(), name=name, host="compute1", interfaces={"eth0": port.id}, **fields)
        await self.database.transact(Insert(instance))
        return instance

    async def router(self, network: Network, subnet: Subnet) -> Router:
        """A router with the network's gateway address."""
        router = Router(id=new_id(), name=network.name, host="compute1")
        await self.database.transact(Insert(router))
        owner = {"device_owner": "network:router_interface", "device_id": router.id}
        await self.port(network, subnet, "10.0.0.1", **owner)
        return router

    def wire_router(self, router: Router, *guests: tuple[str, str]) -> None:
        """A router's namespace as the agent makes it, as far as metadata need it, with guests on a bridge behind it."""
        namespace = f"qrouter-{router.id}"
        self.host.sh(
            f"ip netns add {namespace}; ip -n {namespace} link set lo up\n"
            f"ip -n {namespace} link add br0 type bridge; ip -n {namespace} addr add 10.0.0.1/24 dev br0\n"
            f"ip -n {namespace} addr add 10.7.0.1/24 dev br0; ip -n {namespace} link set br0 up\n"
            f"ip netns exec {namespace} iptables -t nat -A PREROUTING -d 169.254.169.254/32 -p tcp --dport 80"
            " -j REDIRECT --to-ports 9697"
        )
        self.wire_guests(namespace, guests)
        self.listeners.append({"namespace": namespace, "router_id": router.id, "address": "0.0.0.0", "port": 9697})

    def wire_guests(self, namespace: str, guests: tuple[tuple[str, str], ...]) -> None:
        """Namespaces of guests with an address each, and their default route."""
        for name, address in guests:
            self.host.sh(
                f"ip netns add {name}; ip -n {name} link set lo up\n"
                f"ip -n {name} link add eth0 type veth peer name v{name} netns {namespace}\n"
                f"ip -n {namespace} link set v{name} master br0 up; ip -n {name} addr add {address}/24 dev eth0\n"
                f"ip -n {name} link set eth0 up; ip -n {name} route add default via {address.rpartition('.')[0]}.1"
            )

    def write_list(self) -> None:
        """The list of listeners as it should be now."""
        FOLDER.mkdir(parents=True, exist_ok=True)
        (FOLDER / "listeners.json").write_text(json.dumps(self.listeners))

    def start(self, *extra: str, remote: str = "") -> None:
        """Start the server, as the agent does: it comes back when it is ready."""
        self.write_list()
        command = f"{sys.executable} -m patchbay metadata --intent {remote or self.server.remote}"
        self.host.sh(f"{command} --listeners {FOLDER}/listeners.json --pid-file {FOLDER}/pid {' '.join(extra)}")
        self.pid = int((FOLDER / "pid").read_text())

    def reload(self) -> None:
        """Have it read the list again."""
        self.write_list()
        os.kill(self.pid, signal.SIGHUP)

    def stop(self) -> None:
        """End it, if it runs."""
        with contextlib.suppress(ProcessLookupError):
            if self.pid:
                os.kill(self.pid, signal.SIGTERM)

    async def ask(self, guest: str, path: str, *headers: str) -> tuple[int, str]:
        """Status and body of what a guest gets; status 0 when nobody answers."""
        command = ["ip", "netns", "exec", guest, sys.executable, "-c", ASK, path, *headers]
        process = await asyncio.create_subprocess_exec(
            *command, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE
        )
        output, _ = await process.communicate()
        status, _, body = output.decode().partition("\n")
        return int(status or 0), body

    async def gets(self, guest: str, path: str, expected: str, deadline_s: float = 10.0) -> None:
        """Wait until a guest gets this."""
        end, seen = asyncio.get_running_loop().time() + deadline_s, ""
        while (answer := await self.ask(guest, path)) != (200, expected):
            seen = f"{guest} asks for {path}: {answer}, not {expected!r}"
            assert asyncio.get_running_loop().time() < end, seen


Scenario = Callable[[Metadata], Awaitable[None]]


@contextlib.asynccontextmanager
async def world(host) -> AsyncIterator[Metadata]:
    server = await EmbeddedServer.start(Path("/run/intent"))
    database = await IntentDatabase.open([server.remote])
    one = Metadata(host, server, database)
    try:
        yield one
    except BaseException:
        if (FOLDER / "log").exists():
            print((FOLDER / "log").read_text())
        raise
    finally:
        one.stop()
        await database.close()
        await one.server.stop()


@pytest.fixture
def on_metadata_host(on_private_host) -> Callable[[Scenario], None]:
    """Run a scenario on a private host with an intent database."""

    def run(scenario: Scenario) -> None:
        async def wrapped(host) -> None:
            async with world(host) as one:
                await scenario(one)

        on_private_host(wrapped)

    return run
