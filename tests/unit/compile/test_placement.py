"""Who is here, who is elsewhere, which number a network gets, and what changes when somebody comes or goes."""

from msgspec.structs import replace

from patchbay.compile import names
from patchbay.compile.facts import Facts, Plugged
from patchbay.compile.fragments import Compiled, compile_all
from patchbay.compile.view import HostView
from patchbay.hoststate import BridgePort, Flow, HostState, PortTag
from patchbay.model import FixedIP, Host, Instance, Network, Plug, Port, Subnet

FACTS = Facts(host="host1", tunnel_ip="10.0.0.1")
HOSTS = tuple(Host(id=f"row-{n}", name=f"host{n}", tunnel_ip=f"10.0.0.{n}") for n in (1, 2, 3))


def network(number: int, **fields: object) -> Network:
    return replace(Network(id=f"net-{number}", created_at=f"{number:04}", segmentation_id=number), **fields)


def port(number: int, network_number: int = 1, host: str = "host1", **fields: object) -> Port:
    mac_address = f"fa:16:3e:00:{number >> 8:02x}:{number & 255:02x}"
    new = Port(
        id=f"{number:08x}-port",
        network_id=f"net-{network_number}",
        mac_address=mac_address,
        host=host,
        port_security_enabled=False,
    )
    return replace(new, **fields)


def instance(number: int, *ports: Port) -> Instance:
    interfaces = {f"eth{index}": item.id for index, item in enumerate(ports)}
    return Instance(id=f"vm-{number}", name=f"vm{number}", created_at=str(number), host="host1", interfaces=interfaces)


def view_of(*values: object, facts: Facts = FACTS) -> HostView:
    view = HostView(facts)
    for value in (*HOSTS, *values):
        view.put(value)  # type: ignore[arg-type]
    return view


def tags(state: HostState) -> dict[str, int | None]:
    return {item.name: item.tag for item in state.values() if isinstance(item, BridgePort | PortTag) and item.tag}


def flows(state: HostState, bridge: str, table: int) -> dict[str, str]:
    found = (item for item in state.values() if isinstance(item, Flow))
    return {item.match: item.actions for item in found if (item.bridge, item.table) == (bridge, table)}


def test_networks_are_numbered_in_the_order_of_their_creation_whatever_comes_first() -> None:
    here = [port(n, n) for n in (1, 2, 3)]
    values = [*(network(n) for n in (1, 2, 3)), *here, *(instance(n, item) for n, item in enumerate(here))]
    assert tags(compile_all(view_of(*values))) == tags(compile_all(view_of(*reversed(values))))
    assert sorted(tags(compile_all(view_of(*values))).values()) == [1, 2, 3]


def test_a_network_keeps_the_number_that_the_host_shows_and_others_leave_it_alone() -> None:
    facts = replace(FACTS, local_vlans={"net-2": 1, "net-9": 2})
    here = [port(1, 1), port(2, 2)]
    view = view_of(network(1), network(2), *here, instance(1, *here), facts=facts)
    compile_all(view)
    assert view.local_vlans() == {"net-2": 1, "net-1": 3}


def test_a_number_is_given_back_when_the_last_port_leaves_but_not_given_on_in_the_same_round() -> None:
    here = port(1, 1)
    view = view_of(network(1), network(2), here, instance(1, here), port(2, 2))
    assert compile_all(view)
    assert view.local_vlans() == {"net-1": 1}
    view.remove(here)
    view.put(instance(2, port(2, 2)))
    assert compile_all(view)
    assert view.local_vlans() == {"net-2": 2}
    third = port(3, 3)
    for value in (network(3), third, instance(3, third)):
        view.put(value)
    assert compile_all(view)
    assert view.local_vlans() == {"net-2": 2, "net-3": 1}


def test_when_all_numbers_are_taken_the_next_network_waits_for_one_to_be_free() -> None:
    shown = {f"net-{n}": n for n in range(1, 4095)}
    here = [port(n, n) for n in range(1, 4096)]
    view = view_of(*(network(n) for n in range(1, 4096)), facts=replace(FACTS, local_vlans=shown))
    for number, item in enumerate(here):
        view.put(item)
        view.put(instance(number, item))
    compiled = Compiled(view)
    compiled.refresh(view.fragments())
    waiting = names.device("qvo", here[-1].id)
    assert tags(compiled.state)[waiting] == 4095
    compiled.refresh(view.remove(here[0]))
    assert tags(compiled.state)[waiting] == 1


def test_known_unicast_goes_to_the_host_of_the_port_and_follows_it() -> None:
    here, there = port(1), port(2, host="host2", fixed_ips=(FixedIP("sub", "192.168.1.2"),))
    view = view_of(network(1), here, instance(1, here), there)
    compiled = Compiled(view)
    compiled.refresh(view.fragments())
    match = f"dl_vlan=1,dl_dst={there.mac_address}"
    assert flows(compiled.state, "br-tun", 20)[match] == "strip_vlan,set_tunnel:0x1,output:vxlan-0a000002"
    compiled.refresh(view.put(replace(there, host="host3")))
    assert flows(compiled.state, "br-tun", 20)[match] == "strip_vlan,set_tunnel:0x1,output:vxlan-0a000003"
    assert flows(compiled.state, "br-tun", 22)["dl_vlan=1"] == "strip_vlan,set_tunnel:0x1,output:vxlan-0a000003"
    compiled.refresh(view.put(replace(there, host="host3", admin_state_up=False)))
    assert match not in flows(compiled.state, "br-tun", 20)
    assert "dl_vlan=1" not in flows(compiled.state, "br-tun", 22)


