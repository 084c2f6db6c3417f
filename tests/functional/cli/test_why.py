"""``patchbay why`` names ends in every way that a person does, and says what it does not understand."""

import msgspec
import pytest

from tests.functional.cli.conftest import Run

SETUP = """\
network create blue
subnet create --network blue --subnet-range 192.168.10.0/24 blue-subnet
network create --external --provider-network-type flat --provider-physical-network physnet1 out
subnet create --network out --no-dhcp --subnet-range 203.0.113.0/24 out-subnet
router create --external-gateway out way
router add subnet way blue-subnet
security-group create web
security-group-rule create web --protocol tcp --dst-port 80
port create --network blue --fixed-ip ip-address=192.168.10.5 --security-group web web1
port create --network blue --fixed-ip ip-address=192.168.10.6 guest
floating-ip create --network out --floating-ip-address 203.0.113.7 --port web1
instance create --host h --port guest vm
"""


@pytest.fixture
def shop(patchbay: Run) -> Run:
    for line in SETUP.splitlines():
        patchbay(*line.split())
    return patchbay


def test_each_way_to_name_an_end_means_the_same_ports(shop: Run) -> None:
    guest, web = (
        msgspec.json.decode(shop("port", "show", name, "-f", "json").stdout)["id"] for name in ("guest", "web1")
    )
    for source in ("guest", guest, "vm", "192.168.10.6"):
        for target in ("web1", web, "192.168.10.5", "203.0.113.7"):
            said = shop("why", source, target, "tcp/80").stdout
            assert said.startswith("guest 192.168.10.6 → web1 192.168.10.5  tcp/80: allowed\n"), said
            assert "    group web  ingress IPv4 tcp 80 from everybody\n" in said
    outside = shop("why", "198.51.100.9", "203.0.113.7", "tcp/22", code=1).stdout
    assert outside.startswith("198.51.100.9 → web1 192.168.10.5  tcp/22: dropped\n")
    assert (
        "no rule of its groups allows it\n    group web  ingress IPv4 tcp 80 from everybody  another port\n" in outside
    )


def test_what_is_not_understood_is_said(shop: Run) -> None:
    for arguments, complaint in (
        (("guest", "nobody"), "nobody is no port and no instance. `patchbay port list` shows the ports."),
        (("guest", "web1", "tcp"), "tcp: not something that can be sent. Write tcp/80, udp/53, icmp"),
        (("guest", "web1", "tcp/99999"), "tcp/99999: not something that can be sent."),
        (("guest", "web1", "gre/5"), "gre/5: not something that can be sent."),
        (("guest", "fd00::1"), "guest and fd00::1 have no addresses of one IP version."),
        (("192.0.2.1", "192.0.2.2"), "Neither 192.0.2.1 nor 192.0.2.2 is a port of this service."),
    ):
        assert complaint in shop("why", *arguments, code=1).stderr
    shop("port", "create", "--network", "out", "--fixed-ip", "ip-address=203.0.113.9", "guest")
    assert "2 ports have this name" in shop("why", "guest", "web1", code=1).stderr
