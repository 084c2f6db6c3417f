"""Errors of agent scheduling, with Neutron's names and words (neutron-lib ``exceptions``)."""

from patchbay.errors import Conflict, NotFound


class InvalidDHCPAgent(NotFound):
    """It is no DHCP agent, or gets no new work."""

    def __init__(self, agent_id: str) -> None:
        super().__init__(f"Agent {agent_id} is not a valid DHCP Agent or has been disabled")


class InvalidL3Agent(NotFound):
    """It is no L3 agent, or gets no new work, or cannot reach the networks."""

    def __init__(self, agent_id: str) -> None:
        super().__init__(f"Agent {agent_id} is not a L3 Agent or has been disabled")


class NetworkHostedByDHCPAgent(Conflict):
    """The agent serves the network already."""

    def __init__(self, network_id: str, agent_id: str) -> None:
        super().__init__(f"The network {network_id} has been already hosted by the DHCP Agent {agent_id}.")


class NetworkNotHostedByDhcpAgent(Conflict):
    """The agent does not serve the network."""

    def __init__(self, network_id: str, agent_id: str) -> None:
        super().__init__(f"The network {network_id} is not hosted by the DHCP Agent {agent_id}.")


class RouterNotHostedByL3Agent(Conflict):
    """The agent does not have the router."""

    def __init__(self, router_id: str, agent_id: str) -> None:
        super().__init__(f"The router {router_id} is not hosted by L3 agent {agent_id}.")
