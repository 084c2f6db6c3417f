"""External networks, subnets and routers to ask about."""

from typing import Any

from patchbay.model import Plug
from patchbay.service.access import new_id
from tests.functional.api.api_world import Api, Object


async def external(api: Api, *cidrs: str) -> Object:
    """An external network."""
    return await api.network(*(cidrs or ("203.0.113.0/24",)), router__external=True)


async def subnet(api: Api, cidr: str, **attributes: object) -> Object:
    """A subnet on a network of its own."""
    network = await api.create("network")
    version = 6 if ":" in cidr else 4
    return await api.create("subnet", network_id=network["id"], ip_version=version, cidr=cidr, **attributes)


async def router_on(api: Api, *subnets: Object, **attributes: object) -> Object:
    """A router with interfaces on the subnets."""
    router = await api.create("router", **attributes)
    for one in subnets:
        await api.act(f"/routers/{router['id']}/add_router_interface", {"subnet_id": one["id"]})
    return await api.get(f"/routers/{router['id']}")  # type: ignore[no-any-return]


class Site:
    """Instances on 10.0.0.0/24 behind a router to an external network 203.0.113.0/24."""

    def __init__(self, api: Api, outside: Object, inside: Object, router: Object) -> None:
        self.api = api
        self.outside = outside
        self.inside = inside
        self.router = router

    @classmethod
    async def build(cls, api: Api) -> "Site":
        """The networks and the router."""
        outside, inside = await external(api), await subnet(api, "10.0.0.0/24")
        gateway = {"network_id": outside["id"]}
        return cls(api, outside, inside, await router_on(api, inside, external_gateway_info=gateway))

    async def port(self, *addresses: str, **attributes: Any) -> Object:
        """A port inside."""
        if addresses:
            attributes["fixed_ips"] = [{"ip_address": address} for address in addresses]
        return await self.api.create("port", network_id=self.inside["network_id"], **attributes)

    async def floatingip(self, **attributes: Any) -> Object:
        """A floating IP outside."""
        return await self.api.create("floatingip", floating_network_id=self.outside["id"], **attributes)


def plug_of(floatingip: Object, port_id: str, **attributes: Any) -> Plug:
    """What an agent says of a floating IP."""
    network_id = floatingip["floating_network_id"]
    return Plug(id=new_id(), port_id=port_id, network_id=network_id, host="network1", **attributes)
