"""The OpenStack tree: ``/openstack/<version>/meta_data.json`` and what is beside it. Pure.

Versions and what came with which are those of Nova's metadata service (``nova/api/metadata/base.py``). Passwords, which
an instance may leave there for its owner, are not kept.
"""

import base64
from typing import Any

from patchbay.metadata.guest import Guest
from patchbay.metadata.network_data import network_data
from patchbay.metadata.tree import Document, Folder, json, text

FOLSOM, GRIZZLY, HAVANA, LIBERTY = "2012-08-10", "2013-04-04", "2013-10-17", "2015-10-15"
NEWTON_ONE, NEWTON_TWO, OCATA = "2016-06-30", "2016-10-06", "2017-02-22"
ROCKY, VICTORIA = "2018-08-27", "2020-10-14"
VERSIONS = (FOLSOM, GRIZZLY, HAVANA, LIBERTY, NEWTON_ONE, NEWTON_TWO, OCATA, ROCKY, VICTORIA)
LATEST = "latest"


def openstack_tree(guest: Guest, seed: bytes) -> Folder:
    """All versions, and the latest under its other name. ``seed``: random bytes for the guest's own generator."""
    versions = {version: _version(guest, version, seed) for version in VERSIONS}
    return Folder({**versions, LATEST: versions[VERSIONS[-1]]}, is_flat=True)


def meta_data(guest: Guest, version: str, seed: bytes) -> dict[str, Any]:
    """``meta_data.json``."""
    found: dict[str, Any] = {"uuid": guest.id}
    if guest.metadata:
        found["meta"] = dict(guest.metadata)
    if guest.public_keys:
        found["public_keys"] = {key.name: key.line for key in guest.public_keys}
        found["keys"] = [{"name": key.name, "type": "ssh", "data": key.line} for key in guest.public_keys]
    found |= {"hostname": guest.hostname, "name": guest.name, "launch_index": 0, "availability_zone": guest.zone}
    if version >= GRIZZLY:
        found["random_seed"] = base64.b64encode(seed).decode()
    if version >= LIBERTY:
        found["project_id"] = guest.project_id
    if version >= NEWTON_ONE:
        found["devices"] = []
    if version >= VICTORIA:
        found["dedicated_cpus"] = []
    return found


def _version(guest: Guest, version: str, seed: bytes) -> Folder:
    documents: dict[str, Folder | Document] = {"meta_data.json": json(meta_data(guest, version, seed))}
    if guest.user_data:
        documents["user_data"] = text(guest.user_data)
    if version >= HAVANA:
        documents["vendor_data.json"] = json({})
    if version >= LIBERTY:
        documents["network_data.json"] = json(network_data(guest.interfaces))
    if version >= NEWTON_TWO:
        documents["vendor_data2.json"] = json({"static": {}})
    return Folder(documents, is_flat=True)
