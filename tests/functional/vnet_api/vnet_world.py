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


class World:
    """``db`` is the service's view of the database; methods without a word of Neutron ask OpenVNet's WebAPI."""

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
        if method in {"POST", "PUT"}:
            return await self.http.request(method, f"/api/1.0{path}", data=given)
        return await self.http.request(method, f"/api/1.0{path}", params=given)

    async def get(self, path: str, **values: Any) -> Any:
        """What a successful GET shows."""
        return await self._done("GET", path, values)

    async def items(self, path: str) -> list[Object]:
        """The items of a list."""
        shown = await self.get(path, limit=1000)
        assert set(shown) == {"total_count", "offset", "limit", "items"}
        assert shown["total_count"] == len(shown["items"])
        found: list[Object] = shown["items"]
        return found

    async def post(self, path: str, **values: Any) -> Any:
        """What a successful POST shows."""
        return await self._done("POST", path, values)

    async def put(self, path: str, **values: Any) -> Any:
        """What a successful PUT shows."""
        return await self._done("PUT", path, values)

    async def delete(self, path: str, **values: Any) -> Any:
        """What a successful DELETE shows."""
        return await self._done("DELETE", path, values)

    async def _done(self, method: str, path: str, values: Object) -> Any:
        answer = await self.ask(method, path, values)
        assert answer.status_code == 200, answer.text
        return answer.json()

    async def error(self, method: str, path: str, **values: Any) -> tuple[int, str, str]:
        """Status, name and message of an answer that is an error of OpenVNet."""
        answer = await self.ask(method, path, values)
        assert answer.status_code >= 400, answer.text
        error = answer.json()
        assert set(error) == {"error", "message", "code", "detail"}
        assert error["error"].startswith(ERRORS), error
        return answer.status_code, error["error"].removeprefix(ERRORS), error["message"]

    async def neutron(self, method: str, path: str, body: object = None) -> Any:
        """What Neutron's API answers to a request that succeeds, without its wrapping."""
        answer = await self.neutron_http.request(method, f"/v2.0{path}", json=body)
        assert answer.status_code < 300, answer.text
        return next(iter(answer.json().values())) if answer.content else None

    async def network(self, uuid: str = "nw-test", prefix: str = "192.168.1.0", **values: Any) -> Object:
        """A new network."""
        made: Object = await self.post("/networks", uuid=uuid, ipv4_network=prefix, **values)
        return made

    async def datapath(self, uuid: str = "dp-test", dpid: str = "0x0000aaaaaaaaaaaa") -> Object:
        """A new datapath."""
        made: Object = await self.post("/datapaths", uuid=uuid, display_name=uuid, dpid=dpid, node_id="vna")
        return made


def said(value: object) -> str:
    """The value as a form has it."""
    return str(value).lower() if isinstance(value, bool) else str(value)
