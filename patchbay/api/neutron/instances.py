"""/v2.0/instances: our own extension "patchbay-instances"; a namespace on a host that stands in for a machine."""

import re
from collections.abc import Iterable, Sequence

import msgspec

from patchbay.api.errors import HTTPBadRequest
from patchbay.api.neutron import checks
from patchbay.api.neutron.attributes import READ_ONLY, STANDARD, Attribute, Attributes, Body, spec_fields, writable
from patchbay.api.neutron.resource import Collection, Filters, View, narrowed
from patchbay.model import Instance
from patchbay.service.access import is_visible
from patchbay.service.context import RequestContext
from patchbay.service.instances import create_instances, delete_instance, get_instance, update_instance
from patchbay.service.service import Service
from patchbay.service.specs import InstanceSpec
from patchbay.service.status import instance_status


def interfaces(value: object) -> str | None:
    """``{device name: port id}``."""
    if not isinstance(value, dict):
        return f"'{value}' is not a dictionary"
    return next((reason for port_id in value.values() if (reason := checks.uuid(port_id))), None)


def port_list(value: object) -> str | None:
    """A list of different port ids, which become eth0, eth1, …"""
    if reason := checks.unique_texts(36)(value):
        return reason
    assert isinstance(value, list)
    return next((reason for port_id in value if (reason := checks.uuid(port_id))), None)


MAX_USER_DATA_BYTES, MAX_METADATA_ITEMS, MAX_KEY_LENGTH = 65535, 128, 16384
_KEY = re.compile(r"[a-z0-9@.-]+ [A-Za-z0-9+/]+={0,2}( [^\x00-\x1f\x7f]*)?")


def user_data(value: object) -> str | None:
    """Text of at most 65,535 bytes in UTF-8, served as it is: base64, which Nova's API wants, is not decoded."""
    if not isinstance(value, str) or "\0" in value:
        return "user_data is not a text"
    size = len(value.encode())
    return f"user_data has {size} bytes, more than {MAX_USER_DATA_BYTES}" if size > MAX_USER_DATA_BYTES else None


def key_list(value: object) -> str | None:
    """A list of different lines of OpenSSH's ``authorized_keys``."""
    if reason := checks.unique_texts(MAX_KEY_LENGTH)(value):
        return reason
    assert isinstance(value, list)
    wrong = next((key for key in value if not _KEY.fullmatch(key)), None)
    return None if wrong is None else f"'{wrong}' is not an OpenSSH public key: write TYPE BASE64 COMMENT on one line"


def metadata(value: object) -> str | None:
    """Up to 128 texts by name, of at most 255 characters each (as in Nova)."""
    if reason := checks.is_dict(value):
        return reason
    assert isinstance(value, dict)
    if len(value) > MAX_METADATA_ITEMS:
        return f"metadata has {len(value)} items, more than {MAX_METADATA_ITEMS}"
    if "" in value:
        return "a name in metadata is empty"
    return next((reason for text in (*value, *value.values()) if (reason := checks.text(255)(text))), None)


ATTRIBUTES: Attributes = {
    **STANDARD,
    "name": Attribute(field="name", post=True, is_required=True, check=checks.name),
    "host": writable("host", is_required=True, check=checks.text(255)),
    "plugging": writable("plugging", check=checks.text(32)),
    "interfaces": writable("interfaces", check=interfaces, is_sort_key=False),
    "ports": writable(check=port_list, is_sort_key=False),
    "addressing": writable("addressing", check=checks.text(32)),
    "public_keys": writable("public_keys", convert=checks.none_to_list, check=key_list, is_sort_key=False),
    "user_data": writable(
        "user_data", convert=checks.none_to_text, check=user_data, is_filter=False, is_sort_key=False
    ),
    "metadata": writable("metadata", convert=checks.none_to_dict, check=metadata, is_filter=False, is_sort_key=False),
    "status": READ_ONLY,
}


def view_instance(service: Service, instance: Instance) -> View:
    """The instance as the API shows it."""
    ordered = sorted(instance.interfaces.items())
    return {
        "id": instance.id,
        "name": instance.name,
        "tenant_id": instance.project_id,
        "project_id": instance.project_id,
        "host": instance.host,
        "plugging": instance.plugging,
        "interfaces": dict(ordered),
        "ports": [port_id for _, port_id in ordered],
        "addressing": instance.addressing,
        "public_keys": instance.public_keys,
        "user_data": instance.user_data,
        "metadata": dict(sorted(instance.metadata.items())),
        "status": instance_status(service, instance),
        "description": instance.description,
        "tags": instance.tags,
        "created_at": instance.created_at,
        "updated_at": instance.updated_at,
        "revision_number": instance.revision_number,
    }


def _encoded(service: Service, instance: Instance) -> bytes:
    return msgspec.json.encode(view_instance(service, instance))


def _candidates(service: Service, context: RequestContext, filters: Filters) -> Iterable[Instance]:
    db = service.db
    instances = narrowed(filters, db.instances, {"name": db.instances_by_name, "host": db.instances_by_host})
    return [instance for instance in instances if is_visible(context, instance)]


def _spec(item: Body) -> InstanceSpec:
    fields = spec_fields(ATTRIBUTES, item)
    if "ports" in item:
        if "interfaces" in item:
            raise HTTPBadRequest("Give either 'interfaces' or 'ports'.")
        ports = item["ports"]
        assert isinstance(ports, list)
        fields["interfaces"] = {f"eth{index}": port_id for index, port_id in enumerate(ports)}
    return msgspec.convert(fields, InstanceSpec)


async def _create(service: Service, context: RequestContext, items: list[Body]) -> Sequence[Instance]:
    return await create_instances(service, context, [_spec(item) for item in items])


async def _update(service: Service, context: RequestContext, id_: str, item: Body, if_match: int | None) -> Instance:
    return await update_instance(service, context, id_, _spec(item), if_match)


INSTANCES = Collection(
    name="instances",
    member="instance",
    attributes=ATTRIBUTES,
    indexed=frozenset(("name", "host")),
    candidates=_candidates,
    get=get_instance,
    view=view_instance,
    encoded=_encoded,
    create=_create,
    update=_update,
    delete=delete_instance,
)
