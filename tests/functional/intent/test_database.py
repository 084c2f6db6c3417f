"""What is written to the intent database shows, is unique where it must be, and reaches those whom it concerns."""

import asyncio
from collections.abc import Sequence

import msgspec
import pytest
from msgspec.structs import replace

from patchbay.intent.database import (
    AgentScope,
    Change,
    Delete,
    Duplicate,
    Insert,
    IntentDatabase,
    Model,
    Stale,
    StillReferenced,
    Update,
)
from patchbay.intent.server import EmbeddedServer
from patchbay.model import (
    AddressPair,
    AllocationPool,
    FixedIP,
    Host,
    HostRoute,
    Instance,
    Network,
    Plug,
    Port,
    Subnet,
)
from tests.functional.intent.intent_world import Open, new_id, new_network, new_port, new_subnet, until


def shown(database: IntentDatabase, value: Model) -> Model | None:
    """The object with this id, as the database shows it."""
    tables: Sequence[dict[str, Model]] = [
        dict(table)
        for table in (
            database.hosts,
            database.networks,
            database.subnets,
            database.ports,
            database.instances,
            database.plugs,
        )
    ]
    return next((table[value.id] for table in tables if value.id in table), None)


def one_of_each() -> list[Model]:
    """One object of each kind with every field set."""
    common = {
        "project_id": "p1",
        "name": 'say "hé{llo}"',
        "description": "a\\b\n",
        "tags": ("blue", "red"),
        "revision_number": 3,
        "created_at": "2026-01-31T12:00:00Z",
        "updated_at": "2026-01-31T12:00:01Z",
    }
    network = Network(
        id=new_id(),
        **common,
        admin_state_up=False,
        shared=True,
        external=True,
        mtu=1500,
        network_type="vlan",
        physical_network="physnet1",
        segmentation_id=100,
    )
    subnet = Subnet(
        id=new_id(),
        **common,
        network_id=network.id,
        ip_version=6,
        cidr="2001:db8::/64",
        gateway_ip="2001:db8::1",
        allocation_pools=(
            AllocationPool("2001:db8::9", "2001:db8::f"),
            AllocationPool("2001:db8::10", "2001:db8::ff"),
        ),
        enable_dhcp=False,
        dns_nameservers=("2001:db8::53", "2001:db8::35"),
        host_routes=(HostRoute("2001:db8:1::/48", "2001:db8::2"),),
        ipv6_ra_mode="slaac",
        ipv6_address_mode="slaac",
        service_types=("compute:a", "compute:b"),
    )
    port = Port(
        id=new_id(),
        **common,
        network_id=network.id,
        mac_address="fa:16:3e:00:00:01",
        fixed_ips=(FixedIP(subnet.id, "2001:db8::a"), FixedIP(subnet.id, "2001:db8::1:0")),
        admin_state_up=False,
        device_id="vm1",
        device_owner="compute:nova",
        host="compute1",
        vnic_type="direct",
        profile='{"a":1}',
        allowed_address_pairs=(AddressPair("10.0.0.0/8", "fa:16:3e:00:00:02"),),
    )
    host = Host(
        id=new_id(),
        name="compute1",
        tunnel_ip="172.21.12.8",
        bridge_mappings={"physnet1": "br-ex"},
        datapath_type="netdev",
        admin_state_up=False,
        description="rack 7",
        version="0.1",
        started_at=7,
        heartbeat_at=8,
    )
    instance = Instance(id=new_id(), **common, host="compute1", plugging="direct", interfaces={"eth0": port.id})
    plug = Plug(id=new_id(), port_id=port.id, network_id=network.id, host="compute1", up=True)
    return [network, subnet, port, host, instance, plug]


async def test_every_field_of_every_object_comes_back(server: EmbeddedServer, open_database: Open) -> None:
    values = one_of_each()
    writer, reader = await open_database(server.remote), await open_database(server.remote)
    await writer.transact(*(Insert(value) for value in values))
    for database in (writer, reader, await open_database(server.remote)):
        await until(lambda database=database: len(database.plugs) == 1, "the transaction at every client")
        assert [shown(database, value) for value in values] == values


async def test_an_update_to_all_defaults_comes_back(server: EmbeddedServer, open_database: Open) -> None:
    values = one_of_each()
    database = await open_database(server.remote)
    await database.transact(*(Insert(value) for value in values))
    plain = [msgspec.convert(msgspec.to_builtins(value) | _defaults(value), type(value)) for value in values]
    await database.transact(*(Update(old, new) for old, new in zip(values, plain, strict=True)))
    assert [shown(database, value) for value in values] == plain


