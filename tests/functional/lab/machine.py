"""What can be seen of labs on the machine itself: processes, devices, mounts. Nothing of a lab may stay there."""

from pathlib import Path

EXAMPLES = Path(__file__).resolve().parents[3] / "examples"


def processes_of(folder: Path) -> set[int]:
    """Processes on this machine that were started with this registry."""
    found = set()
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            try:
                if str(folder).encode() in (entry / "environ").read_bytes():
                    found.add(int(entry.name))
            except OSError:
                continue
    return found


def traces() -> dict[str, object]:
    """The machine's own devices, addresses, mounts, namespaces and folders that a lab might leave something in."""
    return {
        "devices": sorted(entry.name for entry in Path("/sys/class/net").iterdir()),
        "routes": Path("/proc/net/route").read_text(),
        "mounts": Path("/proc/self/mounts").read_text(),
        "folders": {
            name: _names(name) for name in ("/run/netns", "/etc/netns", "/etc/openvswitch", "/run/openvswitch")
        },
        "host name": Path("/proc/sys/kernel/hostname").read_text(),
    }


def _names(folder: str) -> list[str] | None:
    return sorted(entry.name for entry in Path(folder).iterdir()) if Path(folder).is_dir() else None
