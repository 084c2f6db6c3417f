"""A service with TLS on the loopback, and its commands as a person types them."""

import signal
import socket
import ssl
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Sequence
from pathlib import Path

PATCHBAY = [sys.executable, "-m", "patchbay"]


def free_port() -> int:
    """A port that nobody listens on now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


class Served:
    """``patchbay serve`` in a directory of its own. ``extra`` are options of it."""

    def __init__(self, folder: Path, extra: Sequence[str] = ()) -> None:
        self.folder = folder
        self.state = folder / "state"
        self.log = folder / "log"
        self.port, self.intent_port = free_port(), free_port()
        self.api = f"https://127.0.0.1:{self.port}"
        self.extra = tuple(extra)
        self.process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Start it; returns when it answers."""
        options = [f"--state-dir={self.state}", f"--listen=127.0.0.1:{self.port}", "--vnet-listen=none"]
        options += [f"--intent-listen=pssl:{self.intent_port}:127.0.0.1", *self.extra]
        options += [] if {"--no-tls", "--tls"} & {*self.extra} else ["--tls"]
        self.log.touch()
        told = self.log.stat().st_size
        with self.log.open("ab") as log:
            self.process = subprocess.Popen([*PATCHBAY, "serve", *options], stderr=log)
        end = time.monotonic() + 20
        while "msg=listening" not in self.log.read_text()[told:]:
            assert self.process.poll() is None, self.log.read_text()
            assert time.monotonic() < end, self.log.read_text()
            time.sleep(0.05)

    def stop(self) -> None:
        """Stop it."""
        if self.process is not None and self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
            assert self.process.wait(timeout=10) == 0, self.log.read_text()

    def run(self, *arguments: str, text: str = "", code: int = 0) -> str:
        """What a command says; it must exit with ``code``."""
        done = subprocess.run(
            [*PATCHBAY, *arguments], input=text, capture_output=True, text=True, check=False, timeout=60
        )
        assert done.returncode == code, done.stdout + done.stderr
        assert "Traceback" not in done.stderr
        return done.stdout + done.stderr

    def token(self, host: str, *options: str) -> str:
        """A token for a host."""
        return self.run("host", "token", "create", f"--host={host}", f"--state-dir={self.state}", *options).strip()

    def join(self, token: str, folder: Path, *options: str, code: int = 0, api: str = "") -> str:
        """Join with the token on standard input."""
        said = ("host", "join", f"--api={api or self.api}", f"--credentials={folder}", *options)
        return self.run(*said, text=token + "\n", code=code)

    def get(self, path: str, context: ssl.SSLContext | None = None) -> tuple[int, bytes]:
        """Status and body of an answer of the API."""
        given = context or self.trusting()
        try:
            with urllib.request.urlopen(self.api + path, timeout=10, context=given) as answer:
                return answer.status, answer.read()
        except urllib.error.HTTPError as error:
            return error.code, error.read()

    def trusting(self) -> ssl.SSLContext:
        """As a client that was given the authority's certificate; names are checked."""
        return ssl.create_default_context(cafile=str(self.state / "pki" / "authority.pem"))
