"""The virtual machine of the tests by itself: it boots, and a DHCP and name server made by hand serves it."""

import time
from pathlib import Path

from tests.functional.vm.machine import boot


def test_a_machine_boots_and_is_served_by_a_dnsmasq_made_by_hand(on_private_host):
    async def scenario(host):
        host.sh(
            "ip tuntap add dev tap0 mode tap; ip link set tap0 up; ip addr add 10.0.0.1/24 dev tap0\n"
            "dnsmasq --conf-file=/dev/null --no-resolv --no-hosts --bind-interfaces --interface=tap0"
            " --pid-file=/run/dnsmasq.pid --dhcp-leasefile=/run/leases --user=root"
            " --dhcp-range=10.0.0.100,10.0.0.120,1h --host-record=web.example,10.0.0.7 --local=/example/"
        )
        start = time.monotonic()
        machine = boot("tap0", "52:54:00:00:00:01", Path("/run"))
        try:
            print(f"booted in {time.monotonic() - start:.1f} s")
            lease = machine.lease()
            assert lease["ip"].startswith("10.0.0.1")
            assert lease["router"] == "10.0.0.1"
            assert "10.0.0.7" in machine.sh("nslookup web.example 10.0.0.1")
            assert "1 received" in host.sh(f"ping -c1 -W5 {lease['ip']}")
        finally:
            machine.end()

    on_private_host(scenario)