def test_a_network_floods_once_to_each_host_that_has_it() -> None:
    here = port(1)
    others = [port(n, host=f"host{2 + n % 2}") for n in range(2, 8)]
    view = view_of(network(1), network(2), here, instance(1, here), *others, port(9, 2, host="host2"))
    state = compile_all(view)
    both = "strip_vlan,set_tunnel:0x1,output:vxlan-0a000002,output:vxlan-0a000003"
    assert flows(state, "br-tun", 22) == {"": "drop", "dl_vlan=1": both}


def test_an_unbound_port_is_where_an_agent_says_that_it_is_plugged() -> None:
    here, free = port(1), port(2, host="")
    view = view_of(network(1), here, instance(1, here), free)
    compiled = Compiled(view)
    compiled.refresh(view.fragments())
    match = f"dl_vlan=1,dl_dst={free.mac_address}"
    assert match not in flows(compiled.state, "br-tun", 20)
    plug = Plug(id="plug", port_id=free.id, network_id="net-1", host="host2")
    compiled.refresh(view.put(plug))
    assert match in flows(compiled.state, "br-tun", 20)
    compiled.refresh(view.put(replace(plug, id="second", host="host3")))
    assert match not in flows(compiled.state, "br-tun", 20), "on two hosts: let the switch learn"
    compiled.refresh(view.set_facts(replace(FACTS, plugged={free.id: Plugged(name="vnet0")})))
    assert tags(compiled.state)["vnet0"] == 1


def test_of_two_instances_with_one_name_the_older_has_the_namespace_and_the_younger_waits() -> None:
    old, young = port(1, 1), port(2, 2)
    older, younger = replace(instance(1, old), name="web"), replace(instance(2, young), name="web")
    view = view_of(network(1), network(2), old, young, older, younger)
    compiled = Compiled(view)
    compiled.refresh(view.fragments())
    assert tags(compiled.state) == {names.device("qvo", old.id): 1}
    assert view.networks_here() == {"net-1"}
    compiled.refresh(view.remove(older))
    assert tags(compiled.state) == {names.device("qvo", young.id): 2}
    assert view.networks_here() == {"net-2"}
    compiled.refresh(view.put(older))
    assert tags(compiled.state) == {names.device("qvo", old.id): 1}


def test_an_address_that_two_ports_claim_is_not_answered() -> None:
    here, owner = port(1), port(2, host="host2", fixed_ips=(FixedIP("sub", "192.168.1.2"),))
    rival = port(3, host="host3", fixed_ips=(FixedIP("sub", "192.168.1.2"),))
    view = view_of(network(1), here, instance(1, here), owner)
    compiled = Compiled(view)
    compiled.refresh(view.fragments())
    question = "arp,dl_vlan=1,arp_tpa=192.168.1.2,arp_op=1"
    assert question in flows(compiled.state, "br-tun", 21)
    compiled.refresh(view.put(rival))
    assert question not in flows(compiled.state, "br-tun", 21)
    compiled.refresh(view.remove(rival))
    assert question in flows(compiled.state, "br-tun", 21)


def test_what_is_missing_closes_and_what_comes_opens() -> None:
    here = port(1, fixed_ips=(FixedIP("sub", "192.168.1.9"),))
    view = view_of(here, instance(1, here), facts=replace(FACTS, plugged={"stranger": Plugged(name="vnet9")}))
    compiled = Compiled(view)
    compiled.refresh(view.fragments())
    assert tags(compiled.state) == {"vnet9": 4095}
    assert flows(compiled.state, "br-int", 0)["in_port=vnet9"] == "drop"
    compiled.refresh(view.put(network(1)))
    qvo = names.device("qvo", here.id)
    assert tags(compiled.state) == {"vnet9": 4095, qvo: 1}
    assert not [key for key in compiled.state if key[0] == "address"]
    compiled.refresh(view.put(Subnet(id="sub", network_id="net-1", ip_version=4, cidr="192.168.1.0/24")))
    assert ("address", "vm1", "eth0", "192.168.1.9/24") in compiled.state
    compiled.refresh(view.put(replace(network(1), admin_state_up=False)))
    assert tags(compiled.state)[qvo] == 4095
    assert flows(compiled.state, "br-tun", 4) == {"": "drop"}


def test_a_change_marks_only_what_depends_on_it() -> None:
    here = port(1)
    many = [port(n, host="host2") for n in range(2, 200)]
    view = view_of(network(1), here, instance(1, here), *many)
    assert view.put(port(200, host="host2")) == {("port", "000000c8-port")}
    assert view.put(replace(many[0], name="renamed")) == {("port", many[0].id)}
    assert view.put(replace(network(1), name="renamed")) == set()
    assert view.put(replace(HOSTS[1], heartbeat_at=99)) == set()
    assert view.put(port(201, host="host3")) == {("port", "000000c9-port"), ("network", "net-1")}


def test_names_are_those_of_neutron() -> None:
    assert names.tunnel_port("172.21.12.163") == "vxlan-ac150ca3"
    assert names.tunnel_port("not an address") is None
    assert names.integration_patch("br-ex") == "int-br-ex"
    assert len(names.provider_patch("br-provider-long")) == 15
    assert names.provider_patch("br-provider-long") != names.provider_patch("br-provider-longer")
