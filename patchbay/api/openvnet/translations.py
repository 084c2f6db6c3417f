"""``/translations``: translations of interfaces, with static addresses."""

from collections.abc import Mapping
from typing import Any

from patchbay.api.openvnet.endpoint import Endpoint, Values
from patchbay.api.openvnet.parameters import Param, boolean, integer, ipv4, text, uuid
from patchbay.api.openvnet.standard import given, kept_collection, listing, reading_and_deleting, view_of
from patchbay.model import VnetObject
from patchbay.service.context import RequestContext
from patchbay.service.service import Service
from patchbay.service.vnet import kept, translations
from patchbay.service.vnet.kinds import INTERFACE, NETWORK, ROUTE_LINK, TRANSLATION, TRANSLATION_STATIC_ADDRESS

_HIGHEST = 65536
_STATIC: tuple[Param, ...] = (
    ipv4("ingress_ipv4_address", required=True),
    ipv4("egress_ipv4_address", required=True),
    integer("ingress_port_number", least=1, most=_HIGHEST),
    integer("egress_port_number", least=1, most=_HIGHEST),
    uuid(NETWORK, "ingress_network_uuid"),
    uuid(NETWORK, "egress_network_uuid"),
)
_NETWORKS = ("ingress_network_uuid", "egress_network_uuid")
_view = view_of(TRANSLATION)


def _view_static(service: Service, row: VnetObject) -> Mapping[str, Any]:
    shown = kept.described(service, TRANSLATION_STATIC_ADDRESS, row)
    del shown["translation_uuid"]
    hidden = _NETWORKS if None in (shown[name] for name in _NETWORKS) else ()
    if shown["route_link_uuid"] is None:
        hidden = (*hidden, "route_link_uuid")
    return {name: value for name, value in shown.items() if name not in hidden}


async def _create(service: Service, context: RequestContext, values: Values) -> Mapping[str, Any]:
    attributes = {"mode": values["mode"], "passthrough": values.get("passthrough", False)}
    references = {INTERFACE: values["interface_uuid"]}
    new = kept.NewRow(kind=TRANSLATION, uuid=values.get("uuid", ""), values=attributes, references=references)
    return _view(service, await kept.create(service, context, new))


async def _update(service: Service, _context: RequestContext, values: Values) -> Mapping[str, Any]:
    return _view(service, await kept.change(service, TRANSLATION, values["uuid"], given(values, "passthrough")))


async def _add_static(service: Service, context: RequestContext, values: Values) -> Mapping[str, Any]:
    row = await translations.add_static_address(service, context, values["uuid"], values)
    return _view_static(service, row)


async def _remove_static(service: Service, _context: RequestContext, values: Values) -> Mapping[str, Any]:
    row = await translations.remove_static_address(service, values["uuid"], values)
    return {"uuid": row.uuid}


ENDPOINTS: tuple[Endpoint, ...] = (
    Endpoint(
        "POST",
        "/translations",
        (
            uuid(TRANSLATION),
            uuid(INTERFACE, "interface_uuid", required=True),
            text("mode", choices=translations.MODES, required=True),
            boolean("passthrough"),
        ),
        _create,
    ),
    *reading_and_deleting(kept_collection(TRANSLATION)),
    Endpoint("PUT", "/translations/:uuid", (boolean("passthrough"),), _update),
    Endpoint(
        "POST",
        "/translations/:uuid/static_address",
        (*_STATIC, uuid(ROUTE_LINK, "route_link_uuid")),
        _add_static,
    ),
    Endpoint("DELETE", "/translations/:uuid/static_address", _STATIC, _remove_static),
    listing("/translations/:uuid/static_address", translations.static_addresses, _view_static),
)
"""What answers for translations; the list of static addresses is what ``vnctl`` asks for, and OpenVNet has not."""
