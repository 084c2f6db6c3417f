"""What users, strangers and crashes do to hosts with distributed routers (``examples/distributed.yaml``), by dice."""

from collections.abc import Callable
from functools import partial
from typing import Any

from patchbay.lab.lab import Lab
from tests.functional.convergence.random_acts import STRANGERS, Acts, Object

AT_FLOWS = (
    *(f"ovs-ofctl del-flows br-int table={table}" for table in (0, 24, 40, 42, 43, 45, 46, 48)),
    "ovs-ofctl del-flows br-tun table=20",
    "ovs-ofctl add-flow br-int 'table=45,priority=200,actions=drop'; ovs-ofctl del-flows br-int",
    "ovs-appctl fdb/flush br-int",
    "ip -n {router} link set {device} address 0a:00:00:00:00:01",
    "ovs-vsctl --no-wait del-port patch-tun",
    "ovs-vsctl --no-wait del-port int-br-ex",
)

ROUTER_GONE = frozenset({"flip", "gateway", "snat", "home", "make", "associate", "down", "ways"})


class DistributedActs(Acts):
    """A random history on all hosts of the lab."""

    strangers = (*(each for each in STRANGERS if "{dhcp}" not in each and "{run}" not in each), *AT_FLOWS, *AT_FLOWS)
    side_by_side = (ROUTER_GONE, frozenset({"interface", "down_inside", "second_router"}))
    devices = "qr-|qg-|fg-|tap"

    def __init__(self, lab: Lab, seed: str) -> None:
        super().__init__(lab, lab.host("compute1"), seed)

    def step(self) -> None:
        """Somewhere."""
        self.host = self.dice.choice(list(self.lab.hosts.values()))
        self.done.append(f"on {self.host.name}:")
        super().step()

    def forget_neighbours(self) -> None:
        """Instances ask for the router's MAC again: an agent that began after an interface was taken away does not know
        that the one made since has another. (They would of themselves, within a minute.)"""
        self.done.append("neighbours forgotten")
        for name in self.lab.topology.instances:
            self.lab.run_in(name, ["ip", "neigh", "flush", "dev", "eth0"])

    def users(self) -> list[Callable[[], Callable[[], object]]]:
        """See ``Acts``."""
        return [
            *(self._flip, self._gateway, self._snat, self._home, self._ways, self._associate, self._make, self._down),
            *(self._interface, self._down_inside, self._second_router, self._subnet, self._network_down),
        ]

    def _id(self, kind: str, name: str) -> str:
        return str(self._place[kind][name]["id"])

    def _router(self) -> str:
        return f"/v2.0/routers/{self._id('routers', 'everywhere')}"

    def _change_router(self, **attributes: Any) -> None:
        self._client.request("PUT", self._router(), {"router": attributes})

    def _flip(self) -> Callable[[], object]:
        """A router can be changed so while it is down."""

        def flip(is_distributed: bool) -> None:
            self._change_router(admin_state_up=False, distributed=is_distributed)
            self._change_router(admin_state_up=True)

        flip(False)
        return partial(flip, True)

    def _down(self) -> Callable[[], object]:
        return self._put(self._router(), "router", admin_state_up=False)

    def _down_inside(self) -> Callable[[], object]:
        return self._put(f"/v2.0/routers/{self._id('routers', 'inside')}", "router", admin_state_up=False)

    def _network_down(self) -> Callable[[], object]:
        return self._put(f"/v2.0/networks/{self._id('networks', 'lime')}", "network", admin_state_up=False)

    def _gateway(self) -> Callable[[], object]:
        """The router loses its gateway, and all floating IPs with it."""
        info = self._client.request("GET", self._router())["router"]["external_gateway_info"]
        wanted = {"network_id": info["network_id"], "external_fixed_ips": info["external_fixed_ips"]}
        floatingips = [item for item in self._get("floatingips") if item["port_id"]]
        for item in floatingips:
            self._floating(item, None)
        self._change_router(external_gateway_info={})

        def undo() -> None:
            self._change_router(external_gateway_info=wanted)
            for item in floatingips:
                self._floating(item, item["port_id"])

        return undo

    def _floating(self, floatingip: Object, port: str | None) -> None:
        self._associate_with(floatingip["id"], port)

    def _associate_with(self, floatingip: str, port: str | None) -> None:
        self._client.request("PUT", f"/v2.0/floatingips/{floatingip}", {"floatingip": {"port_id": port}})

    def _snat(self) -> Callable[[], object]:
        info = self._client.request("GET", self._router())["router"]["external_gateway_info"]
        wanted = {"network_id": info["network_id"], "external_fixed_ips": info["external_fixed_ips"]}
        self._change_router(external_gateway_info={**wanted, "enable_snat": False})
        return lambda: self._change_router(external_gateway_info={**wanted, "enable_snat": True})

    def _home(self) -> Callable[[], object]:
        """To another host; where it is in the end is all the same."""
        router = self._id("routers", "everywhere")
        for host in self.dice.sample(["compute1", "compute2"], 2):
            (agent,) = self._client.request("GET", f"/v2.0/agents?agent_type=L3+agent&host={host}")["agents"]
            if agent["alive"]:
                self._client.request("POST", f"/v2.0/agents/{agent['id']}/l3-routers", {"router_id": router})
        return lambda: None

    def _ways(self) -> Callable[[], object]:
        """Extra routes, one of them with two ways."""
        hops = (("172.16.0.0/24", "10.0.2.12"), ("172.17.0.0/24", "10.0.1.11"), ("172.17.0.0/24", "10.0.1.12"))
        routes = [{"destination": to, "nexthop": hop} for to, hop in (*hops, ("fd09::/64", "fd00:1::12"))]
        return self._put(self._router(), "router", routes=routes)

    def _associate(self) -> Callable[[], object]:
        """red2's floating IP goes to an instance on the other host, or on the same."""
        floatingip = self._floatingip("198.51.100.12")
        port = self._id("ports", self.dice.choice(["blue1-eth0", "blue2-eth0"]))
        self._floating(floatingip, port)
        return lambda: self._floating(floatingip, floatingip["port_id"])

    def _make(self) -> Callable[[], object]:
        """One more port with a floating IP, which is on no host, or on one that has no instance for it."""
        host = self.dice.choice(["", "compute1", "compute2"])
        network = self._id("networks", "blue")
        port = self._post("ports", "port", network_id=network, name="more", **{"binding:host_id": host})
        body = {"floating_network_id": self._id("networks", "ext-net"), "port_id": port.rpartition("/")[2]}
        return partial(self._delete, self._post("floatingips", "floatingip", **body), port)

    def _interface(self) -> Callable[[], object]:
        router, subnet = self._id("routers", "inside"), {"subnet_id": self._id("subnets", "lime-v4")}
        self._client.request("PUT", f"/v2.0/routers/{router}/remove_router_interface", subnet)
        return lambda: self._client.request("PUT", f"/v2.0/routers/{router}/add_router_interface", subnet)

    def _subnet(self) -> Callable[[], object]:
        """A second interface of a network that is joined already."""
        router = self._id("routers", "inside")
        body = {"network_id": self._id("networks", "green"), "ip_version": 4, "cidr": "10.0.7.0/24"}
        subnet = self._post("subnets", "subnet", **body)
        interface = {"subnet_id": subnet.rpartition("/")[2]}
        self._client.request("PUT", f"/v2.0/routers/{router}/add_router_interface", interface)

        def undo() -> None:
            self._client.request("PUT", f"/v2.0/routers/{router}/remove_router_interface", interface)
            self._delete(subnet)

        return undo

    def _second_router(self) -> Callable[[], object]:
        """Joins lime with a network of its own; each of the two routers leads to what the other has by the other."""
        network = self._post("networks", "network", name="far").rpartition("/")[2]
        subnet = self._post("subnets", "subnet", network_id=network, ip_version=4, cidr="10.0.8.0/24")
        router = self._post("routers", "router", name="second", distributed=True)
        lime = self._id("networks", "lime")
        fixed = [{"subnet_id": self._id("subnets", "lime-v4"), "ip_address": "10.0.2.254"}]
        link = self._post("ports", "port", network_id=lime, name="link", fixed_ips=fixed).rpartition("/")[2]
        inner = {"subnet_id": subnet.rpartition("/")[2]}
        for interface in (inner, {"port_id": link}):
            self._client.request("PUT", f"{router}/add_router_interface", interface)
        back = [
            {"destination": "10.0.1.0/24", "nexthop": "10.0.2.1"},
            {"destination": "10.9.0.0/16", "nexthop": "10.0.2.1"},
        ]
        self._client.request("PUT", router, {"router": {"routes": back}})
        there = [
            {"destination": "10.0.8.0/24", "nexthop": "10.0.2.254"},
            {"destination": "10.9.0.0/16", "nexthop": "10.0.2.254"},
        ]
        inside = self._put(f"/v2.0/routers/{self._id('routers', 'inside')}", "router", routes=there)

        def undo() -> None:
            inside()
            self._client.request("PUT", router, {"router": {"routes": []}})
            for interface in (inner, {"port_id": link}):
                self._client.request("PUT", f"{router}/remove_router_interface", interface)
            self._delete(router, f"/v2.0/networks/{network}")

        return undo
