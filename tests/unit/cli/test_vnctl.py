"""vnctl: which request a command line makes, how options may be written, what is printed of the answer."""

import contextlib
import io
import re
import threading
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from urllib.parse import parse_qsl

import msgspec
import pytest

from patchbay.api.openvnet.endpoint import Endpoint
from patchbay.api.openvnet.routes import ENDPOINTS
from patchbay.cli.main import run
from patchbay.cli.vnctl import as_click, vnctl
from patchbay.cli.vnctl_nouns import COMMANDS
from patchbay.cli.vnctl_output import print_bodies
from patchbay.cli.vnctl_webapi import Settings, refusal, settings, settings_of
from patchbay.errors import BadRequest, NotFound

Said = tuple[str, str, dict[str, str]]


class Listener(HTTPServer):
    """Remembers what it was asked, and answers what it was told to."""

    said: list[Said]
    answers: dict[str, tuple[int, object]]


class Asked(BaseHTTPRequestHandler):
    """One request: its method, its path, its parameters in the query or the form."""

    server: Listener

    def answer(self) -> None:
        path, _, query = self.path.partition("?")
        form = self.rfile.read(int(self.headers.get("Content-Length") or 0)).decode()
        self.server.said.append((self.command, path, dict(parse_qsl(form or query, keep_blank_values=True))))
        status, body = self.server.answers.get(path, (200, {}))
        content = msgspec.json.encode(body)
        self.send_response(status)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    do_GET = do_POST = do_PUT = do_DELETE = answer  # noqa: N815  # names of http.server

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002
        pass


@pytest.fixture
def listener(monkeypatch: pytest.MonkeyPatch) -> Iterator[Listener]:
    server = Listener(("127.0.0.1", 0), Asked)
    server.said, server.answers = [], {}
    monkeypatch.setenv("VNET_WEBAPI", f"127.0.0.1:{server.server_port}")
    thread = threading.Thread(target=server.serve_forever, args=(0.01,))
    thread.start()
    yield server
    server.shutdown()
    thread.join()
    server.server_close()


def call(line: str, code: int = 0) -> tuple[str, str]:
    """Run a command line; what it printed on both outputs."""
    stdout, stderr = io.StringIO(), io.StringIO()
    with contextlib.redirect_stdout(stdout), contextlib.redirect_stderr(stderr):
        exited = run(vnctl, line.split(), name="vnctl")
    assert exited == code, stdout.getvalue() + stderr.getvalue()
    return stdout.getvalue(), stderr.getvalue()


@pytest.mark.parametrize(
    ("line", "method", "path", "parameters"),
    [
        (
            "datapath add --uuid dp-br0 --display-name=br0 --dc-segment-id=seg1 --node-id=vnet3"
            " --dpid=0x000002fdee8e0a44 --ipv4-address=192.168.122.207",
            "POST",
            "/api/datapaths",
            {
                "uuid": "dp-br0",
                "display_name": "br0",
                "dc_segment_id": "seg1",
                "node_id": "vnet3",
                "dpid": "0x000002fdee8e0a44",
                "ipv4_address": "192.168.122.207",
            },
        ),
        (
            "datapath networks add dp-br0 nw-net1 --broadcast-mac-address=08:00:27:10:03:01",
            "POST",
            "/api/datapaths/dp-br0/networks/nw-net1",
            {"broadcast_mac_address": "08:00:27:10:03:01"},
        ),
        (
            "network_service add --uuid=ns-vnet1gw --interface-uuid=if-vnet1gw --display-name=router",
            "POST",
            "/api/network_services",
            {"uuid": "ns-vnet1gw", "interface_uuid": "if-vnet1gw", "display_name": "router"},
        ),
        (
            "datapaths networks add dp-1 nw-1 --interface_uuid if-dp1eth0",
            "POST",
            "/api/1.0/datapaths/dp-1/networks/nw-1",
            {"interface_uuid": "if-dp1eth0"},
        ),
        (
            "datapath route_links add dp-br0 rl-vnetlink1 --mac-address=08:00:27:20:01:01",
            "POST",
            "/api/datapaths/dp-br0/route_links/rl-vnetlink1",
            {"mac_address": "08:00:27:20:01:01"},
        ),
        (
            "interface add --uuid=if-vnet1gw --mode simulated",
            "POST",
            "/api/interfaces",
            {"uuid": "if-vnet1gw", "mode": "simulated"},
        ),
        (
            "interfaces ports add if-1 --port_name veth1",
            "POST",
            "/api/1.0/interfaces/if-1/ports",
            {"port_name": "veth1"},
        ),
        (
            "interfaces ports del if-1 --port-name veth1",
            "DELETE",
            "/api/1.0/interfaces/if-1/ports",
            {"port_name": "veth1"},
        ),
        (
            "interfaces networks modify if-1 nw-1 --static false",
            "PUT",
            "/api/1.0/interfaces/if-1/networks/nw-1",
            {"static": "false"},
        ),
        ("interfaces rename if-1 --new_uuid if-2", "PUT", "/api/1.0/interfaces/if-1/rename", {"new_uuid": "if-2"}),
        (
            "filters static add fil-1 --protocol tcp --src_address 10.0.0.0/8 --dst_port 80 --action pass",
            "POST",
            "/api/1.0/filters/fil-1/static",
            {"protocol": "tcp", "src_address": "10.0.0.0/8", "dst_port": "80", "action": "pass"},
        ),
        ("ip_leases release il-1", "PUT", "/api/1.0/ip_leases/il-1/release", {}),
        ("networks show --limit 2 --offset=4", "GET", "/api/1.0/networks", {"limit": "2", "offset": "4"}),
        ("networks show nw-1", "GET", "/api/1.0/networks/nw-1", {}),
        ("routes modify r-1 --ipv4_prefix 16", "PUT", "/api/1.0/routes/r-1", {"ipv4_prefix": "16"}),
        ("ip-range-groups ip-ranges del iprg-1 ipr-1", "DELETE", "/api/1.0/ip_range_groups/iprg-1/ip_ranges/ipr-1", {}),
        ("networks add --display_name=", "POST", "/api/1.0/networks", {"display_name": ""}),
        ("networks del a/b", "DELETE", "/api/1.0/networks/a%2Fb", {}),
    ],
)
def test_a_command_line_is_one_request(
    listener: Listener, line: str, method: str, path: str, parameters: dict[str, str]
) -> None:
    call(line)
    assert listener.said == [(method, path, parameters)]


