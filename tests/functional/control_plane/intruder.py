"""What somebody who has taken over a host of a lab can ask of the intent database: with ovsdb-client and its files."""

import json

from patchbay.lab.control_plane import CREDENTIALS, INTENT_PORT, service_address
from patchbay.lab.lab import Lab

FILES = {"private-key": "host.pem", "certificate": "host.pem", "ca-cert": "authority.pem"}


def transact(lab: Lab, host: str, *operations: dict[str, object]) -> str:
    """What the intent database says to an intruder who has a host's key: ovsdb-client with its files."""
    remote = f"ssl:{service_address(lab.topology)}:{INTENT_PORT}"
    files = [f"--{name}={CREDENTIALS}/{file}" for name, file in FILES.items()]
    text = json.dumps(["Patchbay", *operations])
    done = lab.host(host).space.run(["ovsdb-client", *files, "transact", remote, text], check=False)
    return (done.stdout + done.stderr).replace("\\", "")
