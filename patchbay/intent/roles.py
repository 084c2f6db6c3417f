"""What agents may write in the intent database: the role ``agent``, and the connections on which clients have it.

ovsdb-server takes the common name of a client's certificate as its identity, compares it with a column of each row
that the client wants to write, and takes the client's role from the connection that it came in by (ovsdb-server(7),
"RBAC"). Clients on the Unix socket have no role and may do all. Reading is not limited by roles.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import msgspec

from patchbay.ovsdb import Connection, named_uuid, ovs_map, ovs_set

AGENT = "agent"
CONNECTIONS = "db:Patchbay,Patchbay,connections"
"""Where ovsdb-server reads on which addresses it listens, and with what role."""
PROBE_MS = 60000

Operation = dict[str, Any]


class Permission(msgspec.Struct, frozen=True):
    """What a role may do with rows of a table in which the column ``owner`` holds the client's name."""

    owner: str
    insert_delete: bool
    update: tuple[str, ...]


AGENT_PERMISSIONS: Mapping[str, Permission] = {
    "Plug": Permission(owner="host", insert_delete=True, update=("up", "trouble")),
    "Host": Permission(
        owner="name",
        insert_delete=False,
        update=(
            "tunnel_ip",
            "bridge_mappings",
            "datapath_type",
            "services",
            "version",
            "started_at",
            "heartbeat_at",
            "neighbours",
            "datapaths",
        ),
    ),
}
"""An agent tells which of its ports are plugged, and what its host is. It makes no row of a host, else it could lift
what an administrator has switched off there; the service does, when the host joins."""


async def write_roles(connection: Connection, targets: Sequence[str], *, is_alone: bool) -> None:
    """The role as above, and the connections at ``targets`` (``pssl:6641:192.0.2.10``) on which clients have it.

    ``is_alone``: no other server reads them, so that other connections go. The members of a cluster share them.
    """
    found = await connection.transact(
        [
            {"op": "select", "table": "Connection", "where": [], "columns": ["_uuid", "target"]},
            {"op": "select", "table": "Patchbay", "where": [], "columns": ["connections"]},
        ]
    )
    there = {row["target"]: row["_uuid"] for row in found[0]["rows"]}
    kept = {target: row for target, row in there.items() if target in targets or not is_alone}
    operations = _role_operations()
    references = list(kept.values())
    for number, target in enumerate(target for target in targets if target not in there):
        row = {"target": target, "role": AGENT, "inactivity_probe": PROBE_MS}
        operations.append({"op": "insert", "table": "Connection", "uuid-name": f"c{number}", "row": row})
        references.append(named_uuid(f"c{number}"))
    for target in kept:
        where = [["target", "==", target]]
        operations.append({"op": "update", "table": "Connection", "where": where, "row": {"role": AGENT}})
    row = {"connections": ovs_set(references)}
    operations.append({"op": "update", "table": "Patchbay", "where": [], "row": row})
    await connection.transact([*operations, {"op": "commit", "durable": True}])


def _role_operations() -> list[Operation]:
    """Permissions are no root rows: those of the role as it was go with it."""
    operations: list[Operation] = [{"op": "delete", "table": "RBAC_Role", "where": [["name", "==", AGENT]]}]
    references = {}
    for table, permission in AGENT_PERMISSIONS.items():
        row = {
            "table": table,
            "authorization": permission.owner,
            "insert_delete": permission.insert_delete,
            "update": ovs_set(permission.update),
        }
        operations.append({"op": "insert", "table": "RBAC_Permission", "uuid-name": f"p_{table}", "row": row})
        references[table] = named_uuid(f"p_{table}")
    role = {"name": AGENT, "permissions": ovs_map(references)}
    operations.append({"op": "insert", "table": "RBAC_Role", "row": role})
    return operations
