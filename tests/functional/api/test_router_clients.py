"""The unmodified ``openstack`` client and openstacksdk make routers, floating IPs and port forwardings."""

from typing import Any

import openstack
import pytest
from openstack import exceptions

from tests.functional.api.conftest import Serving, Start
from tests.functional.api.test_openstack_clients import run

pytestmark = pytest.mark.filterwarnings("ignore::PendingDeprecationWarning:openstack")

WORLD = (
    "network create -f json --external public",
    "subnet create -f json --network public --subnet-range 203.0.113.0/24 --no-dhcp outside",
    "network create -f json private",
    "subnet create -f json --network private --subnet-range 10.0.0.0/24 inside",
)


def ask(serving: Serving, *commands: str) -> list[Any]:
    """What the commands print, after the networks of the world were made."""
    return run(serving, *WORLD, *commands)[len(WORLD) :]


def test_a_router_s_life(start_serve: Start) -> None:
    created, inside, full, listed, ports, routed, cut, cleared, rest = ask(
        start_serve(),
        "router create -f json --description d --tag t edge",
        "router add subnet edge inside",
        "router set --external-gateway public --fixed-ip subnet=outside,ip-address=203.0.113.50 edge",
        "router show -f json -c interfaces_info edge",
        "router show -f json edge",
        "router list -f json --long",
        "port list -f json --router edge",
        "router set --route destination=10.7.0.0/16,gateway=10.0.0.9 --disable-snat --external-gateway public edge",
        "router add route --route destination=10.8.0.0/16,gateway=10.0.0.9 edge -f json",
        "router unset --route destination=10.7.0.0/16,gateway=10.0.0.9 edge",
        "router remove route --route destination=10.8.0.0/16,gateway=10.0.0.9 edge -f json -c routes",
        "router unset --external-gateway edge",
        "router show -f json -c external_gateway_info -c routes edge",
        "router remove subnet edge inside",
        "router delete edge",
        "router list -f json",
    )
    assert (created["name"], created["status"], created["tags"]) == ("edge", "ACTIVE", ["t"])
    assert inside["interfaces_info"][0]["ip_address"] == "10.0.0.1"
    assert full["external_gateway_info"]["external_fixed_ips"][0]["ip_address"] == "203.0.113.50"
    assert listed[0]["Name"] == "edge"
    assert len(ports) == 2
    assert routed["routes"] == [
        {"destination": "10.7.0.0/16", "nexthop": "10.0.0.9"},
        {"destination": "10.8.0.0/16", "nexthop": "10.0.0.9"},
    ]
    assert cut == {"routes": []}
    assert cleared == {"external_gateway_info": None, "routes": []}
    assert rest == []


def test_a_floating_ip_s_life(start_serve: Start) -> None:
    *_, made, bound, forwarded, listed, ranged, free, rest = ask(
        start_serve(),
        "router create -f json -c id edge",
        "router add subnet edge inside",
        "router set --external-gateway public edge",
        "port create -f json -c id --network private --fixed-ip ip-address=10.0.0.10 web",
        "port create -f json -c id --network private --fixed-ip ip-address=10.0.0.20 db",
        "floating ip create -f json --floating-ip-address 203.0.113.77 --description d --tag t public",
        "floating ip set --port web 203.0.113.77",
        "floating ip show -f json 203.0.113.77",
        "floating ip unset --port 203.0.113.77",
        "floating ip port forwarding create -f json --port db --internal-ip-address 10.0.0.20 --protocol tcp "
        "--internal-protocol-port 22 --external-protocol-port 2222 203.0.113.77",
        "floating ip port forwarding list -f json 203.0.113.77",
        "floating ip port forwarding create -f json --port db --internal-ip-address 10.0.0.20 --protocol udp "
        "--internal-protocol-port 50:59 --external-protocol-port 5050:5059 203.0.113.77",
        "floating ip show -f json 203.0.113.77",
        "floating ip list -f json --router edge",
    )
    assert (made["floating_ip_address"], made["status"], made["tags"]) == ("203.0.113.77", "DOWN", ["t"])
    assert (bound["fixed_ip_address"], bound["port_details"]["name"]) == ("10.0.0.10", "web")
    assert (forwarded["external_port"], forwarded["internal_ip_address"]) == (2222, "10.0.0.20")
    assert [one["External Port"] for one in listed] == [2222]
    assert ranged["external_port_range"] == "5050:5059"
    assert len(free["port_forwardings"]) == 2
    assert len(rest) == 1


def test_the_sdk_makes_a_way_in_and_hears_why_not(start_serve: Start) -> None:
    cloud = openstack.connect(auth_type="none", endpoint=start_serve().url)
    api = cloud.network
    public = api.create_network(name="public", is_router_external=True)
    api.create_subnet(network_id=public.id, ip_version=4, cidr="203.0.113.0/24")
    private = api.create_network(name="private")
    inside = api.create_subnet(network_id=private.id, ip_version=4, cidr="10.0.0.0/24")
    port = api.create_port(network_id=private.id)
    with pytest.raises(exceptions.NotFoundException, match="is not reachable from subnet"):
        api.create_ip(floating_network_id=public.id, port_id=port.id)
    router = api.create_router(name="edge", external_gateway_info={"network_id": public.id})
    api.add_interface_to_router(router, subnet=inside.id)
    assert api.find_router("edge").external_gateway_info["enable_snat"]
    floatingip = api.create_ip(floating_network_id=public.id, port_id=port.id)
    assert floatingip.fixed_ip_address == port.fixed_ips[0]["ip_address"]
    assert api.find_ip(floatingip.floating_ip_address).id == floatingip.id
    assert [one.id for one in api.ips(router_id=router.id)] == [floatingip.id]
    with pytest.raises(exceptions.ConflictException, match="required by one or more floating IPs"):
        api.remove_interface_from_router(router, subnet=inside.id)
    api.update_ip(floatingip, port_id=None)
    forwarding = api.create_port_forwarding(
        floatingip_id=floatingip.id, internal_port_id=port.id, protocol="tcp", external_port=80, internal_port=8080
    )
    changed = api.update_port_forwarding(forwarding, floatingip.id, external_port=81)
    assert [one.external_port for one in api.port_forwardings(floatingip.id)] == [changed.external_port] == [81]
    api.delete_port_forwarding(forwarding, floatingip.id, ignore_missing=False)
    api.add_extra_routes_to_router(
        router, {"router": {"routes": [{"destination": "10.9.0.0/16", "nexthop": "10.0.0.9"}]}}
    )
    assert api.get_router(router.id).routes == [{"destination": "10.9.0.0/16", "nexthop": "10.0.0.9"}]
    api.remove_extra_routes_from_router(router, {"router": {"routes": api.get_router(router.id).routes}})
    api.delete_ip(floatingip, ignore_missing=False)
    api.remove_interface_from_router(router, subnet=inside.id)
    api.delete_router(router, ignore_missing=False)
    assert list(api.ports(device_owner="network:router_gateway")) == []
    assert {"router", "ext-gw-mode", "extraroute-atomic"} <= {one.alias for one in api.extensions()}
