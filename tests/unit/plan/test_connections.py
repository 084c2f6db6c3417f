"""Which tracked connections are left over from other rules, and which are as the rules would make them."""

import pytest

from patchbay.plan.connections import Connection, find_stale, parse_tracked
from patchbay.plan.rules import Translation

RULES = (
    (
        "nat",
        (
            "-A PREROUTING -d 169.254.169.254/32 -p tcp -m tcp --dport 80 -j REDIRECT --to-ports 9697",
            "-A PREROUTING -d 203.0.113.5/32 -j DNAT --to-destination 10.0.1.5",
            "-A PREROUTING -d 203.0.113.7/32 -p tcp -m tcp --dport 2222 -j DNAT --to-destination 10.0.1.6:22",
            "-A PREROUTING -d 203.0.113.7/32 -p udp --dport 4000:4010 -j DNAT --to-destination 10.0.1.6:4000-4010",
            "-A float-snat -s 10.0.1.5/32 -j SNAT --to-source 203.0.113.5",
            "-A snat -s 10.0.1.0/28 -j SNAT --to-source 203.0.113.2",
        ),
    ),
)
PRINTED = """\
tcp      6 119 TIME_WAIT src=10.0.1.6 dst=169.254.169.254 sport=39294 dport=80 src=10.0.1.1 dst=10.0.1.6 \
sport=9697 dport=39294 [ASSURED] mark=0 use=1
icmp     1 29 src=203.0.113.9 dst=203.0.113.5 type=8 code=0 id=4 src=10.0.1.5 dst=203.0.113.9 type=0 code=0 id=4
"""


def tracked(words):
    """Connections of lines with the protocol, the ends of a first packet, and the ends of its answer."""
    found = []
    for line in words.splitlines():
        protocol, *ends = line.split()
        (source, _), (target, port), (answer_from, answer_port), (answer_to, _) = (
            end.partition(":")[::2] for end in ends
        )
        found.append(Connection(protocol, source, target, port, answer_from, answer_port, answer_to))
    return found


def test_what_conntrack_prints_is_read():
    assert list(parse_tracked(PRINTED)) == tracked(
        "tcp 10.0.1.6 169.254.169.254:80 10.0.1.1:9697 10.0.1.6\nicmp 203.0.113.9 203.0.113.5 10.0.1.5 203.0.113.9"
    )


AS_RULED = """\
tcp 10.0.1.6:39294 169.254.169.254:80 10.0.1.1:9697 10.0.1.6:39294
icmp 203.0.113.9 203.0.113.5 10.0.1.5 203.0.113.9
icmp 10.0.1.5 203.0.113.5 10.0.1.5 203.0.113.5
tcp 10.0.1.6:9 203.0.113.5:8 10.0.1.5:8 203.0.113.2:9
tcp 203.0.113.9:9 203.0.113.7:2222 10.0.1.6:22 203.0.113.9:9
udp 203.0.113.9:9 203.0.113.7:4003 10.0.1.6:4003 203.0.113.9:9
icmp 203.0.113.9 203.0.113.7 203.0.113.7 203.0.113.9
udp 10.0.1.6:5 203.0.113.53:53 203.0.113.53:53 203.0.113.2:5
udp 10.0.1.5:5 203.0.113.53:53 203.0.113.53:53 203.0.113.5:5
udp 10.0.2.5:5 203.0.113.53:53 203.0.113.53:53 203.0.113.2:5
udp 0.0.0.0:68 255.255.255.255:67 255.255.255.255:67 0.0.0.0:68
udp 10.0.1.2:67 255.255.255.255:68 255.255.255.255:68 10.0.1.2:67
icmp 10.0.1.5 203.0.113.2 203.0.113.2 10.0.1.5
icmp 10.0.1.5 10.0.1.1 10.0.1.1 10.0.1.5
tcp 203.0.113.9:9 10.0.1.5:8 10.0.1.5:8 203.0.113.9:9
"""


@pytest.mark.parametrize("is_repaired", [False, True])
def test_what_the_rules_would_make_goes_on(is_repaired):
    for one in tracked(AS_RULED):
        assert find_stale([one], RULES, is_repaired=is_repaired) == (), one


LEFT = {
    # To an address that is translated no more.
    "tcp 203.0.113.9:9 203.0.113.6:8 10.0.1.6:8 203.0.113.9:9": (Translation("203.0.113.6")),
    # To one that has another port now.
    "tcp 203.0.113.9:9 203.0.113.5:8 10.0.1.7:8 203.0.113.9:9": (Translation("203.0.113.5", "tcp", "8")),
    # To a port that is forwarded elsewhere now.
    "tcp 203.0.113.9:9 203.0.113.7:2222 10.0.1.6:2200 203.0.113.9:9": (Translation("203.0.113.7", "tcp", "2222")),
    # To the router itself, since there was no rule yet.
    "tcp 203.0.113.9:9 203.0.113.5:8 203.0.113.5:8 203.0.113.9:9": (Translation("203.0.113.5", "tcp", "8")),
    "icmp 203.0.113.9 203.0.113.5 203.0.113.5 203.0.113.9": (Translation("203.0.113.5", "icmp")),
    # From a port that had a floating IP, and from one that had another's.
    "udp 10.0.1.6:9 203.0.113.9:8 203.0.113.9:8 203.0.113.6:9": (Translation("203.0.113.6")),
    "udp 10.0.1.6:9 203.0.113.9:8 203.0.113.9:8 203.0.113.5:9": (Translation("203.0.113.5")),
}


@pytest.mark.parametrize("line", LEFT)
def test_what_other_rules_made_is_broken_off(line):
    assert find_stale(tracked(line), RULES, is_repaired=False) == (LEFT[line],)


def test_what_went_out_untranslated_counts_when_rules_were_repaired():
    line = "udp 10.0.1.6:9 203.0.113.9:8 203.0.113.9:8 10.0.1.6:9"
    assert find_stale(tracked(line), RULES, is_repaired=False) == ()
    assert find_stale(tracked(line), RULES, is_repaired=True) == (Translation("10.0.1.6"),)


def test_an_address_goes_once_however_many_connections_it_has():
    lines = "\n".join(LEFT)
    found = find_stale(tracked(lines), RULES, is_repaired=False)
    assert found == (
        Translation("203.0.113.5"),
        Translation("203.0.113.6"),
        Translation("203.0.113.7", "tcp", "2222"),
    )
