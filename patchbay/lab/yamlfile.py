"""YAML with positions: so that every complaint about a file names file, line and field.

Called by ``topology``. Scalars are text, numbers (decimal, 0x), true/false or null; nothing else is guessed, because
YAML 1.1 would read the MAC address 52:54:00:12:34:56 as a number and the word ``no`` as false.
"""

import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, TypeVar, get_args, get_type_hints

import msgspec
import yaml

from patchbay.errors import LabError
from patchbay.service.yaml_text import SURROGATE

FieldPath = tuple[str | int, ...]
T = TypeVar("T", bound=msgspec.Struct)


class TopologyError(LabError):
    """A topology file is wrong. The message has one line per problem, in the order of the file."""


class PlainLoader(yaml.SafeLoader):
    """The loader whose scalars are not guessed."""

    yaml_implicit_resolvers: dict[str, list[tuple[str, re.Pattern[str]]]] = {}  # noqa: RUF012  # PyYAML's own attribute


PlainLoader.add_implicit_resolver("tag:yaml.org,2002:bool", re.compile(r"(?:true|false)$"), ["t", "f"])
PlainLoader.add_implicit_resolver("tag:yaml.org,2002:null", re.compile(r"(?:~|null|)$"), ["~", "n", ""])
_NUMBER = re.compile(r"(?:-?(?:0|[1-9][0-9]*)|0x[0-9a-fA-F]+)$")
PlainLoader.add_implicit_resolver("tag:yaml.org,2002:int", _NUMBER, list("-0123456789"))


class Document:
    """A YAML file as plain data, with the line of every field, collecting what is wrong with it."""

    def __init__(self, path: Path, text: str) -> None:
        self.name = path.name
        self._lines: dict[FieldPath, int] = {}
        self._aliases: dict[FieldPath, FieldPath] = {}
        self._problems: list[tuple[int, str]] = []
        self._written_out = 0
        try:
            node = yaml.compose(text, Loader=PlainLoader)
        except yaml.reader.ReaderError as error:
            line = text.count("\n", 0, int(error.position)) + 1
            reason = f"is not YAML: the character U+{ord(text[int(error.position)]):04X} is not allowed"
            raise TopologyError(f"{self.name}:{line}: {reason}") from None
        except yaml.YAMLError as error:
            raise TopologyError(f"{self.name}{_position(error)}: {_reason(error)}") from None
        except RecursionError:
            raise TopologyError(f"{self.name}:1: is nested too deeply; expected {_DEEPEST} levels at most") from None
        self.data: Any = None if node is None else self._plain(node, ())

    def wrong(self, path: FieldPath, text: str) -> None:
        """Note that the field at ``path`` is wrong; ``text`` says what is there and what was expected."""
        path = self.written(path)
        line = self.line(path)
        self._problems.append((line, f"{self.name}:{line}: {spell(path)}{': ' if path else ''}{text}"))

    def line(self, path: FieldPath) -> int:
        """The line of a field, or of what it would be in."""
        known = self.written(path)
        while known and known not in self._lines:
            known = known[:-1]
        return self._lines.get(known, 1)

    def alias(self, path: FieldPath, written: FieldPath) -> None:
        """Say that the field ``path`` is written in the file as ``written`` (a short form)."""
        self._aliases[path] = written

    def written(self, path: FieldPath) -> FieldPath:
        """The path of a field as the file has it."""
        for length in range(len(path), 0, -1):
            if path[:length] in self._aliases:
                return (*self._aliases[path[:length]], *path[length:])
        return path

    def finish(self) -> None:
        """Raise ``TopologyError`` with every problem noted so far, if any."""
        if self._problems:
            ordered = sorted(self._problems, key=lambda problem: problem[0])
            raise TopologyError("\n".join(dict.fromkeys(text for _, text in ordered)))

    def convert(self, path: FieldPath, value: Any, kind: type[T], also: Sequence[str] = ()) -> T | None:
        """``value`` as a struct; None, and problems noted, when it is not one. ``also``: fields read elsewhere."""
        names = (*field_names(kind), *also)
        if not isinstance(value, Mapping):
            self.wrong(path, f"is {describe(value)}; expected the fields {', '.join(names)}")
            return None
        unknown = [name for name in value if name not in names]
        for name in unknown:
            self.wrong((*path, name), f"is not known here; expected one of {', '.join(names)}")
        try:
            return msgspec.convert(
                {name: inner for name, inner in value.items() if name not in unknown}, kind, strict=True
            )
        except msgspec.ValidationError as error:
            self._explain(path, value, str(error), kind)
            return None

    def mapping(self, path: FieldPath, value: Any, what: str) -> dict[str, Any]:
        """``value`` as a mapping from names; empty, and a problem noted, when it is not one."""
        if value is None:
            return {}
        if isinstance(value, dict):
            return value
        self.wrong(path, f"is {describe(value)}; expected {what}")
        return {}

    def _explain(self, path: FieldPath, value: Mapping[str, Any], message: str, kind: type[msgspec.Struct]) -> None:
        text, _, where = message.partition(" - at `$")
        inner: list[str | int] = []
        found: Any = value
        for name, index in re.findall(r"\.([A-Za-z_]\w*)|\[(\d+|\.\.\.)\]", where):
            step = name or (int(index) if index.isdigit() else _offender(found))
            inner.append(step)
            found = _inside(found, step)
        missing = re.fullmatch(r"Object missing required field `(.+)`", text)
        if missing:
            self.wrong((*path, *inner, missing[1]), "is required and missing")
            return
        expected = re.match(r"Expected `([^`]+)`", text)
        wanted = _KINDS.get(expected[1], expected[1]) if expected else text[:1].lower() + text[1:]
        if text.startswith("Invalid enum") and inner:
            wanted = "one of " + ", ".join(_choices(get_type_hints(kind)[str(inner[0])]))
        self.wrong((*path, *inner), f"is {describe(found)}; expected {wanted.replace('`', '')}")

    def _plain(self, node: yaml.Node, path: FieldPath) -> Any:
        self._lines.setdefault(path, node.start_mark.line + 1)
        if len(path) > _DEEPEST:
            raise TopologyError(f"{self.name}:{node.start_mark.line + 1}: is nested too deeply (an alias of itself?)")
        self._written_out += 1
        if self._written_out > _MOST_VALUES:
            reason = f"with its aliases written out has more than {_MOST_VALUES} values (aliases of aliases?)"
            raise TopologyError(f"{self.name}:{node.start_mark.line + 1}: {reason}")
        if isinstance(node, yaml.MappingNode):
            return self._plain_mapping(node, path)
        if isinstance(node, yaml.SequenceNode):
            return [self._plain(inner, (*path, index)) for index, inner in enumerate(node.value)]
        return self._scalar(node, path)

    def _scalar(self, node: yaml.Node, path: FieldPath) -> Any:
        text = str(node.value)
        if node.tag == "tag:yaml.org,2002:bool":
            return text == "true"
        if node.tag == "tag:yaml.org,2002:null":
            return None
        if node.tag == "tag:yaml.org,2002:int":
            return self._number(text, path)
        if SURROGATE.search(text):
            self.wrong(path, "holds half a character (a surrogate); expected whole ones")
            return ""
        return text

    def _number(self, text: str, path: FieldPath) -> int:
        if not _NUMBER.fullmatch(text):
            self.wrong(path, f"is {describe(text)}; expected a whole number")
            return 0
        if len(text) > _LONGEST_NUMBER:
            self.wrong(path, f"is a number of {len(text)} characters; expected a smaller one")
            return 0
        return int(text, 16 if text.startswith("0x") else 10)

    def _plain_mapping(self, node: yaml.MappingNode, path: FieldPath) -> dict[str, Any]:
        result: dict[str, Any] = {}
        for key, inner in node.value:
            name = str(key.value)
            line = key.start_mark.line + 1
            if not isinstance(key, yaml.ScalarNode) or SURROGATE.search(name):
                self._lines[(*path, "?")] = line
                self.wrong((*path, "?"), "has a list, a mapping or half a character as its name; expected a word")
            elif name in result:
                first, self._lines[(*path, name)] = self._lines[(*path, name)], line
                self.wrong((*path, name), f"is given twice, first in line {first}")
            else:
                self._lines[(*path, name)] = line
                result[name] = self._plain(inner, (*path, name))
        return result


