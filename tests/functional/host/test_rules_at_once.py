"""Rules that somebody else writes in the moment in which ours are written: they are not taken for ours."""

import pytest

from patchbay.host import rulesets
from tests.functional.host.test_services import RULES, save, world

STRANGERS = {
    "another table": "iptables -t mangle -A FORWARD -j DROP",
    "one of ours": "iptables -t nat -A POSTROUTING -j ACCEPT",
}


@pytest.mark.parametrize("what", STRANGERS)
def test_what_a_stranger_writes_between_our_writing_and_reading_goes(on_private_host, monkeypatch, what):
    read = rulesets._save

    async def scenario(host):
        async with world(host, RULES) as one:
            left = [STRANGERS[what]]

            def interrupted(version):
                if left:
                    host.sh(left.pop())  # this thread is in the namespace
                return read(version)

            monkeypatch.setattr(rulesets, "_save", interrupted)
            for _ in range(3):
                assert await one.services.apply(one.plan()) == []
            await host.until(lambda: not one.plan(), "nothing is left to do")
            assert left == []
            assert "DROP" not in save(host)
            assert "POSTROUTING -j ACCEPT" not in save(host)

    on_private_host(scenario)
