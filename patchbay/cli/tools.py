"""Reading this host through its own tools: ovs-vsctl, ovs-ofctl, ip.

Called by ``show``, ``flows`` and ``doctor``, which show what a person would see with these tools. Promises: never
changes anything; a tool that is missing or refuses becomes a ``HostError`` with what to do.
"""

import subprocess
from collections.abc import Sequence
from typing import Any

import msgspec

from patchbay.errors import HostError

Row = dict[str, Any]

TIMEOUT_S = 10.0


def read(*command: str) -> str:
    """Run a command and return what it printed."""
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=TIMEOUT_S, check=False)
    except FileNotFoundError as error:
        raise HostError(
            f"{command[0]} is not installed.", "Install openvswitch-switch, iproute2 and ethtool (make install does)."
        ) from error
    except subprocess.TimeoutExpired as error:
        raise HostError(
            f"{' '.join(command)} did not answer in {TIMEOUT_S:g} s.", "Is Open vSwitch running?"
        ) from error
    if done.returncode != 0:
        said = done.stderr.strip().splitlines() or [f"{' '.join(command)}: failed"]
        raise HostError(f"{said[-1].rstrip('.')}.", remedy_of(done.stderr))
    return done.stdout


def remedy_of(said: str) -> str:
    """What to do about a tool's complaint."""
    if "ermission" in said or "not permitted" in said:
        return "Run this as root."
    if "database connection failed" in said:
        return "Start Open vSwitch on this host: systemctl start openvswitch-switch."
    if "is not a bridge or a socket" in said:
        return "`patchbay show host` shows which bridges there are."
    return ""


def ovs_table(table: str) -> list[Row]:
    """All rows of a table of this host's Open_vSwitch database; sets become lists, maps become dicts."""
    answer = msgspec.json.decode(read("ovs-vsctl", "--timeout=5", "--format=json", "list", table))
    return [dict(zip(answer["headings"], map(plain, row), strict=True)) for row in answer["data"]]


def plain(value: Any) -> Any:
    """A value in OVSDB's JSON notation (RFC 7047, 5.1) as plain Python; UUIDs as text."""
    if not isinstance(value, list):
        return value
    kind, content = value
    if kind == "set":
        return [plain(element) for element in content]
    if kind == "map":
        return {plain(key): plain(inner) for key, inner in content}
    return content


def ip_json(*arguments: str, namespace: str = "") -> list[Row]:
    """``ip -j …``, in a namespace when one is given."""
    inside: Sequence[str] = ("-n", namespace) if namespace else ()
    printed = read("ip", *inside, "-j", *arguments)
    rows: list[Row] = msgspec.json.decode(printed) if printed.strip() else []
    return [row for row in rows if row]  # ip prints {} for a link that it leaves out
