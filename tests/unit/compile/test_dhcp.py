"""What dnsmasq of a network is told, beside seed 001 and Neutron's forms."""

import pytest
from msgspec.structs import replace

from patchbay.compile.dhcp_hosts import HostTexts, Served
from patchbay.compile.facts import Facts
from patchbay.compile.fragments import compile_fragment
from patchbay.compile.view import METADATA, HostView, Value
from patchbay.hoststate import Address, Daemon, Resource, Route
from patchbay.model import DhcpOption, FixedIP, HostRoute, Network, Port, Subnet
from patchbay.model.network import AllocationPool

NETWORK = "5f2ffda1-76da-427e-b3c1-4bfc088cfb75"
SEED = (
    "dnsmasq --no-hosts --no-resolv --strict-order --bind-interfaces --interface=tapa042dd0d-97 --except-interface=lo"
    " --pid-file=/var/lib/neutron/dhcp/5f2ffda1-76da-427e-b3c1-4bfc088cfb75/pid"
    " --dhcp-hostsfile=/var/lib/neutron/dhcp/5f2ffda1-76da-427e-b3c1-4bfc088cfb75/host"
    " --addn-hosts=/var/lib/neutron/dhcp/5f2ffda1-76da-427e-b3c1-4bfc088cfb75/addn_hosts"
    " --dhcp-optsfile=/var/lib/neutron/dhcp/5f2ffda1-76da-427e-b3c1-4bfc088cfb75/opts"
    " --leasefile-ro --dhcp-range=set:tag0,10.0.1.0,static,86400s --dhcp-lease-max=16 --conf-file="
    " --domain=openstacklocal"
)
"""``ps -ef | grep dns`` of seed 001."""

DIFFERENT = {
    # An address that comes later is listened on without a restart, as Neutron has it since 2014.
    "--bind-interfaces": "--bind-dynamic",
}
FURTHER = [
    "--user=nobody",  # the seed's process list shows it; Debian's own default is another
    "--dhcp-authoritative",  # a client that renews after a restart is answered
    "--no-ident",
    "--no-ping",  # the intent knows which addresses are taken
    "--dhcp-option-force=option:mtu,1500",  # in the seed networks had no MTU
    "--dhcp-match=set:ipxe,175",  # options of ports may hang on these tags
    "--dhcp-userclass=set:ipxe6,iPXE",
    "--domain-needed",  # names of ports are asked of nobody else
    "--local=/openstacklocal/",
    # The subnet's name servers. In the seed clients were told 8.8.8.8 itself, and knew no names of ports.
    f"--servers-file=/var/lib/neutron/dhcp/{NETWORK}/servers",
]


def four(**fields: object) -> Subnet:
    given = {"cidr": "10.0.1.0/28", "gateway_ip": "10.0.1.1", "ip_version": 4, **fields}
    return Subnet(id="four", network_id=NETWORK, created_at="1", **given)  # type: ignore[arg-type]


def six(mode: str | None, **fields: object) -> Subnet:
    given = {
        "cidr": "fd00:1::/64",
        "gateway_ip": "fd00:1::1",
        "ipv6_address_mode": mode,
        "ipv6_ra_mode": mode,
        **fields,
    }
    return Subnet(id="six", network_id=NETWORK, ip_version=6, created_at="2", **given)  # type: ignore[arg-type]


def port(name: str, *addresses: str, **fields: object) -> Port:
    number = sum(map(ord, name)) % 256
    fixed = tuple(FixedIP("six" if ":" in address else "four", address) for address in addresses)
    mac = f"fa:16:3e:00:00:{number:02x}"
    return Port(id=name, network_id=NETWORK, mac_address=mac, fixed_ips=fixed, **fields)  # type: ignore[arg-type]


SERVER = port("a042dd0d-9700-4000-8000-000000000000", "10.0.1.3", "fd00:1::3", device_owner="network:dhcp", host="c1")
GATEWAY = port("gateway", "10.0.1.1", device_owner="network:router_interface", device_id="r1", host="c2")


