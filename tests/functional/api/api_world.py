"""A real intent database with the real application on it, and a small world of networks to ask about."""

from typing import Any

import httpx

from patchbay.api.app import create_app
from patchbay.intent.database import IntentDatabase, Model
from patchbay.service.service import Service
from patchbay.service.settings import NetworkSettings

Object = dict[str, Any]


class Api:
    """The application, asked without a socket in between; ``db`` is its view of the database."""

    def __init__(self, db: IntentDatabase, settings: NetworkSettings | None = None) -> None:
        self.db = db
        self.service = Service(db, settings)
        transport = httpx.ASGITransport(create_app(self.service, max_body_bytes=200_000))  # type: ignore[arg-type]
        self.http = httpx.AsyncClient(transport=transport, base_url="http://api")

    async def ask(self, method: str, path: str, body: object = None, **headers: str) -> httpx.Response:
        """The raw answer."""
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        if isinstance(body, (bytes, str)):
            return await self.http.request(method, f"/v2.0{path}", content=body, headers=named)
        return await self.http.request(method, f"/v2.0{path}", json=body, headers=named)

    async def get(self, path: str) -> Any:
        """What a successful GET shows, without its wrapping."""
        answer = await self.ask("GET", path)
        assert answer.status_code == 200, answer.text
        return next(iter(answer.json().values()))

    async def create(self, member: str, **attributes: Any) -> Object:
        """A new object; ``__`` in names stands for the colon of provider and binding attributes."""
        item = {name.replace("__", ":"): value for name, value in attributes.items()}
        answer = await self.ask("POST", f"/{member}s", {member: item})
        assert answer.status_code == 201, answer.text
        created: Object = answer.json()[member]
        return created

    async def update(self, member: str, id_: str, **attributes: Any) -> Object:
        """The object as changed."""
        item = {name.replace("__", ":"): value for name, value in attributes.items()}
        answer = await self.ask("PUT", f"/{member}s/{id_}", {member: item})
        assert answer.status_code == 200, answer.text
        updated: Object = answer.json()[member]
        return updated

    async def delete(self, path: str) -> None:
        """The object goes."""
        answer = await self.ask("DELETE", path)
        assert answer.status_code == 204, answer.text

    async def error(self, method: str, path: str, body: object = None, **headers: str) -> tuple[int, str, str]:
        """Status, type and message of an answer that is an error."""
        answer = await self.ask(method, path, body, **headers)
        assert answer.status_code >= 400, answer.text
        error = answer.json()["NeutronError"]
        assert set(error) == {"type", "message", "detail"}
        return answer.status_code, error["type"], error["message"]

    async def network(self, *cidrs: str, **attributes: Any) -> Object:
        """A network with a subnet for each CIDR."""
        network = await self.create("network", **attributes)
        for cidr in cidrs:
            await self.create("subnet", network_id=network["id"], ip_version=6 if ":" in cidr else 4, cidr=cidr)
        return await self.get(f"/networks/{network['id']}")  # type: ignore[no-any-return]

    async def act(self, path: str, body: object = None) -> Object:
        """The answer to an action (PUT) that succeeds."""
        answer = await self.ask("PUT", path, body)
        assert answer.status_code == 200, answer.text
        done: Object = answer.json()
        return done


def snapshot(db: IntentDatabase) -> dict[str, Model]:
    """Everything that the database holds."""
    tables = (db.networks, db.subnets, db.ports, db.routers, db.floatingips, db.instances, db.hosts, db.plugs)
    secured = (db.security_groups, db.security_group_rules, db.address_groups)
    return {id_: value for table in (*tables, *secured) for id_, value in table.items()}
