"""Which distributed routers a host needs, and which networks it needs with them."""

from collections.abc import Collection

from hypothesis import given, settings
from hypothesis import strategies as st

from patchbay.compile.facts import Facts, Plugged
from patchbay.compile.view import HostView
from patchbay.model import Network, Port, Router
from patchbay.model.router import ROUTER_GATEWAY, ROUTER_INTERFACE_DISTRIBUTED

FACTS = Facts(host="host1", tunnel_ip="10.0.0.1")


def network(name: str) -> Network:
    return Network(id=name, created_at=name, segmentation_id=ord(name))


def router(name: str, host: str = "", *, distributed: bool = True, up: bool = True) -> Router:
    return Router(id=name, host=host, distributed=distributed, admin_state_up=up)


def link(router_name: str, network_name: str, *, up: bool = True) -> Port:
    return Port(
        id=f"{router_name}-{network_name}",
        network_id=network_name,
        mac_address=f"fa:16:3e:00:{ord(router_name[0]):02x}:{ord(network_name):02x}",
        device_owner=ROUTER_INTERFACE_DISTRIBUTED,
        device_id=router_name,
        admin_state_up=up,
    )


def server(network_name: str, host: str = "host1") -> Port:
    """A port that needs no instance to be plugged: that of a DHCP server."""
    mac = f"fa:16:3e:01:00:{ord(network_name):02x}"
    return Port(
        id=f"d-{network_name}", network_id=network_name, mac_address=mac, device_owner="network:dhcp", host=host
    )


def view_of(*values: object, facts: Facts = FACTS) -> HostView:
    view = HostView(facts)
    for value in values:
        view.put(value)  # type: ignore[arg-type]
    return view


CHAIN = (
    *map(network, "abcd"),
    router("r1"),
    router("r2"),
    link("r1", "a"),
    link("r1", "b"),
    link("r2", "b"),
    link("r2", "c"),
)


def test_a_router_is_where_one_of_its_networks_has_a_port_and_brings_all_that_it_leads_to() -> None:
    view = view_of(*CHAIN, server("a"))
    assert view.routers_here() == ["r1", "r2"]
    assert view.networks_here() == {"a", "b", "c"}
    assert {name: view.distributed_on(name) for name in "abcd"} == {
        "a": {"r1"},
        "b": {"r1", "r2"},
        "c": {"r2"},
        "d": set(),
    }
    assert sorted(view.local_vlans()) == [] or view.local_vlan("c")
    assert {view.port_device(port_id) for port_id in ("r1-a", "r2-c")} == {"qr-r1-a", "qr-r2-c"}


def test_nothing_is_here_without_a_port_here() -> None:
    for elsewhere in (server("a", host="host2"), server("d")):
        view = view_of(*CHAIN, elsewhere)
        assert view.routers_here() == []
        assert view.networks_here() <= {"d"}
        assert view.port_device("r1-a") is None


def test_the_last_port_takes_everything_along_and_the_networks_are_compiled_again() -> None:
    view = view_of(*CHAIN, server("a"))
    dirty = view.remove(server("a"))
    assert view.networks_here() == set()
    assert {("router", "r1"), ("router", "r2"), ("network", "c"), ("port", "r2-c")} <= dirty


def test_a_router_that_is_down_or_centralized_or_unknown_joins_nothing() -> None:
    for changed in (router("r1", up=False), router("r1", distributed=False)):
        view = view_of(*CHAIN, server("a"))
        view.put(changed)
        assert view.routers_here() == []
        assert view.networks_here() == {"a"}
        view.put(router("r1"))
        assert view.networks_here() == {"a", "b", "c"}
    view = view_of(*CHAIN, server("a"))
    view.remove(router("r2"))
    assert view.networks_here() == {"a", "b"}
    assert view.routers_wanted() == {"r1", "r2"}, "its interface says that there is one to ask for"


def test_an_interface_that_is_down_or_goes_separates() -> None:
    view = view_of(*CHAIN, server("a"))
    view.put(link("r1", "b", up=False))
    assert view.networks_here() == {"a"}
    view.put(link("r1", "b"))
    view.remove(link("r2", "b"))
    assert view.networks_here() == {"a", "b"}
    assert view.routers_here() == ["r1"]


def test_a_router_is_at_home_with_no_port_there_and_only_its_home_has_the_gateway() -> None:
    gateway = Port(
        id="g",
        network_id="d",
        mac_address="fa:16:3e:02:00:01",
        device_owner=ROUTER_GATEWAY,
        device_id="r1",
        host="host1",
    )
    home = Router(id="r1", host="host1", distributed=True, gateway_port_id="g")
    view = view_of(*CHAIN, home, gateway)
    assert view.networks_here() == {"a", "b", "c", "d"}
    assert view.is_home(home)
    assert [port.id for port in view.router_ports("r1")] == ["g", "r1-a", "r1-b"]


def test_neither_end_of_a_tunnel_floods_to_a_host_that_only_routes() -> None:
    view = view_of(*CHAIN, server("a"), server("b", host="host2"))
    assert view.hosts_of("b") == ["host2"]
    assert view.elsewhere(link("r1", "b")) == set()


def expected_networks(values: Collection[object]) -> set[str]:
    """By the definition, without indexes: grow what is here until nothing is added."""
    routers = {each.id for each in values if isinstance(each, Router) and each.distributed and each.admin_state_up}
    homes = {each.id for each in values if isinstance(each, Router) and each.host == "host1"} & routers
    ports = [each for each in values if isinstance(each, Port)]
    links = [
        p
        for p in ports
        if p.device_owner == ROUTER_INTERFACE_DISTRIBUTED and p.admin_state_up and p.device_id in routers
    ]
    found = {p.network_id for p in ports if p.device_owner == "network:dhcp" and p.host == "host1"}
    found |= {p.network_id for p in links if p.device_id in homes}
    while True:
        here = {p.device_id for p in links if p.network_id in found}
        more = {p.network_id for p in links if p.device_id in here}
        if more <= found:
            return found
        found |= more


VALUES = st.one_of(
    st.builds(server, st.sampled_from("abcdef"), st.sampled_from(("host1", "host2"))),
    st.builds(link, st.sampled_from(("r1", "r2", "r3")), st.sampled_from("abcdef"), up=st.booleans()),
    st.builds(
        router,
        st.sampled_from(("r1", "r2", "r3")),
        st.sampled_from(("", "host1", "host2")),
        distributed=st.booleans(),
        up=st.booleans(),
    ),
)
RELABELLED = Facts(host="host1", tunnel_ip="10.0.0.9", plugged={"x": Plugged(name="tapx")})


@settings(max_examples=400, deadline=None)
@given(st.lists(st.tuples(st.sampled_from(("put", "put", "put", "remove", "facts")), VALUES), max_size=40))
def test_any_history_ends_in_what_the_definition_says(history: list[tuple[str, Router | Port]]) -> None:
    view, values = view_of(), dict[tuple[type, str], object]()
    for verb, value in history:
        if verb == "facts":
            view.set_facts(RELABELLED if view.facts == FACTS else FACTS)
        elif verb == "put":
            view.put(value)
            values[type(value), value.id] = value
        else:
            view.remove(value)
            values.pop((type(value), value.id), None)
        assert view.networks_here() == expected_networks(values.values())
