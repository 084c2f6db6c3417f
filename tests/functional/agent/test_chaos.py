"""Strangers and users at once, in random order and without pause: the host ends as intent says all the same."""

import random

import pytest

from patchbay.intent.database import Delete


class Chaos:
    """One random history on one host."""

    def __init__(self, one, seed: int) -> None:
        self.one = one
        self.random = random.Random(seed)
        self.networks = []
        self.ports = {}
        self.number = 0
        self.done: list[str] = []

    async def step(self) -> None:
        """One thing that a user or a stranger does."""
        acts = [self.make, self.make, self.make, self.delete, self.break_link, self.break_switch, self.break_flows]
        act = self.random.choice(acts) if self.random.random() > 0.05 else self.kill
        await act()

    async def make(self) -> None:
        self.number += 1
        name, plugging = f"i{self.number}", self.random.choice(["hybrid", "direct"])
        network = self.random.choice(self.networks)
        address = f"10.0.0.{10 + self.number}"
        self.ports[name] = await self.one.writer.instance(name, network, address, plugging)
        self.done.append(f"make {name} {plugging}")

    async def delete(self) -> None:
        if self.ports:
            name = self.random.choice(sorted(self.ports))
            port = self.ports.pop(name)
            database = self.one.writer.database
            instance = next(one for one in database.instances.values() if one.name == name)
            await database.transact(Delete(instance), Delete(database.ports[port.id]))
            self.done.append(f"delete {name}")

    async def kill(self) -> None:
        host = self.one.host
        daemon, start = self.random.choice([("ovs-vswitchd", host.start_vswitchd), ("ovsdb-server", host.start_ovsdb)])
        self.done.append(f"kill -9 {daemon}")
        host.kill(daemon)
        start()

    async def break_link(self) -> None:
        if self.ports:
            name = self.random.choice(sorted(self.ports))
            port = self.ports[name].id[:11]
            self.sh(
                f"ip netns del {name}",
                f"ip link del tap{port}",
                f"ip link del qvo{port}",
                f"ip link del qbr{port}",
                f"ip link set tap{port} down",
                f"ip link set tap{port} nomaster",
                f"ip link set qvo{port} alias ''",
                f"ip link set tap{port} mtu 1300",
                f"ip link set qvb{port} down",
                f"ip netns exec {name} ip link del eth0",
                f"ip netns exec {name} ip addr flush dev eth0",
                f"ip netns exec {name} ip link set eth0 down",
                f"ip netns exec {name} ip link set eth0 name eth7",
                f"ip netns exec {name} ip link set lo alias ''",
                f"ip netns del {name}; ip netns add {name}; sleep 0.05; ip netns del {name}",
            )

    async def break_switch(self) -> None:
        ports = self.one.host.sh("ovs-vsctl --bare --columns=name list interface").split()
        port = self.random.choice(ports or ["none"])
        self.sh(
            f"ovs-vsctl --no-wait --if-exists del-port {port}",
            f"ovs-vsctl --no-wait set port {port} tag=99",
            f"ovs-vsctl --no-wait clear interface {port} external_ids",
            f"ovs-vsctl --no-wait set interface {port} options:peer=nobody",
            "ovs-vsctl --no-wait --if-exists del-br br-tun",
            "ovs-vsctl --no-wait --if-exists del-br br-int",
            "ovs-vsctl --no-wait set-fail-mode br-int secure",
            "ovs-vsctl --no-wait clear bridge br-int external_ids",
            f"ovs-vsctl --no-wait --if-exists del-port {port} -- --may-exist add-port br-tun {port}",
        )

    async def break_flows(self) -> None:
        self.sh(
            "ovs-ofctl del-flows br-int",
            "ovs-ofctl del-flows br-tun",
            "ovs-ofctl del-flows br-tun table=4",
            "ovs-ofctl mod-flows br-tun table=2,actions=drop",
            "ovs-ofctl add-flow br-int priority=0,actions=drop",
        )

    def cut_off(self) -> list[str]:
        """Who does not reach the next of its network, in a ring; that nobody else answers is proved elsewhere."""
        rings: dict[str, list[str]] = {}
        for name, port in self.ports.items():
            rings.setdefault(port.network_id, []).append(name)
        return [
            f"{name} → {other}"
            for ring in rings.values()
            for name, other in zip(ring, ring[1:] + ring[:1], strict=True)
            if not self.one.reaches(name, self.ports[other].fixed_ips[0].ip_address)
        ]

    def sh(self, *commands: str) -> None:
        command = self.random.choice(commands)
        self.one.host.sh(f'timeout 3 bash -c "{command}" || true')
        self.done.append(command)


@pytest.mark.parametrize("seed", [117, 122, 209, 212, 301, 331])
def test_any_mixture_of_users_and_strangers_ends_as_intent_says(on_compute, seed):
    async def scenario(one):
        await one.start_agent()
        chaos = Chaos(one, seed)
        for number in range(3):
            chaos.networks.append(await one.writer.network(f"n{number}", 0x22 + number))
        try:
            for _ in range(12):
                for _ in range(chaos.random.randrange(1, 7)):
                    await chaos.step()
                await one.settled(20)
            await one.up(*chaos.ports.values())
            await one.host.until(lambda: not chaos.cut_off(), "neighbours reach each other")
        except AssertionError as error:
            raise AssertionError("\n".join([*chaos.done[-12:], str(error), *chaos.cut_off()])) from None

    on_compute(scenario)
