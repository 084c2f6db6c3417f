"""vnctl against a running service: every kind of command, pages, batches, refusals, tables."""

import contextlib
import io
import os
import socket
from collections.abc import Callable
from pathlib import Path

import msgspec
import pytest
import yaml

from patchbay.cli.endpoint import Endpoint
from patchbay.cli.main import run
from patchbay.cli.vnctl import vnctl as root
from tests.functional.api.conftest import Start, start_serve
from tests.functional.vnet.seed003 import API, WEBAPI

__all__ = ["start_serve"]

Vnctl = Callable[..., str]


@pytest.fixture
def neutron(start_serve: Start, monkeypatch: pytest.MonkeyPatch) -> Endpoint:
    """A service; vnctl finds its WebAPI in the environment. What Neutron's API has of it."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        monkeypatch.setenv("VNET_WEBAPI", f"127.0.0.1:{listener.getsockname()[1]}")
        descriptor = listener.fileno()
        options = ("--listen", "127.0.0.1:0", "--vnet-listen-fd", str(descriptor))
        return Endpoint(start_serve(*options, pass_fds=(descriptor,)).url)


@pytest.fixture
def vnctl(neutron: Endpoint) -> Vnctl:
    """Run a command line in this process; it must exit with ``code``. What it printed, on both outputs."""

    def call(line: str, code: int = 0) -> str:
        output = io.StringIO()
        with contextlib.redirect_stdout(output), contextlib.redirect_stderr(output):
            exited = run(root, line.split(), name="vnctl")
        assert exited == code, output.getvalue()
        return output.getvalue()

    return call


def test_objects_are_added_shown_changed_and_deleted(vnctl: Vnctl) -> None:
    made = msgspec.json.decode(vnctl("datapaths add --uuid dp-1 --display_name one --dpid 0xa --node_id host1"))
    assert (made["uuid"], made["display_name"], made["dpid"]) == ("dp-1", "one", "0x000000000000000a")
    assert msgspec.json.decode(vnctl("datapaths modify dp-1 --display-name=other"))["display_name"] == "other"
    assert msgspec.json.decode(vnctl("datapath show dp-1"))["display_name"] == "other"
    assert vnctl("datapaths del dp-1") == '["dp-1"]\n'
    assert msgspec.json.decode(vnctl("datapaths show"))["total_count"] == 0


def test_lists_are_pages_and_tables(vnctl: Vnctl) -> None:
    for number in range(3):
        vnctl(f"networks add --uuid nw-{number} --display_name net{number} --ipv4_network 10.0.{number}.0")
    page = msgspec.json.decode(vnctl("networks show --limit 2 --offset 1"))
    assert [item["uuid"] for item in page["items"]] == ["nw-1", "nw-2"]
    assert (page["total_count"], page["offset"], page["limit"]) == (3, 1, 2)
    shown = vnctl("networks show --limit 2 -f table -c uuid -c ipv4_network").splitlines()
    assert [line.split() for line in shown[:3]] == [
        ["uuid", "ipv4_network"],
        ["nw-0", "10.0.0.0"],
        ["nw-1", "10.0.1.0"],
    ]
    assert shown[3] == "2 of 3; --offset 2 shows what follows."
    assert yaml.safe_load(vnctl("networks show nw-2 -f yaml"))["ipv4_network"] == "10.0.2.0"
    assert vnctl("networks show nw-0 nw-1 -f value -c display_name").split() == ["net0", "net1"]


def test_relations_and_what_is_found_by_options(vnctl: Vnctl) -> None:
    vnctl("networks add --uuid nw-1 --ipv4_network 10.0.0.0")
    vnctl("datapaths add --uuid dp-1 --display_name one --dpid 1 --node_id host1")
    vnctl("interfaces add --uuid if-1 --mode vif --network_uuid nw-1 --ipv4_address 10.0.0.5 --mac_address 2:0:0:0:0:5")
    vnctl("interfaces add --uuid if-host --mode host --mac_address 2:0:0:0:0:6")
    vnctl("datapaths networks add dp-1 nw-1 --interface_uuid if-host")
    assert '"nw-1"' in vnctl("datapaths networks show dp-1")
    vnctl("datapaths networks del dp-1 nw-1")
    assert msgspec.json.decode(vnctl("datapaths networks show dp-1"))["total_count"] == 0
    vnctl("filters add --uuid fil-1 --interface_uuid if-1 --mode static --ingress_passthrough false")
    rule = "--protocol tcp --src_address 10.0.0.0/8 --dst_port 80"
    vnctl(f"filters static add fil-1 {rule} --action pass")
    (shown,) = msgspec.json.decode(vnctl("filters static show fil-1"))["items"]
    assert (shown["protocol"], shown["src_prefix"], shown["dst_port"], shown["action"]) == ("tcp", 8, 80, "pass")
    vnctl(f"filters static del fil-1 {rule}")
    assert msgspec.json.decode(vnctl("filters static show fil-1"))["items"] == []
    assert msgspec.json.decode(vnctl("filters show fil-1"))["ingress_passthrough"] is False
    vnctl("translations add --uuid tr-1 --interface_uuid if-1 --mode static_address")
    assert msgspec.json.decode(vnctl("translations show tr-1"))["mode"] == "static_address"
    vnctl("interfaces ports del if-1 --port_name if-1")
    vnctl("interfaces ports add if-1 --port_name veth7")
    assert '"veth7"' in vnctl("interfaces ports show if-1")


def test_commands_of_the_seed_and_what_it_found_missing_run_from_a_file(
    vnctl: Vnctl, neutron: Endpoint, tmp_path: Path
) -> None:
    lines = [line if line.startswith("vnctl") else as_vnctl(line) for line in API]
    (tmp_path / "seed").write_text("\n".join(lines))
    vnctl(f"batch {tmp_path}/seed")
    assert {port["mac_address"] for port in neutron.list("ports")} >= {f"52:54:00:0d:84:0{n}" for n in range(1, 7)}
    (router,) = neutron.list("routers")
    assert router["distributed"] is True


def as_vnctl(line: str) -> str:
    """A call of curl as the command of vnctl that the seed's vnctl had not."""
    words = line.split()
    options = " ".join(f"--{words[n + 1]}" for n, word in enumerate(words) if word == "--data-urlencode")
    collection, *rest = words[-1].removeprefix(f"{WEBAPI}/api/").split("/")
    if not rest:
        return f"vnctl {collection.removesuffix('s')} add {options}"
    uuid, relation, other = rest
    return f"vnctl {collection.removesuffix('s')} {relation} add {uuid} {other} --{words[-2].removeprefix('--')}"


