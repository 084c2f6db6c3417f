"""Which devices of an instance give the host nothing of what comes in, by datapath and plugging."""

import pytest

from patchbay.compile.facts import Facts
from patchbay.compile.fragments import compile_all
from patchbay.compile.view import HostView
from patchbay.hoststate import Sysctl
from patchbay.hoststate.ingress import EVERYTHING, NOTHING, NOTHING_RESERVED, is_ingress
from patchbay.model import Instance, Network, Port

TAP, QBR, QVB, QVO = (f"{kind}11111111-11" for kind in ("tap", "qbr", "qvb", "qvo"))


@pytest.mark.parametrize("is_secured", [True, False])
@pytest.mark.parametrize(
    ("datapath", "plugging", "expected"),
    [
        ("netdev", "direct", {TAP: NOTHING}),
        ("system", "direct", {TAP: EVERYTHING}),
        ("netdev", "hybrid", {QVO: NOTHING, QBR: NOTHING, TAP: NOTHING_RESERVED, QVB: NOTHING_RESERVED}),
        ("system", "hybrid", {QVO: EVERYTHING, QBR: NOTHING, TAP: NOTHING_RESERVED, QVB: NOTHING_RESERVED}),
    ],
)
def test_the_host_gets_nothing_from_an_instance_and_the_switch_gets_all(
    datapath: str, plugging: str, expected: dict[str, str], is_secured: bool
) -> None:
    """The kernel's datapath and a Linux bridge come after the program: their ports must let everything by."""
    port_id = "11111111-1111-4111-8111-111111111111"
    view = HostView(Facts(host="c1", datapath_type=datapath))
    port = Port(
        id=port_id, network_id="net", mac_address="fa:16:3e:00:00:01", host="c1", port_security_enabled=is_secured
    )
    instance = Instance(id="vm", name="vm", host="c1", plugging=plugging, interfaces={"eth0": port_id})
    for value in (Network(id="net", network_type="local", mtu=1500), port, instance):
        view.put(value)
    settings = (item for item in compile_all(view).values() if isinstance(item, Sysctl))
    assert {one.name.split("/")[1]: one.value for one in settings if is_ingress(one.name)} == expected
