#!/usr/bin/env python3
"""What security costs at the API: security groups with 1,000 rules, and users who log in and may see only their own.

``bench/bench_security_api.py [-f json]``. Starts ``patchbay serve`` twice as a child on a free loopback port with its
state on a real disk: without authentication, and with the built-in identity endpoint, where an administrator and a
member of a project ask the same. Quotas count, but are large. Needs no root.
"""

import argparse
import json
import sys
import tempfile
from collections.abc import Callable, Iterator
from itertools import count
from pathlib import Path
from typing import Any

import yaml
from bench_api import Client, figure, new_network, serving, timed

from patchbay.cli.output import print_list
from patchbay.service.identity.passwords import hash_password

PORTS, RULES, AT_ONCE, GROUPS, LISTS, SINGLE = 1_000, 1_000, 500, 10, 40, 200
QUOTAS = ("port=100000", "security_group=100000", "security_group_rule=100000")
USERS = {"admin": "admin", "member": "member"}
"""Each user's role in the one project; the password is the name."""

Figures = Iterator[dict[str, object]]


def identity_text() -> str:
    """The identity file of these users."""
    users = {
        name: {"password": hash_password(name, rounds=4), "roles": {"red": [role]}} for name, role in USERS.items()
    }
    return yaml.safe_dump({"projects": {"red": {}}, "users": users})


class Caller(Client):
    """A keep-alive connection of somebody who has logged in; "" is everybody."""

    def __init__(self, port: int, user: str = "") -> None:
        super().__init__(port)
        self.who = user or "no authentication"
        if user:
            self.log_in(user)

    def log_in(self, user: str) -> None:
        """Get a token for the user's project."""
        named = {"name": user, "domain": {"name": "Default"}, "password": user}
        scope = {"project": {"name": "red", "domain": {"name": "Default"}}}
        body = {"auth": {"identity": {"methods": ["password"], "password": {"user": named}}, "scope": scope}}
        self.connection.request("POST", "/v3/auth/tokens", json.dumps(body))
        response = self.connection.getresponse()
        response.read()
        self.headers = {"X-Auth-Token": response.headers["x-subject-token"]}

    def create(self, kind: str, **values: object) -> Any:
        """One object, or with ``many`` a list of them."""
        path = f"/v2.0/{kind.replace('_', '-')}s"
        many = values.pop("many", None)
        if many is not None:
            return self.request("POST", path, {f"{kind}s": many})[f"{kind}s"]
        return self.request("POST", path, {kind: values})[kind]


def rules(group_id: str, first: int, number: int) -> list[dict[str, object]]:
    """Rules of a group, each for one port of TCP."""
    ports = range(first, first + number)
    common = {"security_group_id": group_id, "direction": "ingress", "protocol": "tcp"}
    return [{**common, "port_range_min": port, "port_range_max": port} for port in ports]


def of_ports(client: Caller, network_id: str, groups: list[str]) -> Figures:
    """Ports created: with the default group, with many, without port security."""
    cases: dict[str, dict[str, object]] = {
        "create a port without port security": {"port_security_enabled": False},
        "create a port in the default group": {},
        f"create a port in {len(groups)} groups": {"security_groups": groups},
    }
    for what, values in cases.items():
        work = lambda values=values: client.create("port", network_id=network_id, **values)  # noqa: E731
        timed(work, 20)
        yield row(client, what, timed(work, SINGLE), 2)
    made = client.create("port", network_id=network_id)["id"]
    turns = iter([{"port": {"security_groups": wanted}} for wanted in (groups[:1], groups[1:2])] * (SINGLE // 2))
    change = timed(lambda: client.request("PUT", f"/v2.0/ports/{made}", next(turns)), SINGLE)
    yield row(client, "put a port into another group", change, None)


def of_rules(client: Caller, group_id: str) -> Figures:
    """A group of many rules: made in one request, one more and one less, listed, shown."""
    number = count(30_000)
    bulk = iter([rules(client.create("security_group")["id"], 1, AT_ONCE) for _ in range(3)])
    made = timed(lambda: client.create("security_group_rule", many=next(bulk)), 3)
    yield row(client, f"create {AT_ONCE} rules in one request", made, None)
    for start in range(1, RULES, AT_ONCE):
        client.create("security_group_rule", many=rules(group_id, start, AT_ONCE))
    added: list[str] = []

    def add() -> None:
        [one] = rules(group_id, next(number), 1)
        added.append(client.create("security_group_rule", **one)["id"])

    yield row(client, f"one more rule among {RULES}", timed(add, SINGLE), None)
    remove = timed(lambda: client.request("DELETE", f"/v2.0/security-group-rules/{added.pop()}"), SINGLE)
    yield row(client, "one rule less", remove, None)
    yield from of_lists(client, f"/v2.0/security-group-rules?security_group_id={group_id}", f"list {RULES} rules", 20)
    yield from of_lists(client, f"/v2.0/security-groups/{group_id}", f"show a group of {RULES} rules", 20)


def of_lists(client: Client, path: str, what: str, goal_ms: float | None) -> Figures:
    """A list, many times."""
    yield row(client, what, timed(lambda: client.request("GET", path), LISTS), goal_ms)


def row(client: Client, what: str, samples: list[float], goal_ms: float | None) -> dict[str, object]:
    """One figure."""
    assert isinstance(client, Caller)
    return {"who": client.who, **figure(what, samples, goal_ms)}


def measure(callers: list[Caller]) -> Figures:
    """All figures; the first caller makes what is listed."""
    first = callers[0]
    network_id = new_network(first, 0)
    group_ids = [first.create("security_group")["id"] for _ in range(GROUPS)]
    for _ in range(0, PORTS, AT_ONCE):
        first.create("port", many=[{"network_id": network_id} for _ in range(AT_ONCE)])
    others = new_network(first, 1)
    for client in callers:
        print(f"{client.who} …", file=sys.stderr)
        yield from of_lists(client, f"/v2.0/ports?network_id={network_id}", f"list {PORTS} ports", 20)
        yield from of_ports(client, others, group_ids)
        yield from of_rules(client, client.create("security_group")["id"])


def main() -> None:
    """Measure, print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("-f", "--format", choices=("table", "json"), default="table")
    parser.add_argument("--dir", type=Path, default=None, help="where the database files live while measured")
    arguments = parser.parse_args()
    figures: list[dict[str, object]] = []
    worlds: list[Callable[[int], list[Caller]]] = [
        lambda port: [Caller(port)],
        lambda port: [Caller(port, "member"), Caller(port, "admin")],
    ]
    for is_known, callers_of in enumerate(worlds):
        with tempfile.TemporaryDirectory(prefix="patchbay-bench-", dir=arguments.dir) as directory:
            options = [option for quota in QUOTAS for option in ("--quota", quota)]
            if is_known:
                identity = Path(directory) / "identity.yaml"
                identity.write_text(identity_text())
                options += ["--auth", "builtin", "--identity", str(identity)]
            with serving(Path(directory), options=options) as (port, _):
                figures += measure(callers_of(port))
    if arguments.format == "json":
        print(json.dumps(figures, indent=2))
    else:
        print_list(figures, list(figures[0]), "table", ())


if __name__ == "__main__":
    main()