def test_several_uuids_are_several_requests_and_all_are_tried(listener: Listener) -> None:
    error = {"error": "Vnet::Endpoints::Errors::UnknownUUIDResource", "message": "Network#uuid: nw-1", "code": "100"}
    listener.answers["/api/1.0/networks/nw-1"] = (404, error)
    listener.answers["/api/1.0/networks/nw-2"] = (200, ["nw-2"])
    stdout, stderr = call("networks del nw-1 nw-2", code=1)
    assert stdout == '["nw-2"]\n'
    assert stderr == "vnctl: UnknownUUIDResource: Network#uuid: nw-1\n"
    assert [path for _, path, _ in listener.said] == ["/api/1.0/networks/nw-1", "/api/1.0/networks/nw-2"]


@pytest.mark.parametrize(
    ("written", "read"),
    [
        ("--ipv4_prefix=24", "--ipv4-prefix=24"),
        ("--display_name a_b c_d", "--display-name a_b c_d"),
        ("--is_connected", "--is-connected"),
        ("--is_connected=true x", "--is-connected x"),
        ("--is_connected true x", "--is-connected x"),
        ("--is-connected f x", "--no-is-connected x"),
        ("--is-connected=false", "--no-is-connected"),
        ("--no-is_connected", "--no-is-connected"),
        ("--skip-is-connected x", "--no-is-connected x"),
        ("--no-is-connected false", "--is-connected"),
        ("-- --is_connected", "-- --is_connected"),
    ],
)
def test_options_are_written_as_thor_takes_them(written: str, read: str) -> None:
    assert as_click(written.split(), frozenset({"is-connected"})) == read.split()


def test_a_batch_runs_every_line_and_fails_if_one_did(listener: Listener, tmp_path: Path) -> None:
    listener.answers["/api/1.0/segments"] = (400, {"error": "MissingArgument", "message": "mode", "code": "111"})
    lines = ["# a comment", "", "segments add", "vnctl networks add --display_name 'two words'", "datapath show"]
    (tmp_path / "lines").write_text("\n".join(lines))
    _, stderr = call(f"batch {tmp_path}/lines", code=1)
    assert "vnctl: MissingArgument: mode" in stderr
    assert listener.said[1:] == [
        ("POST", "/api/1.0/networks", {"display_name": "two words"}),
        ("GET", "/api/datapaths", {}),
    ]


def printed(body: object, style: str, capsys: pytest.CaptureFixture[str], *columns: str) -> tuple[list[str], str]:
    print_bodies([msgspec.json.encode(body)], style, columns)
    captured = capsys.readouterr()
    return captured.out.splitlines(), captured.err


