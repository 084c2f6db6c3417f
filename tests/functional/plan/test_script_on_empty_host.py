"""A plan's script, run on a host, gives the state that the plan is for: the observers then see no difference."""

import subprocess
import time
from pathlib import Path

import pytest

from patchbay.host.connection_limits import read_limits
from patchbay.host.netlink import Kernel
from patchbay.host.openflow import OpenFlowConnection
from patchbay.host.ovs import Switch
from patchbay.host.services import Services
from patchbay.hoststate import Bridge, Flow, HostState
from patchbay.plan.diff import diff
from patchbay.plan.observed import Observed, ObservedFlow
from patchbay.plan.script import render_script
from patchbay.plan.service_operations import StartDaemon
from tests.unit.compile.golden import CASES, compile_host, read

METADATA = ("daemon", "metadata", "host")
"""This server needs an intent database."""


async def observe(desired: HostState, bridges: set[str]) -> Observed:
    """What is there, as an agent that starts now sees it."""
    kernel, switch = await Kernel.open(desired, is_watching=False), await Switch.open()
    services = Services("/run/patchbay", is_watching=False)
    await services.load(desired)
    observed = Observed([*kernel.resources.values(), *switch.resources.values(), *services.resources.values()])
    services.close()
    kernel.close()
    await switch.close()
    for bridge in bridges:
        connection = OpenFlowConnection(bridge)
        await connection.open(timeout_s=5)
        for seen in await connection.observe():
            observed.put(ObservedFlow(bridge=bridge, table=seen.table, cookie=seen.cookie))
        for meter in await connection.meters():
            observed.put(meter)
        await connection.close()
    if bridges:
        for zone in await read_limits(Path("/run/openvswitch"), "netdev"):
            observed.put(zone.limit)
    observed.recognise(item for item in desired.values() if isinstance(item, Flow))
    return observed


async def left_to_do(desired: HostState, bridges: set[str]) -> list[str]:
    """Sentences of what is not as desired, when the processes that were started have had time to say so."""
    end = time.monotonic() + 10
    while True:
        left = diff(await observe(desired, bridges), desired)
        if not any(isinstance(item, StartDaemon) for item in left) or time.monotonic() > end:
            return [item.sentence() for item in left]


def run_script(script: str) -> None:
    Path("/run/plan.sh").write_text(script)
    done = subprocess.run(["bash", "/run/plan.sh"], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")


def make_bridge(name: str, ports: list[str], settings: dict[str, list[str]]) -> str:
    """What its administrator typed."""
    clauses = [f"add-br {name}"]
    clauses += [f"set-controller {name} {' '.join(settings['controllers'])}"] if "controllers" in settings else []
    clauses += [f"set bridge {name} protocols={','.join(settings['protocols'])}"] if "protocols" in settings else []
    clauses += [f"set bridge {name} datapath_type={settings['datapath_type']}"] if "datapath_type" in settings else []
    clauses += [f"add-port {name} {port} -- set interface {port} type=internal" for port in ports if port != name]
    return f"ovs-vsctl --no-wait {' -- '.join(clauses)}"


PLACES = [*((path.name, "compute1") for path in sorted(CASES.iterdir())), ("router", "gateway1")]


@pytest.mark.parametrize(("case", "name_of_host"), PLACES)
def test_the_script_for_a_host_makes_what_the_plan_is_for(on_private_host, case, name_of_host):
    async def scenario(host):
        host.start_ovs()
        intent = read(CASES / case)
        fields = intent["hosts"][name_of_host]
        for bridge in fields.get("bridges", ()):
            host.sh(f"ovs-vsctl add-br {bridge} -- set bridge {bridge} datapath_type=netdev")
        if "plugged" in fields:
            host.sh("ovs-vsctl add-br br-int -- set bridge br-int datapath_type=netdev")
        for name in fields.get("plugged", ()):
            host.sh(
                f"ovs-vsctl add-port br-int {name} -- set interface {name} type=internal external_ids:iface-id={name}"
            )
        others = fields.get("bridges_of_others", {})
        for bridge, there in others.items():
            host.sh(make_bridge(bridge, there["ports"], there.get("settings", {})))
        fields["datapath_type"] = "netdev"
        desired = {key: item for key, item in compile_host(intent, name_of_host).items() if key != METADATA}
        first = await observe({}, set())
        start = time.perf_counter()
        run_script(render_script(diff(first, desired), name_of_host))
        print(f"{case}: {time.perf_counter() - start:.2f} s")
        bridges = {item.bridge for item in desired.values() if isinstance(item, Flow)}
        assert {item.name for item in desired.values() if isinstance(item, Bridge)} <= bridges
        assert await left_to_do(desired, bridges) == []
        run_script(render_script(diff(await observe(desired, bridges), {}), name_of_host))
        # Bridges of others do not speak our version of OpenFlow any more.
        left = await observe({}, bridges - {"br-int", "br-tun", *others})
        assert [item.sentence() for item in diff(left, {})] == []

    on_private_host(scenario)
