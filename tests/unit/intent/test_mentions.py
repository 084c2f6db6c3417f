"""Rows of OpenVNet are found by what they name, whatever came, changed and went."""

import msgspec
from hypothesis import given
from hypothesis import strategies as st

from patchbay.intent.tables import Tables
from patchbay.model import VnetObject

NAMES = ("nw-a", "if-veth1", "10.0.0.1", "eth0", "00000000-0000-4000-8000-000000000001")
members = st.dictionaries(st.sampled_from(["x_uuid", "port_name", "subnet_id"]), st.sampled_from(NAMES))
data = st.builds(lambda kept, more: {**kept, "interface_ports": more}, members, st.lists(members, max_size=2))


@given(st.lists(st.tuples(st.sampled_from("123"), st.none() | data)))
def test_rows_are_found_by_what_their_data_name(history: list[tuple[str, dict[str, object] | None]]) -> None:
    tables, now = Tables(is_whole=True), dict[str, VnetObject]()
    for id_, kept in history:
        old = now.pop(id_, None)
        if kept is not None:
            now[id_] = VnetObject(id=id_, kind="route", uuid=f"r-{id_}", data=msgspec.json.encode(kept).decode())
        if old is not None or id_ in now:
            tables._put("VnetObject", old, now.get(id_))
    for name in set(NAMES) - {"eth0"}:
        naming = {id_ for id_, row in now.items() if f'"{name}"' in row.data}
        assert set(tables.vnet_objects_by_mention.get(name, ())) == naming
    of_port = {id_ for id_, row in now.items() if '"port_name":"eth0"' in row.data}
    assert set(tables.vnet_objects_by_mention.get("eth0", ())) == of_port
