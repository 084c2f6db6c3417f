"""The first process of a lab, and of each of its hosts: makes private namespaces, then keeps them until it dies.

Run as a script by ``namespaces``, with nothing but the standard library (start-up time counts): arguments are kind
("lab" or "host"), name, file descriptor of a socket to report on, and file descriptor of the lifeline (-1: none).
It promises: net, mount, UTS and PID namespaces of its own; as PID 1 its death ends everything inside; an orphan of
the lab is reaped; when the lifeline closes before the byte ``k`` (keep) has come through it, it ends. On the socket it
reports ``ready`` or ``error: …``; its pid reaches the other end as a credential.
"""

import ctypes
import os
import signal
import socket
import sys
from contextlib import suppress
from pathlib import Path

CLONE_NEWNS, CLONE_NEWUTS, CLONE_NEWPID, CLONE_NEWNET = 0x20000, 0x4000000, 0x20000000, 0x40000000
MS_NOSUID, MS_NODEV, MS_NOEXEC, MS_BIND, MS_REC, MS_PRIVATE = 2, 4, 8, 4096, 16384, 1 << 18

libc = ctypes.CDLL(None, use_errno=True)


# For who types dhclient in an instance that has none of its own: what it is told of name servers is that instance's
# (ip-netns(8)), in the shell where it was typed too, and never the host's.
RESOLV_CONF_HOOK = """\
make_resolv_conf() {
    [ -n "$new_domain_name_servers" ] || return 0
    instance=$(ip netns identify $$)
    file=/etc/resolv.conf
    if [ -n "$instance" ]; then
        mkdir -p "/etc/netns/$instance"
        file=/etc/netns/$instance/resolv.conf
    fi
    {
        for server in $new_domain_name_servers; do echo "nameserver $server"; done
        [ -z "$new_domain_name" ] || echo "search ${new_domain_search:-$new_domain_name}"
    } >"$file"
    [ "$file" -ef /etc/resolv.conf ] || mount --bind "$file" /etc/resolv.conf
}
"""


def main() -> None:
    """Make the namespaces, report, and stay."""
    kind, name, report, lifeline = sys.argv[1], sys.argv[2], int(sys.argv[3]), int(sys.argv[4])
    channel = socket.socket(fileno=report)
    try:
        check(libc.unshare(CLONE_NEWNS | CLONE_NEWUTS | CLONE_NEWPID | CLONE_NEWNET), "unshare")
        if os.fork():
            os._exit(0)
        os.setsid()
        # Orphans are reaped by the kernel when their new parent ignores SIGCHLD.
        signal.signal(signal.SIGCHLD, signal.SIG_IGN)
        mount("none", "/", "", MS_REC | MS_PRIVATE)
        prepare_lab() if kind == "lab" else prepare_host()
        socket.sethostname(name)
    except OSError as error:
        channel.send(f"error: {error}".encode())
        os._exit(1)
    silence()
    channel.send(b"ready")
    channel.close()
    if lifeline >= 0 and os.read(lifeline, 1) != b"k":
        os._exit(0)
    while True:
        signal.pause()


def prepare_lab() -> None:
    """A /run of the lab's own; /run/service is what its hosts share: the state of the lab's service."""
    mount_pseudo_filesystems()
    mount("tmpfs", "/run", "tmpfs", MS_NOSUID | MS_NODEV, "mode=755")
    Path("/run/service").mkdir()


def prepare_host() -> None:
    """A /run and a writable copy of /etc of the host's own, as after a reboot; /run/service is the lab's."""
    service = os.open("/run/service", os.O_PATH)
    mount("tmpfs", "/run", "tmpfs", MS_NOSUID | MS_NODEV, "mode=755")
    for directory in ("service", "openvswitch", "netns", "lock", "patchbay", ".etc/upper", ".etc/work"):
        Path("/run", directory).mkdir(parents=True)
    mount(f"/proc/self/fd/{service}", "/run/service", "", MS_BIND)
    os.close(service)
    mount_pseudo_filesystems()
    private_etc()
    for directory in ("/var/lib/patchbay", "/var/lib/dhcp"):
        if Path(directory).is_dir():
            mount("tmpfs", directory, "tmpfs", MS_NOSUID | MS_NODEV, "mode=755")
    with suppress(OSError):  # in an instance: its own leases, for ip netns exec mounts its /etc/dhcp
        Path("/var/lib/dhcp/dhclient.leases").symlink_to("/etc/dhcp/dhclient.leases")


def private_etc() -> None:
    """Let /etc/netns, /etc/openvswitch and the like be the host's own, and never the machine's."""
    with suppress(OSError):  # without overlay: at least the two directories that Open vSwitch and ip netns write
        mount("overlay", "/etc", "overlay", 0, "lowerdir=/etc,upperdir=/run/.etc/upper,workdir=/run/.etc/work")
        Path("/etc/netns").mkdir(exist_ok=True)
        Path("/etc/openvswitch").mkdir(exist_ok=True)
        hooks = Path("/etc/dhcp/dhclient-enter-hooks.d")
        if hooks.is_dir():
            (hooks / "instance").write_text(RESOLV_CONF_HOOK)
    for directory in ("/etc/openvswitch", "/etc/netns"):
        if Path(directory).is_dir():
            mount("tmpfs", directory, "tmpfs", MS_NOSUID | MS_NODEV)


def mount_pseudo_filesystems() -> None:
    """/proc and /sys that show the new namespaces."""
    mount("proc", "/proc", "proc", MS_NOSUID | MS_NODEV | MS_NOEXEC)
    mount("sysfs", "/sys", "sysfs", MS_NOSUID | MS_NODEV | MS_NOEXEC)


def silence() -> None:
    """Let go of the terminal and of every directory that someone may want to remove."""
    null = os.open(os.devnull, os.O_RDWR)
    for descriptor in (0, 1, 2):
        os.dup2(null, descriptor)
    os.chdir("/")


def mount(source: str, target: str, kind: str, flags: int, options: str = "") -> None:
    """mount(2)."""
    result = libc.mount(source.encode(), target.encode(), kind.encode() or None, flags, options.encode() or None)
    check(result, f"mount {target}")


def check(result: int, call: str) -> None:
    """Raise OSError when a call of the C library failed."""
    if result < 0:
        code = ctypes.get_errno()
        raise OSError(code, f"{call}: {os.strerror(code)}")


if __name__ == "__main__":
    main()