def _defaults(value: Model) -> dict[str, object]:
    fields = msgspec.structs.fields(type(value))
    return {field.name: field.default for field in fields if field.default is not msgspec.NODEFAULT}


async def test_a_subscriber_hears_a_transaction_once_and_whole(server: EmbeddedServer, open_database: Open) -> None:
    database = await open_database(server.remote)
    heard: list[list[Change]] = []
    database.subscribe(heard.append)
    network = new_network()
    subnet = new_subnet(network)
    port = new_port(network, (subnet, "10.0.0.9"), (subnet, "10.0.0.10"))
    await database.transact(Insert(port), Insert(subnet), Insert(network))
    assert heard == [[Change(None, network), Change(None, subnet), Change(None, port)]]
    moved = replace(port, fixed_ips=(FixedIP(subnet.id, "10.0.0.10"), FixedIP(subnet.id, "10.0.0.11")))
    await database.transact(Update(port, moved))
    assert heard[1:] == [[Change(port, moved)]]
    assert set(database.addresses(subnet.id).values()) == {port.id}
    assert len(database.addresses(subnet.id)) == 2
    await database.transact(Delete(moved), Delete(subnet), Delete(network))
    assert sorted(map(repr, heard[2])) == sorted(map(repr, [Change(v, None) for v in (moved, subnet, network)]))
    assert not database.addresses(subnet.id)
    assert not database.ports_by_network


async def test_fixed_ips_are_ordered_ipv4_first_then_by_number(server: EmbeddedServer, open_database: Open) -> None:
    database = await open_database(server.remote)
    network = new_network()
    four, six = new_subnet(network), new_subnet(network, "2001:db8::/64")
    port = new_port(network, (six, "2001:db8::a"), (four, "10.0.0.10"), (six, "2001:db8::2"), (four, "10.0.0.9"))
    await database.transact(*map(Insert, (network, four, six, port)))
    assert [ip.ip_address for ip in database.ports[port.id].fixed_ips] == [
        "10.0.0.9",
        "10.0.0.10",
        "2001:db8::2",
        "2001:db8::a",
    ]


async def test_of_two_servers_that_give_out_the_same_mac_one_wins(server: EmbeddedServer, open_database: Open) -> None:
    one, other = await open_database(server.remote), await open_database(server.remote)
    network = new_network()
    await one.transact(Insert(network))
    for number in range(50):
        ports = [new_port(network, mac=f"fa:16:3e:00:00:{number:02x}") for _ in range(2)]
        outcomes = await asyncio.gather(
            one.transact(Insert(ports[0])), other.transact(Insert(ports[1])), return_exceptions=True
        )
        [lost] = [outcome for outcome in outcomes if outcome is not None]
        assert isinstance(lost, Duplicate)
        assert (lost.table, lost.columns) == ("Port", ("network", "mac_address"))
    await until(lambda: len(one.ports) == len(other.ports) == 50, "fifty ports at both")


async def test_of_two_servers_that_give_out_the_same_address_one_wins(
    server: EmbeddedServer, open_database: Open
) -> None:
    one, other = await open_database(server.remote), await open_database(server.remote)
    network = new_network()
    subnet = new_subnet(network)
    await one.transact(Insert(network), Insert(subnet))
    for number in range(50):
        ports = [new_port(network, (subnet, f"10.0.0.{number}")) for _ in range(2)]
        outcomes = await asyncio.gather(
            one.transact(Insert(ports[0])), other.transact(Insert(ports[1])), return_exceptions=True
        )
        [lost] = [outcome for outcome in outcomes if outcome is not None]
        assert isinstance(lost, Duplicate)
        assert (lost.table, lost.columns) == ("Address", ("subnet", "ip_address"))
    await until(lambda: len(one.addresses(subnet.id)) == len(other.addresses(subnet.id)) == 50, "fifty addresses")


async def test_a_vni_belongs_to_one_network(server: EmbeddedServer, open_database: Open) -> None:
    database = await open_database(server.remote)
    blue, red = new_network("blue"), new_network("red")
    await database.transact(Insert(blue))
    with pytest.raises(Duplicate) as caught:
        await database.transact(Insert(replace(red, segmentation_id=blue.segmentation_id)))
    assert (caught.value.table, caught.value.columns) == ("Network", ("segment",))
    await database.transact(Insert(replace(red, network_type="local", segmentation_id=None)))
    await database.transact(Insert(replace(red, id=new_id(), network_type="local", segmentation_id=None)))


