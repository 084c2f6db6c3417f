"""A lab of two hosts for packets of every kind: some are asked, others ask, and the rules change by the API."""

import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from patchbay.lab.lab import Lab
from patchbay.lab.reading import parse_topology
from patchbay.model.security import SecurityGroupRule
from tests.functional.security import model
from tests.functional.security.cases import PEERS, REMOTES
from tests.functional.security.exchange import Exchange, Speaker, exchange, silence

Object = dict[str, Any]
HOSTS = ("compute1", "compute2")
PROJECT = "village"
QUOTAS = {"security_group": -1, "security_group_rule": -1}

TOPOLOGY = """\
name: test-{name}
hosts:
  compute1: {{tunnel_ip: 172.21.{net}.1}}
  compute2: {{tunnel_ip: 172.21.{net}.2}}
networks:
  green:
    project: village
    subnets:
      green-v4: {{cidr: 10.0.0.0/16, enable_dhcp: false}}
      green-v6: {{cidr: "fd00::/64", enable_dhcp: false}}
security_groups:
  open: {{project: village, rules: [{{}}, {{ethertype: IPv6}}]}}
  friends: {{project: village, rules: []}}
address_groups:
  office: [10.0.7.1, 10.0.7.2/31, "fd00::7:0/127", "fd00::7:2"]
instances:
"""
PREFIXES = {4: "10.0.7.0/28", 6: "fd00::7:0/124"}
EVERYWHERE = {4: "0.0.0.0/0", 6: "::/0"}
OFFICE = ("10.0.7.1", "10.0.7.2/31", "fd00::7:0/127", "fd00::7:2")
_PLACES = {"friend": 7, "stranger": 8, "paired": 9}


def peers() -> list[str]:
    """Names of those who ask, on both hosts."""
    return [f"{kind}{number}" for kind in PEERS for number in (1, 2)]


def topology(name: str, net: int, asked: Mapping[str, str]) -> str:
    """The file: who asks is on both hosts, and may do all; ``asked`` are names with their hosts, in no group."""
    lines = [TOPOLOGY.format(name=name, net=net)]
    for kind, place in _PLACES.items():
        groups = "[open]" if kind == "stranger" else "[open, friends]"
        lines += [_instance(f"{kind}{n}", HOSTS[n - 1], f"{place}.{n}", f"{place}:{n}", groups) for n in (1, 2)]
    for number, (each, host) in enumerate(asked.items(), 1):
        lines.append(_instance(each, host, f"1.{number}", f"1:{number}", "[]"))
    return "".join(lines)


def _instance(name: str, host: str, v4: str, v6: str, groups: str) -> str:
    plugging = "hybrid" if name.endswith("2") else "direct"
    addresses = f'[10.0.{v4}, "fd00::{v6}"]'
    return (
        f"  {name}: {{host: {host}, plugging: {plugging}, network: green, addresses: {addresses},"
        f" security_groups: {groups}}}\n"
    )


def pair_address(name: str, version: int) -> str:
    """The address of the address pair of ``paired1`` or ``paired2``."""
    return f"10.0.99.{name[-1]}" if version == 4 else f"fd00::99:{name[-1]}"


