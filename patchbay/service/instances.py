"""Instances: namespaces on hosts that stand in for virtual machines (our own extension of the API).

Creating an instance binds its ports to its host in the same transaction, as Nova does in several calls.
"""

import re
from collections.abc import Mapping, Sequence

import msgspec
from msgspec import UNSET

from patchbay.intent.database import Delete, Duplicate, Insert, Stale, StillReferenced, Update, Write
from patchbay.model import Instance, Port
from patchbay.model.instance import DHCP, DIRECT, HYBRID, STATIC
from patchbay.service.access import (
    Attempt,
    beginning,
    carry_out,
    check_revision,
    is_visible,
    revised,
)
from patchbay.service.context import RequestContext
from patchbay.service.dns_names import is_label
from patchbay.service.errors import (
    InstanceNameInUse,
    InstanceNotFound,
    InvalidInput,
    PortInUse,
    TooMuchContention,
)
from patchbay.service.guests import is_name_taken
from patchbay.service.ports import get_own_port
from patchbay.service.service import ATTEMPTS, Service
from patchbay.service.specs import InstanceSpec

DEVICE_OWNER = "compute:patchbay"
RESERVED_NAMES = ("qdhcp-", "qrouter-", "snat-", "fip-", "patchbay-")
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,62}")
_DEVICE = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,14}")
_HOST = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,254}")


def get_instance(service: Service, context: RequestContext, instance_id: str) -> Instance:
    """The instance, or InstanceNotFound."""
    instance = service.db.instances.get(instance_id)
    if instance is None or not is_visible(context, instance):
        raise InstanceNotFound(instance_id)
    return instance


async def create_instances(service: Service, context: RequestContext, specs: Sequence[InstanceSpec]) -> list[Instance]:
    """New instances, all or none, with their ports bound to their hosts.

    Raises InvalidInput, PortNotFound, PortInUse or InstanceNameInUse.
    """
    for _ in range(ATTEMPTS):
        instances = [_new_instance(service, context, spec) for spec in specs]
        ports = _bound(service, context, instances)
        try:
            await service.commit(*(Insert(instance) for instance in instances), *ports)
        except Duplicate as error:
            raise _name_in_use(service, instances) from error
        except (Stale, StillReferenced):
            continue
        return instances
    raise TooMuchContention("ports of the instance")


def _new_instance(service: Service, context: RequestContext, spec: InstanceSpec) -> Instance:
    instance = Instance(
        **beginning(context, spec),
        host="" if spec.host is UNSET else spec.host,
        plugging=HYBRID if spec.plugging is UNSET else spec.plugging,
        interfaces={} if spec.interfaces is UNSET else dict(spec.interfaces),
        addressing=STATIC if spec.addressing is UNSET else spec.addressing,
        public_keys=() if spec.public_keys is UNSET else spec.public_keys,
        user_data="" if spec.user_data is UNSET else spec.user_data,
        metadata={} if spec.metadata is UNSET else dict(spec.metadata),
    )
    _check(instance)
    for other_id in service.db.instances_by_host.get(instance.host, ()):
        if service.db.instances[other_id].name == instance.name:
            raise InstanceNameInUse(instance.name, instance.host)
    return instance


def _check(instance: Instance) -> None:
    if not _NAME.fullmatch(instance.name) or instance.name.startswith(RESERVED_NAMES):
        raise InvalidInput(
            f"'{instance.name}' is not a valid instance name",
            "It names a namespace: letters, digits, '_', '.' and '-', at most 63, none of the prefixes "
            + ", ".join(RESERVED_NAMES)
            + ".",
        )
    if not _HOST.fullmatch(instance.host):
        raise InvalidInput(f"'{instance.host}' is not a valid host name")
    if instance.plugging not in (HYBRID, DIRECT):
        raise InvalidInput(f"plugging '{instance.plugging}' is not one of {HYBRID}, {DIRECT}")
    if instance.addressing not in (STATIC, DHCP):
        raise InvalidInput(f"addressing '{instance.addressing}' is not one of {STATIC}, {DHCP}")
    for device in instance.interfaces:
        if not _DEVICE.fullmatch(device) or device == "lo":
            raise InvalidInput(f"'{device}' is not a valid device name")
    if len(set(instance.interfaces.values())) != len(instance.interfaces):
        raise InvalidInput("one port cannot be two interfaces")


