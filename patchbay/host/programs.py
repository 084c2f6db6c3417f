"""The programs that services are made of: where they are, and which Debian package brings them.

``find_services`` tells what a host can do; the agent asks once, at its start.
"""

import logging
import os
import shutil

from patchbay.errors import HostError

PACKAGES = {
    "conntrack": "conntrack",
    "dhclient": "isc-dhcp-client",
    "dhcp_release": "dnsmasq-utils",
    "dhcp_release6": "dnsmasq-utils",
    "dnsmasq": "dnsmasq-base",
    "ip": "iproute2",
    "ip6tables-restore": "iptables",
    "ip6tables-save": "iptables",
    "iptables-restore": "iptables",
    "iptables-save": "iptables",
    "radvd": "radvd",
}
"""Debian's package of each program."""

NEEDS = {"dhcp": ("dnsmasq", "dhcp_release"), "l3": ("iptables-restore", "conntrack"), "metadata": ()}
"""What a host needs for each service."""

logger = logging.getLogger(__name__)


def search_path() -> str:
    """PATH with the directories of system programs, which a service manager may leave out."""
    parts = os.environ.get("PATH", "/usr/bin:/bin").split(":")
    return ":".join([*parts, *(one for one in ("/usr/sbin", "/sbin") if one not in parts)])


def environment() -> dict[str, str]:
    """The environment of programs that the agent starts."""
    return {**os.environ, "PATH": search_path()}


def find_program(name: str) -> str:
    """The path of a program. Raises HostError naming the package that brings it."""
    found = shutil.which(name, path=search_path())
    if found is None:
        package = PACKAGES.get(name)
        remedy = f"Install it: apt-get install {package}" if package else f"Install {name}, or correct its path."
        raise HostError(f"{name} is not on this host.", remedy)
    return found


def find_services() -> tuple[str, ...]:
    """What this host can do besides switching; what is missing is logged with its remedy."""
    able = []
    for service, programs in NEEDS.items():
        try:
            for program in programs:
                find_program(program)
        except HostError as error:
            logger.warning("no %s: %s", service, error.message, extra={"remedy": error.remedy})
        else:
            able.append(service)
    return tuple(able)
