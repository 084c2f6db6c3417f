"""YAML that others wrote, as plain data. Whatever is wrong with it is a ``yaml.YAMLError``, and soon."""

import re
from typing import Any

import yaml

SURROGATE = re.compile("[\ud800-\udfff]")
"""What no text can be written with; YAML's ``"\\ud800"`` makes one."""
LARGEST_BITS = 64

MOST_VALUES = 100_000
"""With its aliases written out: a few lines of aliases of aliases are billions of values."""


def read_yaml(text: str, loader: type[yaml.SafeLoader] = yaml.SafeLoader) -> Any:
    """The data in the text.

    Raises YAMLError, also for dates and numbers that there are not, for what is nested too deeply, is an alias of
    itself or too much.
    """
    try:
        found = yaml.load(text, loader)  # noqa: S506  # a safe one
    except (ValueError, LookupError, TypeError, AttributeError, RecursionError) as error:
        raise yaml.YAMLError(f"what a tag announces is not there ({error})") from error
    waiting, count = [found], 0
    while waiting:
        inner = waiting.pop()
        if isinstance(inner, dict):
            waiting += [*inner, *inner.values()]
        elif isinstance(inner, (list, tuple, set)):
            waiting += inner
        elif isinstance(inner, str) and SURROGATE.search(inner):
            raise yaml.YAMLError("a text holds half a character (a surrogate)")
        elif isinstance(inner, int) and inner.bit_length() > LARGEST_BITS:
            raise yaml.YAMLError("a number is too large")
        count += 1
        if count + len(waiting) > MOST_VALUES:
            raise yaml.YAMLError(f"with its aliases written out it has more than {MOST_VALUES} values")
    return found