_DEEPEST = 20
_MOST_VALUES = 100_000
"""A few lines of aliases of aliases are billions of values; a lab of 10,000 instances is not so many."""
_LONGEST_NUMBER = 18
"""Characters: so every number fits into 64 bits, as JSON and the database want it."""
_KINDS = {
    "str": "text (in quotes if it looks like a number)",
    "int": "a whole number",
    "bool": "true or false",
    "array": "a list",
    "object": "a mapping of names to values",
    "object | null": "a mapping of names to values",
    "int | null": "a whole number",
    "str | null": "text (in quotes if it looks like a number)",
    "str | array": "text or a list",
}


def field_names(kind: type[msgspec.Struct]) -> tuple[str, ...]:
    """The names that a struct has in a file."""
    return kind.__struct_encode_fields__


def spell(path: FieldPath) -> str:
    """A path as people write it: ``expect[2].from``."""
    return "".join(f"[{step}]" if isinstance(step, int) else f".{step}" for step in path).lstrip(".")


def describe(value: Any) -> str:
    """A value as an error shows it."""
    if value is None:
        return "empty"
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int):
        return f"the number {value}"
    if isinstance(value, str):
        return repr(value)
    return "a list" if isinstance(value, Sequence) else "a mapping"


def _inside(value: Any, step: str | int) -> Any:
    if isinstance(step, int):
        return value[step] if isinstance(value, list) else None
    return value.get(step) if isinstance(value, dict) else None


def _choices(kind: Any) -> list[str]:
    """The words that a type allows: of a ``Literal``, alone or in a union."""
    return [word for inner in get_args(kind) for word in ([inner] if isinstance(inner, str) else _choices(inner))]


def _offender(value: Any) -> str:
    """msgspec does not say which name of a mapping to text is wrong: the first whose value is not text."""
    if isinstance(value, Mapping):
        return next((name for name, inner in value.items() if not isinstance(inner, str)), "")
    return ""


def _position(error: yaml.YAMLError) -> str:
    mark = getattr(error, "problem_mark", None)
    return "" if mark is None else f":{mark.line + 1}"


def _reason(error: yaml.YAMLError) -> str:
    problem, context = getattr(error, "problem", None), getattr(error, "context", None)
    return "is not YAML: " + ", ".join(part for part in (context, problem) if part) if problem else str(error)
