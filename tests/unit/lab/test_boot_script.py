"""What a virtual host runs when it boots is what an administrator would type."""

from pathlib import Path

from patchbay.lab.reading import parse_topology
from patchbay.lab.vhost import boot_script

TOPOLOGY = parse_topology(
    """
hosts:
  compute1: {tunnel_ip: 172.21.12.163, bridge_mappings: {physnet1: br-ex}}
  compute2: {tunnel_ip: 172.21.12.8}
""",
    Path("seed002.yaml"),
)
SIX = parse_topology("hosts: {one: {tunnel_ip: 'fd00::1'}, two: {tunnel_ip: 'fd00::2'}}", Path("six.yaml"))

OPEN_VSWITCH = """\
[ -e /etc/openvswitch/conf.db ] || ovsdb-tool create /etc/openvswitch/conf.db /usr/share/openvswitch/vswitch.ovsschema
ovsdb-server --remote=punix:/run/openvswitch/db.sock --pidfile --detach --log-file=/run/openvswitch/ovsdb-server.log \
/etc/openvswitch/conf.db
ovs-vsctl --no-wait init
ovs-vswitchd --pidfile --detach --log-file=/run/openvswitch/ovs-vswitchd.log
"""


def test_with_the_userspace_datapath_the_tunnel_address_is_on_a_bridge_that_holds_the_card() -> None:
    assert boot_script(TOPOLOGY, "compute1", "netdev", ["eth1"]) == (
        """\
ip -batch - <<END
link set lo up
link set eth0 addrgenmode none
link set eth0 up arp off
link set eth1 addrgenmode none
link set eth1 up arp off
END
"""
        + OPEN_VSWITCH
        + """\
ethtool -K eth0 tx off >/dev/null
ethtool -K eth1 tx off >/dev/null
ovs-vsctl -- add-br br-phy -- set bridge br-phy datapath_type=netdev 'other_config:hwaddr="52:54:00:84:d1:3a"' \
-- add-port br-phy eth0 \
-- add-br br-ex -- set bridge br-ex datapath_type=netdev -- add-port br-ex eth1
ip address replace 172.21.12.163/24 dev br-phy
ip link set br-phy up
"""
    )


def test_with_the_kernel_datapath_the_tunnel_address_is_on_the_card() -> None:
    assert boot_script(TOPOLOGY, "compute2", "system", []) == (
        """\
ip -batch - <<END
link set lo up
link set eth0 addrgenmode none
link set eth0 up
END
"""
        + OPEN_VSWITCH
        + """\
ip address replace 172.21.12.8/24 dev eth0
ip link set eth0 up
"""
    )


def test_an_ipv6_underlay_gets_a_64_and_no_duplicate_address_detection() -> None:
    assert "ip address replace fd00::1/64 dev br-phy nodad\n" in boot_script(SIX, "one", "netdev", [])
