"""Files of htpasswd(1) with bcrypt hashes (``htpasswd -B``), as standalone OpenStack services read them."""

from collections.abc import Mapping

from patchbay.service.identity.errors import BadIdentityFile
from patchbay.service.identity.file import HASH


def parse_htpasswd(text: str, path: object) -> Mapping[str, str]:
    """Hashes by user name. Raises BadIdentityFile, naming the line, for any other kind of hash."""
    users: dict[str, str] = {}
    for number, line in enumerate(text.splitlines(), 1):
        if not line.strip() or line.startswith("#"):
            continue
        name, _, hashed = line.strip().partition(":")
        if not name or not HASH.fullmatch(hashed):
            raise BadIdentityFile(
                path,
                f"line {number} is not NAME:HASH with a bcrypt hash",
                "Make it with `htpasswd -B` or `patchbay identity hash`.",
            )
        users[name] = hashed
    return users