def _bound(service: Service, context: RequestContext, instances: Sequence[Instance]) -> list[Write]:
    """Updates that bind the instances' ports to them. New ports without a DNS name get the instance's, as from Nova."""
    writes: dict[str, Write] = {}
    for instance in instances:
        for port_id in instance.interfaces.values():
            port = get_own_port(service, context, port_id)
            if port.device_id not in ("", instance.id) or port_id in writes:
                raise PortInUse(port.id, port.network_id, port.device_id or instance.id)
            new = msgspec.structs.replace(port, device_id=instance.id, device_owner=DEVICE_OWNER, host=instance.host)
            name = instance.name.lower()
            if not port.dns_name and not port.device_id and is_label(name) and not _is_taken(service, port, name):
                new = msgspec.structs.replace(new, dns_name=name)
            writes[port_id] = Update(port, revised(port, new))
    return list(writes.values())


def _is_taken(service: Service, port: Port, name: str) -> bool:
    """Whether the name is somebody else's on a network that is not the port's project's."""
    owner = service.db.networks[port.network_id].project_id
    return port.project_id != owner and is_name_taken(service, port, name)


def _unbound(ports: Mapping[str, Port], instance: Instance, released: Sequence[str]) -> list[Write]:
    """Updates that release ports from the instance."""
    writes: list[Write] = []
    for port_id in released:
        port = ports.get(port_id)
        if port is not None and port.device_id == instance.id:
            new = msgspec.structs.replace(port, device_id="", device_owner="", host="")
            if port.dns_name == instance.name.lower():
                new = msgspec.structs.replace(new, dns_name="")
            writes.append(Update(port, revised(port, new)))
    return writes


def _name_in_use(service: Service, instances: Sequence[Instance]) -> InstanceNameInUse:
    taken = {
        (instance.host, service.db.instances[id_].name)
        for instance in instances
        for id_ in service.db.instances_by_host.get(instance.host, ())
    }
    seen: set[tuple[str, str]] = set()
    for instance in instances:
        key = (instance.host, instance.name)
        if key in taken or key in seen:
            return InstanceNameInUse(instance.name, instance.host)
        seen.add(key)
    return InstanceNameInUse(instances[0].name, instances[0].host)


async def update_instance(
    service: Service, context: RequestContext, instance_id: str, spec: InstanceSpec, if_match: int | None = None
) -> Instance:
    """The instance as changed; a new host takes its ports along, new interfaces replace the old ones."""
    for _ in range(ATTEMPTS):
        old = get_instance(service, context, instance_id)
        check_revision(old, if_match)
        new = msgspec.structs.replace(
            old,
            description=old.description if spec.description is UNSET else spec.description,
            host=old.host if spec.host is UNSET else spec.host,
            plugging=old.plugging if spec.plugging is UNSET else spec.plugging,
            interfaces=old.interfaces if spec.interfaces is UNSET else dict(spec.interfaces),
            addressing=old.addressing if spec.addressing is UNSET else spec.addressing,
            public_keys=old.public_keys if spec.public_keys is UNSET else spec.public_keys,
            user_data=old.user_data if spec.user_data is UNSET else spec.user_data,
            metadata=old.metadata if spec.metadata is UNSET else dict(spec.metadata),
        )
        _check(new)
        new = revised(old, new)
        if new is old:
            return old
        released = sorted(set(old.interfaces.values()) - set(new.interfaces.values()))
        writes = [*_bound(service, context, [new]), *_unbound(service.db.ports, old, released)]
        try:
            await service.commit(Update(old, new), *(write for write in writes if _differs(write)))
        except Duplicate as error:
            raise InstanceNameInUse(new.name, new.host) from error
        except (Stale, StillReferenced):
            continue
        return new
    raise TooMuchContention(f"instance {instance_id}")


def _differs(write: Write) -> bool:
    return not (isinstance(write, Update) and write.old is write.new)


async def delete_instance(
    service: Service, context: RequestContext, instance_id: str, if_match: int | None = None
) -> None:
    """The instance goes; its ports stay, unbound."""

    def plan(_attempt: Attempt) -> tuple[None, list[Write]]:
        instance = get_instance(service, context, instance_id)
        check_revision(instance, if_match)
        released = _unbound(service.db.ports, instance, list(instance.interfaces.values()))
        return None, [*released, Delete(instance)]

    await carry_out(service, f"instance {instance_id}", plan)