def test_what_the_service_refuses_is_one_sentence_in_its_words(vnctl: Vnctl) -> None:
    said = vnctl("networks show nw-none", code=1)
    assert said.startswith("vnctl: UnknownUUIDResource: Network#uuid: nw-none")
    assert len(said.splitlines()) == 1
    assert "MissingArgument: ipv4_network" in vnctl("networks add --uuid nw-1", code=1)
    assert "InvalidUUID" in vnctl("networks add --uuid network1 --ipv4_network 10.0.0.0", code=1)


def test_one_model_in_two_languages(vnctl: Vnctl, neutron: Endpoint) -> None:
    network = neutron.create("networks", {"name": "blue"})
    neutron.create("subnets", {"network_id": network["id"], "ip_version": 4, "cidr": "10.9.0.0/16"})
    (shown,) = msgspec.json.decode(vnctl("networks show"))["items"]
    assert (shown["display_name"], shown["ipv4_network"], shown["ipv4_prefix"]) == ("blue", "10.9.0.0", 16)
    vnctl(f"interfaces add --uuid if-x --network_uuid {shown['uuid']} --ipv4_address 10.9.0.7 --mode vif")
    (port,) = neutron.list("ports")
    assert port["fixed_ips"][0]["ip_address"] == "10.9.0.7"
    assert port["network_id"] == network["id"]


def test_a_file_of_openvnet_s_vnctl_is_understood(
    vnctl: Vnctl, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    port = os.environ["VNET_WEBAPI"].partition(":")[2]
    (tmp_path / ".vnctlrc").write_text(f"webapi_uri '127.0.0.1'\nwebapi_port '{port}'\noutput_format 'yml'\n")
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.delenv("VNET_WEBAPI")
    assert yaml.safe_load(vnctl("networks show"))["items"] == []
