"""The shell lines of rulesets, connection tracking and processes: iptables-restore, conntrack, kill.

Called by ``plan.service_operations`` only. Every line is complete: it can be pasted into a root shell.
"""

from collections.abc import Iterable

from patchbay.hoststate import Daemon
from patchbay.plan.leases import withdrawn_leases
from patchbay.plan.rules import Tables, Translation, restore_text
from patchbay.plan.shell import inside, quote

END = "END"


def restore(namespace: str, version: int, old: Tables, new: Tables) -> list[str]:
    """All tables with one process, as a here-document."""
    program = "iptables-restore" if version == 4 else "ip6tables-restore"
    return [inside(namespace, f"{program} <<'{END}'"), *restore_text(old, new), END]


def conntrack(version: int, translation: Translation) -> list[list[str]]:
    """Arguments of the processes that break connections off: those to an address, and those translated to it.

    As Neutron does (``conntrack -D -d``, ``-D -q``). A forwarded port has only connections to it.
    """
    family = ["-f", "ipv4" if version == 4 else "ipv6"]
    chosen = ["-p", translation.protocol] if translation.protocol else []
    if translation.port:
        chosen += ["--dport", translation.port]
    to_it = ["conntrack", "-D", *family, "-d", translation.address, *chosen]
    if translation.protocol:
        return [to_it]
    return [to_it, ["conntrack", "-D", *family, "-q", translation.address]]


def flush(namespace: str, version: int, translations: Iterable[Translation]) -> list[str]:
    """conntrack fails when it finds nothing to delete; that is fine."""
    commands = (words for item in translations for words in conntrack(version, item))
    return [f"{inside(namespace, ' '.join(words))} 2>/dev/null || true" for words in commands]


def start(daemon: Daemon) -> list[str]:
    """Its folder, its files, and its command with what is added to its environment."""
    lines = [f"mkdir -p {quote(folder(daemon))}", *write(daemon, dict(daemon.files))]
    return [*lines, run(daemon, daemon.command)]


def reload(old: Daemon, new: Daemon) -> list[str]:
    """Only files that differ."""
    before, after = dict(old.files), dict(new.files)
    lines = [f"rm -f {quote(path)}" for path in before if path not in after]
    lines += write(new, {path: text for path, text in after.items() if before.get(path) != text})
    lines += [f"{run(new, command)} || true" for command in withdrawn_leases(old, new)]
    return lines + ([f"kill -{new.reload} $(cat {quote(new.pidfile)})"] if new.reload else [])


def stop(daemon: Daemon) -> list[str]:
    """Its last words, a signal if it runs, and its folder and its files elsewhere go."""
    home = folder(daemon)
    elsewhere = " ".join(quote(path) for path, _ in daemon.files if not path.startswith(f"{home}/"))
    lines = [f"{run(daemon, daemon.last_words)} || true"] if daemon.last_words else []
    if daemon.command:
        signal = "" if daemon.stop == "TERM" else f"-{daemon.stop} "
        lines.append(f"kill {signal}$(cat {quote(daemon.pidfile)}) 2>/dev/null || true")
    return [*lines, f"rm -rf {quote(home)}{' ' if elsewhere else ''}{elsewhere}"]


def run(daemon: Daemon, command: Iterable[str]) -> str:
    """A command in the daemon's namespace and environment."""
    added = "".join(f"{name}={quote(value)} " for name, value in daemon.environment)
    line = " ".join(quote(word) for word in command)
    return inside(daemon.namespace, f"env {added}{line}" if added else line)


def write(daemon: Daemon, files: dict[str, str]) -> list[str]:
    """Files as here-documents, scripts (``#!``) ready to run. Those outside of the daemon's folder get theirs."""
    home = folder(daemon)
    lines: list[str] = []
    for path, text in files.items():
        parent = path.rpartition("/")[0]
        if parent and parent != home:
            lines.append(f"mkdir -p {quote(parent)}")
        if not text:
            lines.append(f": >{quote(path)}")
        elif text.endswith("\n"):
            lines += [f"cat >{quote(path)} <<'{END}'", *text[:-1].split("\n"), END]
        else:
            lines.append(f"printf %s {quote(text)} >{quote(path)}")
        if text.startswith("#!"):
            lines.append(f"chmod +x {quote(path)}")
    return lines


def folder(daemon: Daemon) -> str:
    """The folder of a daemon, ``…/<kind>/<owner>``, by the path of its pid file."""
    before, found, _ = daemon.pidfile.partition(f"/{daemon.kind}/{daemon.owner}/")
    return f"{before}{found}".rstrip("/") if found else daemon.pidfile.rpartition("/")[0]
