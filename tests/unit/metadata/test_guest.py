"""Who a guest is: names, keys, and which port is whose."""

from pathlib import Path

import msgspec
import pytest

from patchbay.errors import HostError
from patchbay.metadata.guest import is_owner, label, named_keys
from patchbay.metadata.listeners import Listener, read_listeners
from patchbay.metadata.lookup import Place
from tests.unit.metadata.guests import ETH0, RED, WEB, port


def test_a_port_is_an_instance_s_by_its_interfaces_or_by_its_device_in_the_same_project() -> None:
    other = port(7, RED, device_id=WEB.id, project_id="ann")
    assert is_owner(WEB, ETH0)
    assert is_owner(WEB, other)
    assert not is_owner(WEB, msgspec.structs.replace(other, project_id="mallory"))
    assert not is_owner(WEB, msgspec.structs.replace(other, device_id="another"))


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("web", "web"),
        ("Web_1", "web-1"),
        ("db.example.net", "db"),
        ("--x--", "x"),
        ("grün", "gr-n"),
        ("漢字", ""),
        ("", ""),
        ("a" * 62 + "-bc", "a" * 62),
    ],
)
def test_a_name_becomes_a_label(name: str, expected: str) -> None:
    assert label(name) == expected


def test_keys_are_named_by_their_comments_and_no_two_alike() -> None:
    lines = ("ssh-rsa AAA ann@laptop", "ssh-rsa BBB ann@laptop", " ssh-rsa CCC \n", "ssh-rsa DDD my/key = this")
    assert [(key.name, key.line) for key in named_keys(lines)] == [
        ("ann@laptop", "ssh-rsa AAA ann@laptop"),
        ("ann@laptop-1", "ssh-rsa BBB ann@laptop"),
        ("key2", "ssh-rsa CCC"),
        ("my-key-this", "ssh-rsa DDD my/key = this"),
    ]


def test_the_list_of_listeners_is_what_the_agent_writes(tmp_path: Path) -> None:
    path = tmp_path / "listeners.json"
    path.write_text(
        '[{"address":"169.254.169.254","namespace":"qdhcp-1","network_id":"1","port":80},\n'
        ' {"address":"0.0.0.0","namespace":"qrouter-2","port":9697,"router_id":"2"}]\n'
    )
    dhcp, router = read_listeners(path)
    assert (dhcp.place, dhcp.port) == (Place(network_id="1"), 80)
    assert router == Listener(namespace="qrouter-2", address="0.0.0.0", port=9697, router_id="2")


@pytest.mark.parametrize(
    "text",
    [
        "",
        "{}",
        "[{}]",
        '[{"address":"0.0.0.0","namespace":"x","port":80}]',
        '[{"address":"0.0.0.0","namespace":"x","port":80,"router_id":"1","network_id":"2"}]',
        '[{"address":"0.0.0.0","namespace":"../x","port":80,"router_id":"1"}]',
    ],
)
def test_a_list_that_is_none_is_refused(tmp_path: Path, text: str) -> None:
    path = tmp_path / "listeners.json"
    path.write_text(text)
    with pytest.raises(HostError, match=r"listeners\.json.*The agent writes it"):
        read_listeners(path)
