"""What a host can do follows from the programs that are on it."""

import logging

from patchbay.host.programs import find_services


def test_a_host_without_the_programs_of_a_service_says_which_package_brings_them(on_private_host, caplog):
    caplog.set_level(logging.WARNING)

    async def scenario(host):
        assert find_services() == ("dhcp", "l3", "metadata")
        assert caplog.records == []
        host.sh("mount -t tmpfs tmpfs /usr/sbin")
        assert find_services() == ("metadata",)
        told = [(record.getMessage(), record.remedy) for record in caplog.records]
        assert told == [
            ("no dhcp: dnsmasq is not on this host.", "Install it: apt-get install dnsmasq-base"),
            ("no l3: iptables-restore is not on this host.", "Install it: apt-get install iptables"),
        ]

    on_private_host(scenario)
