"""Which connections a change of a router's rules breaks off, and which it leaves alone."""

from patchbay.hoststate import Ruleset
from patchbay.plan.rules import Translation, find_untranslated

FLOATING = "-A neutron-l3-agent-PREROUTING -d 203.0.113.10/32 -j DNAT --to-destination 10.0.1.11"
SOURCES = [f"-A neutron-l3-agent-snat -s 10.0.{number}.0/24 -j SNAT --to-source 203.0.113.5" for number in (1, 2)]
SSH = "-A neutron-l3-agent-PREROUTING -d 203.0.113.10/32 -p tcp -m tcp --dport 22 -j DNAT --to-destination 10.0.1.11:22"
DNS = "-A neutron-l3-agent-PREROUTING -d 203.0.113.10/32 -p udp -m udp --dport 53 -j DNAT --to-destination 10.0.1.11:53"


def broken_off(before: list[str], after: list[str]) -> tuple[Translation, ...]:
    old, new = (Ruleset(namespace="r", tables=(("nat", tuple(lines)),)) for lines in (before, after))
    return find_untranslated(old, new)


def test_a_subnet_that_leaves_a_router_breaks_nothing_of_its_others() -> None:
    assert broken_off(SOURCES, SOURCES[1:]) == ()
    assert broken_off(SOURCES, []) == (Translation("203.0.113.5"),)


def test_a_floating_ip_that_comes_breaks_nothing_and_one_that_goes_only_its_own() -> None:
    assert broken_off(SOURCES, [*SOURCES, FLOATING]) == ()
    assert broken_off([*SOURCES, FLOATING], SOURCES) == (Translation("203.0.113.10"),)


def test_a_port_that_is_forwarded_later_breaks_off_what_was_sent_to_it_in_vain() -> None:
    assert broken_off([SSH], [SSH, DNS]) == (Translation("203.0.113.10", "udp", "53"),)
    assert broken_off([], [SSH, DNS]) == ()
