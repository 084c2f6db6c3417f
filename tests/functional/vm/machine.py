"""A real virtual machine for tests: QEMU without KVM, the cloud kernel of Debian, busybox, a shell on a serial console.

``boot`` starts one on a tap device that is there; ``VirtualMachine.sh`` runs a line in it as a person at it would.
"""

import gzip
import os
import re
import select
import shutil
import subprocess
import time
from collections.abc import Sequence
from pathlib import Path

ROOT = Path(__file__).resolve().parents[3]
KERNEL = ROOT / "build" / "guest" / "kernel"
MODULES = ("failover", "net_failover", "virtio_ring", "virtio", "virtio_pci_legacy_dev", "virtio_pci_modern_dev")
MODULES += ("virtio_pci", "virtio_net")
QEMU = (
    "qemu-system-x86_64",
    "-accel",
    "tcg",
    "-machine",
    "pc",
    "-cpu",
    "max",
    "-m",
    "160",
    "-nodefaults",
    "-no-user-config",
)

INIT = f"""#!/bin/busybox sh
/bin/busybox mkdir -p /proc /sys /dev /tmp /etc
/bin/busybox --install -s /bin
export PATH=/bin PS1=
mount -t proc proc /proc; mount -t sysfs sysfs /sys; mount -t devtmpfs devtmpfs /dev
for module in {" ".join(MODULES)}; do insmod /modules/$module.ko; done
ip link set lo up
exec setsid cttyhack sh -c 'stty -echo -onlcr; echo console is ready; exec sh'
"""
LEASE = """#!/bin/sh
# udhcpc tells in the environment what the server gave.
[ "$1" = deconfig ] && ip link set $interface up
[ "$1" = bound ] || [ "$1" = renew ] || exit 0
ip address flush dev $interface
ip address add $ip/$mask dev $interface
[ -z "$mtu" ] || ip link set $interface mtu $mtu
for gateway in $router; do ip route replace default via $gateway; done
set -- $staticroutes
while [ $# -ge 2 ]; do
  case $2 in 0.0.0.0) ip route replace $1 dev $interface ;; *) ip route replace $1 via $2 ;; esac
  shift 2
done
echo -n > /etc/resolv.conf
[ -z "$domain" ] || echo search $domain >> /etc/resolv.conf
for server in $dns; do echo nameserver $server >> /etc/resolv.conf; done
env | sort > /tmp/lease
"""


class VirtualMachine:
    """A machine that runs, and its console."""

    def __init__(self, process: "subprocess.Popen[bytes]") -> None:
        self.process = process
        self.said = ""
        self._numbers = 0

    def wait_for(self, pattern: str, deadline_s: float) -> re.Match[str]:
        """What the console said, once it has said it; fails with all that it said instead."""
        end, start = time.monotonic() + deadline_s, len(self.said)
        assert self.process.stdout is not None
        while not (found := re.compile(pattern, re.S).search(self.said, start)):
            left = end - time.monotonic()
            if left <= 0 or not select.select([self.process.stdout], [], [], left)[0]:
                raise AssertionError(f"the virtual machine did not say {pattern!r} in {deadline_s} s:\n{self.said}")
            data = os.read(self.process.stdout.fileno(), 65536)
            if not data:
                raise AssertionError(f"the virtual machine ended:\n{self.said}")
            self.said += data.decode(errors="replace").replace("\r", "")
        return found

    def sh(self, line: str, deadline_s: float = 20.0) -> str:
        """What a shell line prints in the machine. Fails when its code is not 0."""
        self._numbers += 1
        mark = f"END{self._numbers}"
        assert self.process.stdin is not None
        self.process.stdin.write(f"echo BEGIN{self._numbers}; {line}\necho {mark} $?\n".encode())
        self.process.stdin.flush()
        found = self.wait_for(rf"BEGIN{self._numbers}\n(.*?){mark} (\d+)\n", deadline_s)
        assert found[2] == "0", f"{line}: ended with {found[2]}: {found[1]}"
        return found[1]

    def lease(self) -> dict[str, str]:
        """Ask for an address by DHCP, use what comes, and give it back as udhcpc names it."""
        self.sh("udhcpc -i eth0 -s /lease -q -f -n -t 10 -T 1 2>&1 || cat /tmp/lease", 30.0)
        return dict(each.split("=", 1) for each in self.sh("cat /tmp/lease").splitlines() if "=" in each)

    def end(self) -> None:
        """Power off, the hard way."""
        self.process.kill()
        self.process.wait()


def boot(tap: str, mac: str, folder: Path, enter: Sequence[str] = (), deadline_s: float = 60.0) -> VirtualMachine:
    """Start a machine with one card on ``tap``; returns when its console is ready.

    ``enter`` is a command that the rest runs under (nsenter …); ``folder`` gets its initial RAM disk.
    """
    subprocess.run([ROOT / "scripts" / "guest-packages"], check=True)
    disk = folder / f"initrd-{tap}.gz"
    disk.write_bytes(initial_disk())
    command = [*enter, *QEMU, "-kernel", str(KERNEL / "vmlinuz"), "-initrd", str(disk)]
    command += ["-append", "console=ttyS0 quiet panic=-1 tsc=unstable random.trust_cpu=on net.ifnames=0", "-no-reboot"]
    command += ["-netdev", f"tap,id=card,ifname={tap},script=no,downscript=no", "-display", "none", "-serial", "stdio"]
    command += ["-device", f"virtio-net-pci,netdev=card,mac={mac},romfile="]
    machine = VirtualMachine(
        subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
    )
    try:
        machine.wait_for("console is ready", deadline_s)
        machine.sh("ip link set eth0 up")
    except BaseException:
        machine.end()
        raise
    return machine


def initial_disk() -> bytes:
    """The initial RAM disk: busybox, the drivers of a virtio card, and the two scripts."""
    busybox = shutil.which("busybox")
    assert busybox, "busybox-static is missing: scripts/apt-packages --tests"
    files = {"bin/busybox": (Path(busybox).read_bytes(), 0o755), "init": (INIT.encode(), 0o755)}
    files["lease"] = (LEASE.encode(), 0o755)
    for module in MODULES:
        files[f"modules/{module}.ko"] = ((KERNEL / f"{module}.ko").read_bytes(), 0o644)
    archive = b"".join(_member(name, b"", 0o040755) for name in ("bin", "modules", "dev"))
    archive += b"".join(_member(name, content, 0o100000 | mode) for name, (content, mode) in files.items())
    return gzip.compress(archive + _member("TRAILER!!!", b"", 0), 1)


def _member(name: str, content: bytes, mode: int) -> bytes:
    """One file of a cpio archive (initramfs buffer format, "newc")."""
    numbers = (0, mode, 0, 0, 1, 0, len(content), 0, 0, 0, 0, len(name) + 1, 0)
    head = b"070701" + b"".join(f"{number:08x}".encode() for number in numbers) + name.encode() + b"\0"
    return _padded(head) + _padded(content)


def _padded(data: bytes) -> bytes:
    return data + b"\0" * (-len(data) % 4)
