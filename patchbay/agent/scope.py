"""What of the intent an agent must watch, as what it knows says."""

from patchbay.compile.security_groups import ADDRESS_GROUP, GROUP
from patchbay.compile.view import HostView
from patchbay.intent.scope import AgentScope


def scope_of(view: HostView) -> AgentScope:
    """All that concerns this host, as far as is known: with more known, there may be more to watch."""
    plugged = view.facts.plugged.items()
    remotes = view.security.remotes_here()
    return AgentScope(
        view.facts.host,
        networks=view.networks_here(),
        ports=frozenset(port_id for port_id, interface in plugged if not interface.ours),
        routers=view.routers_wanted(),
        interfaces=frozenset(view.attachments.places),
        groups=frozenset(view.security.groups_here()),
        remote_groups=frozenset(group_id for kind, group_id in remotes if kind == GROUP),
        address_groups=frozenset(group_id for kind, group_id in remotes if kind == ADDRESS_GROUP),
        remote_networks=frozenset(view.security.remote_networks()),
    )