async def test_what_is_in_use_stays(server: EmbeddedServer, open_database: Open) -> None:
    database = await open_database(server.remote)
    network = new_network()
    subnet = new_subnet(network)
    port = new_port(network, (subnet, "10.0.0.9"))
    await database.transact(Insert(network), Insert(subnet), Insert(port))
    for value in (network, subnet):
        with pytest.raises(StillReferenced):
            await database.transact(Delete(value))
    with pytest.raises(StillReferenced):
        await database.transact(Insert(new_port(new_network())))
    assert [shown(database, value) for value in (network, subnet, port)] == [network, subnet, port]


async def test_a_change_of_what_somebody_else_changed_is_stale(server: EmbeddedServer, open_database: Open) -> None:
    database = await open_database(server.remote)
    old = new_network()
    await database.transact(Insert(old))
    new = replace(old, name="green", revision_number=2)
    await database.transact(Update(old, new))
    for write in (Update(old, replace(old, name="red", revision_number=2)), Delete(old)):
        with pytest.raises(Stale):
            await database.transact(write)
    assert shown(database, old) == new
    await database.transact(Delete(new))
    with pytest.raises(Stale):
        await database.transact(Delete(new))


async def test_one_refused_write_does_not_stop_those_committed_with_it(
    server: EmbeddedServer, open_database: Open
) -> None:
    database = await open_database(server.remote)
    network = new_network()
    await database.transact(Insert(network))
    good = [new_port(network) for _ in range(20)]
    bad = [new_port(network, mac=port.mac_address) for port in good]
    writes = [Insert(port) for pair in zip(good, bad, strict=True) for port in pair]
    outcomes = await asyncio.gather(*(database.transact(write) for write in writes), return_exceptions=True)
    assert outcomes[0::2] == [None] * 20
    assert {type(outcome) for outcome in outcomes[1::2]} == {Duplicate}
    assert set(database.ports) == {port.id for port in good}


async def test_an_agent_sees_what_concerns_its_host(server: EmbeddedServer, open_database: Open) -> None:
    service = await open_database(server.remote)
    agent = await open_database(server.remote, AgentScope("compute1"))
    blue, red = new_network("blue"), new_network("red")
    blues, reds = new_subnet(blue), new_subnet(red)
    mine = new_port(blue, (blues, "10.0.0.9"), host="compute1")
    neighbour = new_port(blue, (blues, "10.0.0.10"), host="compute2")
    stranger = new_port(red, (reds, "10.0.0.9"), host="compute2")
    plug = Plug(id=new_id(), port_id=neighbour.id, network_id=blue.id, host="compute2", up=True)
    host = Host(id=new_id(), name="compute2")
    await service.transact(*map(Insert, (blue, red, blues, reds, mine, neighbour, stranger, plug, host)))
    await until(lambda: agent.ports and agent.hosts, "the agent's own port")
    assert (set(agent.ports), set(agent.networks), set(agent.plugs)) == ({mine.id}, set(), set())

    await agent.watch({blue.id})
    assert (set(agent.networks), set(agent.subnets), set(agent.plugs)) == ({blue.id}, {blues.id}, {plug.id})
    assert set(agent.ports) == {mine.id, neighbour.id}
    assert agent.ports[mine.id].fixed_ips == mine.fixed_ips
    assert agent.ports[neighbour.id].fixed_ips == neighbour.fixed_ips

    await agent.watch(set(), {stranger.id})
    assert set(agent.ports) == {mine.id, stranger.id}
    assert not agent.networks
    await agent.watch({blue.id, red.id})
    assert set(agent.ports) == {mine.id, neighbour.id, stranger.id}
    assert agent.ports[stranger.id].fixed_ips == stranger.fixed_ips


async def test_an_agent_writes_its_host_and_plugs(server: EmbeddedServer, open_database: Open) -> None:
    service = await open_database(server.remote)
    agent = await open_database(server.remote, AgentScope("compute1"))
    host = Host(id=new_id(), name="compute1", tunnel_ip="172.21.12.8", started_at=5)
    plug = Plug(id=new_id(), port_id=new_id(), network_id=new_id(), host="compute1")
    await agent.transact(Insert(host), Insert(plug))
    await agent.transact(
        Update(agent.hosts[host.id], replace(agent.hosts[host.id], heartbeat_at=9)),
        Update(plug, replace(plug, up=True)),
    )
    await until(lambda: service.plugs and service.plugs[plug.id].up, "the plug at the service")
    assert service.hosts[host.id] == replace(host, heartbeat_at=9)
