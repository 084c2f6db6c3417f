"""What this machine can do and where it is: read once when the agent starts."""

import socket
import struct

from patchbay.errors import HostError

_GENERIC_NETLINK, _CONTROL_FAMILY, _GET_FAMILY, _FAMILY_NAME, _ERROR = 16, 16, 3, 2, 2
_ANYWHERE = ("203.0.113.1", 9)
"""An address of TEST-NET-3 (RFC 5737): only the route to it is asked for, nothing is sent."""


def has_kernel_datapath() -> bool:
    """Whether the kernel has Open vSwitch's datapath; asking makes it load the module where there is one."""
    name = b"ovs_datapath\0"
    body = struct.pack("=BBHHH", _GET_FAMILY, 1, 0, 4 + len(name), _FAMILY_NAME) + name + bytes(-len(name) % 4)
    with socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, _GENERIC_NETLINK) as control:
        control.send(struct.pack("=LHHLL", 16 + len(body), _CONTROL_FAMILY, 1, 1, 0) + body)
        answer = control.recv(65536)
    return bool(struct.unpack_from("=LH", answer)[1] != _ERROR)


def choose_datapath_type() -> str:
    """``system`` where the kernel has the datapath, else ``netdev`` (the userspace one)."""
    return "system" if has_kernel_datapath() else "netdev"


def find_tunnel_ip() -> str:
    """The address from which packets to the default route leave. Raises HostError when there is no such route."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as unsent:
        try:
            unsent.connect(_ANYWHERE)
        except OSError:
            raise HostError(
                "There is no default route to take the tunnel address from.", "Give the agent --tunnel-ip ADDRESS."
            ) from None
        return str(unsent.getsockname()[0])
