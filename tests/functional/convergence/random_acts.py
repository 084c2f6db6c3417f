"""What users, strangers and crashes do to a host with routers, DHCP servers and metadata, drawn by dice.

Every act of a user has one that undoes it, so that in the end the topology's expectations hold again.
"""

import contextlib
import random
import re
import signal
from collections.abc import Callable
from functools import partial
from typing import Any

from patchbay.errors import LabError, PatchbayError
from patchbay.lab.lab import Lab
from patchbay.lab.vhost import VirtualHost
from tests.functional.convergence.scene import wait_for

Object = dict[str, Any]

# Typed on the host. {router}, {dhcp}, {instance}: a namespace; {device}: a service's device, in {place}; {run}: the
# folder of a process; {tap}: the device of a DHCP server.
STRANGERS = (
    "ip netns del {router}",
    "ip netns del {dhcp}",
    "ip netns del {instance}",
    "ip netns del {router}; ip netns add {router}; sleep 0.1; ip netns del {router}",
    "ip -n {place} link del {device}",
    "ip -n {place} link set {device} down",
    "ip -n {place} link set {device} netns 1",
    "ip -n {place} link set {device} name other0",
    "ip -n {place} link set {device} mtu 1300",
    "ip -n {place} link set {device} alias theirs",
    "ip -n {place} address flush dev {device}",
    "ip -n {place} address add 198.51.100.7/24 dev {device}",
    "ip -n {router} route flush proto static",
    "ip -n {router} route replace default via 10.0.1.5",
    "ip netns exec {router} iptables -F",
    "ip netns exec {router} iptables -t nat -F",
    "ip netns exec {router} iptables -t nat -F; ip netns exec {router} iptables -t nat -X",
    "ip netns exec {router} iptables -P FORWARD DROP",
    "ip netns exec {router} iptables -t mangle -A FORWARD -j DROP",
    "ip netns exec {router} ip6tables -F",
    "ip netns exec {router} nft flush ruleset",
    "ip netns exec {router} conntrack -F",
    "ip netns exec {dhcp} iptables -A INPUT -j DROP; ip netns exec {dhcp} iptables -F",
    "kill -9 $(cat {run}/pid)",
    "kill -15 $(cat {run}/pid)",
    "kill -9 $(cat /run/patchbay/*/*/pid)",
    "rm -rf {run}",
    "rm -f {run}/pid",
    "rm -f {run}/daemon.json",
    "rm -rf {run}; kill -9 $(cat {run}/pid)",
    "ovs-vsctl --no-wait del-port {device}",
    "ovs-vsctl --no-wait set port {device} tag=99",
    "ovs-vsctl --no-wait clear interface {device} external_ids",
    "ovs-vsctl --no-wait del-port {device} -- add-port br-int {device} -- set interface {device} type=internal",
    "ovs-vsctl --no-wait del-br br-int",
    "ovs-vsctl --no-wait del-br br-tun",
    "ovs-ofctl del-flows br-int",
    "ovs-ofctl del-flows br-ex",
)

SAME_PORT = {"move", "forward"}
"""Acts of users on one port that Neutron refuses side by side."""


