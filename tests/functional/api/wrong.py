"""Wrong requests as data: one row says what is asked and which error it deserves."""

import json
from typing import Any

import msgspec

NOWHERE = "11111111-2222-4333-8444-555555555555"


class Row(msgspec.Struct, frozen=True):
    """A request, and the error that it deserves. ``{name}`` in path and body stands for an id of the world below."""

    method: str
    path: str
    body: Any
    status: int
    type: str
    message: str

    def __str__(self) -> str:
        body = json.dumps(self.body) if isinstance(self.body, (dict, list)) else repr(self.body)
        return f"{self.method} {self.path} {body}"[:110]


def network(status: int, type_: str, message: str, /, **attributes: Any) -> Row:
    """A POST of a network."""
    return Row("POST", "/networks", {"network": _colons(attributes)}, status, type_, message)


def subnet(status: int, type_: str, message: str, /, **attributes: Any) -> Row:
    """A POST of a subnet of the network ``bare``."""
    item = {"network_id": "{bare}", "ip_version": 4, "cidr": "10.1.0.0/24"} | attributes
    item = {name: value for name, value in item.items() if value != "leave out"}
    return Row("POST", "/subnets", {"subnet": item}, status, type_, message)


def port(status: int, type_: str, message: str, /, **attributes: Any) -> Row:
    """A POST of a port of the network ``net``."""
    item = {"network_id": "{net}"} | _colons(attributes)
    return Row("POST", "/ports", {"port": item}, status, type_, message)


def instance(status: int, type_: str, message: str, /, **attributes: Any) -> Row:
    """A POST of an instance."""
    return Row(
        "POST", "/instances", {"instance": {"name": "db", "host": "compute1"} | attributes}, status, type_, message
    )


def put(path: str, status: int, type_: str, message: str, /, **attributes: Any) -> Row:
    """A PUT."""
    member = path.split("/")[1].removesuffix("s")
    return Row("PUT", path, {member: _colons(attributes)}, status, type_, message)


def _colons(attributes: dict[str, Any]) -> dict[str, Any]:
    return {name.replace("__", ":"): value for name, value in attributes.items()}


VLAN: dict[str, Any] = {"provider__network_type": "vlan", "provider__physical_network": "physnet1"}
VXLAN: dict[str, Any] = {"provider__network_type": "vxlan"}
BAD, INVALID = "HTTPBadRequest", "InvalidInput"
