"""Intent values and facts at random, from few ids, so that they meet; and a world that works."""

from typing import Any

from hypothesis import strategies as st

from patchbay.compile.facts import BridgeSettings, Facts, Plugged
from patchbay.compile.view import Value
from patchbay.model import (
    AddressGroup,
    AddressPair,
    FixedIP,
    FloatingIP,
    Host,
    HostRoute,
    Instance,
    Network,
    Plug,
    Port,
    PortForwarding,
    Router,
    SecurityGroup,
    SecurityGroupRule,
    Subnet,
    VnetObject,
)
from patchbay.model.vnet import DATAPATH

ME = "host1"
HOSTS = (ME, "host2", "host3")
PORT_IDS = tuple(f"{number}{number}{number}{number}0000-0000-4000-8000-00000000000{number}" for number in range(8))
NETWORK_IDS = ("net-a", "net-b", "net-c")
SUBNET_IDS = ("subnet-4", "subnet-6")
OF_INSTANCES = PORT_IDS[:4]
ROUTER_IDS = ("router-1", "router-2")
DISTRIBUTED = "network:router_interface_distributed"
OWNERS = (
    *("", "", "", "network:router_interface", "network:router_gateway", "network:floatingip"),
    *(DISTRIBUTED, DISTRIBUTED, "network:floatingip_agent_gateway"),
)
FORWARDING = PortForwarding(
    id="forwarding",
    protocol="tcp",
    external_ports=(2222, 2222),
    internal_port_id="",
    internal_ip_address="10.0.0.5",
    internal_ports=(22, 22),
)
DPIDS = ("0000000000000001", "0000000000000002")
INTERFACES = ("if-veth1", "if-veth2", "br-one", "not a name")
SETTINGS = (
    BridgeSettings(),
    BridgeSettings(controllers=("tcp:127.0.0.1:6633",), protocols=("OpenFlow10", "OpenFlow13")),
    BridgeSettings(datapath_type="netdev", protocols=("OpenFlow14",)),
)
SHARED = {"one": "br-one", "two": "br-one"}
MACS = ("fa:16:3e:00:00:01", "fa:16:3e:00:00:02", "fa:16:3e:00:00:03")
FIXED = (
    FixedIP("subnet-4", "10.0.0.5"),
    FixedIP("subnet-4", "10.0.0.6"),
    FixedIP("subnet-6", "fd00::5"),
    FixedIP("subnet-4", "bad"),
)
GROUP_IDS = ("group-1", "group-2")
SEGMENTS = (("vxlan", None, 5), ("vxlan", None, 6), ("vlan", "one", 5), ("flat", "two", None), ("local", None, None))


@st.composite
def networks(draw: st.DrawFn) -> Network:
    kind, physical, segmentation_id = draw(st.sampled_from(SEGMENTS))
    network_id = draw(st.sampled_from(NETWORK_IDS))
    return Network(
        id=network_id,
        created_at={"net-a": "1", "net-b": "2", "net-c": "2"}[network_id],
        admin_state_up=draw(st.sampled_from((True, True, False))),
        mtu=draw(st.sampled_from((1450, 1500))),
        dns_domain=draw(st.sampled_from(("", "", "example.org."))),
        network_type=kind,
        physical_network=physical,
        segmentation_id=segmentation_id,
    )


@st.composite
def subnets(draw: st.DrawFn) -> Subnet:
    subnet_id = draw(st.sampled_from(SUBNET_IDS))
    cidr, gateways = ("10.0.0.0/24", ("10.0.0.1", "10.0.0.5", "10.9.9.9"))
    if subnet_id == "subnet-6":
        cidr, gateways = "fd00::/64", ("fd00::1", "fe80::1")
    return Subnet(
        id=subnet_id,
        network_id=draw(st.sampled_from(NETWORK_IDS)),
        ip_version=int(subnet_id[-1]),
        cidr=cidr,
        gateway_ip=draw(st.sampled_from((None, *gateways))),
        host_routes=draw(st.sampled_from(((), (HostRoute("172.16.0.0/12", "10.0.0.9"),)))),
        enable_dhcp=draw(st.booleans()),
        ipv6_ra_mode=draw(st.sampled_from((None, "slaac", "dhcpv6-stateful"))) if subnet_id == "subnet-6" else None,
        dns_nameservers=draw(st.sampled_from(((), ("2001:db8::53",)))),
    )