class Acts:
    """A random history on one host of a lab. ``done`` is what happened so far, in words.

    A class for another topology says what is done there: ``strangers`` type, and ``users`` do.
    """

    strangers = STRANGERS
    side_by_side = (SAME_PORT,)
    devices = "qr-|qg-|tap"

    def __init__(self, lab: Lab, host: VirtualHost, seed: str) -> None:
        self.lab = lab
        self.host = host
        self.dice = random.Random(seed)
        self.done: list[str] = []
        self._undo: list[tuple[str, Callable[[], object]]] = []
        self._client = lab.client()
        self._place = self._in_lab()

    def step(self) -> None:
        """One thing that somebody does."""
        draw = self.dice.random()
        if draw < 0.5:
            self._stranger()
        elif draw < 0.7:
            self._user()
        elif draw < 0.8 and self._undo:
            self._undo_one(self.dice.randrange(len(self._undo)))
        else:
            self._crash()

    def end(self) -> None:
        """What users did is undone, last things first; whatever a stranger added in the open is taken away."""
        while self._undo:
            self._undo_one(-1)
        for namespace in self._namespaces("qrouter-|qdhcp-"):
            script = f"for d in $(ls /sys/class/net); do ip -n {namespace} addr del 198.51.100.7/24 dev $d; done"
            self.host.run(["ip", "netns", "exec", namespace, "sh", "-c", script], check=False)
        self._client.close()

    def renew_leases(self) -> None:
        """A client that asked while its network had no router keeps the routes that it was told then."""
        self.done.append("leases renewed")
        self.host.run(["sh", "-c", "kill -9 $(cat /run/patchbay/dhclient/*/pid)"], check=False)

    # --- strangers ----------------------------------------------------------------------------------------------------

    def _stranger(self) -> None:
        routers, servers = self._namespaces("qrouter-"), self._namespaces("qdhcp-")
        place = self.dice.choice([*routers, *servers, "nowhere"])
        folders = self._lines("ls -d /run/patchbay/*/*/")
        words = {
            "router": self.dice.choice([*routers, *routers, "nowhere"]),
            "dhcp": self.dice.choice([*servers, *servers, "nowhere"]),
            "instance": self.dice.choice(sorted(self.lab.topology.instances)),
            "place": place,
            "device": self.dice.choice([*self._devices(place), "nothing0"]),
            "run": self.dice.choice([*folders, "/run/patchbay/nothing/"]).rstrip("/"),
        }
        self._type(self.dice.choice(self.strangers).format(**words))

    def _type(self, command: str) -> None:
        self.done.append(command)
        self.host.run(["timeout", "5", "sh", "-c", command], check=False)

    def _lines(self, command: str) -> list[str]:
        return self.host.run(["sh", "-c", command], check=False).stdout.splitlines()

    def _namespaces(self, pattern: str) -> list[str]:
        return sorted(line.split()[0] for line in self._lines("ip netns list") if re.match(pattern, line))

    def _devices(self, namespace: str) -> list[str]:
        links = [line.split()[0] for line in self._lines(f"ip -n {namespace} -br link")]
        return sorted(name for name in links if re.match(self.devices, name))

    # --- crashes ------------------------------------------------------------------------------------------------------

    def _crash(self) -> None:
        acts = [
            self._kill_agent,
            self._kill_agent,
            self._stop_agent,
            self._kill_switch,
            self._kill_database,
            self._kill_service,
        ]
        act = self.dice.choice(acts)
        self.done.append(act.__name__.strip("_").replace("_", " "))
        act()

    def _kill_agent(self) -> None:
        """And a stranger does something before the next agent starts, or not."""
        self.host.agent_stop(signal.SIGKILL)
        if self.dice.random() < 0.5:
            self._stranger()
        self.host.agent_start()

    def _stop_agent(self) -> None:
        self.host.agent_stop()
        self.host.agent_start()

    def _kill_switch(self) -> None:
        self.host.kill("ovs-vswitchd")
        if self.dice.random() < 0.3:
            self._stranger()
        self.host.start_vswitchd()

    def _kill_database(self) -> None:
        self.host.kill("ovsdb-server")
        self.host.start_ovsdb()

    def _kill_service(self) -> None:
        self.lab.stop_service(signal.SIGKILL)
        if self.dice.random() < 0.3:
            self._stranger()
        wait_for(self._is_serving_again, "the service's port is free again")
        self._client.close()
        self._client = self.lab.client()

    def _is_serving_again(self) -> bool:
        """Its port may be the source of somebody's connection for a moment."""
        try:
            self.lab.start_service()
        except LabError:
            return False
        return True

    # --- users --------------------------------------------------------------------------------------------------------

    def _in_lab(self) -> dict[str, dict[str, Object]]:
        kinds = ("networks", "subnets", "ports", "routers")
        return {kind: {one["name"]: one for one in self._get(kind)} for kind in kinds}

    def _get(self, kind: str) -> list[Object]:
        return self._client.request("GET", f"/v2.0/{kind}")[kind]  # type: ignore[no-any-return]

    def users(self) -> list[Callable[[], Callable[[], object]]]:
        """What users do; each returns what undoes it."""
        return [self._dns, self._snat, self._interface, self._move, self._route, self._make, self._forward, self._name]

    def _user(self) -> None:
        act = self.dice.choice(self.users())
        name = act.__name__.strip("_")
        excluded = {name}.union(*(group for group in self.side_by_side if name in group))
        if {what for what, _ in self._undo} & excluded:
            return  # it is done, or excluded by what is done, and not undone yet
        self.done.append(f"user: {name}")
        self._undo.append((name, act()))

    def _undo_one(self, number: int) -> None:
        name, undo = self._undo.pop(number)
        self.done.append(f"user undoes: {name}")
        undo()

    def _put(self, path: str, kind: str, **attributes: Any) -> Callable[[], object]:
        """Change something; returns what changes it back."""
        before = self._client.request("GET", path)[kind]
        self._client.request("PUT", path, {kind: attributes})
        back = {name: before[name] for name in attributes}
        return lambda: self._client.request("PUT", path, {kind: back})

    def _dns(self) -> Callable[[], object]:
        subnet = self._place["subnets"]["demo-subnet"]["id"]
        return self._put(f"/v2.0/subnets/{subnet}", "subnet", dns_nameservers=["203.0.113.54"])

    def _route(self) -> Callable[[], object]:
        router = self._place["routers"]["demo-router"]["id"]
        routes = [{"destination": "198.51.100.0/24", "nexthop": "10.0.1.6"}]
        return self._put(f"/v2.0/routers/{router}", "router", routes=routes)

    def _name(self) -> Callable[[], object]:
        router = self._place["routers"]["other-router"]["id"]
        return self._put(f"/v2.0/routers/{router}", "router", admin_state_up=False)

    def _snat(self) -> Callable[[], object]:
        path = f"/v2.0/routers/{self._place['routers']['demo-router']['id']}"
        gateway = self._client.request("GET", path)["router"]["external_gateway_info"]
        network, fixed = gateway["network_id"], gateway["external_fixed_ips"]

        def put(is_on: bool) -> None:
            info = {"network_id": network, "external_fixed_ips": fixed, "enable_snat": is_on}
            self._client.request("PUT", path, {"router": {"external_gateway_info": info}})

        put(False)
        return lambda: put(True)

    def _interface(self) -> Callable[[], object]:
        """other-router loses its interface, and the floating IP with it."""
        router = self._place["routers"]["other-router"]["id"]
        subnet = {"subnet_id": self._place["subnets"]["other-subnet"]["id"]}
        floatingip = self._floatingip("192.168.1.248")
        port = floatingip["port_id"]
        self._associate(floatingip["id"], None)
        self._client.request("PUT", f"/v2.0/routers/{router}/remove_router_interface", subnet)

        def undo() -> None:
            self._client.request("PUT", f"/v2.0/routers/{router}/add_router_interface", subnet)
            self._associate(floatingip["id"], port)

        return undo

    def _move(self) -> Callable[[], object]:
        """cirros01's floating IP goes to cirros02."""
        floatingip = self._floatingip("192.168.1.246")
        self._associate(floatingip["id"], self._place["ports"]["cirros02-eth0"]["id"])
        return lambda: self._associate(floatingip["id"], self._place["ports"]["cirros01-eth0"]["id"])

    def _floatingip(self, address: str) -> Object:
        return next(one for one in self._get("floatingips") if one["floating_ip_address"] == address)

    def _associate(self, floatingip: str, port: str | None) -> None:
        self._client.request("PUT", f"/v2.0/floatingips/{floatingip}", {"floatingip": {"port_id": port}})

    def _make(self) -> Callable[[], object]:
        """One more port, and a floating IP for it."""
        networks = self._place["networks"]
        port = self._post("ports", "port", network_id=networks["demo-net"]["id"], name="more")
        body = {"floating_network_id": networks["ext-net"]["id"], "port_id": port.rpartition("/")[2]}
        return partial(self._delete, self._post("floatingips", "floatingip", **body), port)

    def _forward(self) -> Callable[[], object]:
        """A floating IP of which one port is forwarded to cirros02."""
        networks, port = self._place["networks"], self._place["ports"]["cirros02-eth0"]
        floatingip = self._post("floatingips", "floatingip", floating_network_id=networks["ext-net"]["id"])
        body = {
            "protocol": "tcp",
            "external_port": 2222,
            "internal_port": 22,
            "internal_port_id": port["id"],
            "internal_ip_address": port["fixed_ips"][0]["ip_address"],
        }
        path = floatingip.removeprefix("/v2.0/")
        forwarding = self._post(f"{path}/port_forwardings", "port_forwarding", **body)
        return partial(self._delete, forwarding, floatingip)

    def _delete(self, *paths: str) -> None:
        for path in paths:
            self._client.request("DELETE", path)

    def _post(self, path: str, kind: str, **attributes: Any) -> str:
        """Create something; returns its path."""
        made = self._client.request("POST", f"/v2.0/{path}", {kind: attributes})[kind]
        return f"/v2.0/{path}/{made['id']}"


def story(acts: Acts, seed: str, last: int = 25) -> str:
    """What a failed test tells, to be repeated with the same seed."""
    with contextlib.suppress(PatchbayError):
        log = acts.host.log("agent", 15)
    return "\n".join([f"seed {seed}; the last acts:", *acts.done[-last:], "The agent's log ends:", log])
