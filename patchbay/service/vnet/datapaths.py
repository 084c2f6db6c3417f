"""OpenVNet's datapaths: bridges registered by the number that they are known by (``vnet/models/datapath.rb``).

An agent looks for its own bridges among them. The relations with networks, segments and route links are kept: which
hosts a network reaches follows from where its interfaces are.
"""

from collections.abc import Mapping
from typing import Any

from patchbay.intent.database import Delete, Write
from patchbay.model import Host, VnetObject
from patchbay.service.access import Attempt, carry_out
from patchbay.service.context import RequestContext
from patchbay.service.service import Service
from patchbay.service.vnet.errors import ArgumentError
from patchbay.service.vnet.kept import row_of
from patchbay.service.vnet.kinds import DATAPATH, DATAPATH_NUMBER
from patchbay.service.vnet.objects import (
    Data,
    Face,
    changed,
    check_fresh,
    common,
    data_of,
    insertion,
    new_row,
    rows,
    update,
)

KEPT = ("node_id", "enable_ovs_learn_action", "ipv4_address", "dc_segment_id", "dc_segment_uuid")
"""Attributes that only the row has."""

NO_DPID = "0" * 16


def host_of(service: Service, dpid: str) -> Host | None:
    """The host that has the bridge of this number now."""
    return next((host for host in service.db.hosts.values() if dpid in host.datapaths), None)


async def create_datapath(service: Service, context: RequestContext, values: Mapping[str, Any]) -> VnetObject:
    """A new datapath. ``values``: uuid, display_name, dpid, and the attributes ``KEPT``.

    Raises DuplicateUUID, or ArgumentError when another datapath has the dpid.
    """

    def plan(_attempt: Attempt) -> tuple[VnetObject, list[Write]]:
        check_fresh(service, DATAPATH, values)
        _check_dpid(service, values["dpid"], "")
        row = new_row(
            context,
            DATAPATH,
            values.get("uuid", ""),
            name=values["display_name"],
            dpid=values["dpid"],
            **{name: values[name] for name in KEPT if name in values},
        )
        return row, [*insertion(service, row), *_numbered(service, context, row)]

    return await carry_out(service, f"datapath {values.get('uuid', '')}", plan)


def _numbered(service: Service, context: RequestContext, row: VnetObject) -> list[Write]:
    """The write that reserves the datapath's number."""
    return insertion(service, new_row(context, DATAPATH_NUMBER, row.dpid, datapath_uuid=row.uuid))


def _check_dpid(service: Service, dpid: str, uuid: str) -> None:
    if dpid == NO_DPID:
        raise ArgumentError(
            "dpid 0x0 is no datapath id", "Give the one that `ovs-vsctl get bridge br0 datapath_id` prints."
        )
    for other in rows(service, DATAPATH):
        if other.dpid == dpid and other.uuid != uuid:
            raise ArgumentError(
                f"dpid 0x{dpid} is registered already: {other.uuid}",
                f"A bridge is one datapath: use {other.uuid}, or delete it first.",
            )


async def update_datapath(
    service: Service, context: RequestContext, uuid: str, values: Mapping[str, Any]
) -> VnetObject:
    """The datapath with these values. Raises UnknownUUIDResource, or ArgumentError for a dpid that another has."""

    def plan(_attempt: Attempt) -> tuple[VnetObject, list[Write]]:
        old = row_of(service, DATAPATH, uuid)
        if "dpid" in values:
            _check_dpid(service, values["dpid"], uuid)
        kept = {name: values[name] for name in KEPT if name in values}
        new = changed(old, name=values.get("display_name"), dpid=values.get("dpid"), **kept)
        moved: list[Write] = []
        if new.dpid != old.dpid:
            moved += map(Delete, rows(service, DATAPATH_NUMBER, datapath_uuid=uuid))
            moved += _numbered(service, context, new)
        return new, [*update(old, new), *moved]

    return await carry_out(service, f"datapath {uuid}", plan)


def datapath_view(service: Service, row: VnetObject) -> Data:
    """The datapath as OpenVNet shows it."""
    data = data_of(row)
    return {
        **common(service, Face(DATAPATH, row.uuid, "", row)),
        "display_name": row.name,
        "dpid": f"0x{row.dpid}",
        "node_id": data.get("node_id"),
        "is_connected": host_of(service, row.dpid) is not None,
        "enable_ovs_learn_action": data.get("enable_ovs_learn_action", True),
        "ipv4_address": data.get("ipv4_address"),
        "dc_segment_id": data.get("dc_segment_id") or data.get("dc_segment_uuid"),
    }