@st.composite
def ports(draw: st.DrawFn) -> Port:
    port_id = draw(st.sampled_from(PORT_IDS))
    # Both an instance and a DHCP server call their device tap; the API lets nobody make a port of the one the other's.
    owners = OWNERS if port_id in OF_INSTANCES else (*OWNERS, "network:dhcp")
    pairs = (AddressPair("10.0.0.5", MACS[0]), AddressPair("10.0.0.0/24", MACS[1]), AddressPair("10.0.0.7", MACS[2]))
    return Port(
        id=port_id,
        network_id=draw(st.sampled_from(NETWORK_IDS)),
        mac_address=draw(st.sampled_from(MACS)),
        fixed_ips=tuple(draw(st.lists(st.sampled_from(FIXED), max_size=2, unique=True))),
        admin_state_up=draw(st.sampled_from((True, True, False))),
        host=draw(st.sampled_from((ME, *HOSTS, ""))),
        device_owner=draw(st.sampled_from(owners)),
        device_id=draw(st.sampled_from(ROUTER_IDS)),
        dns_name=draw(st.sampled_from(("", "", "web"))),
        allowed_address_pairs=tuple(draw(st.lists(st.sampled_from(pairs), max_size=1))),
        interface_name=draw(st.sampled_from(("", *INTERFACES))),
        port_security_enabled=draw(st.booleans()),
        security_groups=tuple(draw(st.lists(st.sampled_from(GROUP_IDS), max_size=2, unique=True))),
    )


@st.composite
def security_rules(draw: st.DrawFn) -> SecurityGroupRule:
    prefix, group, addresses = draw(
        st.sampled_from(
            (
                *((None, None, None), ("10.0.0.0/24", None, None), ("fd00::/64", None, None), ("bad", None, None)),
                *((None, group_id, None) for group_id in GROUP_IDS),
                (None, None, "addresses-1"),
            )
        )
    )
    return SecurityGroupRule(
        id=draw(st.sampled_from(("rule-1", "rule-2", "rule-3", "rule-4"))),
        security_group_id=draw(st.sampled_from(GROUP_IDS)),
        direction=draw(st.sampled_from(("ingress", "egress"))),
        ethertype=draw(st.sampled_from(("IPv4", "IPv4", "IPv6"))),
        protocol=draw(st.sampled_from((None, "tcp", "udp", "icmp", "6", "gre", "bad", "dccp"))),
        port_range_min=draw(st.sampled_from((None, 0, 80))),
        port_range_max=draw(st.sampled_from((None, 0, 99))),
        remote_ip_prefix=prefix,
        remote_group_id=group,
        remote_address_group_id=addresses,
    )


@st.composite
def security_groups(draw: st.DrawFn) -> SecurityGroup:
    return SecurityGroup(id=draw(st.sampled_from(GROUP_IDS)), stateful=draw(st.sampled_from((True, True, False))))


@st.composite
def address_groups(draw: st.DrawFn) -> AddressGroup:
    texts = st.sampled_from(("10.0.0.5/32", "10.0.0.0/25", "fd00::/64", "bad"))
    return AddressGroup(id="addresses-1", addresses=tuple(draw(st.lists(texts, max_size=3))))


@st.composite
def datapaths(draw: st.DrawFn) -> VnetObject:
    number = draw(st.integers(1, 3))
    kind = draw(st.sampled_from((DATAPATH, DATAPATH, DATAPATH, "network")))
    return VnetObject(id=f"datapath-{number}", kind=kind, uuid=f"dp-{number}", dpid=draw(st.sampled_from(DPIDS)))


@st.composite
def routers(draw: st.DrawFn) -> Router:
    several = tuple(HostRoute("172.16.0.0/12", f"10.0.0.{number}") for number in (5, 6, 9))
    own = (HostRoute("172.17.0.0/16", "10.0.0.1"), HostRoute("0.0.0.0/0", "10.0.1.9"), HostRoute("::/0", "fd00::9"))
    routes = ((), (HostRoute("172.16.0.0/12", "10.0.0.9"),), (HostRoute("fd01::/64", "fd00::9"),), several, own)
    return Router(
        id=draw(st.sampled_from(ROUTER_IDS)),
        admin_state_up=draw(st.sampled_from((True, True, False))),
        distributed=draw(st.booleans()),
        host=draw(st.sampled_from((ME, ME, "host2", ""))),
        gateway_port_id=draw(st.sampled_from((None, *PORT_IDS))),
        enable_snat=draw(st.booleans()),
        routes=draw(st.sampled_from(routes)),
    )


