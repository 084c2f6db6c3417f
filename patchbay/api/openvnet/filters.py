"""``/filters``: filters of interfaces, with static rules."""

from collections.abc import Mapping
from typing import Any

from patchbay.api.openvnet.endpoint import Endpoint, Values
from patchbay.api.openvnet.parameters import Param, boolean, integer, text, uuid
from patchbay.api.openvnet.standard import given, kept_collection, listing, reading_and_deleting
from patchbay.model import VnetObject
from patchbay.service.context import RequestContext
from patchbay.service.service import Service
from patchbay.service.vnet import filters, kept
from patchbay.service.vnet.kinds import FILTER, INTERFACE
from patchbay.service.vnet.objects import data_of, number_or_none

_SHARED = (boolean("egress_passthrough"), boolean("ingress_passthrough"))
_PASSES = ("egress_passthrough", "ingress_passthrough")
_HIGHEST = 65536
_STATIC: tuple[Param, ...] = (
    text("protocol", choices=filters.PROTOCOLS, required=True),
    text("src_address"),
    text("dst_address"),
    integer("src_port", least=0, most=_HIGHEST),
    integer("dst_port", least=0, most=_HIGHEST),
)
_RULE = ("protocol", "src_address", "dst_address", "src_port", "dst_port")


def _view(service: Service, row: VnetObject) -> Mapping[str, Any]:
    shown = kept.described(service, FILTER, row)
    del shown["interface_id"]
    return shown


def _view_static(service: Service, row: VnetObject) -> Mapping[str, Any]:
    data = data_of(row)
    members = ("protocol", "action", "src_address", "dst_address", "src_prefix", "dst_prefix")
    shown = {"filter_id": number_or_none(service, FILTER, data["filter_uuid"])}
    shown |= {name: data[name] for name in members}
    if data["port_src"] is not None:
        shown |= {"src_port": data["port_src"], "dst_port": data["port_dst"]}
    return shown


async def _create(service: Service, context: RequestContext, values: Values) -> Mapping[str, Any]:
    attributes = {"mode": values["mode"], **{name: values.get(name, False) for name in _PASSES}}
    references = {INTERFACE: values["interface_uuid"]}
    new = kept.NewRow(kind=FILTER, uuid=values.get("uuid", ""), values=attributes, references=references)
    return _view(service, await kept.create(service, context, new))


async def _update(service: Service, _context: RequestContext, values: Values) -> Mapping[str, Any]:
    return _view(service, await kept.change(service, FILTER, values["uuid"], given(values, *_PASSES)))


def _rule(values: Values) -> filters.StaticRule:
    return filters.static_rule(
        values["protocol"],
        (values.get("src_address"), values.get("dst_address")),
        (values.get("src_port"), values.get("dst_port")),
    )


async def _add_static(service: Service, context: RequestContext, values: Values) -> Mapping[str, Any]:
    kept.row_of(service, FILTER, values["uuid"])
    row = await filters.add_static(service, context, values["uuid"], _rule(values), values["action"])
    return _view_static(service, row)


async def _remove_static(service: Service, _context: RequestContext, values: Values) -> Mapping[str, Any]:
    kept.row_of(service, FILTER, values["uuid"])
    row = await filters.remove_static(service, values["uuid"], _rule(values), given(values, *_RULE))
    return _view_static(service, row)


ENDPOINTS: tuple[Endpoint, ...] = (
    Endpoint(
        "POST",
        "/filters",
        (
            *_SHARED,
            uuid(FILTER),
            uuid(INTERFACE, "interface_uuid", required=True),
            text("mode", choices=filters.MODES, required=True),
        ),
        _create,
    ),
    *reading_and_deleting(kept_collection(FILTER, _view)),
    Endpoint("PUT", "/filters/:uuid", _SHARED, _update),
    Endpoint("POST", "/filters/:uuid/static", (*_STATIC, text("action", required=True)), _add_static),
    Endpoint("DELETE", "/filters/:uuid/static", _STATIC, _remove_static),
    listing("/filters/:uuid/static", filters.statics, _view_static),
)
"""What answers for filters."""
