"""The API of another project: red may log in and knows the ids of all that blue has, and gets nothing of it."""

import json
import urllib.error
import urllib.request
from collections.abc import Iterator
from typing import Any

import pytest

from tests.functional.api.tenants_world import identity_text
from tests.functional.control_plane.served import Served

MEMBER, READER, STRANGER = "member", "reader", "stranger"
"""red's two, and blue's member; see ``tenants_world``. A user's password is its name."""
CHANGES: dict[str, dict[str, Any]] = {
    "ports": {"port_security_enabled": False},
    "subnets": {"gateway_ip": None},
    "routers": {"admin_state_up": False},
    "rbac-policies": {"target_tenant": "*"},
}
"""What an attacker would change; the name of the rest."""


class Clients:
    """Requests to one service as the users of the identity file, each with its token."""

    def __init__(self, served: Served) -> None:
        self.served, self.tokens = served, dict[str, str]()
        self.context = served.trusting()

    def send(self, method: str, path: str, body: object, headers: dict[str, str]) -> tuple[int, Any, Any]:
        """Status, headers and JSON of an answer."""
        data = None if body is None else json.dumps(body).encode()
        asked = urllib.request.Request(self.served.api + path, data, headers, method=method)
        try:
            with urllib.request.urlopen(asked, timeout=10, context=self.context) as answer:
                return answer.status, answer.headers, json.loads(answer.read() or b"null")
        except urllib.error.HTTPError as error:
            return error.code, error.headers, json.loads(error.read() or b"null")

    def ask(self, user: str, method: str, path: str, body: object = None) -> tuple[int, Any]:
        """What a user is answered."""
        if user not in self.tokens:
            domain = {"name": "Default"}
            who = {"user": {"name": user, "password": user, "domain": domain}}
            login = {"auth": {"identity": {"methods": ["password"], "password": who}}}
            status, headers, _ = self.send("POST", "/v3/auth/tokens", login, {"Content-Type": "application/json"})
            assert status == 201
            self.tokens[user] = headers["X-Subject-Token"]
        headers = {"X-Auth-Token": self.tokens[user], "Content-Type": "application/json"}
        status, _, said = self.send(method, f"/v2.0/{path}", body, headers)
        return status, said

    def create(self, user: str, path: str, **attributes: Any) -> dict[str, Any]:
        """A new object."""
        member = path.replace("-", "_").removesuffix("s") if path != "rbac-policies" else "rbac_policy"
        status, said = self.ask(user, "POST", path, {member: attributes})
        assert status == 201, said
        made: dict[str, Any] = said[member]
        return made


@pytest.fixture(scope="module")
def clients(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Clients]:
    """A service with users, over TLS."""
    folder = tmp_path_factory.mktemp("api")
    identity = folder / "identity.yaml"
    identity.write_text(identity_text())
    served = Served(folder, ["--auth=builtin", f"--identity={identity}"])
    served.start()
    yield Clients(served)
    served.stop()


@pytest.fixture(scope="module")
def blue(clients: Clients) -> dict[str, dict[str, Any]]:
    """One of every kind that a project can have, made by blue's member."""
    made: dict[str, dict[str, Any]] = {}

    def make(path: str, **attributes: Any) -> str:
        made[path] = clients.create(STRANGER, path, **attributes)
        return str(made[path]["id"])

    network = make("networks", name="blue")
    subnet = make("subnets", network_id=network, ip_version=4, cidr="10.0.2.0/24")
    group = make("security-groups", name="blue")
    make("security-group-rules", security_group_id=group, direction="ingress", protocol="tcp")
    make("ports", network_id=network, name="blue", security_groups=[group])
    make("routers", name="blue")
    make("address-groups", name="blue", addresses=["192.0.2.0/24"])
    scope = make("address-scopes", name="blue", ip_version=4)
    make("subnetpools", name="blue", prefixes=["10.9.0.0/16"], address_scope_id=scope, default_prefixlen=24)
    target = {"object_type": "network", "object_id": network, "action": "access_as_shared", "target_tenant": "cloud"}
    make("rbac-policies", **target)
    status, _ = clients.ask(
        STRANGER, "PUT", f"routers/{made['routers']['id']}/add_router_interface", {"subnet_id": subnet}
    )
    assert status == 200
    return made