@st.composite
def floatingips(draw: st.DrawFn) -> FloatingIP:
    number = draw(st.integers(1, 3))
    port_id, fixed, router_id = draw(
        st.sampled_from(
            (
                (None, None, None),
                *((PORT_IDS[0], "10.0.0.5", router) for router in ROUTER_IDS),
                (None, None, "router-1"),
            )
        )
    )
    return FloatingIP(
        id=f"floating-{number}",
        floating_network_id=draw(st.sampled_from(NETWORK_IDS)),
        floating_ip_address=f"10.0.0.{200 + number}",
        floating_port_id=draw(st.sampled_from(PORT_IDS)),
        port_id=port_id,
        fixed_ip_address=fixed,
        router_id=router_id,
        port_forwardings=(FORWARDING,) if router_id and not port_id else (),
    )


@st.composite
def instances(draw: st.DrawFn) -> Instance:
    instance_id = draw(st.sampled_from(("instance-1", "instance-2", "instance-3")))
    devices = st.sampled_from(("eth0", "eth1", "lo"))
    return Instance(
        id=instance_id,
        created_at=instance_id[-1],
        name=draw(st.sampled_from(("web", "db", "not a name"))),
        host=draw(st.sampled_from((ME, ME, "host2"))),
        plugging=draw(st.sampled_from(("hybrid", "direct"))),
        interfaces=draw(st.dictionaries(devices, st.sampled_from(OF_INSTANCES), max_size=3)),
    )


@st.composite
def hosts(draw: st.DrawFn) -> Host:
    tunnel_ips = ("", "10.1.0.1", "10.1.0.2", "10.1.0.3", "fd00:1::9", "nonsense")
    return Host(
        id=draw(st.sampled_from(("row-1", "row-2", "row-3", "row-4"))),
        name=draw(st.sampled_from(HOSTS)),
        tunnel_ip=draw(st.sampled_from(tunnel_ips)),
        heartbeat_at=draw(st.integers(0, 9)),
    )


@st.composite
def plugs(draw: st.DrawFn) -> Plug:
    return Plug(
        id=draw(st.sampled_from(("plug-1", "plug-2", "plug-3"))),
        port_id=draw(st.sampled_from(PORT_IDS)),
        network_id="",
        host=draw(st.sampled_from(HOSTS)),
        up=draw(st.booleans()),
    )


@st.composite
def facts(draw: st.DrawFn) -> Facts:
    names = st.sampled_from(("vnet0", "vnet1", "tap11110000-00", "qr-11110000-00"))
    iface_ids = draw(st.lists(st.sampled_from((*PORT_IDS, "stranger")), max_size=3, unique=True))
    plugged = {item: Plugged(name=f"{draw(names)}", ours=draw(st.booleans())) for item in iface_ids}
    unique = {item.name: iface_id for iface_id, item in plugged.items()}
    return Facts(
        host=ME,
        datapath_type=draw(st.sampled_from(("system", "system", "netdev"))),
        tunnel_ip=draw(st.sampled_from(("10.1.0.1", "10.1.0.1", "", "fd00:1::1"))),
        bridge_mappings=draw(
            st.sampled_from(({"one": "br-one"}, {"one": "br-one", "two": "br-two"}, {"two": "br-one"}, SHARED))
        ),
        bridges=frozenset(draw(st.sets(st.sampled_from(("br-one", "br-two", "br-int"))))),
        plugged={iface_id: plugged[iface_id] for iface_id in unique.values()},
        **draw(bridges_of_others()),
    )


@st.composite
def bridges_of_others(draw: st.DrawFn) -> dict[str, Any]:
    """Facts of bridges that may be registered; an interface is on one of them at most."""
    places = draw(st.dictionaries(st.sampled_from(INTERFACES), st.sampled_from(("br-one", "br-two"))))
    return {
        "datapaths": draw(st.dictionaries(st.sampled_from(DPIDS), st.sampled_from(("br-one", "br-two")))),
        "bridge_ports": {
            bridge: frozenset(name for name, place in places.items() if place == bridge)
            for bridge in ("br-one", "br-two")
        },
        "bridge_settings": draw(st.dictionaries(st.sampled_from(("br-one", "br-two")), st.sampled_from(SETTINGS))),
    }


