"""What policies look at, found for a request: the owners of an object, of its network and of its security group."""

from collections.abc import Callable, Mapping

from patchbay.model import Network, Port, Subnet
from patchbay.service.context import RequestContext
from patchbay.service.policy_rules import Target
from patchbay.service.service import Service
from patchbay.service.sharing import is_shared


def target_of(service: Service, context: RequestContext, value: object, named: Mapping[str, object]) -> Target:
    """The target of a change of ``value`` that names these attributes."""

    def read(*names: str) -> str:
        said = next((named[name] for name in names if named.get(name)), None)
        return str(said or getattr(value, names[0], "") or "")

    owner = getattr(value, "project_id", context.project_id)
    return _target(service, context, owner, read)


def target_of_new(service: Service, context: RequestContext, named: Mapping[str, object]) -> Target:
    """The target of the creation of an object with these attributes."""

    def read(*names: str) -> str:
        return str(next((named[name] for name in names if named.get(name)), ""))

    return _target(service, context, read("project_id") or context.project_id, read)


def _target(service: Service, context: RequestContext, owner: str, read: Callable[..., str]) -> Target:
    """``read`` gives what the request says under the first of several names for one thing, else what the object has."""
    network = service.db.networks.get(read("network_id"))
    group = service.db.security_groups.get(read("security_group_id"))
    return Target(
        project_id=owner,
        network_project=None if network is None else network.project_id,
        is_network_shared=network is not None and is_shared(service.db, context, network),
        group_project=None if group is None else group.project_id,
        device_owner=read("device_owner"),
        target_project=read("target_project", "target_tenant"),
    )


def owns_network(service: Service, context: RequestContext, value: Port | Subnet) -> bool:
    """Whether the network is the caller's: it may see what others have there."""
    network: Network | None = service.db.networks.get(value.network_id)
    return network is not None and network.project_id == context.project_id and "reader" in context.roles
