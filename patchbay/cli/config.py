"""Options from a file: the YAML that ``--config`` names gives defaults to the options of a command.

Called by ``services``. Promises: an unknown name or a value of the wrong kind is an error that names file and option;
what the command line or the environment says wins over the file.
"""

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, TypeVar

import click
import yaml

from patchbay.errors import BadRequest
from patchbay.service.yaml_text import read_yaml

Command = TypeVar("Command", bound=Callable[..., Any])


def config_option(example: str) -> Callable[[Command], Command]:
    """``--config FILE``; ``example`` shows a line of such a file."""
    return click.option(
        "--config",
        type=click.Path(dir_okay=False, path_type=Path),
        is_eager=True,
        expose_value=False,
        callback=load_defaults,
        help=f"YAML file with options, named as here without the dashes in front: {example}.",
    )


def load_defaults(context: click.Context, _: click.Parameter, path: Path | None) -> None:
    """Make what the file says the default of the command's options."""
    if path is None:
        return
    try:
        said = read_yaml(path.read_text(encoding="utf-8")) or {}
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
        reason = getattr(error, "strerror", None) or str(error).replace("\n", " ")
        raise BadRequest(f"{path}: {reason}.", "Name a readable YAML file with --config.") from error
    if not isinstance(said, Mapping):
        raise BadRequest(
            f"{path}: not a mapping of option names to values.", "Write lines such as listen: ADDRESS:PORT."
        )
    known = {
        option.lstrip("-"): parameter
        for parameter in context.command.params
        if isinstance(parameter, click.Option) and parameter.name != "config"
        for option in parameter.opts
    }
    defaults: dict[str, Any] = {}
    for name, value in said.items():
        parameter = known.get(str(name))
        if parameter is None:
            raise BadRequest(f"{path}: {name} is not an option of this command.", f"Use {', '.join(sorted(known))}.")
        defaults[str(parameter.name)] = as_given(value, parameter.multiple)
    context.default_map = {**(context.default_map or {}), **defaults}


def as_given(value: Any, is_multiple: bool) -> Any:
    """A value as the command line would give it: mappings as NAME:VALUE, a single value as a list of one."""
    if isinstance(value, Mapping):
        value = [f"{name}:{inner}" for name, inner in value.items()]
    if is_multiple and not isinstance(value, list):
        value = [value]
    return value
