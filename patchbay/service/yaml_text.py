"""YAML that others wrote, as plain data. Whatever is wrong with it is a ``yaml.YAMLError``, and soon."""

from typing import Any

import yaml

MOST_VALUES = 100_000
"""With its aliases written out: a few lines of aliases of aliases are billions of values."""


def read_yaml(text: str, loader: type[yaml.SafeLoader] = yaml.SafeLoader) -> Any:
    """The data in the text.

    Raises YAMLError, also for dates and numbers that there are not, for what is nested too deeply, is an alias of
    itself or too much.
    """
    try:
        found = yaml.load(text, loader)  # noqa: S506  # a safe one
    except (ValueError, RecursionError) as error:
        raise yaml.YAMLError(str(error)) from error
    waiting, count = [found], 0
    while waiting:
        inner = waiting.pop()
        if isinstance(inner, dict):
            waiting += [*inner, *inner.values()]
        elif isinstance(inner, (list, tuple, set)):
            waiting += inner
        count += 1
        if count + len(waiting) > MOST_VALUES:
            raise yaml.YAMLError(f"with its aliases written out it has more than {MOST_VALUES} values")
    return found