def site(*values: Value, network: Network | None = None) -> HostView:
    view = HostView(Facts(host="c1", datapath_type="system", run_dir="/var/lib/neutron"))
    for value in (network or Network(id=NETWORK, network_type="local", mtu=1500), *values):
        view.put(value)
    return view


def resources(view: HostView) -> list[Resource]:
    return list(compile_fragment(view, ("dhcp", NETWORK)))


def server(view: HostView) -> Daemon:
    return next(item for item in resources(view) if isinstance(item, Daemon))


def file(view: HostView, name: str) -> list[str]:
    files = {path.rpartition("/")[2]: text for path, text in server(view).files}
    return files[name].splitlines()


def test_dnsmasq_is_started_as_in_seed_001() -> None:
    view = site(four(dns_nameservers=("8.8.8.8",)), SERVER)
    command = list(server(view).command)
    assert file(view, "servers") == ["server=8.8.8.8"]
    seed = [DIFFERENT.get(word, word) for word in SEED.split()]
    assert command[: len(seed)] == seed
    assert command[len(seed) :] == FURTHER


def test_the_command_says_nothing_of_ports() -> None:
    view = site(four(), six("dhcpv6-stateful"), SERVER)
    before = server(view)
    view.put(port("a", "10.0.1.5", "fd00:1::5", extra_dhcp_opts=(DhcpOption("mtu", "1300"),)))
    view.put(GATEWAY)
    after = server(view)
    assert replace(after, files=()) == replace(before, files=())
    assert after.files != before.files


@pytest.mark.parametrize(
    ("given", "hosts", "names"),
    [
        (
            port("a", "10.0.1.5"),
            ["fa:16:3e:00:00:61,host-10-0-1-5.openstacklocal,10.0.1.5"],
            ["10.0.1.5\thost-10-0-1-5.openstacklocal host-10-0-1-5"],
        ),
        (
            port("a", "10.0.1.5", dns_name="web", dns_domain="example.org."),
            ["fa:16:3e:00:00:61,web.example.org,10.0.1.5"],
            ["10.0.1.5\tweb.example.org web host-10-0-1-5.example.org host-10-0-1-5"],
        ),
        (
            port("a", "fd00:1::5", "fd00:1::6"),
            ["fa:16:3e:00:00:61,tag:dhcpv6,host-fd00-1--5.openstacklocal,[fd00:1::6],[fd00:1::5]"],
            [
                "fd00:1::5\thost-fd00-1--5.openstacklocal host-fd00-1--5",
                "fd00:1::6\thost-fd00-1--6.openstacklocal host-fd00-1--6",
            ],
        ),
        (
            port("a", "10.0.1.5", extra_dhcp_opts=(DhcpOption("mtu", "1300"),)),
            ["fa:16:3e:00:00:61,host-10-0-1-5.openstacklocal,10.0.1.5,set:port-a"],
            ["10.0.1.5\thost-10-0-1-5.openstacklocal host-10-0-1-5"],
        ),
        (
            port("a", "10.0.1.5", extra_dhcp_opts=(DhcpOption("client-id", "test1"),)),
            ["fa:16:3e:00:00:61,id:test1,host-10-0-1-5.openstacklocal,10.0.1.5"],
            ["10.0.1.5\thost-10-0-1-5.openstacklocal host-10-0-1-5"],
        ),
        (port("a"), [], []),
        (
            GATEWAY,
            ["fa:16:3e:00:00:f2,host-10-0-1-1.openstacklocal,10.0.1.1"],
            ["10.0.1.1\thost-10-0-1-1.openstacklocal host-10-0-1-1"],
        ),
    ],
)
def test_a_port_has_these_lines(given: Port, hosts: list[str], names: list[str]) -> None:
    view = site(four(), six("dhcpv6-stateful"), SERVER, given)
    assert file(view, "host") == hosts
    assert file(view, "addn_hosts") == names


