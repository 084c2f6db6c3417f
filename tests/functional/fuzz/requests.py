"""Requests to every endpoint of every API, made from the registry of attributes and endpoints. See ``values``."""

import json
import random
from typing import Any
from urllib.parse import quote, quote_from_bytes, urlencode

import msgspec

from patchbay.api.neutron.attributes import NOT_VISIBLE, Attributes
from patchbay.api.neutron.port_forwardings import ATTRIBUTES as FORWARDING
from patchbay.api.neutron.query import CONTROL
from patchbay.api.neutron.routes import ACTIONS, COLLECTIONS
from patchbay.api.openvnet.routes import ENDPOINTS
from patchbay.service.quotas import DEFAULTS
from patchbay.service.tags import GETTERS as TAGGED
from tests.functional.fuzz.values import NASTY, NOWHERE, Values
from tests.functional.vnet_api.test_fuzz import request as vnet_request

CALLERS = ["admin"] * 30 + ["member"] * 35 + ["blue"] * 20 + ["reader"] * 5 + ["nobody"] * 4 + ["bad.token"] * 4 + [""]
MEMBERS = {path: collection.member for path, collection in COLLECTIONS.items()}
USUAL = {
    "subnets": ("cidr",),
    "ports": ("fixed_ips", "security_groups"),
    "subnetpools": ("prefixes", "default_prefixlen"),
    "rbac-policies": ("target_tenant",),
    "routers": ("external_gateway_info",),
    "floatingips": ("port_id",),
    "address-groups": ("addresses",),
    "security-group-rules": ("protocol", "remote_group_id", "remote_ip_prefix"),
    "instances": ("interfaces",),
}
"""What a new object mostly has beside what is required."""
FORWARDED = ("external_port", "internal_port", "internal_ip_address")
WEIGHTS = {"ports": 5, "networks": 3, "subnets": 4, "security-group-rules": 3, "rbac-policies": 3, "floatingips": 3}
PATHS = [path for path in COLLECTIONS for _ in range(WEIGHTS.get(path, 2))]
MALFORMED = [
    *(
        b"",
        b"{",
        b"[]",
        b"null",
        b"0",
        b'""',
        b'{"network": }',
        b"\xff\xfe",
        b"\0",
        b"{}" * 2,
        b"[" * 5000,
        b'{"a":' * 3000,
    ),
    *(
        b'{"network": {"name": "\\ud800"}}',
        b'{"network": {"mtu": NaN}}',
        b'{"port": {"mtu": 1e400}}',
        b"\xef\xbb\xbf{}",
    ),
    *(b'{"network": {"mtu": ' + b"9" * 5000 + b"}}", b'{"networks": 7}', b'{"networks": [[]]}', b'{"network": [{}]}'),
    *(b"a=b&c=d", b"--- !!python/object:os.system {}", b'{"network": {"name": "a", "name": 1}}', b"<x/>", b"{'a': 1}"),
]
HEADERS = [
    (b"if-match", b"revision_number=1"),
    (b"if-match", b"revision_number=99999999999999999999"),
    (b"if-match", b"revision_number=1,revision_number=2"),
    (b"x-project-id", b"\xff"),
    (b"x-tenant-id", b"blue"),
    (b"x-roles", b"admin"),
    (b"x-forwarded-proto", b"javascript"),
    (b"content-type", b"\0"),
    (b"content-length", "٣".encode()),
    (b"host", b"\xff\r"),
    (b"accept", b"application/xml"),
    (b"authorization", b"Basic !!!"),
    (b"x-subject-token", b"\xff" * 300),
]


class Request(msgspec.Struct, frozen=True, kw_only=True):
    """One request. ``user`` is one of the world's, another text a token that is none, "" nobody."""

    user: str
    method: str
    path: bytes
    body: bytes = b""
    headers: tuple[tuple[bytes, bytes], ...] = ()

    def __str__(self) -> str:
        more = f" {dict(self.headers)}" if self.headers else ""
        return f"{self.user or '-'}: {self.method} {self.path!r} {self.body[:1500]!r}{more}"


