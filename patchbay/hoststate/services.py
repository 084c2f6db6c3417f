"""What network services are made of: kernel settings, packet filter rules and processes.

Ownership: sysctls and rulesets belong to a Namespace of ours. A Daemon is known by its folder under the agent's run
directory, ``<run dir>/<kind>/<owner>``, which holds its files, its pid file and a description of it.
"""

import msgspec

from patchbay.hoststate.switch import Pairs


class Sysctl(msgspec.Struct, frozen=True, kw_only=True):
    """A kernel setting of a namespace: ``net.ipv4.ip_forward`` is ``1``. It goes with its namespace.

    Or, by the name of ``patchbay.hoststate.ingress``, what a device lets the kernel have of what comes in.
    """

    namespace: str
    name: str
    value: str

    @property
    def key(self) -> tuple[str, ...]:
        return ("sysctl", self.namespace, self.name)


class Ruleset(msgspec.Struct, frozen=True, kw_only=True):
    """All iptables (``version`` 4) or ip6tables (6) rules of a namespace of ours.

    ``tables`` pairs the name of a table (filter, nat …) with its text, line by line as iptables-save prints it and in
    its order: ``:PREROUTING ACCEPT`` and ``:neutron-l3-agent-snat -`` (without counters), then ``-A …``. Written whole,
    each table at once, by iptables-restore: no packet meets half of it.
    """

    namespace: str
    version: int = 4
    tables: tuple[tuple[str, tuple[str, ...]], ...]

    @property
    def key(self) -> tuple[str, ...]:
        return ("ruleset", self.namespace, str(self.version))


class Daemon(msgspec.Struct, frozen=True, kw_only=True):
    """A process that outlives the agent: dnsmasq of a network, radvd of a router, the DHCP client of an interface …

    ``kind`` and ``owner`` (the id of what it serves) name it. ``command`` is what to run, in ``namespace`` ("" the
    host's own); it puts itself into the background and writes ``pidfile``. ``files`` (path → content) are written
    before it starts. When only their content changes the process gets ``reload`` (a signal's name, e.g. ``HUP``; ""
    none is needed); when anything else changes it is started anew. ``environment`` is added to its environment.
    ``last_words`` is run in the namespace before the process is ended (a DHCP client that gives its lease back); () is
    nothing. ``link`` names the device in the namespace that it works on: when that is made anew, so is the process.
    ``stop`` is the signal that ends it: ``KILL`` for one that would tell others at its end what is not so.
    """

    kind: str
    owner: str
    namespace: str = ""
    command: tuple[str, ...]
    pidfile: str
    files: Pairs = ()
    reload: str = ""
    environment: Pairs = ()
    last_words: tuple[str, ...] = ()
    link: str = ""
    stop: str = "TERM"

    @property
    def key(self) -> tuple[str, ...]:
        return ("daemon", self.kind, self.owner)
