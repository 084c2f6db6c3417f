"""What a request of the WebAPI says, and how an answer is written: forms, JSON or YAML.

Parameters come in the query string, in the body, or in both (the body's win); OpenVNet's ``vnctl`` sends all of them in
the query string, whatever the method.
"""

from collections.abc import Mapping
from typing import Any
from urllib.parse import parse_qsl

import msgspec
import yaml

from patchbay.api.http import Request, Response, json_response
from patchbay.service.vnet.errors import ArgumentError
from patchbay.service.yaml_text import read_yaml

JSON_TYPES = ("application/json", "text/json")
YAML_TYPES = ("application/yaml", "text/yaml", "application/x-yaml")
YAML_ANSWER = ((b"content-type", b"application/x-yaml"),)


def given_values(request: Request) -> dict[str, Any]:
    """Every parameter of the request, as it was given. Raises ArgumentError for a body that cannot be read."""
    given: dict[str, Any] = dict(request.query)
    if request.body.strip():
        given.update(_body(request))
    return given


def _body(request: Request) -> Mapping[str, Any]:
    kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if kind in JSON_TYPES or (not kind and request.body.lstrip().startswith(b"{")):
        return _members(_json(request.body))
    if kind in YAML_TYPES:
        return _members(_yaml(request.body))
    return dict(parse_qsl(_decoded(request.body), keep_blank_values=True))


def _json(body: bytes) -> object:
    try:
        return msgspec.json.decode(body)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise _unreadable(f"it is not JSON ({error})") from None


def _yaml(body: bytes) -> object:
    try:
        return read_yaml(_decoded(body))
    except yaml.YAMLError as error:
        raise _unreadable(f"it is not YAML ({' '.join(str(error).split())})") from None


def _decoded(body: bytes) -> str:
    try:
        return body.decode()
    except UnicodeDecodeError:
        raise _unreadable("it is not UTF-8") from None


def _members(value: object) -> Mapping[str, Any]:
    """The parameters in a decoded body: an object, or one in an object of one member (as ActiveResource sends it)."""
    if isinstance(value, dict) and len(value) == 1 and isinstance(inner := next(iter(value.values())), dict):
        value = inner
    if not isinstance(value, dict):
        raise _unreadable("it is not an object")
    return {str(name): each for name, each in value.items()}


def _unreadable(reason: str) -> ArgumentError:
    return ArgumentError(
        f"Invalid request body: {reason}.", "Send a form, or an object as application/json or application/yaml."
    )


def answer_of(value: object, *, as_yaml: bool, status: int = 200) -> Response:
    """The value as JSON or YAML."""
    if not as_yaml:
        return json_response(value, status)
    text = yaml.safe_dump(msgspec.to_builtins(value), sort_keys=False, allow_unicode=True)
    return Response(status=status, body=text.encode(), headers=YAML_ANSWER)
