"""YAML files with something wrong in them: the tree changed, then the text. Used for every file that Patchbay reads."""

import random
from typing import Any

import yaml

from patchbay.lab.yamlfile import PlainLoader

SCALARS: list[Any] = [
    *(
        "",
        " ",
        "red",
        "red1",
        "none",
        "dynamic",
        "default",
        "eth0",
        "lo",
        "vlan",
        "x" * 5000,
        "ü",
        "\x85",
        "😀",
        "a\nb",
        "a\tb",
    ),
    *(
        "10.0.0.1",
        "192.168.10.0/24",
        "192.168.10.11",
        "fd00::/64",
        "fd00::1",
        "0.0.0.0/0",
        "::/0",
        "10.0.0.0/33",
        "fe80::1%1",
    ),
    *(
        "10.0.0.1-10.0.0.9",
        "10.0.0.9-10.0.0.1",
        "-",
        "--",
        "10.0.0.0-fd00::1",
        "vm1/eth0",
        "/",
        "a/b/c",
        "52:54:00:12:34:56",
    ),
    *(
        "ff:ff:ff:ff:ff:ff",
        "2026-01-31",
        "2026-13-45",
        "12:30:45",
        "1e400",
        ".nan",
        "-.inf",
        "0o17",
        "0b1",
        "1_000",
        "+1",
    ),
    *(
        "yes",
        "No",
        "on",
        "~",
        "null",
        "NULL",
        "<<",
        "=",
        "*",
        "&",
        "!",
        "%",
        "@",
        "`",
        "http://",
        "http://[::",
        "٣",
        "80-",
        "tcp",
    ),
    *("$2b$04$" + "a" * 53, "{base}", "${HOME}", "admin", "member", "socket", "tls", "auto", "slaac", "192.168.1.246"),
    *(
        0,
        1,
        -1,
        7,
        80,
        4094,
        4095,
        65535,
        65536,
        2**24,
        2**31,
        2**63,
        2**64,
        10**30,
        1.5,
        True,
        False,
        None,
        [],
        {},
        [[]],
        [None],
    ),
]
TEXTS = [
    *(
        "9" * 5000,
        "0x" + "f" * 5000,
        "-" + "9" * 5000,
        "!!binary aGVsbG8=",
        "!!binary x",
        "!!timestamp 2026-99-99",
        "!!int x",
    ),
    *(
        "!!python/object/apply:os.system [id]",
        "!!set {a, b}",
        "!!omap [a: 1]",
        "!!float abc",
        "!!null x",
        "!!bool maybe",
    ),
    *(
        "!!str",
        "!foo bar",
        "!<tag:yaml.org,2002:int> zz",
        "*nowhere",
        "&a [*a]",
        "&b {b: *b}",
        "2026-13-45",
        "2026-02-30",
    ),
    *(
        "? [a, b]\n: c",
        "{? [x] : y}",
        "{[1]: 2}",
        "{{a: 1}: 2}",
        "{a: 1, a: 2}",
        '"\\ud800"',
        '"\\x00"',
        "'",
        '"',
        "|",
        ">",
        "|99",
    ),
    *(
        "{<<: *x}",
        "{<<: [1]}",
        "- - - - -",
        "[" * 300 + "]" * 300,
        "{a: " * 300 + "}" * 300,
        "[" * 500,
        "- " * 3000,
        "---\n...",
    ),
    *(
        "1:2:3:4",
        "190:20:30",
        "0o99",
        "1e999999",
        ".inf",
        "%YAML 9.9",
        "\u2028",
        "\x7f",
        "\ufeff",
        "=",
        "<<",
        "[a,,b]",
        "[,]",
    ),
]
"""What stands in the text in place of a value."""


def bomb(levels: int = 9, width: int = 9) -> str:
    """Aliases of aliases: a few lines that are ``width`` to the power of ``levels`` values."""
    lines = [f"a0: &a0 [{', '.join('x' * width)}]"]
    lines += [f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * width)}]" for n in range(1, levels)]
    return "\n".join(lines)


