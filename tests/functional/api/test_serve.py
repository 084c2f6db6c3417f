"""``patchbay serve`` as a process: start, stop, restart, the socket that it is given, what it logs and refuses."""

import http.client
import json
import os
import re
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from tests.functional.api.conftest import ROOT, Serving, Start


def ask(serving: Serving, method: str, path: str, body: object = None) -> tuple[int, Any]:
    """Status and decoded answer."""
    connection = http.client.HTTPConnection("127.0.0.1", serving.port, timeout=20)
    connection.request(method, path, None if body is None else json.dumps(body))
    response = connection.getresponse()
    data = response.read()
    connection.close()
    return response.status, json.loads(data) if data else None


def until(condition: Callable[[], bool], what: str) -> None:
    """Wait until it holds; fails saying ``what`` was missing."""
    end = time.monotonic() + 10
    while not condition():
        assert time.monotonic() < end, f"after 10 s still not: {what}"
        time.sleep(0.005)


def test_what_was_acknowledged_is_there_after_a_restart_and_after_a_kill(start_serve: Start) -> None:
    first = start_serve()
    status, made = ask(first, "POST", "/v2.0/networks", {"network": {"name": "blue"}})
    assert status == 201
    assert first.stop() == 0
    second = start_serve()
    subnet = {"network_id": made["network"]["id"], "ip_version": 4, "cidr": "10.0.0.0/24"}
    assert ask(second, "POST", "/v2.0/subnets", {"subnet": subnet})[0] == 201
    second.process.send_signal(signal.SIGKILL)
    second.process.wait(15)
    third = start_serve()
    network = ask(third, "GET", f"/v2.0/networks/{made['network']['id']}")[1]["network"]
    assert (network["name"], len(network["subnets"])) == ("blue", 1)


def test_sigint_ends_it_cleanly_too(start_serve: Start) -> None:
    serving = start_serve()
    serving.process.send_signal(signal.SIGINT)
    assert serving.process.wait(15) == 0
    assert "msg=stopped" in serving.log.read_text()


def test_it_answers_on_a_socket_that_it_inherits(start_serve: Start) -> None:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen()
        serving = start_serve("--listen-fd", str(listener.fileno()), pass_fds=(listener.fileno(),))
        assert serving.port == listener.getsockname()[1]
        assert ask(serving, "GET", "/")[0] == 200


def test_two_servers_share_one_database(start_serve: Start, tmp_path: Path) -> None:
    first = start_serve()
    second = start_serve("--intent", f"unix:{tmp_path}/state/intent.sock", state_dir=tmp_path / "other")
    made = ask(first, "POST", "/v2.0/networks", {"network": {}})[1]["network"]
    assert ask(second, "GET", f"/v2.0/networks/{made['id']}")[0] == 200
    assert ask(second, "PUT", f"/v2.0/networks/{made['id']}", {"network": {"name": "red"}})[0] == 200
    path = f"/v2.0/networks/{made['id']}"
    until(lambda: ask(first, "GET", path)[1]["network"]["name"] == "red", "the new name on the first server")


def test_discovery_names_the_version_and_its_resources(start_serve: Start) -> None:
    serving = start_serve()
    status, root = ask(serving, "GET", "/")
    link = {"rel": "self", "href": f"{serving.url}/v2.0/"}
    version = {"id": "v2.0", "status": "CURRENT", "links": [link]}
    assert (status, root) == (200, {"versions": [version]})
    for path in ("/v2.0", "/v2.0/"):
        status, resources = ask(serving, "GET", path)
        assert status == 200
        assert {"network", "subnet", "port", "agent"} <= {one["name"] for one in resources["resources"]}
    assert ask(serving, "POST", "/", {})[0] == 405
    assert ask(serving, "GET", "/v3")[0] == 404


def test_every_answer_has_a_request_id_that_the_log_has_too(start_serve: Start) -> None:
    serving = start_serve()
    connection = http.client.HTTPConnection("127.0.0.1", serving.port, timeout=20)
    connection.request("GET", "/v2.0/networks/nobody")
    response = connection.getresponse()
    response.read()
    request_id = response.getheader("X-Openstack-Request-Id") or ""
    assert re.fullmatch(r"req-[0-9a-f-]{36}", request_id)
    serving.stop()
    line = next(line for line in serving.log.read_text().splitlines() if request_id in line)
    assert "method=GET" in line
    assert "path=/v2.0/networks/nobody" in line
    assert "status=404" in line


