"""Leases that are given back when their ports are gone."""

import pytest

from patchbay.hoststate import Daemon
from patchbay.plan.leases import withdrawn_leases

A = "fa:16:3e:00:00:0a,host-10-0-1-5.openstacklocal,10.0.1.5"
B = "fa:16:3e:00:00:0b,id:x1.2.3.4,host-10-0-1-6.openstacklocal,10.0.1.6,set:port-b"
SIX = "fa:16:3e:00:00:0c,tag:dhcpv6,web.openstacklocal,[fd00::6],[fd00::5]"


def server(*lines: str, command: tuple[str, ...] = ("dnsmasq",)) -> Daemon:
    files = (("/run/host", "".join(f"{line}\n" for line in lines)), ("/run/opts", A))
    return Daemon(kind="dhcp", owner="n", command=command, pidfile="/run/pid", files=files, link="tap1")


@pytest.mark.parametrize(
    ("before", "after", "released"),
    [
        ([A, B], [A, B], []),
        ([A], [A, B], []),
        ([A, B], [A], [("10.0.1.6", "fa:16:3e:00:00:0b")]),
        ([A], [A.replace("1.5", "1.7")], [("10.0.1.5", "fa:16:3e:00:00:0a")]),
        ([A], [A.replace(":0a", ":0d")], [("10.0.1.5", "fa:16:3e:00:00:0a")]),
        ([A], [f"{A},set:port-a"], []),  # only its options changed
    ],
)
def test_who_is_gone_gives_its_lease_back(before: list[str], after: list[str], released: list[tuple[str, str]]) -> None:
    commands = withdrawn_leases(server(*before), server(*after))
    assert [words[3:] for words in commands] == [("tap1", f"{address} {mac}") for address, mac in released]


def test_an_ipv6_lease_is_looked_up_in_the_lease_file() -> None:
    command = ("dnsmasq", "--dhcp-leasefile=/run/leases")
    found = withdrawn_leases(server(SIX, command=command), server(command=command))
    assert [words[-3:] for words in found] == [
        ("tap1", "fd00::5", "/run/leases"),
        ("tap1", "fd00::6", "/run/leases"),
    ]
    assert withdrawn_leases(server(SIX), server()) == []


def test_other_processes_have_no_leases() -> None:
    one = Daemon(kind="ra", owner="n", command=("radvd",), pidfile="/run/pid", files=(("/run/host", A),))
    assert withdrawn_leases(one, Daemon(kind="ra", owner="n", command=("radvd",), pidfile="/run/pid")) == []