@pytest.mark.parametrize("user", [MEMBER, READER])
def test_objects_of_another_project(clients: Clients, blue: dict[str, dict[str, Any]], user: str) -> None:
    """By their ids: none is shown, listed, changed, deleted or tagged; the answer is that of an id that nobody has."""
    project = blue["networks"]["project_id"]
    for path, item in blue.items():
        member = path.replace("-", "_").removesuffix("s") if path != "rbac-policies" else "rbac_policy"
        change = CHANGES.get(path, {"name": "stolen"})
        attempts = [("GET", path + "/" + item["id"], None), ("DELETE", path + "/" + item["id"], None)]
        if path != "security-group-rules":
            attempts.append(("PUT", f"{path}/{item['id']}", {member: change}))
        if path in ("networks", "ports", "routers", "subnets", "security-groups", "subnetpools"):
            attempts += [("PUT", f"{path}/{item['id']}/tags/stolen", None), ("GET", f"{path}/{item['id']}/tags", None)]
        found = {(method, where): clients.ask(user, method, where, body)[0] for method, where, body in attempts}
        assert set(found.values()) == {404}, found
        for query in (f"id={item['id']}", f"project_id={project}", f"tenant_id={project}", "name=blue", "limit=1000"):
            status, said = clients.ask(user, "GET", f"{path}?{query}")
            assert status == 200 or query == "name=blue", (path, query, said)
            assert item["id"] not in json.dumps(said), (path, query)
    status, said = clients.ask(STRANGER, "GET", f"ports/{blue['ports']['id']}")
    assert (status, said["port"]["port_security_enabled"], said["port"]["name"]) == (200, True, "blue")


def test_objects_of_another_project_in_those_of_ones_own(clients: Clients, blue: dict[str, dict[str, Any]]) -> None:
    """As network, group, address group, pool, router's interface; in the other's name; with rights nobody gave."""
    ids = {path: item["id"] for path, item in blue.items()}
    own = clients.create(MEMBER, "networks", name="red")
    router = clients.create(MEMBER, "routers", name="red")
    group = clients.create(MEMBER, "security-groups", name="red")
    rule = {"security_group_id": group["id"], "direction": "ingress"}
    attempts: list[tuple[str, str, dict[str, Any]]] = [
        ("POST", "ports", {"port": {"network_id": ids["networks"]}}),
        ("POST", "ports", {"port": {"network_id": own["id"], "security_groups": [ids["security-groups"]]}}),
        ("POST", "subnets", {"subnet": {"network_id": ids["networks"], "ip_version": 4, "cidr": "10.8.0.0/24"}}),
        (
            "POST",
            "subnets",
            {"subnet": {"network_id": own["id"], "ip_version": 4, "subnetpool_id": ids["subnetpools"]}},
        ),
        ("POST", "security-group-rules", {"security_group_rule": rule | {"security_group_id": ids["security-groups"]}}),
        ("POST", "security-group-rules", {"security_group_rule": rule | {"remote_group_id": ids["security-groups"]}}),
        (
            "POST",
            "security-group-rules",
            {"security_group_rule": rule | {"remote_address_group_id": ids["address-groups"]}},
        ),
        ("PUT", f"routers/{router['id']}/add_router_interface", {"subnet_id": ids["subnets"]}),
        ("PUT", f"routers/{router['id']}/add_router_interface", {"port_id": ids["ports"]}),
        ("PUT", f"routers/{ids['routers']}/add_router_interface", {"subnet_id": ids["subnets"]}),
        ("PUT", f"routers/{ids['routers']}/remove_router_interface", {"subnet_id": ids["subnets"]}),
        ("POST", "networks", {"network": {"name": "x", "project_id": blue["networks"]["project_id"]}}),
        ("POST", "networks", {"network": {"name": "x", "shared": True}}),
        ("POST", "networks", {"network": {"name": "x", "router:external": True}}),
        ("POST", "networks", {"network": {"name": "x", "provider:network_type": "flat"}}),
        ("PUT", f"networks/{own['id']}", {"network": {"provider:segmentation_id": 1}}),
        ("POST", "ports", {"port": {"network_id": own["id"], "binding:host_id": "compute1"}}),
        ("PUT", f"quotas/{own['project_id']}", {"quota": {"port": -1}}),
        ("GET", f"quotas/{blue['networks']['project_id']}", {}),
        ("GET", "agents/00000000-0000-0000-0000-000000000000", {}),
        (
            "POST",
            "rbac-policies",
            {
                "rbac_policy": {
                    "object_type": "network",
                    "object_id": ids["networks"],
                    "action": "access_as_shared",
                    "target_tenant": own["project_id"],
                }
            },
        ),
    ]
    for method, path, body in attempts:
        status, said = clients.ask(MEMBER, method, path, body or None)
        assert status in (400, 403, 404), (method, path, body, status, said)
    assert clients.ask(MEMBER, "GET", "agents")[1]["agents"] == []
    for user in ("", "x" * 40):
        clients.tokens[user] = user
        assert clients.ask(user, "GET", "networks")[0] == 401
