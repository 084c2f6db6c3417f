"""/v2.0/floatingips/{id}/port_forwardings: attributes as in the API reference, "Floating IPs port forwarding"."""

from collections.abc import Iterable, Sequence

import msgspec

from patchbay.api.errors import HTTPBadRequest
from patchbay.api.neutron import checks
from patchbay.api.neutron.attributes import Attribute, Attributes, Body, spec_fields, writable
from patchbay.api.neutron.resource import Collection, Filters, View
from patchbay.model import PortForwarding
from patchbay.service.context import RequestContext
from patchbay.service.floatingips import get_floatingip
from patchbay.service.port_forwardings import (
    create_forwardings,
    delete_forwarding,
    get_forwarding,
    update_forwarding,
)
from patchbay.service.router_specs import PortForwardingSpec
from patchbay.service.service import Service

PROTOCOLS = ("tcp", "udp", "sctp", "dccp", "udplite")
"""Those that have ports; Neutron takes others as well, which nothing can forward."""
_NUMBERS = {"6": "tcp", "17": "udp", "132": "sctp", "33": "dccp", "136": "udplite"}


def to_protocol(value: object) -> object:
    """The protocol's name in lower case, also for its number."""
    name = str(value).lower()
    return _NUMBERS.get(name, name)


def to_port(value: object) -> object:
    """A port number; null as it is."""
    return None if value is None else checks.to_int(value)


def port_number(value: object) -> str | None:
    """null, or 1 to 65535."""
    if value is None or (isinstance(value, int) and 1 <= value <= 65535):
        return None
    if isinstance(value, int) and value < 1:
        return f"'{value}' is too small - must be at least '1'"
    return f"'{value}' is too large - must be no larger than '65535'"


def port_range(value: object) -> str | None:
    """null, a port, or ``first:last``."""
    if value is None:
        return None
    parts = str(value).split(":")
    if len(parts) > 2 or not all(parts):
        return "Port range must be two integers separated by a colon"
    for part in parts:
        if not part.isascii() or not part.isdecimal() or len(part) > 5:
            return f"Invalid port: {part}"
        if not 1 <= int(part) <= 65535:
            return f"Invalid port: {part}, the port must be in the range [1, 65535]"
    if int(parts[0]) > int(parts[-1]):
        return "First port in a port range must be lower than the second port"
    return None


SHOWN = Attribute(is_filter=False, is_sort_key=False)

ATTRIBUTES: Attributes = {
    "id": Attribute(),
    "project_id": Attribute(post=True, check=checks.text(255), is_filter=False, is_sort_key=False),
    "tenant_id": Attribute(post=True, check=checks.text(255), is_filter=False, is_sort_key=False),
    "external_port": writable(convert=to_port, check=port_number),
    "internal_port": msgspec.structs.replace(
        writable(convert=to_port, check=port_number, is_sort_key=False), is_filter=False
    ),
    "external_port_range": writable(check=port_range),
    "internal_port_range": msgspec.structs.replace(writable(check=port_range, is_sort_key=False), is_filter=False),
    "internal_ip_address": msgspec.structs.replace(
        writable("internal_ip_address", check=checks.address, is_sort_key=False), is_filter=False
    ),
    "protocol": writable("protocol", convert=to_protocol, check=checks.one_of(PROTOCOLS), is_required=True),
    "internal_port_id": writable("internal_port_id", check=checks.uuid, is_required=True),
    "description": writable("description", convert=checks.none_to_text, check=checks.text(255)),
}


def view_forwarding(_service: Service, forwarding: PortForwarding) -> View:
    """The port forwarding as the API shows it; a range has no single port."""
    outside, inside = forwarding.external_ports, forwarding.internal_ports
    return {
        "id": forwarding.id,
        "protocol": forwarding.protocol,
        "external_port": outside[0] if outside[0] == outside[1] else None,
        "external_port_range": f"{outside[0]}:{outside[1]}",
        "internal_port": inside[0] if inside[0] == inside[1] else None,
        "internal_port_range": f"{inside[0]}:{inside[1]}",
        "internal_ip_address": forwarding.internal_ip_address,
        "internal_port_id": forwarding.internal_port_id,
        "description": forwarding.description,
    }


def _ports(item: Body, side: str) -> tuple[int, int] | None:
    """First and last port of a side, by ``…_port`` or ``…_port_range``; None when neither is there."""
    single, both = item.get(f"{side}_port"), item.get(f"{side}_port_range")
    if both is not None:
        first, _, last = str(both).partition(":")
        ports = int(first), int(last or first)
        if single is not None and ports != (single, single):
            raise HTTPBadRequest(f"{side}_port and {side}_port_range do not match")
        return ports
    return None if single is None else (int(str(single)), int(str(single)))


def _spec(item: Body, *, is_create: bool) -> PortForwardingSpec:
    fields = spec_fields(ATTRIBUTES, item)
    for side in ("external", "internal"):
        ports = _ports(item, side)
        if ports is not None:
            fields[f"{side}_ports"] = ports
        elif is_create:
            raise HTTPBadRequest(f"Failed to parse request. Required attribute '{side}_port' not specified")
    return msgspec.convert(fields, PortForwardingSpec)


def port_forwardings_of(floatingip_id: str) -> Collection:
    """The collection of one floating IP."""

    def candidates(service: Service, context: RequestContext, filters: Filters) -> Iterable[PortForwarding]:
        found = get_floatingip(service, context, floatingip_id).port_forwardings
        return [one for one in found if "id" not in filters or one.id in filters["id"]]

    async def create(service: Service, context: RequestContext, items: list[Body]) -> Sequence[PortForwarding]:
        specs = [_spec(item, is_create=True) for item in items]
        return await create_forwardings(service, context, floatingip_id, specs)

    async def update(
        service: Service, context: RequestContext, id_: str, item: Body, _if_match: int | None
    ) -> PortForwarding:
        return await update_forwarding(service, context, floatingip_id, id_, _spec(item, is_create=False))

    async def delete(service: Service, context: RequestContext, id_: str, _if_match: int | None) -> None:
        await delete_forwarding(service, context, floatingip_id, id_)

    return Collection(
        name="port_forwardings",
        member="port_forwarding",
        attributes=ATTRIBUTES,
        indexed=frozenset(),
        candidates=candidates,
        get=lambda service, context, id_: get_forwarding(service, context, floatingip_id, id_),
        view=view_forwarding,
        encoded=lambda service, forwarding: msgspec.json.encode(view_forwarding(service, forwarding)),
        create=create,
        update=update,
        delete=delete,
    )
