"""The networks that the tests of the intent database talk about, and how they wait."""

import asyncio
import copy
import itertools
import json
import subprocess
import time
import uuid
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

from patchbay.intent.database import IntentDatabase, schema_text
from patchbay.model import FixedIP, Network, Port, Subnet

Open = Callable[..., Awaitable[IntentDatabase]]
_numbers = itertools.count(1)


async def until(condition: Callable[[], object], what: str, deadline_s: float = 10.0) -> None:
    """Returns when ``condition`` holds; fails saying ``what`` was missing."""
    end = time.monotonic() + deadline_s
    while not condition():
        assert time.monotonic() < end, f"after {deadline_s} s still not: {what}"
        await asyncio.sleep(0.005)


def new_id() -> str:
    """A random UUID."""
    return str(uuid.uuid4())


def new_network(name: str = "blue") -> Network:
    """A VXLAN network with a VNI of its own."""
    return Network(id=new_id(), name=name, segmentation_id=next(_numbers), revision_number=1)


def new_subnet(network: Network, cidr: str = "10.0.0.0/16") -> Subnet:
    """A subnet of it."""
    return Subnet(id=new_id(), network_id=network.id, ip_version=6 if ":" in cidr else 4, cidr=cidr, revision_number=1)


def new_port(network: Network, *addresses: tuple[Subnet, str], mac: str = "", host: str = "") -> Port:
    """A port with these addresses and, unless named, a MAC of its own."""
    number = next(_numbers)
    return Port(
        id=new_id(),
        network_id=network.id,
        mac_address=mac or f"fa:16:3e:{number >> 16 & 255:02x}:{number >> 8 & 255:02x}:{number & 255:02x}",
        fixed_ips=tuple(FixedIP(subnet.id, address) for subnet, address in addresses),
        revision_number=1,
        host=host,
    )


def older_schema(version: str = "0.9.0") -> dict[str, Any]:
    """The schema as it may have been: without plugs, and without some columns."""
    schema = copy.deepcopy(json.loads(schema_text()))
    schema["version"] = version
    del schema["tables"]["Plug"]
    del schema["tables"]["Network"]["columns"]["external"]
    del schema["tables"]["Host"]["columns"]["version"]
    return schema


def make_database(directory: Path, schema: dict[str, Any]) -> str:
    """A database file of that schema with one network in it, whose id is returned."""
    directory.mkdir(parents=True, exist_ok=True)
    (directory / "schema").write_text(json.dumps(schema))
    subprocess.run(["ovsdb-tool", "create", directory / "intent.db", directory / "schema"], check=True)
    network_id = new_id()
    row = {"name": "old", "mtu": 1442, "network_type": "vxlan", "segmentation_id": 34, "segment": "vxlan::34"}
    operation = {"op": "insert", "table": "Network", "uuid": network_id, "row": row}
    command = ["ovsdb-tool", "transact", str(directory / "intent.db"), json.dumps(["Patchbay", operation])]
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
    return network_id
