"""Model values become operations that write only what differs and fail when somebody else was quicker."""

from collections.abc import Mapping
from typing import Any

import pytest
from msgspec.structs import replace

from patchbay.intent.columns import address_number, address_order
from patchbay.intent.rows import Delete, Insert, OperationList, Update, Write, is_same, segment_key
from patchbay.intent.scope import AGENT_COLUMNS, ALL_COLUMNS, Columns
from patchbay.model import AddressPair, FixedIP, Host, Network, Plug, Port

NETWORK = Network(id="5f1e0000-0000-4000-8000-000000000001", name="blue", segmentation_id=0x22, revision_number=7)
SUBNET_ID = "5f1e0000-0000-4000-8000-000000000002"
PORT = Port(
    id="5f1e0000-0000-4000-8000-000000000003",
    network_id=NETWORK.id,
    mac_address="fa:16:3e:00:00:01",
    fixed_ips=(FixedIP(SUBNET_ID, "10.0.0.9"), FixedIP(SUBNET_ID, "10.0.0.10")),
    revision_number=3,
)
ROWS: Mapping[str, Mapping[str, Any]] = {
    "Port": {PORT.id: {"fixed_ips": frozenset({"nine", "ten"})}},
    "Address": {
        "nine": {"subnet": SUBNET_ID, "ip_address": "10.0.0.9"},
        "ten": {"subnet": SUBNET_ID, "ip_address": "10.0.0.10"},
    },
}


def operations(write: Write, watched: Columns = ALL_COLUMNS) -> list[dict[str, Any]]:
    """What a write becomes."""
    made = OperationList(watched, lambda table: ROWS[table])
    made.add(write)
    return made.operations


def test_a_port_is_inserted_with_its_addresses() -> None:
    *addresses, port = operations(Insert(PORT))
    assert [address["row"]["ip_address"] for address in addresses] == ["10.0.0.9", "10.0.0.10"]
    assert {address["row"]["subnet"][1] for address in addresses} == {SUBNET_ID}
    assert (port["op"], port["table"], port["uuid"]) == ("insert", "Port", PORT.id)
    assert port["row"]["fixed_ips"] == ["set", [["named-uuid", address["uuid-name"]] for address in addresses]]
    assert port["row"]["network"] == ["uuid", NETWORK.id]


def test_an_update_waits_for_the_revision_and_writes_what_differs() -> None:
    wait, update = operations(Update(NETWORK, replace(NETWORK, name="red", mtu=1400, revision_number=8)))
    assert (wait["op"], wait["timeout"], wait["rows"]) == ("wait", 0, [{"revision_number": 7}])
    assert update["row"] == {"name": "red", "mtu": 1400, "revision_number": 8}
    assert wait["where"] == update["where"] == [["_uuid", "==", ["uuid", NETWORK.id]]]


def test_an_update_of_addresses_keeps_those_that_stay() -> None:
    new = replace(PORT, fixed_ips=(FixedIP(SUBNET_ID, "10.0.0.10"), FixedIP(SUBNET_ID, "10.0.0.11")))
    _, delete, insert, update = operations(Update(PORT, new))
    assert (delete["op"], delete["where"]) == ("delete", [["_uuid", "==", ["uuid", "nine"]]])
    assert (insert["op"], insert["row"]["ip_address"]) == ("insert", "10.0.0.11")
    assert update["row"]["fixed_ips"] == ["set", [["uuid", "ten"], ["named-uuid", insert["uuid-name"]]]]


def test_a_port_is_deleted_with_its_addresses() -> None:
    wait, delete, *addresses = operations(Delete(PORT))
    assert (wait["rows"], delete["table"]) == ([{"revision_number": 3}], "Port")
    assert {address["where"][0][2][1] for address in addresses} == {"nine", "ten"}


def test_what_has_no_revision_is_guarded_by_what_is_written() -> None:
    plug = Plug(id="p", port_id="q", network_id="n", host="compute1")
    wait, update = operations(Update(plug, replace(plug, up=True)))
    assert (wait["rows"], update["row"]) == ([{"up": False}], {"up": True})
    wait, delete = operations(Delete(plug))
    assert (wait["columns"], wait["rows"], delete["op"]) == ([], [{}], "delete")


def test_an_agent_does_not_wait_for_columns_that_it_does_not_see() -> None:
    host = Host(id="h", name="compute1", tunnel_ip="172.21.12.8")
    wait, update = operations(Update(host, replace(host, heartbeat_at=7, tunnel_ip="172.21.12.163")), AGENT_COLUMNS)
    assert wait["rows"] == [{"tunnel_ip": "172.21.12.8"}]
    assert update["row"] == {"heartbeat_at": 7, "tunnel_ip": "172.21.12.163"}


@pytest.mark.parametrize(
    ("network", "key"),
    [
        (NETWORK, "vxlan::34"),
        (replace(NETWORK, network_type="vlan", physical_network="physnet1", segmentation_id=100), "vlan:physnet1:100"),
        (replace(NETWORK, network_type="flat", physical_network="physnet1", segmentation_id=None), "flat:physnet1:"),
        (replace(NETWORK, network_type="local", segmentation_id=None), f"local:{NETWORK.id}"),
    ],
)
def test_a_place_on_the_wire_has_one_key(network: Network, key: str) -> None:
    assert segment_key(network) == key
    assert operations(Insert(network))[0]["row"]["segment"] == key


def test_the_order_of_sets_does_not_count() -> None:
    pairs = (AddressPair("10.0.0.1", "fa:16:3e:00:00:02"), AddressPair("10.0.0.2", "fa:16:3e:00:00:02"))
    port = replace(PORT, allowed_address_pairs=pairs, tags=("a", "b"))
    assert is_same(port, replace(port, allowed_address_pairs=pairs[::-1], fixed_ips=port.fixed_ips[::-1]))
    assert not is_same(port, replace(port, fixed_ips=port.fixed_ips[:1]))
    assert not is_same(port, replace(port, name="other"))


def test_addresses_are_ordered_by_version_and_number() -> None:
    assert address_number("10.0.0.9") == 0x0A000009
    assert sorted(["2001:db8::1", "10.0.0.10", "10.0.0.9", "::ffff"], key=address_order) == [
        "10.0.0.9",
        "10.0.0.10",
        "::ffff",
        "2001:db8::1",
    ]