def test_a_huge_body_is_refused_and_the_server_goes_on(start_serve: Start) -> None:
    serving = start_serve()
    connection = http.client.HTTPConnection("127.0.0.1", serving.port, timeout=20)
    connection.putrequest("POST", "/v2.0/networks")
    connection.putheader("Content-Length", str(10**9))
    connection.endheaders()
    response = connection.getresponse()
    assert response.status == 413
    assert json.loads(response.read())["NeutronError"]["type"] == "HTTPRequestEntityTooLarge"
    assert ask(serving, "GET", "/v2.0/networks") == (200, {"networks": []})


def test_any_content_type_will_do_and_head_has_no_body(start_serve: Start) -> None:
    serving = start_serve()
    connection = http.client.HTTPConnection("127.0.0.1", serving.port, timeout=20)
    connection.request("POST", "/v2.0/networks.json", '{"network": {}}', {"Content-Type": "text/plain"})
    response = connection.getresponse()
    assert response.status == 201
    assert response.getheader("Content-Type") == "application/json"
    response.read()
    connection.request("HEAD", "/v2.0/networks")
    response = connection.getresponse()
    assert (response.status, response.read()) == (200, b"")


def child_of(pid: int) -> int:
    """The first child of a process."""
    return int(Path(f"/proc/{pid}/task/{pid}/children").read_text().split()[0])


def test_writes_go_on_when_the_database_server_is_killed(start_serve: Start) -> None:
    serving = start_serve()
    network = ask(serving, "POST", "/v2.0/networks", {"network": {}})[1]["network"]["id"]
    subnet = {"network_id": network, "ip_version": 4, "cidr": "10.0.0.0/16"}
    ask(serving, "POST", "/v2.0/subnets", {"subnet": subnet})
    made: list[str] = []

    def create(count: int) -> None:
        for _ in range(count):
            status, body = ask(serving, "POST", "/v2.0/ports", {"port": {"network_id": network}})
            assert status == 201, body
            made.append(body["port"]["id"])

    writers = [threading.Thread(target=create, args=(20,)) for _ in range(4)]
    for writer in writers:
        writer.start()
    until(lambda: len(made) > 5, "some ports")
    os.kill(child_of(serving.process.pid), signal.SIGKILL)
    for writer in writers:
        writer.join(60)
    assert len(made) == 80
    listed = [port["id"] for port in ask(serving, "GET", "/v2.0/ports")[1]["ports"]]
    assert sorted(listed) == sorted(made)


def test_sigterm_ends_it_while_it_waits_for_its_database(tmp_path: Path) -> None:
    log = tmp_path / "serve.log"
    command = [sys.executable, "-m", "patchbay", "serve", "--listen", "127.0.0.1:0"]
    command += ["--vnet-listen", "none", "--intent", "unix:/nowhere.sock"]
    with log.open("w") as stderr:
        process = subprocess.Popen(command, cwd=ROOT, stderr=stderr, env={**os.environ, "PYTHONPATH": str(ROOT)})
    until(lambda: "nowhere.sock" in log.read_text(), "a word about the database")
    process.send_signal(signal.SIGTERM)
    assert process.wait(10) == 0


def test_a_state_directory_may_be_relative(start_serve: Start, tmp_path: Path) -> None:
    serving = start_serve(state_dir=Path(os.path.relpath(tmp_path / "state", ROOT)))
    assert ask(serving, "GET", "/")[0] == 200
    assert (tmp_path / "state" / "intent.sock").is_socket()


def test_a_file_of_users_that_is_wrong_is_told_before_anything_begins(tmp_path: Path) -> None:
    (tmp_path / "identity.yaml").write_text("users: {alice: {pasword: x}}")
    command = [sys.executable, "-m", "patchbay", "serve", "--state-dir", str(tmp_path / "state"), "--auth", "builtin"]
    for options, complaint in (
        ([], "patchbay: --auth builtin needs --identity FILE. See docs/identity.md.\n"),
        (
            ["--identity", str(tmp_path / "identity.yaml")],
            f"patchbay: {tmp_path}/identity.yaml: user alice: has unknown field `pasword`. "
            "See docs/identity.md for its form.\n",
        ),
    ):
        done = subprocess.run(
            [*command, "--listen", "127.0.0.1:0", *options], cwd=ROOT, capture_output=True, text=True, check=False
        )
        assert (done.returncode, done.stderr) == (1, complaint)
    assert not (tmp_path / "state").exists()
