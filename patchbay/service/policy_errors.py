"""What a caller is told who may not do something, under Neutron's names (oslo.policy, neutron-lib)."""

from collections.abc import Mapping

from patchbay.errors import BadRequest, Conflict, Forbidden, NotFound


class PolicyNotAuthorized(Forbidden):
    """A policy forbids what the caller wants with an object that it sees."""

    def __init__(self, rule: str) -> None:
        super().__init__(f"{rule} is disallowed by policy", "Ask the object's owner, or an administrator.")


class AdminRequired(Forbidden):
    """Only administrators may."""

    def __init__(self, reason: str) -> None:
        super().__init__(f"User does not have admin privileges: {reason}.")


class DnsNameInUse(Conflict):
    """A port of another project has the name on this network."""

    def __init__(self, name: str, network_id: str) -> None:
        super().__init__(
            f"DNS name {name} is in use on network {network_id}.", "Choose another: the network is not this project's."
        )


class RbacPolicyNotFound(NotFound):
    """There is no such RBAC policy for the caller."""

    def __init__(self, policy_id: str) -> None:
        super().__init__(f"RBAC policy of type unknown with ID {policy_id} not found")


class RbacPolicyInUse(Conflict):
    """The project has something that depends on the policy."""

    def __init__(self, object_id: str, details: str) -> None:
        super().__init__(
            f"RBAC policy on object {object_id} cannot be removed because other objects depend on it.\n"
            f"Details: {details}",
            "Delete first what the project has there.",
        )


class InvalidActionForType(BadRequest):
    """Objects of this type are not shared in this way."""

    def __init__(self, action: str, object_type: str, valid: list[str]) -> None:
        super().__init__(
            f"Invalid input for operation: Invalid action '{action}' for object type '{object_type}'. "
            f"Valid actions: {', '.join(valid)}."
        )


class DuplicateRbacPolicy(Conflict):
    """The object is shared so already."""

    def __init__(self) -> None:
        super().__init__("An RBAC policy already exists with those values.")


class OverQuota(Conflict):
    """The project has as many as it may have."""

    def __init__(self, overs: Mapping[str, int]) -> None:
        """``overs``: the limit of each resource of which there would be too many."""
        allowed = ", ".join(f"{limit} of {name}" for name, limit in overs.items())
        super().__init__(
            f"Quota exceeded for resources: {list(overs)}.",
            f"The project may have {allowed}: delete what is no longer needed, or ask for a larger quota.",
        )


class QuotaMissingTenant(BadRequest):
    """The caller is of no project."""

    def __init__(self) -> None:
        super().__init__("Tenant-id was missing from quota request.")


class TenantQuotaNotFound(NotFound):
    """The project has no limits of its own."""

    def __init__(self, project_id: str) -> None:
        super().__init__(f"Quota for project {project_id} could not be found.")
