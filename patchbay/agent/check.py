"""Looking anew: what a fresh agent would see and plan, to compare with what this one kept up to date step by step.

``plan`` is what ``patchbay plan`` shows. ``check`` is asked for over the control socket at the end of every functional
test: compiled fragment by fragment equals compiled as a whole, observed by feeds equals observed by looking, and
nothing is left to do.
"""

from collections.abc import Mapping

from patchbay.agent.loop import TABLES, Agent
from patchbay.compile.fragments import compile_all
from patchbay.compile.view import HostView
from patchbay.host.netlink import Kernel
from patchbay.host.ovs import Switch
from patchbay.host.services import Services
from patchbay.hoststate import Flow, Key
from patchbay.plan.diff import diff, is_same
from patchbay.plan.observed import Observed, Seen
from patchbay.plan.operations import Operation


def pending(agent: Agent) -> list[Operation]:
    """What the agent, by what it knows, has still to do."""
    return diff(agent.machine.observed, agent.compiled.state)


async def check(agent: Agent) -> list[str]:
    """Sentences about what is not as it should be; none when all is well."""
    wrong = [f"compiled anew, {line}" for line in _differences(compile_all(_fresh_view(agent)), agent.compiled.state)]
    observed = await observe(agent)
    kept = dict(agent.machine.observed.resources)
    wrong += [f"seen anew, {line}" for line in _differences(observed.resources, kept)]
    left = diff(observed, agent.compiled.state)
    wrong += [f"left to do: {operation.sentence()} ({operation.command()[0]})" for operation in left]
    return wrong


def _fresh_view(agent: Agent) -> HostView:
    view = HostView(agent.view.facts)
    for table in TABLES:
        for value in getattr(agent.intent, table).values():
            view.put(value)
    return view


async def observe(agent: Agent) -> Observed:
    """The host as it is, read anew."""
    desired = agent.compiled.state
    kernel = await Kernel.open(desired, is_watching=False)
    resources: list[Seen] = list(kernel.resources.values())
    kernel.close()
    switch = await Switch.open(agent.settings.ovs, timeout_s=5)
    resources += switch.resources.values()
    ofports = switch.ofports
    await switch.close()
    services = Services(agent.settings.run_dir, is_watching=False)
    await services.load(desired)
    resources += services.resources.values()
    services.close()
    resources += await agent.machine.limits.read()
    observed = Observed(resources)
    for bridge in sorted(agent.machine.flows.ready):
        for flow in await agent.machine.flows.look(bridge):
            observed.put(flow)
        for meter in await agent.machine.flows.look_at_meters(bridge):
            observed.put(meter)
    observed.recognise((item for item in desired.values() if isinstance(item, Flow)), ofports)
    return observed


def _differences(found: Mapping[Key, Seen], kept: Mapping[Key, Seen]) -> list[str]:
    lines = []
    for key in sorted(found.keys() | kept.keys()):
        one, other = found.get(key), kept.get(key)
        if one is None or other is None:
            lines.append(f"{' '.join(key)} is {'there' if one else 'not there'}")
        elif one != other and not (isinstance(other, type(one)) and is_same(one, other)):  # type: ignore[arg-type]
            lines.append(f"{' '.join(key)} is {one}, kept as {other}")
    return lines