def spots(tree: Any) -> list[tuple[Any, Any]]:
    """Every container with each of its keys or indexes."""
    found: list[tuple[Any, Any]] = []
    steps = list(tree.items()) if isinstance(tree, dict) else list(enumerate(tree)) if isinstance(tree, list) else []
    for key, inner in steps:
        found += [(tree, key), *spots(inner)]
    return found


class Mutations:
    """Draws files."""

    def __init__(self, chance: random.Random) -> None:
        self.chance = chance

    def file(self, text: str) -> bytes:
        """The file with one to three things changed in its tree, and now and then something in its text."""
        tree = yaml.load(text, Loader=PlainLoader)
        for _ in range(self.chance.choice([0, 1, 1, 1, 2, 3])):
            self._change(tree)
        written = yaml.safe_dump(
            tree, sort_keys=False, allow_unicode=True, default_flow_style=self.chance.choice([None, False])
        )
        data = written if self.chance.random() < 0.7 else self._text(written)
        raw = data.encode("utf-8", "surrogatepass")
        return raw if self.chance.random() < 0.96 else self._bytes(raw)

    def _change(self, tree: Any) -> None:
        every = spots(tree)
        if not every:
            return
        holder, key = self.chance.choice(every)
        other, theirs = self.chance.choice(every)
        act = self.chance.choice(
            ["value", "value", "value", "key", "drop", "wrap", "deepen", "copy", "copy", "add", "twin"]
        )
        if act == "value":
            holder[key] = self.chance.choice(SCALARS)
        elif act == "drop":
            del holder[key]
        elif act == "wrap":
            holder[key] = self.chance.choice([[holder[key]], {"a": holder[key]}, [holder[key], holder[key]]])
        elif act == "deepen":
            for _ in range(self.chance.choice([3, 25, 60])):
                holder[key] = [holder[key]]
        elif act == "copy" and theirs in (range(len(other)) if isinstance(other, list) else other):
            holder[key] = yaml.safe_load(yaml.safe_dump(other[theirs], allow_unicode=True))
        elif isinstance(holder, dict):
            inner = holder[key] if act == "twin" else holder.pop(key)
            names = [
                str(key) + "x",
                str(key)[:-1],
                str(key).upper(),
                "",
                "a b",
                "x" * 70,
                7,
                None,
                "from",
                "to",
                "name",
                "a/b",
            ]
            holder[self.chance.choice(names)] = inner

    def _text(self, text: str) -> str:
        lines = text.splitlines()
        at = self.chance.randrange(len(lines) or 1)
        act = self.chance.choice(
            ["value", "value", "value", "line", "again", "cut", "indent", "bomb", "head", "tail", "alias"]
        )
        line = lines[at] if lines else ""
        before, colon, _ = line.partition(": ")
        if act == "value" and colon:
            lines[at] = before + ": " + self.chance.choice(TEXTS)
        elif act == "again":
            lines.insert(at, line)
        elif act == "indent":
            lines[at] = self.chance.choice([" ", "\t", "   "]) + line
        elif act == "line":
            lines.insert(at, self.chance.choice(TEXTS))
        elif act == "bomb":
            lines.append(bomb(self.chance.choice([3, 6, 9, 30]), self.chance.choice([2, 9])))
        elif act == "alias":
            lines = ["zz: &z {a: 1}", *lines, "hosts: *z", "networks: *z"]
        elif act == "head":
            lines.insert(
                0, self.chance.choice(["---", "%YAML 1.1\n---", "%TAG ! x", "\ufeff", "...", "--- a\n---", "- a"])
            )
        elif act == "tail":
            lines.append(
                self.chance.choice(["---\na: 1", "...", "]", "}", "? ", ":", "\x00", "a: b: c", "!!", "&", "*"])
            )
        done = "\n".join(lines)
        return done[: self.chance.randrange(len(done) or 1)] if act == "cut" else done

    def _bytes(self, raw: bytes) -> bytes:
        at = self.chance.randrange(len(raw) or 1)
        return self.chance.choice(
            [
                raw[:at] + bytes([self.chance.randrange(256)]) + raw[at:],
                raw.decode("utf-8", "replace").encode("utf-16"),
                raw.replace(b"\n", b"\r"),
                b"",
                b"\0" * 10,
                b"\xff\xfe" + raw,
                self.chance.randbytes(100),
            ]
        )
