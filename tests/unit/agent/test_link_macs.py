"""Which addresses of distributed routers their neighbours must hear of anew."""

from msgspec.structs import replace

from patchbay.agent import link_macs
from patchbay.agent.link_macs import LinkMacs
from patchbay.model import FixedIP, Port

PORT = Port(id="one", network_id="red", mac_address="fa:16:3e:00:00:01", fixed_ips=(FixedIP("red4", "10.0.1.1"),))
AGAIN = replace(PORT, id="two", mac_address="fa:16:3e:00:00:02")


def test_only_another_mac_for_an_address_that_was_here_is_news() -> None:
    macs = LinkMacs()
    assert not macs.note(PORT, {"red"})
    assert not macs.note(PORT, {"red"})
    assert macs.note(AGAIN, {"red"})
    assert not macs.note(AGAIN, {"red"})
    assert not macs.note(replace(PORT, network_id="blue"), {"red", "blue"})
    assert not macs.note(replace(PORT, fixed_ips=(FixedIP("red4", "10.0.1.2"),)), {"red"})


def test_many_addresses_of_networks_that_are_gone_are_forgotten(monkeypatch) -> None:
    monkeypatch.setattr(link_macs, "MOST", 2)
    macs = LinkMacs()
    for network in ("red", "blue", "green"):
        macs.note(replace(PORT, network_id=network), {network})
    assert not macs.note(replace(AGAIN, network_id="yellow"), {"green"})
    assert macs.note(replace(AGAIN, network_id="green"), {"green"})
    assert not macs.note(replace(AGAIN, network_id="red"), {"green"})