@pytest.mark.parametrize(
    ("mode", "hosts", "options"),
    [
        (None, ["fa:16:3e:00:00:61,tag:dhcpv6,host-fd00-1--5.openstacklocal,[fd00:1::5],set:port-a"], 3),
        ("dhcpv6-stateless", ["fa:16:3e:00:00:61,tag:dhcpv6,set:port-a"], 3),
        ("slaac", [], 1),
    ],
)
def test_ipv6_modes_decide_what_is_lent(mode: str | None, hosts: list[str], options: int) -> None:
    option = DhcpOption("dns-server", "fd00::53", 6)
    view = site(six(mode), SERVER, port("a", "fd00:1::5", extra_dhcp_opts=(option,)))
    assert file(view, "host") == hosts
    assert len(file(view, "opts")) == options
    assert file(view, "opts")[-1] == "tag:port-a,option6:dns-server,fd00::53"
    is_served = any("fd00:1::,static,64,86400s" in word for word in server(view).command)
    assert is_served == (mode != "slaac")
    assert file(view, "addn_hosts") == ["fd00:1::5\thost-fd00-1--5.openstacklocal host-fd00-1--5"]


@pytest.mark.parametrize(
    ("subnet", "others", "options"),
    [
        (  # Isolated: metadata by the server itself, everything else by a gateway that is somebody else's.
            four(),
            [],
            [
                "tag:tag0,option:dns-server,10.0.1.3",
                "tag:tag0,option:classless-static-route,169.254.169.254/32,10.0.1.3,0.0.0.0/0,10.0.1.1",
                "tag:tag0,249,169.254.169.254/32,10.0.1.3,0.0.0.0/0,10.0.1.1",
                "tag:tag0,option:router,10.0.1.1",
            ],
        ),
        (
            four(host_routes=(HostRoute("172.16.0.0/16", "10.0.1.9"),)),
            [GATEWAY],
            [
                "tag:tag0,option:dns-server,10.0.1.3",
                "tag:tag0,option:classless-static-route,"
                "172.16.0.0/16,10.0.1.9,169.254.169.254/32,10.0.1.1,0.0.0.0/0,10.0.1.1",
                "tag:tag0,249,172.16.0.0/16,10.0.1.9,169.254.169.254/32,10.0.1.1,0.0.0.0/0,10.0.1.1",
                "tag:tag0,option:router,10.0.1.1",
            ],
        ),
        (  # No gateway: the router option is sent empty, else dnsmasq would name itself.
            four(gateway_ip=None, dns_nameservers=("0.0.0.0",)),
            [],
            [
                "tag:tag0,option:dns-server",
                "tag:tag0,option:classless-static-route,169.254.169.254/32,10.0.1.3",
                "tag:tag0,249,169.254.169.254/32,10.0.1.3",
                "tag:tag0,option:router",
            ],
        ),
        (  # A host route for everything is a gateway.
            four(gateway_ip=None, host_routes=(HostRoute("0.0.0.0/0", "10.0.1.9"),)),
            [],
            [
                "tag:tag0,option:dns-server,10.0.1.3",
                "tag:tag0,option:classless-static-route,169.254.169.254/32,10.0.1.3,0.0.0.0/0,10.0.1.9",
                "tag:tag0,249,169.254.169.254/32,10.0.1.3,0.0.0.0/0,10.0.1.9",
                "tag:tag0,option:router,10.0.1.9",
            ],
        ),
    ],
)
def test_a_subnet_has_these_options(subnet: Subnet, others: list[Port], options: list[str]) -> None:
    view = site(subnet, SERVER, *others)
    assert file(view, "opts") == options


def test_all_servers_of_a_network_are_name_servers() -> None:
    other = port("b042", "10.0.1.4", device_owner="network:dhcp", host="c2")
    assert file(site(four(), SERVER, other), "opts")[0] == "tag:tag0,option:dns-server,10.0.1.3,10.0.1.4"


def test_servers_share_a_range_between_them() -> None:
    subnet = four(dhcp_ranges=(AllocationPool("10.0.1.5", "10.0.1.9"),))
    other = port("b042", "10.0.1.4", device_owner="network:dhcp", host="c2")
    alone, shared = server(site(subnet, SERVER)).command, server(site(subnet, SERVER, other)).command
    assert "--dhcp-range=set:tag0,10.0.1.5,10.0.1.9,86400s" in alone
    assert "--dhcp-range=set:tag0,10.0.1.5,10.0.1.6,86400s" in shared
    assert f"--dhcp-leasefile=/var/lib/neutron/dhcp/{NETWORK}.leases" in alone


