"""Borrowing and giving back, by the agent's transactions and by the shell lines of a plan: the same comes out."""

import pytest

from patchbay.host.ovs import Switch
from patchbay.hoststate import Borrowed
from patchbay.plan.operations import Borrow, GiveBack

BRIDGE = Borrowed(
    table="Bridge",
    name="br0",
    columns=(("controller", ()), ("datapath_type", ("netdev",)), ("protocols", ("OpenFlow13", "OpenFlow14"))),
    before=(("controller", ("tcp:127.0.0.1:6633",)), ("datapath_type", ()), ("protocols", ("OpenFlow13",))),
)
PORT = Borrowed(
    table="Port",
    name="if-veth1",
    columns=(("tag", ()), ("trunks", ("4095",))),
    before=(("tag", ("7",)), ("trunks", ())),
)
LOOK = """\
ovs-vsctl get-controller br0; ovs-vsctl get bridge br0 datapath_type protocols external_ids
ovs-vsctl get port if-veth1 tag trunks external_ids
"""


@pytest.mark.parametrize("by", ["transaction", "shell"])
def test_what_is_borrowed_is_noted_and_given_back(on_private_host, by: str) -> None:
    async def scenario(host) -> None:
        host.start_ovs()
        host.sh(
            "ip link add if-veth1 type veth peer name other; ovs-vsctl --no-wait add-br br0"
            " -- set bridge br0 protocols=OpenFlow13 -- set-controller br0 tcp:127.0.0.1:6633"
            " -- add-port br0 if-veth1 tag=7 -- set bridge br0 external_ids:theirs=1"
        )
        before = host.sh(LOOK)
        switch = await Switch.open()

        async def make(*operations) -> None:
            if by == "transaction":
                assert await switch.apply(operations) == []
            else:
                host.sh(
                    "\n".join(
                        line.replace("ovs-vsctl", "ovs-vsctl --no-wait", 1)
                        for one in operations
                        for line in one.command()
                    )
                )

        def found(one: Borrowed):
            return switch.resources.get(one.key)

        await make(Borrow(BRIDGE), Borrow(PORT))
        await host.until(lambda: (found(BRIDGE), found(PORT)) == (BRIDGE, PORT), "borrowed")
        await host.until(lambda: host.sh("ovs-vsctl get bridge br0 datapath_id").strip() != "[]", "the bridge is made")
        await make(GiveBack(PORT), GiveBack(BRIDGE))
        await host.until(lambda: (found(BRIDGE), found(PORT)) == (None, None), "given back")
        assert host.sh(LOOK) == before
        await switch.close()

    on_private_host(scenario)
