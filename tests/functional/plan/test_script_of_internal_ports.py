"""A plan's script moves devices of internal ports into namespaces, sets the kernel and takes all back."""

import subprocess

from patchbay.host.netlink import Kernel
from patchbay.host.ovs import Switch
from patchbay.hoststate import Address, HostState, Route, Sysctl
from patchbay.plan.diff import diff
from patchbay.plan.observed import Observed
from patchbay.plan.script import render_script
from tests.functional.host.small_agent import BRIDGE, service_port, state

HERE = {"namespace": "n1", "link": "tap-1"}
DESIRED = state(
    BRIDGE,
    *service_port(1),
    *service_port(2),
    Address(**HERE, address="fe80::a9fe:a9fe/64"),
    Sysctl(namespace="n1", name="net.ipv4.ip_forward", value="1"),
    Sysctl(namespace="n1", name="net.ipv6.conf.tap-1.accept_ra", value="0"),
    Route(**HERE, destination="192.0.2.1/32", gateway=""),
    Route(**HERE, destination="0.0.0.0/0", gateway="192.0.2.1"),
    Route(**HERE, destination="::/0", gateway="fe80::1", metric=1024),
    Route(namespace="n1", link="", destination="198.51.100.0/24", gateway="10.0.0.2"),
    Route(namespace="n1", link="", destination="198.51.100.0/24", gateway="10.0.0.3", metric=200),
    Route(namespace="n1", link="", destination="2001:db8::/32", gateway="fd00::2", metric=1024),
)


async def observe(wanted: HostState) -> Observed:
    """What is there, as an agent that starts now sees it."""
    kernel, switch = await Kernel.open(wanted, is_watching=False), await Switch.open()
    observed = Observed([*kernel.resources.values(), *switch.resources.values()])
    kernel.close()
    await switch.close()
    return observed


def run(script):
    done = subprocess.run(["bash"], input=script, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, ""), script


def test_the_script_makes_internal_ports_in_namespaces_and_repairs_and_removes_them(on_private_host):
    async def scenario(host):
        host.start_ovs()
        run(render_script(diff(await observe({}), DESIRED), "private"))
        assert [one.sentence() for one in diff(await observe(DESIRED), DESIRED)] == []
        assert "1 received" in host.sh("ip netns exec n1 ping -c1 -W2 10.0.0.2")
        for damage in ("ip -n n1 link del tap-1", "ip netns del n2", "ovs-vsctl del-port tap-1"):
            host.sh(damage)
            plan = diff(await observe(DESIRED), DESIRED)
            assert plan
            run(render_script(plan, "private"))
            assert [one.sentence() for one in diff(await observe(DESIRED), DESIRED)] == [], damage
            assert "1 received" in host.sh("ip netns exec n1 ping -c1 -W2 10.0.0.2")
        run(render_script(diff(await observe(DESIRED), {}), "private"))
        assert host.sh("ip netns list; ovs-vsctl show | grep tap- || true; ip -br link | grep tap- || true") == ""

    on_private_host(scenario)
