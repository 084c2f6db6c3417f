"""Both HTTP APIs on one real intent database, asked without a socket in between."""

from typing import Any

import httpx

from patchbay.api.app import create_app
from patchbay.api.openvnet.app import create_vnet_app
from patchbay.intent.database import IntentDatabase
from patchbay.service.service import Service
from patchbay.service.settings import NetworkSettings

Object = dict[str, Any]
ERRORS = "Vnet::Endpoints::Errors::"
ALWAYS = {"id", "uuid", "class_name", "created_at", "updated_at", "deleted_at", "is_deleted"}
"""Members of every object that has a uuid."""

CODES = {
    "UnknownUUIDResource": (404, "100"),
    "InvalidUUID": (400, "101"),
    "DuplicateUUID": (400, "102"),
    "InvalidID": (400, "103"),
    "ArgumentError": (400, "110"),
    "MissingArgument": (400, "111"),
    "RelationAlreadyExists": (400, "112"),
    "DeleteRestrictionError": (400, "113"),
    "UnknownResource": (404, "114"),
}
"""Status and code of each of OpenVNet's errors."""


class VnetApi:
    """OpenVNet's WebAPI; ``neutron`` asks the other one. ``db`` is the service's view of the database.

    Paths are those below ``/api/1.0``, with or without the first slash.
    """

    def __init__(self, db: IntentDatabase, settings: NetworkSettings | None = None) -> None:
        self.db = db
        self.service = Service(db, settings)
        vnet = httpx.ASGITransport(create_vnet_app(self.service, max_body_bytes=200_000))  # type: ignore[arg-type]
        neutron = httpx.ASGITransport(create_app(self.service, max_body_bytes=200_000))  # type: ignore[arg-type]
        self.http = httpx.AsyncClient(transport=vnet, base_url="http://vnet")
        self.neutron_http = httpx.AsyncClient(transport=neutron, base_url="http://neutron")

    async def close(self) -> None:
        """Ends both clients."""
        await self.http.aclose()
        await self.neutron_http.aclose()

    async def ask(self, method: str, path: str, values: Object | None = None) -> httpx.Response:
        """The raw answer; values go as a form (GET and DELETE: in the query string)."""
        given = {name: said(value) for name, value in (values or {}).items()}
        url = f"/api/1.0/{path.lstrip('/')}"
        if method in {"POST", "PUT"}:
            return await self.http.request(method, url, data=given)
        return await self.http.request(method, url, params=given)

    async def done(self, method: str, path: str, /, **values: Any) -> Any:
        """What an answer shows that succeeds."""
        answer = await self.ask(method, path, values)
        assert answer.status_code == 200, answer.text
        return answer.json()

    async def get(self, path: str, **values: Any) -> Any:
        """What a successful GET shows."""
        return await self.done("GET", path, **values)

    async def post(self, path: str, **values: Any) -> Any:
        """What a successful POST shows."""
        return await self.done("POST", path, **values)

    async def put(self, path: str, **values: Any) -> Any:
        """What a successful PUT shows."""
        return await self.done("PUT", path, **values)

    async def delete(self, path: str, **values: Any) -> Any:
        """What a successful DELETE shows."""
        return await self.done("DELETE", path, **values)

    async def items(self, path: str) -> list[Object]:
        """The items of a list."""
        shown = await self.get(path, limit=1000)
        assert set(shown) == {"total_count", "offset", "limit", "items"}
        assert shown["total_count"] == len(shown["items"])
        found: list[Object] = shown["items"]
        return found

    async def uuids(self, path: str) -> list[str]:
        """The uuids of a list's items."""
        return [item["uuid"] for item in await self.items(path)]

    async def refused(self, method: str, path: str, name: str, /, **values: Any) -> str:
        """The message of an answer that is this error of OpenVNet, with its remedy."""
        answer = await self.ask(method, path, values)
        assert answer.status_code >= 400, answer.text
        error = answer.json()
        assert set(error) == {"error", "message", "code", "detail"}
        assert error["error"] == ERRORS + name, answer.text
        assert (answer.status_code, error["code"]) == CODES[name], answer.text
        return f"{error['message']} {error['detail']}"

    async def neutron(self, method: str, path: str, body: object = None) -> Any:
        """What Neutron's API answers to a request that succeeds, without its wrapping."""
        answer = await self.neutron_http.request(method, f"/v2.0{path}", json=body)
        assert answer.status_code < 300, answer.text
        return next(iter(answer.json().values())) if answer.content else None

    async def network(self, uuid: str = "nw-test", ipv4_network: str = "192.168.1.0", **values: Any) -> Object:
        """A new network."""
        made: Object = await self.post("networks", uuid=uuid, ipv4_network=ipv4_network, **values)
        return made

    async def datapath(self, uuid: str = "dp-test", dpid: str = "0x0000aaaaaaaaaaaa") -> Object:
        """A new datapath."""
        made: Object = await self.post("datapaths", uuid=uuid, display_name=uuid, dpid=dpid, node_id="vna")
        return made


def said(value: object) -> str:
    """The value as a form has it."""
    return str(value).lower() if isinstance(value, bool) else str(value)
