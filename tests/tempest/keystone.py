"""An identity endpoint that can be written, in front of the built-in one, whose file it changes.

Tempest makes projects and users for every class of tests; the built-in Keystone takes them from its file only. So this
one answers the few requests that make and remove them by writing that file, and hands all others on. It is for a test
run in a private namespace and asks nobody who he is.
"""

import http.client
import json
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import yaml

from patchbay.service.identity.model import id_of
from patchbay.service.identity.passwords import hash_password

Answer = tuple[int, Any]
ROLES = ("admin", "manager", "member", "reader")
ROLE_NAMES = {id_of("role", name): name for name in ROLES}
NOT_PASSED_ON = frozenset(("connection", "keep-alive", "transfer-encoding", "content-length", "date", "server"))
ROUNDS = 4
"""Cost of password hashes: the least, because every class of tests makes three users."""


class IdentityFile:
    """The identity file, kept in memory and written anew, in one step, with each change."""

    def __init__(self, path: Path, content: dict[str, Any]) -> None:
        self._path = path
        self._content = content
        self._lock = threading.Lock()
        self._write()

    def _write(self) -> None:
        new = self._path.with_suffix(".new")
        new.write_text(yaml.dump(self._content, Dumper=getattr(yaml, "CSafeDumper", yaml.SafeDumper)))
        new.replace(self._path)

    def answer(self, method: str, parts: list[str], body: Any) -> Answer | None:
        """Status and document of a request that changes something; None for any other."""
        with self._lock:
            match method, parts:
                case "POST", ["projects"]:
                    return self._add_project(body["project"])
                case "POST", ["users"]:
                    return self._add_user(body["user"])
                case "POST", ["roles"] if body["role"]["name"] in ROLES:
                    return 409, {"error": {"code": 409, "title": "Conflict", "message": "There is this role already."}}
                case "PUT", ["projects", project, "users", user, "roles", role]:
                    return self._add_role(project, user, ROLE_NAMES.get(role, ""))
                case "DELETE", ["projects", id_]:
                    return self._remove_project(id_)
                case "DELETE", ["users", id_]:
                    return self._remove("users", id_)
        return None

    def _add_project(self, said: dict[str, Any]) -> Answer:
        name = said["name"]
        shown = {"id": id_of("project", name), "name": name, "description": said.get("description") or ""}
        self._content["projects"][name] = {"id": shown["id"], "description": shown["description"]}
        self._write()
        return 201, {"project": {**shown, "enabled": True, "domain_id": "default", "parent_id": "default", "tags": []}}

    def _add_user(self, said: dict[str, Any]) -> Answer:
        name = said["name"]
        entry = {"id": id_of("user", name), "password": hash_password(said["password"], rounds=ROUNDS), "roles": {}}
        self._content["users"][name] = entry
        self._write()
        return 201, {"user": {"id": entry["id"], "name": name, "enabled": True, "domain_id": "default"}}

    def _add_role(self, project: str, user: str, role: str) -> Answer:
        where, who = self._named("projects", project), self._named("users", user)
        if not (role and where and who):
            return _absent(f"{project}, {user} or the role")
        roles = self._content["users"][who]["roles"].setdefault(where, [])
        roles += [] if role in roles else [role]
        self._write()
        return 204, None

    def _remove_project(self, id_: str) -> Answer:
        for user in self._content["users"].values():
            user["roles"].pop(self._named("projects", id_), None)
        return self._remove("projects", id_)

    def _remove(self, kind: str, id_: str) -> Answer:
        name = self._named(kind, id_)
        if not name:
            return _absent(id_)
        del self._content[kind][name]
        self._write()
        return 204, None

    def _named(self, kind: str, id_: str) -> str:
        """The name under which the file has this id; "" when it has not."""
        return next((name for name, entry in self._content[kind].items() if entry["id"] == id_), "")


def _absent(what: str) -> Answer:
    return 404, {"error": {"code": 404, "title": "Not Found", "message": f"Could not find: {what}."}}


class WritableKeystone:
    """The endpoint, in threads of this process."""

    def __init__(self, port: int, behind: int, file: IdentityFile) -> None:
        self._server = ThreadingHTTPServer(("127.0.0.1", port), _requests(file, behind))
        threading.Thread(target=self._server.serve_forever, daemon=True).start()

    def end(self) -> None:
        """It answers no more."""
        self._server.shutdown()
        self._server.server_close()


def _requests(file: IdentityFile, behind: int) -> type[BaseHTTPRequestHandler]:
    class Requests(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def _answer(self) -> None:
            body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
            parts = self.path.partition("?")[0].strip("/").split("/")
            said = json.loads(body) if body else None
            changed = file.answer(self.command, parts[1:], said) if parts[0] == "v3" else None
            if changed is None:
                self._hand_on(body)
                return
            status, document = changed
            text = b"" if document is None else json.dumps(document).encode()
            self._send(status, {"Content-Type": "application/json"}, text)

        def _hand_on(self, body: bytes) -> None:
            connection = http.client.HTTPConnection("127.0.0.1", behind, timeout=60)
            connection.request(self.command, self.path, body or None, dict(self.headers.items()))
            answer = connection.getresponse()
            text = answer.read()
            connection.close()
            kept = {name: value for name, value in answer.getheaders() if name.lower() not in NOT_PASSED_ON}
            self._send(answer.status, kept, text)

        def _send(self, status: int, headers: dict[str, str], text: bytes) -> None:
            self.send_response(status)
            for name, value in headers.items():
                self.send_header(name, value)
            if status != 204:
                self.send_header("Content-Length", str(len(text)))
            self.end_headers()
            self.wfile.write(text)

        do_GET = do_POST = do_PUT = do_PATCH = do_DELETE = do_HEAD = _answer  # noqa: N815

        def log_message(self, format: str, *args: Any) -> None:  # noqa: A002
            """Nothing: the service behind logs what it is asked."""

    return Requests
