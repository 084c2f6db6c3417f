"""Sockets that HTTP clients connect to, and the servers that answer there."""

import contextlib
import os
import socket
from collections.abc import Generator
from pathlib import Path
from typing import Any

import uvicorn

from patchbay.api.asgi import ASGIApp
from patchbay.api.connections import Patience, connection_class
from patchbay.errors import BadRequest

GRACE_S, KEEP_ALIVE_S = 5, 75
"""How long requests under way may take when the service stops, and how long an idle connection is kept."""


class BadListenAddress(BadRequest):
    """``listen`` is not ADDRESS:PORT."""

    def __init__(self, text: str) -> None:
        super().__init__(
            f"'{text}' is not an address to listen on.", "Write ADDRESS:PORT, for example 127.0.0.1:9696, or unix:PATH."
        )


def parse_listen(text: str) -> tuple[str, int]:
    """Address and port of ``ADDRESS:PORT`` or ``[ADDRESS]:PORT``."""
    address, colon, port = text.rpartition(":")
    if not colon or not port.isdecimal() or int(port) > 65535 or not address:
        raise BadListenAddress(text)
    return address.removeprefix("[").removesuffix("]"), int(port)


class CannotListen(BadRequest):
    """Nobody may, or can, listen there."""

    def __init__(self, where: str, error: OSError) -> None:
        super().__init__(
            f"Cannot listen on {where}: {error.strerror}.",
            "Choose another address or port with --listen or --vnet-listen (none: no WebAPI).",
        )


def listening_socket(listen: str, descriptor: int | None = None) -> socket.socket:
    """A socket to answer on: ``descriptor``, or a new one at ``listen``. Raises BadListenAddress or CannotListen."""
    if descriptor is not None:
        try:
            return socket.socket(fileno=descriptor)
        except OSError as error:
            raise CannotListen(f"file descriptor {descriptor}", error) from error
    if listen.startswith("unix:"):
        return _unix_socket(Path(listen.removeprefix("unix:")))
    address, port = parse_listen(listen)
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    listener = socket.socket(family, socket.SOCK_STREAM)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind((address, port))
        listener.listen(1024)
    except OSError as error:
        listener.close()
        raise CannotListen(listen, error) from error
    return listener


def _unix_socket(path: Path) -> socket.socket:
    """A socket that only this process's user may connect to; one that was left behind is replaced."""
    listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    before = os.umask(0o177)
    try:
        if path.is_socket():
            path.unlink()
        listener.bind(str(path))
        listener.listen(1024)
    except OSError as error:
        listener.close()
        raise CannotListen(f"unix:{path}", error) from error
    finally:
        os.umask(before)
    return listener


def place_of(listener: socket.socket) -> tuple[str, int]:
    """Address and port of a socket; the path and 0 of a unix socket."""
    name = listener.getsockname()
    return (str(name), 0) if listener.family == socket.AF_UNIX else (str(name[0]), int(name[1]))


class HttpServer(uvicorn.Server):
    """uvicorn without signal handlers of its own; ``serve`` has them."""

    @contextlib.contextmanager
    def capture_signals(self) -> Generator[None, None, None]:
        """Leaves signals alone."""
        yield


def http_server(app: ASGIApp, patience: Patience, tls: dict[str, Any]) -> HttpServer:
    """The HTTP server that an application answers through, over TLS with the options of ``uvicorn_options``."""
    return HttpServer(
        uvicorn.Config(
            app,
            **tls,
            http=connection_class(patience),
            ws="none",
            lifespan="off",
            log_config=None,
            access_log=False,
            server_header=False,
            proxy_headers=False,
            timeout_graceful_shutdown=GRACE_S,
            timeout_keep_alive=KEEP_ALIVE_S,
        )
    )
