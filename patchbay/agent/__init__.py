"""The agent: makes its host what the intent says, and keeps it so."""

from patchbay.agent.run import plan, run_agent
from patchbay.agent.settings import AgentSettings

__all__ = ["AgentSettings", "plan", "run_agent"]
