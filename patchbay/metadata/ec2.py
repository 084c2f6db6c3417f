"""The EC2 tree: ``/latest/meta-data/…`` and ``/latest/user-data``, and the same under its dated versions. Pure.

Versions and what came with which are those of Nova's metadata service (``nova/api/metadata/base.py``).
"""

import hashlib
import re

from patchbay.metadata.guest import Guest
from patchbay.metadata.tree import Document, Folder, text

VERSIONS = (
    "1.0",
    "2007-01-19",
    "2007-03-01",
    "2007-08-29",
    "2007-10-10",
    "2007-12-15",
    "2008-02-01",
    "2008-09-01",
    "2009-04-04",
)
LATEST = "latest"
UUID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")

Entry = Folder | Document


def ec2_tree(guest: Guest) -> Folder:
    """All versions, and the latest under its other name."""
    entries = meta_data(guest)
    versions = {version: _version(guest, version, entries) for version in VERSIONS}
    return Folder({**versions, LATEST: versions[VERSIONS[-1]]}, is_flat=True)


def short_id(prefix: str, guest: Guest) -> str:
    """``i-0a1b2c3d``: EC2's form of an id, from the first digits of a UUID, or of the digest of another id."""
    digits = guest.id.lower() if UUID.fullmatch(guest.id.lower()) else hashlib.sha256(guest.id.encode()).hexdigest()
    return f"{prefix}-{digits[:8]}"


def meta_data(guest: Guest) -> dict[str, tuple[str, Entry]]:
    """What is in ``meta-data``: name → the version that it came with, and the entry."""
    first, places = VERSIONS[0], {"ami": text("vda"), "root": text("/dev/vda")}
    found: dict[str, tuple[str, Entry]] = {
        "ami-id": (first, text("ami-00000000")),
        "ami-launch-index": (first, text("0")),
        "ami-manifest-path": (first, text("unknown")),
        "hostname": (first, text(guest.hostname)),
        "instance-id": (first, text(short_id("i", guest))),
        "local-ipv4": (first, text(guest.local_ipv4)),
        "mac": (first, text(guest.interfaces[0].port.mac_address if guest.interfaces else "")),
        "reservation-id": (first, text(short_id("r", guest))),
        "security-groups": (first, text("default")),
        "local-hostname": ("2007-01-19", text(guest.hostname)),
        "public-hostname": ("2007-01-19", text(guest.hostname)),
        "public-ipv4": ("2007-01-19", text(guest.public_ipv4)),
        "instance-type": ("2007-08-29", text(guest.kind)),
        "block-device-mapping": ("2007-12-15", Folder(places)),
        "placement": ("2008-02-01", Folder({"availability-zone": text(guest.zone)})),
        "instance-action": ("2008-09-01", text("none")),
    }
    if guest.public_keys:
        keys = {
            str(number): Folder({"openssh-key": text(key.line)}, label=f"{number}={key.name}")
            for number, key in enumerate(guest.public_keys)
        }
        found["public-keys"] = (first, Folder(keys))
    return found


def _version(guest: Guest, version: str, entries: dict[str, tuple[str, Entry]]) -> Folder:
    known = VERSIONS[: VERSIONS.index(version) + 1]
    inside: dict[str, Entry] = {
        "meta-data": Folder({name: entry for name, (since, entry) in entries.items() if since in known})
    }
    if guest.user_data:
        inside["user-data"] = text(guest.user_data)
    return Folder(inside)