WORLD: tuple[Value, ...] = (
    Host(id="row-1", name=ME, tunnel_ip="10.1.0.1"),
    Host(id="row-2", name="host2", tunnel_ip="10.1.0.2"),
    Host(id="row-3", name="host3", tunnel_ip="10.1.0.3"),
    Network(id="net-a", created_at="1", segmentation_id=5),
    Network(id="net-b", created_at="2", network_type="vlan", physical_network="one", segmentation_id=5),
    Subnet(id="subnet-4", network_id="net-a", ip_version=4, cidr="10.0.0.0/24", gateway_ip="10.0.0.1"),
    Subnet(id="subnet-6", network_id="net-a", ip_version=6, cidr="fd00::/64", gateway_ip="fd00::1"),
    SecurityGroup(id="group-1"),
    SecurityGroupRule(id="rule-1", security_group_id="group-1", direction="ingress", remote_group_id="group-1"),
    SecurityGroupRule(id="rule-2", security_group_id="group-1", direction="egress"),
    Port(
        id=PORT_IDS[0],
        network_id="net-a",
        mac_address=MACS[0],
        fixed_ips=FIXED[:3:2],
        host=ME,
        security_groups=("group-1",),
    ),
    Port(
        id=PORT_IDS[1],
        network_id="net-a",
        mac_address=MACS[1],
        fixed_ips=FIXED[1:2],
        host="host2",
        security_groups=("group-1",),
    ),
    Port(id=PORT_IDS[2], network_id="net-b", mac_address=MACS[0], host=ME),
    Instance(id="instance-1", created_at="1", name="web", host=ME, interfaces={"eth0": PORT_IDS[0]}),
    Instance(id="instance-2", created_at="2", name="db", host=ME, interfaces={"eth0": PORT_IDS[2]}),
    Port(
        id=PORT_IDS[3],
        network_id="net-a",
        mac_address=MACS[2],
        fixed_ips=(FixedIP("subnet-4", "10.0.0.1"), FixedIP("subnet-6", "fd00::1")),
        host=ME,
        device_owner="network:router_interface",
        device_id="router-1",
    ),
    Port(
        id=PORT_IDS[4],
        network_id="net-b",
        mac_address=MACS[1],
        fixed_ips=(FixedIP("subnet-out", "203.0.113.5"),),
        host=ME,
        device_owner="network:router_gateway",
        device_id="router-1",
    ),
    Port(
        id=PORT_IDS[5],
        network_id="net-a",
        mac_address="fa:16:3e:00:00:04",
        fixed_ips=(FixedIP("subnet-4", "10.0.0.2"),),
        host=ME,
        device_owner="network:dhcp",
        device_id="dhcp-net-a",
    ),
    VnetObject(id="datapath-1", kind=DATAPATH, uuid="dp-1", dpid=DPIDS[0]),
    Port(
        id=PORT_IDS[6],
        network_id="net-a",
        mac_address="fa:16:3e:00:00:05",
        fixed_ips=(FixedIP("subnet-4", "10.0.0.3"), FixedIP("subnet-6", "fd00::3")),
        device_owner=DISTRIBUTED,
        device_id="router-2",
    ),
    Port(
        id=PORT_IDS[7],
        network_id="net-b",
        mac_address="fa:16:3e:00:00:06",
        fixed_ips=(FixedIP("subnet-b", "10.0.1.1"),),
        device_owner=DISTRIBUTED,
        device_id="router-2",
    ),
    Subnet(id="subnet-b", network_id="net-b", ip_version=4, cidr="10.0.1.0/24", gateway_ip="10.0.1.1"),
    Router(id="router-2", distributed=True, host="host2", routes=(HostRoute("172.16.0.0/12", "10.0.0.6"),)),
    Subnet(id="subnet-out", network_id="net-b", ip_version=4, cidr="203.0.113.0/24", gateway_ip="203.0.113.1"),
    Router(id="router-1", host=ME, gateway_port_id=PORT_IDS[4]),
    FloatingIP(
        id="floating-1",
        floating_network_id="net-b",
        floating_ip_address="203.0.113.10",
        floating_port_id="floating-port",
        port_id=PORT_IDS[0],
        fixed_ip_address="10.0.0.5",
        router_id="router-1",
    ),
)
"""A network that works, which random histories then disturb: from nothing they would seldom build one."""

VALUES = st.one_of(
    *(networks(), subnets(), ports(), ports(), ports(), instances(), hosts(), plugs(), routers(), floatingips()),
    datapaths(),
    *(security_rules(), security_groups(), address_groups()),
)
