"""What it means for a person that the kernel refused an operation. Used by ``patchbay.host.netlink_apply``."""

import errno

from patchbay.errors import HostError
from patchbay.host.netlink_view import Refusal
from patchbay.plan.operations import Operation


def explain(operation: Operation, refusal: Refusal) -> HostError:
    """The error of an operation that the kernel refused."""
    return HostError(f"{operation.sentence().rstrip('.')}: {refusal}.", _REMEDIES.get(refusal.code, ""))


_REMEDIES = {
    errno.EPERM: "Run the agent as root (CAP_NET_ADMIN and CAP_SYS_ADMIN).",
    errno.EOPNOTSUPP: "The kernel lacks this kind of device: load its module (veth, bridge).",
    errno.EMFILE: "Raise the agent's limit of open files (LimitNOFILE).",
}