def test_a_subnet_is_served_when_the_server_has_an_address_in_it() -> None:
    """Else dnsmasq guesses a netmask, and takes 10.0.1.0 for all of 10.0.0.0/8."""
    view = site(four(dns_nameservers=("8.8.8.8",)), port("dhcp", device_owner="network:dhcp", host="c1"))
    assert not any("--dhcp-range" in word for word in server(view).command)
    assert file(view, "opts")[0] == "tag:tag0,option:dns-server,8.8.8.8"


def test_a_subnet_without_dhcp_is_not_served() -> None:
    view = site(four(enable_dhcp=False), six("dhcpv6-stateful"), SERVER, port("a", "10.0.1.5", "fd00:1::5"))
    assert file(view, "host") == ["fa:16:3e:00:00:61,tag:dhcpv6,host-fd00-1--5.openstacklocal,[fd00:1::5]"]
    assert not any("10.0.1.0" in word for word in server(view).command)
    view.put(six("dhcpv6-stateful", enable_dhcp=False))
    assert not any(isinstance(item, Daemon) for item in resources(view))


def test_text_of_users_stays_in_its_line() -> None:
    evil = DhcpOption("server-ip-address", "1.1.1.1\ntag:tag0,option:router,6.6.6.6")
    given = port("a", "10.0.1.5", dns_name="web\n6.6.6.6 bank", extra_dhcp_opts=(evil,))
    view = site(four(), SERVER, given, network=Network(id=NETWORK, network_type="local", dns_domain="x\ny."))
    assert file(view, "host") == ["fa:16:3e:00:00:61,host-10-0-1-5.openstacklocal,10.0.1.5,set:port-a"]
    assert file(view, "opts")[-1] == "tag:port-a,option:server-ip-address,1.1.1.1"
    assert "--domain=openstacklocal" in server(view).command


def test_the_server_reaches_name_servers_by_the_gateway() -> None:
    found = resources(site(four(), six("slaac"), SERVER, GATEWAY))
    assert [(item.destination, item.gateway) for item in found if isinstance(item, Route)] == [
        ("0.0.0.0/0", "10.0.1.1"),
        ("::/0", "fd00:1::1"),
    ]
    assert [item.address for item in found if isinstance(item, Address)] == ["10.0.1.3/28", "fd00:1::3/64"]


def test_texts_of_other_ports_are_not_made_again() -> None:
    served, texts = Served({"four": four()}), HostTexts()
    ports = [port("a", "10.0.1.5"), port("b", "10.0.1.6")]
    before = texts.refresh(ports, served)
    after = texts.refresh([*ports, port("c", "10.0.1.7")], served)
    assert all(old is new for old, new in zip(before, after, strict=False))
    assert texts.refresh(ports, Served({"four": four()}, "example.org"))[0] != before[0]


def test_a_router_that_comes_changes_who_serves_metadata() -> None:
    view = site(four(), SERVER)
    assert any(isinstance(item, Address) and item.address == "169.254.169.254/32" for item in resources(view))
    dirty = view.put(GATEWAY)
    assert {("dhcp", NETWORK), METADATA} <= dirty
    assert not any(isinstance(item, Address) and item.address == "169.254.169.254/32" for item in resources(view))


def test_the_metadata_server_listens_where_it_is_asked() -> None:
    view = site(four(), SERVER)
    (daemon,) = compile_fragment(view, METADATA)
    assert isinstance(daemon, Daemon)
    path = "/var/lib/neutron/metadata/host/listeners.json"
    assert daemon.command[-4:] == ("--pid-file", "/var/lib/neutron/metadata/host/pid", "--listeners", path)
    assert dict(daemon.files)[path] == (
        f'[{{"namespace":"qdhcp-{NETWORK}","network_id":"{NETWORK}","address":"169.254.169.254","port":80}}]\n'
    )
    view.put(GATEWAY)
    (daemon,) = compile_fragment(view, METADATA)
    assert isinstance(daemon, Daemon)
    assert dict(daemon.files)[path] == "[]\n"
    view.remove(SERVER)
    assert compile_fragment(view, METADATA) == ()
