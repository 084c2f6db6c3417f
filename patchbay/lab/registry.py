"""Which labs there are on this machine: one small file for each, so that every command finds them.

Called by ``lab`` and the commands. A folder per lab under PATCHBAY_LAB_DIR, else XDG_RUNTIME_DIR/patchbay/lab, else
/run/patchbay/lab. It promises: a record without a living first process is removed by whoever sees it next; the first
process is named by pid and start time, so a recycled pid is never taken for it; two commands never start or end the
same lab at once.
"""

import contextlib
import fcntl
import os
import shutil
from collections.abc import Iterator, Mapping
from pathlib import Path

import msgspec

from patchbay.errors import LabError
from patchbay.lab.namespaces import Space
from patchbay.lab.topology import Topology

RECORD = "lab.json"


class Record(msgspec.Struct, frozen=True):
    """One lab. ``is_ready`` is False while it is being started.

    ``endpoint`` (Neutron's API) and ``vnet_endpoint`` (OpenVNet's) are "" when it has no service.
    """

    name: str
    space: Space
    topology: Topology
    hosts: Mapping[str, Space] = {}
    endpoint: str = ""
    is_ready: bool = False
    outside: Mapping[str, Space] = {}
    vnet_endpoint: str = ""


def registry_path() -> Path:
    """The folder of all labs."""
    if given := os.environ.get("PATCHBAY_LAB_DIR"):
        return Path(given)
    return Path(os.environ.get("XDG_RUNTIME_DIR") or "/run") / "patchbay" / "lab"


@contextlib.contextmanager
def claimed(name: str) -> Iterator[Path]:
    """Hold a lab's folder while starting or ending it. Raises ``LabError`` when another command holds it."""
    folder = registry_path() / name
    while True:
        folder.mkdir(parents=True, exist_ok=True)
        descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
        try:
            try:
                fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                raise LabError(f"Lab {name}: another command is starting or ending it.", "Wait for it.") from None
            if not _is_same(folder, descriptor):
                continue  # it was removed between the two calls
            try:
                yield folder
            finally:
                if not (folder / RECORD).exists():
                    _remove(folder)
            return
        finally:
            os.close(descriptor)


def write_record(record: Record) -> None:
    """Keep a record, atomically."""
    folder = registry_path() / record.name
    fresh = folder / f"{RECORD}.new"
    fresh.write_bytes(msgspec.json.encode(record))
    fresh.replace(folder / RECORD)


def read_record(name: str) -> Record | None:
    """The record of a lab; None when there is none, or none that can be read."""
    try:
        return msgspec.json.decode((registry_path() / name / RECORD).read_bytes(), type=Record)
    except (OSError, msgspec.DecodeError):
        return None


def forget(name: str) -> None:
    """Remove a lab's folder, and the folders above when they are empty. Call it while the lab is ``claimed``."""
    _remove(registry_path() / name)


def living() -> list[Record]:
    """The labs whose first process lives; what is left of others is removed."""
    try:
        names = sorted(entry.name for entry in os.scandir(registry_path()) if entry.is_dir())
    except FileNotFoundError:
        return []
    found = []
    for name in names:
        record = read_record(name)
        if record is not None and record.space.is_alive():
            found.append(record)
        else:
            with contextlib.suppress(LabError), claimed(name):
                again = read_record(name)
                if again is None or not again.space.is_alive():
                    forget(name)
    return found


def find(name: str = "") -> Record:
    """The lab of that name, or the only one. Raises ``LabError`` when there is none, or a choice to make."""
    records = living()
    names = ", ".join(record.name for record in records)
    if name:
        for record in records:
            if record.name == name:
                return record
        raise LabError(
            f"Lab {name}: does not run.", f"Running: {names or 'none'}. Start one with `patchbay lab up FILE`."
        )
    if not records:
        raise LabError("No lab runs.", "Start one with `patchbay lab up FILE`.")
    if len(records) > 1:
        raise LabError(f"Several labs run: {names}.", "Choose one with --lab.")
    return records[0]


def _remove(folder: Path) -> None:
    shutil.rmtree(folder, ignore_errors=True)
    # /run/patchbay/lab and /run/patchbay were ours to make; a folder that was given is its owner's.
    if not os.environ.get("PATCHBAY_LAB_DIR"):
        with contextlib.suppress(OSError):
            folder.parent.rmdir()
            folder.parent.parent.rmdir()


def _is_same(folder: Path, descriptor: int) -> bool:
    with contextlib.suppress(FileNotFoundError):
        return os.path.samestat(folder.stat(), os.fstat(descriptor))
    return False