class Village:
    """The lab, what its API is asked, and what the reference model is to know of it."""

    def __init__(self, lab: Lab) -> None:
        self.lab = lab
        self.client = lab.client()
        self.ports: dict[str, Object] = {
            port["name"].removesuffix("-eth0"): port for port in self.client.request("GET", "/v2.0/ports")["ports"]
        }
        self.groups: dict[str, str] = {group["name"]: group["id"] for group in self._get("security-groups")}
        self.address_groups: dict[str, str] = {group["name"]: group["id"] for group in self._get("address-groups")}
        self._hosts = {name: instance.host for name, instance in lab.topology.instances.items()}
        self._marks = 0
        self.client.request("PUT", f"/v2.0/quotas/{PROJECT}", {"quota": QUOTAS})
        for name in ("paired1", "paired2"):
            pairs = [{"ip_address": pair_address(name, version)} for version in (4, 6)]
            self.change_port(name, allowed_address_pairs=pairs)

    def _get(self, what: str) -> list[Object]:
        found: list[Object] = self.client.request("GET", f"/v2.0/{what}")[what.replace("-", "_")]
        return found

    def change_port(self, name: str, **attributes: Any) -> None:
        """Change the port of an instance."""
        path = f"/v2.0/ports/{self.ports[name]['id']}"
        self.ports[name] = self.client.request("PUT", path, {"port": attributes})["port"]

    def move(self, name: str, exchange: Exchange) -> None:
        """An instance is deleted on its host and made on the other one, with its port."""
        found = self.client.request("GET", "/v2.0/instances")["instances"]
        old = next(each for each in found if each["name"] == name)
        self.client.request("DELETE", f"/v2.0/instances/{old['id']}")
        self._hosts[name] = HOSTS[1 - HOSTS.index(old["host"])]
        kept = {key: old[key] for key in ("name", "plugging", "interfaces", "project_id")}
        self.client.request("POST", "/v2.0/instances", {"instance": kept | {"host": self._hosts[name]}})
        host = self.lab.host(self._hosts[name])
        show = ["ip", "-n", name, "-o", "link", "show", "dev", "eth0"]
        wait_until(lambda: "LOWER_UP" in host.run(show, check=False).stdout, f"{name} has an interface that is up")
        exchange.open_again(name, host.space.path(f"/run/netns/{name}"))
        silence(host, name)

    def wait_until_in_force(self) -> None:
        """Wait until agents have done all that was asked so far: they do what is asked last last, or with the rest."""
        self._marks += 1
        mark = f"10.0.60.{self._marks % 250 + 1}"
        for name in ("stranger1", "stranger2"):
            self.change_port(name, allowed_address_pairs=[{"ip_address": mark}])
        command = ["ovs-ofctl", "dump-flows", "br-int", "table=25"]
        wait_until(
            lambda: all(f"nw_src={mark} " in host.run(command).stdout for host in self.lab.hosts.values()),
            "what was asked last is done",
        )

    def make_group(self, name: str, *, stateful: bool = True) -> str:
        """A group without rules, not even those that every new group has; its id."""
        body = {"name": name, "project_id": PROJECT, "stateful": stateful}
        made = self.client.request("POST", "/v2.0/security-groups", {"security_group": body})["security_group"]
        for rule in made["security_group_rules"]:
            self.client.request("DELETE", f"/v2.0/security-group-rules/{rule['id']}")
        self.groups[name] = made["id"]
        return str(made["id"])

    def delete_group(self, name: str) -> None:
        """Delete a group that nobody is in any more."""
        self.client.request("DELETE", f"/v2.0/security-groups/{self.groups.pop(name)}")

    def make_rules(self, rules: Sequence[Object]) -> list[SecurityGroupRule]:
        """Rules, all at once; for the model they are what was asked for, not what the service made of it."""
        if rules:
            made = self.client.request("POST", "/v2.0/security-group-rules", {"security_group_rules": list(rules)})
            ids = [rule["id"] for rule in made["security_group_rules"]]
            return [SecurityGroupRule(id=ids[place], **rule) for place, rule in enumerate(rules)]
        return []

    def speaker(self, name: str) -> Speaker:
        """An instance as its packets show it."""
        port = self.ports[name]
        addresses = frozenset(fixed["ip_address"] for fixed in port["fixed_ips"])
        return Speaker(name, port["mac_address"], addresses)

    def address(self, name: str, version: int) -> str:
        """The address that an instance speaks with."""
        if name.startswith("paired"):
            return pair_address(name, version)
        return next(each for each in self.speaker(name).addresses if (":" in each) == (version == 6))

    def network(self, rules: Sequence[SecurityGroupRule]) -> model.Network:
        """All that the reference model is told."""
        return model.Network(
            rules,
            {name: frozenset(port["security_groups"]) for name, port in self.ports.items()},
            {name: _all_addresses(port) for name, port in self.ports.items()},
            {self.address_groups["office"]: frozenset(OFFICE)},
        )

    def remote(self, kind: str, version: int) -> Object:
        """What a rule says that names this remote."""
        assert kind in REMOTES, kind
        match kind:
            case "everywhere":
                return {"remote_ip_prefix": EVERYWHERE[version]}
            case "prefix":
                return {"remote_ip_prefix": PREFIXES[version]}
            case "group":
                return {"remote_group_id": self.groups["friends"]}
            case "address-group":
                return {"remote_address_group_id": self.address_groups["office"]}
        return {}


def _all_addresses(port: Object) -> frozenset[str]:
    fixed = {each["ip_address"] for each in port["fixed_ips"]}
    return frozenset(fixed | {each["ip_address"] for each in port["allowed_address_pairs"]})


@contextmanager
def village(name: str, net: int, asked: Mapping[str, str]) -> Iterator[tuple[Village, Exchange]]:
    """The lab, up; ``net`` is a part of the hosts' addresses that no other lab has."""
    with Lab.up(parse_topology(topology(name, net, asked), Path(f"{name}.yaml"))) as lab:
        made = Village(lab)
        with exchange(lab, map(made.speaker, made.ports)) as opened:
            yield made, opened


def wait_until(condition: Any, what: str, deadline_s: float = 20.0) -> None:
    """Wait until it holds."""
    end = time.monotonic() + deadline_s
    while not condition():
        assert time.monotonic() < end, f"after {deadline_s} s still not: {what}"
