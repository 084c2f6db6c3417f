"""The API calls that make the seed's network in any order, agents started before, between and after: one result."""

import contextlib
import random
import re
from collections.abc import Callable, Mapping
from functools import partial
from typing import Any

import pytest

from patchbay.lab import apply
from patchbay.lab.client import ServiceClient
from patchbay.lab.lab import Lab
from tests.functional.convergence.scene import (
    Object,
    agent,
    converged,
    delete_everything,
    left_overs,
    objects,
    settled,
    traffic,
)

Step = tuple[str, str]
Needs = dict[Step, set[Step]]


class Calls:
    """The single calls of a topology. Ports get a fixed MAC each, so that results can be compared line by line."""

    def __init__(self, lab: Lab, client: ServiceClient) -> None:
        self.lab = lab
        self.topology = lab.topology
        self.client = client
        self.ids: dict[Step, str] = {}

    def steps(self, early: set[str]) -> Needs:
        """Every call and what must come before it; ports in ``early`` come before subnets, and get addresses later."""
        needs: Needs = {}
        for network, spec in self.topology.networks.items():
            needs["network", network] = set()
            for subnet in spec.subnets:
                needs["subnet", subnet] = {("network", network)}
        for instance, made in self.topology.instances.items():
            network = made.interfaces["eth0"].network
            subnets: set[Step] = {("subnet", subnet) for subnet in self.topology.networks[network].subnets}
            needs["instance", instance] = {("port", instance)}
            if instance in early:
                needs["port", instance] = {("network", network)}
                needs["addresses", instance] = {("port", instance), *subnets}
                for step in subnets:
                    needs[step].add(("port", instance))
            else:
                needs["port", instance] = {("network", network), *subnets}
        for host in self.lab.hosts:
            needs["agent", host] = set()
        return needs

    def do(self, step: Step) -> None:
        """One call, or the start of one agent."""
        kind, name = step
        if kind == "agent":
            self.lab.host(name).agent_start()
        elif kind == "addresses":
            self.client.request("PUT", f"/v2.0/ports/{self.ids['port', name]}", {"port": self._addresses(name)})
        else:
            body = getattr(self, f"_{kind}")(name)
            self.ids[step] = self.client.request("POST", f"/v2.0/{kind}s", {kind: body})[kind]["id"]

    def _network(self, name: str) -> Object:
        return apply.network_body(name, self.topology.networks[name])

    def _subnet(self, name: str) -> Object:
        network, spec = next((key, one) for key, one in self.topology.networks.items() if name in one.subnets)
        return apply.subnet_body(name, spec.subnets[name], spec, self.ids["network", network], taken=set())

    def _port(self, name: str) -> Object:
        interface = self.topology.instances[name].interfaces["eth0"]
        body = apply.port_body(self.topology, name, "eth0", interface, self.ids["network", interface.network])
        if ("subnet", f"{interface.network}-v4") not in self.ids:
            del body["fixed_ips"]
        number = sorted(self.topology.instances).index(name)
        return body | {"mac_address": f"fa:16:3e:00:00:{number:02x}"}

    def _addresses(self, name: str) -> Object:
        interface = self.topology.instances[name].interfaces["eth0"]
        return {"fixed_ips": [{"ip_address": address} for address in interface.addresses]}

    def _instance(self, name: str) -> Object:
        made = self.topology.instances[name]
        ports: dict[apply.Key, str] = {(apply.project_of(self.topology, made), f"{name}-eth0"): self.ids["port", name]}
        return apply.instance_body(self.topology, name, ports)


def in_order(needs: Mapping[Step, set[Step]], rank: Callable[[Step], Any]) -> list[Step]:
    """All steps, each after what it needs, otherwise by ``rank``."""
    left, done = dict(needs), list[Step]()
    while left:
        ready = [step for step, before in left.items() if not before & left.keys()]
        done.append(min(ready, key=rank))
        del left[done[-1]]
    return done


def shuffled(seed: str) -> Callable[[Step], float]:
    """A rank by dice, the same for the same seed."""
    dice, drawn = random.Random(seed), dict[Step, float]()
    return lambda step: drawn.setdefault(step, dice.random())


def shape(lab: Lab) -> dict[str, list[str]]:
    """What hosts show, with names in place of all that differs between two runs."""
    names = {each["id"]: name for name, each in objects(lab, "networks").items()}
    found: dict[str, list[str]] = {}
    for name, host in lab.hosts.items():
        vlans = {vlan: names[network] for network, vlan in agent(host)["local_vlans"].items()}
        flows = host.run(["ovs-ofctl", "--names", "--no-stats", "dump-flows", "br-tun"]).stdout.splitlines()
        lines = [
            re.sub(r"cookie=\w+, ?|(dl_vlan=|mod_vlan_vid:)(\d+)", partial(_named, vlans), line).strip()
            for line in flows
            if "hard_timeout=" not in line.partition(" actions=")[0]
        ]
        for instance, spec in lab.topology.instances.items():
            if spec.host == name:
                shown = host.run(["ip", "-n", instance, "-br", "-4", "addr", "show", "dev", "eth0"]).stdout
                lines.append(re.sub(r"@\w+|\s+", " ", shown).strip() + f" in {instance}")
        found[name] = sorted(lines)
    return found


def _named(vlans: Mapping[int, str], hit: re.Match[str]) -> str:
    return f"{hit[1]}{vlans[int(hit[2])]}" if hit[1] else ""


@pytest.fixture(scope="module")
def shapes() -> list[dict[str, list[str]]]:
    """The result of the first order, which all others must have, too."""
    return []


EARLIEST = ("instance", "port", "network", "agent", "subnet", "addresses")
ORDERS: dict[str, Callable[[Step], Any]] = {
    "agents first": lambda step: (step[0] != "agent", step[0] == "instance", step),
    "agents last": lambda step: (step[0] == "agent", step),
    "compute2's agent last": lambda step: (step == ("agent", "compute2"), step),
    "instances as early as possible": lambda step: (EARLIEST.index(step[0]), step),
}
SHUFFLED = ("shuffled 1", "shuffled 2", "shuffled 3", "shuffled 4")


@pytest.mark.parametrize("order", [*ORDERS, *SHUFFLED])
def test_any_order_of_calls_and_agents_ends_in_the_same_network(
    lab: Lab, order: str, shapes: list[dict[str, list[str]]]
) -> None:
    _wipe(lab)
    with contextlib.closing(lab.client()) as client:
        calls = Calls(lab, client)
        early = set(random.Random(order).sample(sorted(lab.topology.instances), 3))
        for step in in_order(calls.steps(early), ORDERS.get(order) or shuffled(order)):
            calls.do(step)
    converged(lab)
    with traffic(lab, f"order: {order}") as seen:
        pass
    assert seen.lost == 0
    shapes.append(shape(lab))
    assert shapes[-1] == shapes[0]


def _wipe(lab: Lab) -> None:
    """Nothing in the intent, nothing on the hosts, no agent, and the service has forgotten that there were any."""
    delete_everything(lab)
    settled(*lab.hosts.values())
    for host in lab.hosts.values():
        assert left_overs(host) == []
        host.agent_stop()
    with contextlib.closing(lab.client()) as client:
        for each in client.request("GET", "/v2.0/agents?agent_type=Open+vSwitch+agent")["agents"]:
            client.request("DELETE", f"/v2.0/agents/{each['id']}")
