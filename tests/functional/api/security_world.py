"""Security groups, rules and address groups, made through the API."""

from typing import Any

from tests.functional.api.api_world import Api, Object


async def made(api: Api, collection: str, attributes: dict[str, Any]) -> Object:
    """A new object of a collection whose path has dashes."""
    member = collection.removesuffix("s").replace("-", "_")
    answer = await api.ask("POST", f"/{collection}", {member: attributes})
    assert answer.status_code == 201, answer.text
    created: Object = answer.json()[member]
    return created


async def group(api: Api, **attributes: Any) -> Object:
    """A security group."""
    return await made(api, "security-groups", attributes)


async def rule(api: Api, of: Object, **attributes: Any) -> Object:
    """A rule of the group, for what comes in unless said otherwise."""
    item = {"security_group_id": of["id"], "direction": "ingress"} | attributes
    return await made(api, "security-group-rules", item)


async def address_group(api: Api, **attributes: Any) -> Object:
    """An address group."""
    return await made(api, "address-groups", attributes)
