"""Flows that flood to several ports, while some of these have no number yet."""

import re
from collections.abc import Collection

_FOR_ONE_PORT = re.compile(r"resubmit\(([\w.-]+),\d+\),resubmit\(,\d+\)")
"""How a port with port security is delivered to (``port_delivery.judged``)."""


def without_ports(actions: str, missing: Collection[str]) -> str | None:
    """The actions but those for the missing ports; None if the others say nothing without them.

    Ports are flooded to by ``output:`` alone, or each by two resubmits.
    """
    if "resubmit(" in actions:
        found = list(_FOR_ONE_PORT.finditer(actions))
        kept = [one[0] for one in found if one[1] not in missing]
        is_flood = ",".join(one[0] for one in found) == actions
        return ",".join(kept) if is_flood and kept else None
    words = actions.split(",")
    outputs = [f"output:{port}" for port in missing]
    remaining = [word for word in words if word not in outputs]
    is_flood = "(" not in actions and len(words) - len(remaining) == len(missing)
    return ",".join(remaining) if is_flood and any(word.startswith("output:") for word in remaining) else None
