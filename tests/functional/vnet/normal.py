"""The intent without what differs from one telling to the next: ids, numbers that the service chose, times, revisions.

Every id becomes one made of the OpenVNet uuid of its object, every VNI one made of its network's, and every uuid that
the service made up (of MAC and IP leases) one made of its interface's. What none of this names stays as it is, and
would make two normal forms differ.
"""

import uuid
from collections.abc import Iterable
from typing import Any

import msgspec

from patchbay.intent.columns import Model
from patchbay.intent.database import IntentDatabase
from patchbay.model import Network
from patchbay.service.vnet.objects import ORDER, data_of

TABLES = ("vnet_objects", "networks", "subnets", "ports", "routers", "floatingips", "instances", "hosts", "plugs")
TOLD_ANEW = {"created_at": "", "updated_at": "", "revision_number": 0}
OWN_OBJECT = ("network", "segment", "interface", "route_link")
"""Kinds that are the face of an object; rows of the others only belong to one."""
LEASES = ("mac_lease", "ip_lease")
FIRST_VNI = 100


def normal(db: IntentDatabase) -> list[Model]:
    """All rows of the intent in their normal form, sorted."""
    rows = [row for table in TABLES for row in getattr(db, table).values()]
    made_up = made_up_uuids(db)
    labels = labels_of(db, made_up)
    text = msgspec.json.encode([as_data(row, labels) for row in rows]).decode()
    for each, label in labels.items():
        text = text.replace(each, str(uuid.uuid5(uuid.NAMESPACE_OID, label)))
    for each, name in made_up.items():
        text = text.replace(each, name)
    decoded = msgspec.json.decode(text)
    models = [msgspec.convert(data, type(row)) for data, row in zip(decoded, rows, strict=True)]
    return sorted(models, key=lambda row: (type(row).__name__, row.id))


def made_up_uuids(db: IntentDatabase) -> dict[str, str]:
    """A name that says whose they are, by uuid of a lease."""
    leases = (row for row in db.vnet_objects.values() if row.kind in LEASES)
    return {row.uuid: f"{row.kind} of {data_of(row)['interface_uuid']}" for row in leases}


def labels_of(db: IntentDatabase, made_up: dict[str, str]) -> dict[str, str]:
    """A name that is the same in every telling, by id: OpenVNet's uuid and what the id is of."""
    labels = {host.id: f"host {host.name}" for host in db.hosts.values()}
    for row in db.vnet_objects.values():
        labels[row.id] = f"row {row.kind} {made_up.get(row.uuid, row.uuid)}"
        if row.kind in OWN_OBJECT:
            labels[row.object_id] = f"object {row.kind} {row.uuid}"
    for subnet in db.subnets.values():
        labels.setdefault(subnet.network_id, f"network of {labels.get(subnet.id)}")
    return labels


def as_data(row: Model, labels: dict[str, str]) -> dict[str, Any]:
    """A row as plain data, without what is told anew each time."""
    data: dict[str, Any] = msgspec.to_builtins(row)
    data |= {name: value for name, value in TOLD_ANEW.items() if name in data}
    if isinstance(row, Network) and row.segmentation_id is not None:
        data["segmentation_id"] = FIRST_VNI + sorted(labels.values()).index(labels[row.id])
    if isinstance(data.get("data"), str):
        kept = msgspec.json.decode(data["data"])
        kept.pop(ORDER, None)
        for port in kept.get("interface_ports", ()):
            port |= {"id": 0, "created_at": ""}
        data["data"] = msgspec.json.encode(kept, order="sorted").decode()
    return data


def unlike(one: Iterable[Any], other: Iterable[Any]) -> list[Any]:
    """What is in one and not in the other, for the words of a failing test."""
    first, second = list(one), list(other)
    return [item for item in first if item not in second] + [item for item in second if item not in first]