class Requests:
    """Draws requests. ``values`` gives ids of what there is."""

    def __init__(self, chance: random.Random, values: Values) -> None:
        self.chance = chance
        self.values = values
        kinds = {
            self.creation: 34,
            self.change: 15,
            self.removal: 7,
            self.look: 14,
            self.tags: 4,
            self.action: 8,
            self.forwarding: 4,
            self.quota: 2,
            self.scheduling: 2,
            self.junk: 4,
            self.identity: 3,
            self.openvnet: 5,
        }
        self._kinds, self._weights = list(kinds), list(kinds.values())

    def draw(self, user: str) -> Request:
        """The next one, by this caller."""
        self.values.is_sane = self.chance.random() < 0.6
        make = self.chance.choices(self._kinds, self._weights)[0]
        method, path, body = make()
        text = body if isinstance(body, bytes) else b"" if body is None else self._encoded(body)
        headers = (self.chance.choice(HEADERS),) if self.chance.random() < 0.04 else ()
        if self.chance.random() < 0.02:
            text = self.chance.choice(MALFORMED)
        if self.chance.random() < 0.02:
            method = self.chance.choice(["GET", "PUT", "POST", "DELETE", "PATCH", "HEAD", "OPTIONS", "X\xff", "get"])
        return Request(user=user, method=method, path=path, body=text, headers=headers)

    def _encoded(self, body: Any) -> bytes:
        """As a client writes it: now and then with NaN, and all in ASCII."""
        if self.chance.random() < 0.9:
            return msgspec.json.encode(body)
        return json.dumps(body, ensure_ascii=True).encode()

    def item(self, path: str, attributes: Attributes, *, is_new: bool) -> dict[str, Any]:
        """An object's attributes: mostly what is needed, and a few more."""
        settable = [name for name, one in attributes.items() if (one.post if is_new else one.put)]
        names = self.chance.sample(settable, min(len(settable), self.chance.randint(0, 3)))
        if self.values.is_sane:
            names = [name for name in names[:2] if name not in ("project_id", "tenant_id")]
        if is_new and self.chance.random() < 0.97:
            usual = [name for name in USUAL.get(path, ()) if self.chance.random() < 0.7]
            names = [*(name for name, one in attributes.items() if one.is_required), *usual, *names]
        if self.chance.random() < 0.03:
            names.append(self.chance.choice([*attributes, *NOT_VISIBLE, *NASTY[:12]]))
        body = {}
        for name in dict.fromkeys(names):
            known = attributes.get(name)
            wild = 0.02 if known is not None and known.is_required else 0.1
            body[name] = self.values.nonsense() if known is None else self.values.attribute(name, known, wild)
        if isinstance(body.get("cidr"), str) and self.chance.random() < 0.9:
            body["ip_version"] = 6 if ":" in body["cidr"] else 4
        return body

    def path(self, verb: str) -> str:
        """A collection, mostly one that has such a way to change it."""
        path: str = self.chance.choice(PATHS)
        while getattr(COLLECTIONS[path], verb) is None and self.chance.random() < 0.9:
            path = self.chance.choice(PATHS)
        return path

    def creation(self) -> tuple[str, bytes, Any]:
        """POST of one, or of several."""
        path = self.path("create")
        collection = COLLECTIONS[path]
        item = self.item(path, collection.attributes, is_new=True)
        body: Any = {collection.member: item}
        if self.chance.random() < 0.12:
            more = [self.item(path, collection.attributes, is_new=True) for _ in range(self.chance.randint(0, 3))]
            body = {collection.name: [item, *more]}
        return "POST", b"/v2.0/" + path.encode(), body

    def _known(self, path: str) -> bytes:
        return f"/v2.0/{path}/{self.values.ids(MEMBERS[path])}".encode()

    def change(self) -> tuple[str, bytes, Any]:
        """PUT of one."""
        path = self.path("update")
        collection = COLLECTIONS[path]
        return "PUT", self._known(path), {collection.member: self.item(path, collection.attributes, is_new=False)}

    def removal(self) -> tuple[str, bytes, Any]:
        """DELETE of one."""
        return "DELETE", self._known(self.path("delete")), None

    def look(self) -> tuple[str, bytes, Any]:
        """GET of one or of a list, with any query."""
        path = self.chance.choice(PATHS)
        where = self._known(path) if self.chance.random() < 0.25 else b"/v2.0/" + path.encode()
        if self.chance.random() < 0.05:
            where += b".json"
        names = [*COLLECTIONS[path].attributes, *CONTROL, "fields", "limit"]
        names += [] if self.values.is_sane else ["sort_key", *NASTY[:4]]
        query = [(self.chance.choice(names), self._word(path)) for _ in range(self.chance.randint(0, 4))]
        if self.chance.random() < 0.3:
            key = self.chance.choice([*COLLECTIONS[path].attributes])
            query += [("sort_key", key), ("sort_dir", self.chance.choice(["asc", "desc", "up"]))]
        text = urlencode(query).encode()
        if self.chance.random() < 0.05:
            text += self.chance.choice([b"&%ff=%00", b"&&&=", b"\xff=\xff", b"%", b"&limit=1" * 300])
        return "GET", where + (b"?" + text if text else b""), None

    def _word(self, path: str) -> str:
        usual = ["1", "0", "2", "-1", "asc", "true", "id", "name", "ip_address=10.0.0.5", "ip_address_substr=1", "a,b"]
        some_id = self.values.ids(MEMBERS[path])
        return str(
            self.chance.choice([*usual, some_id, some_id, "2026-01-01T00:00:00Z", self.chance.choice(NASTY)[:300]])
        )

    def tags(self) -> tuple[str, bytes, Any]:
        """Tags of one."""
        names = [path for path in COLLECTIONS if COLLECTIONS[path].name in TAGGED]
        where = self._known(self.chance.choice(names)) + b"/tags"
        method = self.chance.choice(["GET", "PUT", "POST", "DELETE"])
        if self.chance.random() < 0.5:
            tag = quote(self.chance.choice(["a", "b", *NASTY])[:400], safe="")
            return method, where + b"/" + tag.encode(), None
        body = {"tags": self.values.some(lambda: self.values.one("a", "b", *NASTY))}
        return method, where, None if method in ("GET", "DELETE") else body

    def action(self) -> tuple[str, bytes, Any]:
        """Interfaces and routes of routers, prefixes of pools, addresses of groups."""
        name = self.chance.choice(list(ACTIONS))
        action = self.chance.choice(list(ACTIONS[name]))
        v = self.values
        bodies = {
            "routers": {"subnet_id": v.ids("subnet")} if v.chance.random() < 0.6 else {"port_id": v.ids("port")},
            "subnetpools": {"prefixes": v.some(lambda: v.one("10.0.0.0/8", "10.9.0.0/16", "fd00::/48", "x"))},
            "address_groups": {"addresses": v.some(lambda: v.one("10.0.0.0/8", "10.9.0.1", "fd00::/48", "x"))},
        }
        body: Any = bodies[name]
        if "routes" in action:
            body = {"router": {"routes": [{"destination": "10.9.0.0/16", "nexthop": v.one("10.0.0.9", "fd00::9")}]}}
        if self.chance.random() < 0.1:
            body = v.nonsense()
        path = COLLECTIONS[name.replace("_", "-")].path
        return "PUT", self._known(path) + b"/" + action.encode(), body

    def forwarding(self) -> tuple[str, bytes, Any]:
        """Port forwardings of a floating IP."""
        where = self._known("floatingips") + b"/port_forwardings"
        method = self.chance.choice(["POST", "POST", "GET", "PUT", "DELETE"])
        if method == "GET":
            return method, where, None
        item = self.item("", FORWARDING, is_new=method == "POST")
        if method == "POST" and self.chance.random() < 0.9:
            item |= {name: self.values.attribute(name, FORWARDING[name], 0.03) for name in FORWARDED}
            return method, where, {"port_forwarding": item}
        where += b"/" + self.values.ids("port_forwarding").encode()
        return ("PUT", where, {"port_forwarding": item}) if method != "DELETE" else (method, where, None)

    def quota(self) -> tuple[str, bytes, Any]:
        """Quotas of a project."""
        project = self.chance.choice([self.values.ids("project"), quote(self.chance.choice(NASTY)[:200], safe="")])
        where = "/v2.0/quotas" + self.chance.choice(["", f"/{project}", f"/{project}", f"/{project}/details"])
        item = {self.chance.choice([*DEFAULTS, "force", "x"]): self.values.one(-1, 5, 50, "9", -2, 2**40, None, True)}
        method = self.chance.choice(["GET", "PUT", "DELETE"])
        return method, where.encode(), {"quota": item} if method == "PUT" else None

    def scheduling(self) -> tuple[str, bytes, Any]:
        """Which agent serves what."""
        kind, name = self.chance.choice([("dhcp-networks", "network"), ("l3-routers", "router")])
        agent, thing = self.values.ids("agent"), self.values.ids(name)
        body: Any = {f"{name}_id": thing}
        if self.chance.random() < 0.2:
            body = self.chance.choice([self.values.nonsense(), b"[" * 5000, b"\xff", b"{"])
        return self.chance.choice(
            [
                ("GET", f"/v2.0/{name}s/{thing}/{kind.split('-', 1)[0]}-agents".encode(), None),
                ("GET", f"/v2.0/agents/{agent}/{kind}".encode(), None),
                ("POST", f"/v2.0/agents/{agent}/{kind}".encode(), body),
                ("DELETE", f"/v2.0/agents/{agent}/{kind}/{thing}".encode(), None),
            ]
        )

    def junk(self) -> tuple[str, bytes, Any]:
        """Paths and bodies that are nothing."""
        method = self.chance.choice(["GET", "PUT", "POST", "DELETE"])
        if self.chance.random() < 0.5:
            return method, b"/v2.0/" + self.chance.choice(PATHS).encode(), self.chance.choice(MALFORMED)
        path = self.chance.choice(PATHS).encode()
        parts = [
            b"v2.0",
            path,
            b"extensions",
            b"quotas",
            b"tags",
            b"..",
            b"%2e%2e",
            b"%00",
            b"%ff",
            b"",
            b"v3",
            b"identity",
        ]
        parts += [
            NOWHERE.encode(),
            b"x" * 3000,
            "ü".encode(),
            b"port_forwardings",
            b"details",
            b"\xff",
            b";",
            b"a%2Fb",
            b"*",
        ]
        return method, b"/" + b"/".join(self.chance.choice(parts) for _ in range(self.chance.randint(0, 5))), None

    def identity(self) -> tuple[str, bytes, Any]:
        """The identity endpoint, but for passwords that would shut the address out."""
        v = self.values
        path = v.one(
            "", "/", "/auth", "/auth/tokens", "/auth/catalog", "/projects", "/users/x/projects", "/domains/%ff"
        )
        method = v.one("GET", "GET", "POST", "PUT", "HEAD", "PATCH")
        login = {"auth": {"identity": {"methods": ["token"], "token": {"id": v.nonsense()}}, "scope": v.nonsense()}}
        prefix = v.one("/v3", "/identity/v3", "/identity")
        return method, (prefix + path).encode(), v.one(login, v.nonsense()) if method != "GET" else None

    def openvnet(self) -> tuple[str, bytes, Any]:
        """Any endpoint of OpenVNet's WebAPI."""
        endpoint = self.chance.choice(ENDPOINTS)
        path, given = vnet_request(self.chance, endpoint, 0.15)
        where = "/api/1.0" + quote_from_bytes(path.encode("utf-8", "surrogatepass"), safe="/:")
        if endpoint.method in ("POST", "PUT"):
            if self.chance.random() < 0.1:
                return endpoint.method, where.encode(), self.chance.choice(MALFORMED)
            return endpoint.method, where.encode(), urlencode(given, errors="surrogatepass").encode()
        return endpoint.method, f"{where}?{urlencode(given, errors='surrogatepass')}".encode(), None
