"""Whatever is done to routers and floating IPs, in whatever order, the rules between them hold."""

from ipaddress import ip_network
from itertools import combinations, pairwise
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from patchbay.intent.database import IntentDatabase
from patchbay.model import FloatingIP, Port, Router
from patchbay.model.router import FLOATING_IP, ROUTER_GATEWAY, ROUTER_INTERFACE
from tests.functional.api.api_world import Api, snapshot
from tests.functional.api.router_world import external
from tests.functional.intent_database import empty

pytestmark = pytest.mark.asyncio(loop_scope="session")

INSIDE = ("10.0.0.0/24", "10.0.0.128/25", "10.1.0.0/24", "2001:db8:1::/64", "203.0.113.0/28")
STEPS = st.lists(
    st.tuples(
        st.sampled_from(
            [
                *(
                    "interface",
                    "interface",
                    "port_interface",
                    "no_interface",
                    "gateway",
                    "no_gateway",
                    "router",
                    "port",
                ),
                *("floatingip", "floatingip", "associate", "associate", "forward", "forward", "delete", "routes"),
            ]
        ),
        st.integers(0, 5),
        st.integers(0, 5),
    ),
    min_size=10,
    max_size=40,
)


class World:
    """Two external networks, subnets that partly overlap, two routers with ports, what steps make."""

    def __init__(self, api: Api) -> None:
        self.api = api
        self.db = api.db

    async def build(self) -> None:
        self.outside = [await external(self.api, cidr) for cidr in ("203.0.113.0/28", "198.51.100.0/28")]
        self.inside = [await self.api.network(cidr) for cidr in INSIDE]
        for inside in self.inside[0], self.inside[2]:
            router = await self.api.create("router", external_gateway_info={"network_id": self.outside[0]["id"]})
            path = f"/routers/{router['id']}/add_router_interface"
            await self.api.act(path, {"subnet_id": inside["subnets"][0]})
            await self.api.create("port", network_id=inside["id"])
            await self.api.create("port", network_id=inside["id"])
            await self.api.create("floatingip", floating_network_id=self.outside[0]["id"])

    def one(self, ids: Any, index: int) -> str:
        """One of the ids, or one that nothing has."""
        chosen = sorted(ids)
        return chosen[index % len(chosen)] if chosen else "11111111-2222-4333-8444-555555555555"

    def request(self, step: str, one: int, two: int) -> tuple[str, str, Any]:
        """Method, path and body of a step."""
        router, floatingip = self.one(self.db.routers, one), self.one(self.db.floatingips, one)
        free = [port.id for port in self.db.ports.values() if not port.device_id]
        port = self.one(free if one < 5 else self.db.ports, two)
        network, subnet = self.inside[two % 5], self.inside[two % 5]["subnets"][0]
        outside = self.outside[two // 4]["id"]
        match step:
            case "interface":
                return "PUT", f"/routers/{router}/add_router_interface", {"subnet_id": subnet}
            case "port_interface":
                return "PUT", f"/routers/{router}/add_router_interface", {"port_id": port}
            case "no_interface":
                return "PUT", f"/routers/{router}/remove_router_interface", {"subnet_id": subnet}
            case "gateway":
                return "PUT", f"/routers/{router}", {"router": {"external_gateway_info": {"network_id": outside}}}
            case "no_gateway":
                return "PUT", f"/routers/{router}", {"router": {"external_gateway_info": None}}
            case "router":
                return "POST", "/routers", {"router": {"external_gateway_info": {"network_id": outside}}}
            case "port":
                return "POST", "/ports", {"port": {"network_id": network["id"]}}
            case "floatingip":
                item = {"floating_network_id": outside} | ({"port_id": port} if one % 3 else {})
                return "POST", "/floatingips", {"floatingip": item}
            case "associate":
                return "PUT", f"/floatingips/{floatingip}", {"floatingip": {"port_id": port if two else None}}
            case "forward":
                item = {
                    "protocol": "tcp",
                    "external_port_range": f"{min(one, two)}1:{max(one, two)}9",
                    "internal_port": 22,
                }
                body = {"port_forwarding": item | {"internal_port_id": port}}
                return "POST", f"/floatingips/{floatingip}/port_forwardings", body
            case "routes":
                routes = [{"destination": "192.0.2.0/24", "nexthop": f"10.{one % 2}.0.99"}]
                return "PUT", f"/routers/{router}", {"router": {"routes": routes}}
        kind = ("routers", "ports", "ports", "floatingips", "subnets", "networks")[one]
        return "DELETE", f"/{kind}/{self.one(getattr(self.db, kind), two)}", None

    def check(self) -> None:
        """The rules, read from the rows."""
        for router in self.db.routers.values():
            self.check_router(router)
        for floatingip in self.db.floatingips.values():
            self.check_floatingip(floatingip)
        owners = [port for port in self.db.ports.values() if port.device_owner in (ROUTER_GATEWAY, FLOATING_IP)]
        owned = {router.gateway_port_id for router in self.db.routers.values()}
        assert {port.id for port in owners} <= owned | {one.floating_port_id for one in self.db.floatingips.values()}
        associated = [
            (one.port_id, one.fixed_ip_address, one.floating_network_id)
            for one in self.db.floatingips.values()
            if one.port_id is not None
        ]
        assert len(set(associated)) == len(associated)

    def interfaces(self, router: Router) -> list[Port]:
        return [
            one for one in self.db.ports.values() if (one.device_owner, one.device_id) == (ROUTER_INTERFACE, router.id)
        ]

    def check_router(self, router: Router) -> None:
        subnets = [self.db.subnets[ip.subnet_id] for port in self.interfaces(router) for ip in port.fixed_ips]
        ours = [ip_network(subnet.cidr) for subnet in subnets]
        if router.gateway_port_id is not None:
            gateway = self.db.ports[router.gateway_port_id]
            assert (gateway.device_owner, gateway.device_id) == (ROUTER_GATEWAY, router.id)
            ours += [
                ip_network(subnet.cidr)
                for subnet in self.db.subnets.values()
                if subnet.network_id == gateway.network_id
            ]
        assert not [
            pair for pair in combinations(ours, 2) if pair[0].version == pair[1].version and pair[0].overlaps(pair[1])
        ]  # type: ignore[arg-type]

    def check_floatingip(self, floatingip: FloatingIP) -> None:
        own = self.db.ports[floatingip.floating_port_id]
        assert (own.device_owner, own.device_id) == (FLOATING_IP, floatingip.id)
        assert floatingip.floating_ip_address in {ip.ip_address for ip in own.fixed_ips}
        ends = [(one.internal_port_id, one.internal_ip_address) for one in floatingip.port_forwardings]
        assert not (ends and floatingip.port_id)
        ranges = sorted(one.external_ports for one in floatingip.port_forwardings)
        assert all(before[1] < after[0] for before, after in pairwise(ranges))
        if floatingip.port_id is not None:
            ends.append((floatingip.port_id, floatingip.fixed_ip_address or ""))
        assert bool(ends) == (floatingip.router_id is not None)
        if floatingip.router_id is None:
            return
        router = self.db.routers[floatingip.router_id]
        assert self.db.ports[router.gateway_port_id or ""].network_id == floatingip.floating_network_id
        reached = {ip.subnet_id for port in self.interfaces(router) for ip in port.fixed_ips}
        for port_id, address in ends:
            (fixed_ip,) = (ip for ip in self.db.ports[port_id].fixed_ips if ip.ip_address == address)
            assert fixed_ip.subnet_id in reached


@given(steps=STEPS)
@settings(
    max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow]
)
async def test_the_rules_hold_after_any_history(
    api: Api, db: IntentDatabase, steps: list[tuple[str, int, int]]
) -> None:
    world = World(api)
    try:
        await world.build()
        for step, one, two in steps:
            method, path, body = world.request(step, one, two)
            before = snapshot(db)
            answer = await api.ask(method, path, body)
            assert answer.status_code < 500, answer.text
            if answer.status_code >= 400:
                assert answer.json()["NeutronError"]["type"] != "TooMuchContention", answer.text
                assert snapshot(db) == before
            world.check()
    finally:
        await empty(db)
