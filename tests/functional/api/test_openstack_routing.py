"""The unmodified ``openstack`` client on routers, floating IPs, port forwardings, subnet pools and names."""

import pytest
from openstack import connect, exceptions

from tests.functional.api.conftest import Start
from tests.functional.api.test_openstack_clients import run

pytestmark = pytest.mark.filterwarnings("ignore::PendingDeprecationWarning:openstack")


def test_address_scopes_and_subnet_pools_by_name(start_serve: Start) -> None:
    scope, pool, network, subnet, changed, listed, rest = run(
        start_serve(),
        "address scope create -f json --share campus",
        "subnet pool create -f json --address-scope campus --pool-prefix 172.16.0.0/16 --default-prefix-length 24"
        " --default-quota 1024 --tag x pool",
        "network create -f json cut",
        "subnet create -f json --network cut --subnet-pool pool --prefix-length 26 one",
        "subnet pool set --pool-prefix 172.18.0.0/16 --description d --default pool",
        "subnet pool show -f json pool",
        "subnet pool list -f json --long --address-scope campus",
        "network delete cut",
        "subnet pool unset --tag x pool",
        "subnet pool delete pool",
        "address scope set --name campus2 campus",
        "address scope delete campus2",
        "subnet pool list -f json",
    )
    assert (scope["shared"], scope["ip_version"]) == (True, 4)
    assert pool | {"address_scope_id": scope["id"], "default_prefixlen": 24, "tags": ["x"]} == pool
    assert (subnet["cidr"], subnet["subnetpool_id"]) == ("172.16.0.0/26", pool["id"])
    assert changed["prefixes"] == ["172.16.0.0/16", "172.18.0.0/16"]
    assert (changed["description"], changed["is_default"]) == ("d", True)
    assert [(one["Name"], one["Tags"]) for one in listed] == [("pool", ["x"])]
    assert network["name"] == "cut"
    assert rest == []


def test_routers_floating_ips_and_port_forwardings(start_serve: Start) -> None:
    serving = start_serve()
    *_, router, port, floating, routed, shown = run(
        serving,
        "network create --external out -f json",
        "subnet create --network out --subnet-range 203.0.113.0/24 --no-dhcp out4 -f json",
        "network create in --dns-domain in.example. -f json",
        "subnet create --network in --subnet-range 10.0.1.0/28 in4 -f json",
        "router create -f json r",
        "router add subnet r in4",
        "router set --external-gateway out --fixed-ip ip-address=203.0.113.77 r",
        "port create -f json --network in --dns-name www --extra-dhcp-option name=bootfile-name,value=pxe p",
        "floating ip create -f json --floating-ip-address 203.0.113.9 out",
        "floating ip set --port p 203.0.113.9",
        "router add route --route destination=10.9.0.0/16,gateway=10.0.1.9 -f json r",
        "router show -f json r",
    )
    assert port["dns_assignment"][0]["fqdn"] == "www.in.example."
    assert port["extra_dhcp_opts"] == [{"opt_name": "bootfile-name", "opt_value": "pxe", "ip_version": 4}]
    assert floating["floating_ip_address"] == "203.0.113.9"
    assert routed["routes"] == [{"destination": "10.9.0.0/16", "nexthop": "10.0.1.9"}]
    assert shown["external_gateway_info"]["external_fixed_ips"][0]["ip_address"] == "203.0.113.77"
    assert [one["ip_address"] for one in shown["interfaces_info"]] == ["10.0.1.1"]
    cloud = connect(auth_type="none", endpoint=serving.url)
    found = cloud.network.find_ip("203.0.113.9")
    assert (found.port_id, found.router_id, found.fixed_ip_address) == (port["id"], router["id"], "10.0.1.2")
    with pytest.raises(exceptions.ConflictException, match="required by one or more floating IPs"):
        cloud.network.remove_interface_from_router(router["id"], subnet=cloud.network.find_subnet("in4").id)
    forwarding, listed = run(
        serving,
        "floating ip unset --port 203.0.113.9",
        f"floating ip port forwarding create -f json --internal-ip-address 10.0.1.2 --port {port['id']}"
        " --internal-protocol-port 22 --external-protocol-port 2222 --protocol tcp 203.0.113.9",
        "floating ip port forwarding list -f json 203.0.113.9",
    )
    assert (forwarding["external_port"], forwarding["internal_port"]) == (2222, 22)
    assert [one["ID"] for one in listed] == [forwarding["id"]]
    run(
        serving,
        f"floating ip port forwarding delete 203.0.113.9 {forwarding['id']}",
        "floating ip delete 203.0.113.9",
        "router remove route --route destination=10.9.0.0/16,gateway=10.0.1.9 r -c id -f json",
        "router unset --external-gateway r",
        "router remove subnet r in4",
        "router delete r",
        "port delete p",
        "network delete in out",
    )
    assert [list(found()) for found in (cloud.network.networks, cloud.network.routers, cloud.network.ports)] == [[]] * 3


def test_distributed_routers(start_serve: Start) -> None:
    *_, made, ports, owned, shown, extension = run(
        start_serve("--router-distributed"),
        "network create in -f json",
        "subnet create --network in --subnet-range 10.0.1.0/28 in4 -f json",
        "router create -f json --centralized r",
        "router add subnet r in4",
        "router set --disable --distributed r",
        "router set --enable r",
        "router create -f json by-default",
        "port list -f json --router r --long",
        "port list -f json --device-owner network:router_interface_distributed",
        "router show -f json r",
        "extension show -f json dvr",
    )
    assert made["distributed"]
    assert [port["Device Owner"] for port in ports] == ["network:router_interface_distributed"]
    assert [port["ID"] for port in owned] == [port["ID"] for port in ports]
    assert (shown["distributed"], shown["admin_state_up"]) == (True, True)
    assert extension["alias"] == "dvr"