def test_a_page_is_a_table_without_numbers_of_rows_times_and_lists(capsys: pytest.CaptureFixture[str]) -> None:
    items = [{"id": 1, "mode": "vif", "uuid": "if-1", "mac_leases": [{}], "created_at": "x", "datapath_id": 3}]
    page = {"total_count": 7, "offset": 2, "limit": 1, "items": items}
    assert printed(page, "table", capsys) == (["uuid  mode", "if-1  vif"], "1 of 7; --offset 3 shows what follows.\n")
    assert printed(page, "value", capsys, "datapath_id")[0] == ["3"]
    assert printed({"uuid": "if-1", "mode": "vif"}, "table", capsys)[0] == ["field  value", "uuid   if-1", "mode   vif"]
    assert printed(["nw-1"], "value", capsys)[0] == ["nw-1"]


@pytest.mark.parametrize("style", ["", "json"])
def test_what_came_is_printed_as_it_came(style: str, capsys: pytest.CaptureFixture[str]) -> None:
    print_bodies([b'{"b" : 1,\n "a":2}', b"[]\n"], style, ())
    assert capsys.readouterr().out == '{"b" : 1,\n "a":2}\n[]\n'


def test_the_webapi_is_where_the_environment_or_a_file_of_vnctl_says(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.delenv("VNET_WEBAPI", raising=False)
    written = tmp_path / "vnctl.conf"
    assert settings([str(written)]) == Settings("127.0.0.1", "9090", "1.0", "json")
    written.write_text("# webapi_version '2'\nwebapi_uri  '192.0.2.1'\nwebapi_port \"9091\"\noutput_format 'yml'\n")
    assert settings([str(tmp_path / "none"), str(written)]) == Settings("192.0.2.1", "9091", "1.0", "yml")
    monkeypatch.setenv("VNET_WEBAPI", "[::1]:80")
    assert settings([str(written)]) == Settings("::1", "80", "1.0", "json")
    assert settings_of("http://192.0.2.1:9091/") == settings_of("192.0.2.1:9091")
    with pytest.raises(BadRequest, match="Write ADDRESS:PORT"):
        settings_of("http://a:b")


def test_an_error_has_the_words_of_the_service_and_an_answer_of_no_webapi_is_told_from_it() -> None:
    refused = refusal(404, b'{"error":"A::X","message":"y","code":"1","detail":"Do z."}', "u")
    assert isinstance(refused, NotFound)
    assert str(refused) == "X: y. Do z."
    assert str(refusal(500, b"<html>", "http://u")) == (
        "http://u answered 500, not as an OpenVNet WebAPI does. Check VNET_WEBAPI or --webapi."
    )


def test_a_webapi_that_is_not_there_is_one_sentence(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("VNET_WEBAPI", "127.0.0.1:9")
    _, stderr = call("networks show", code=1)
    assert stderr.startswith("vnctl: The WebAPI at http://127.0.0.1:9 does not answer")
    assert len(stderr.splitlines()) == 1


Words = Callable[[tuple[str, ...]], tuple[str, ...]]


@pytest.mark.parametrize("spell", [lambda words: words, lambda words: tuple(word.replace("_", "-") for word in words)])
def test_every_command_explains_itself(spell: Words) -> None:
    for command in COMMANDS:
        shown, _ = call(" ".join((*spell(command.words), "--help")))
        assert command.help.split()[0] in shown
        assert all(f"--{option.name.replace('_', '-')}" in shown for option in command.options)


def request_of(endpoint: Endpoint) -> tuple[str, str]:
    return endpoint.method, re.sub(r":\w+", "{}", endpoint.path).strip("/")


def test_what_the_api_can_do_is_a_command_and_what_it_understands_an_option() -> None:
    made = {(one.method, path): one for one in COMMANDS for path in (one.path, one.collection) if path}
    for endpoint in ENDPOINTS:
        named = {param.name for param in endpoint.params} - set(re.findall(r":(\w+)", endpoint.path))
        assert named <= {option.name for option in made[request_of(endpoint)].options}, endpoint.path


def test_every_command_is_a_request_that_the_api_answers() -> None:
    made = {(one.method, path) for one in COMMANDS for path in (one.path, one.collection) if path}
    assert made <= {request_of(endpoint) for endpoint in ENDPOINTS}


def test_no_two_commands_are_the_same_request() -> None:
    made = [(command.method, command.path) for command in COMMANDS]
    assert len(made) == len(set(made))
    assert call("help datapaths networks") == call("datapaths networks --help")


def test_a_word_that_is_no_command_is_wrong_usage() -> None:
    assert "No such command 'nonsense'" in call("nonsense", code=2)[1]
    assert "No such option" in call("networks add --nonsense=1", code=2)[1]
