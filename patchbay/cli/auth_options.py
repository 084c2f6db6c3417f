"""Options of ``patchbay serve`` that say who may ask, and how much a project may have.

Called by ``services``. A password is never an option: files hold hashes, or are readable by their owner alone.
"""

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click

from patchbay.errors import BadRequest

if TYPE_CHECKING:
    from patchbay.api.authentication.choice import AuthSettings

Command = TypeVar("Command", bound=Callable[..., Any])
STRATEGIES = ("noauth", "http_basic", "keystone", "builtin")
FILE = click.Path(dir_okay=False, path_type=Path)

OPTIONS: Mapping[str, dict[str, Any]] = {
    "auth": {
        "type": click.Choice(STRATEGIES),
        "default": "noauth",
        "show_default": True,
        "help": "How callers are known; noauth: everybody is an administrator, on this machine only.",
    },
    "identity": {
        "type": FILE,
        "metavar": "FILE",
        "help": "Projects, users, roles and the catalog (builtin); roles of users (http_basic).",
    },
    "htpasswd": {"type": FILE, "metavar": "FILE", "help": "Users and bcrypt hashes, as htpasswd -B makes them."},
    "keystone": {"type": FILE, "metavar": "FILE", "help": "Where Keystone is, and the service's login there."},
    "token-key": {
        "type": FILE,
        "metavar": "FILE",
        "show_default": "token-key, in --state-dir",
        "help": "Key that tokens are signed with; the same file lets several servers take each other's.",
    },
    "token-lifetime": {
        "type": click.IntRange(60, 7 * 86400),
        "metavar": "SECONDS",
        "default": 3600,
        "show_default": True,
        "help": "How long a token is good (builtin).",
    },
    "insecure-noauth": {"is_flag": True, "help": "Answer everybody as an administrator, wherever the API listens."},
    "quota": {
        "metavar": "RESOURCE=N",
        "multiple": True,
        "show_default": "Neutron's defaults; with noauth none",
        "help": "How many of a resource a project may have (network, port, …), -1 for any number; may be repeated.",
    },
}


def auth_options(function: Command) -> Command:
    """``--auth`` and what belongs to it."""
    for name, settings in reversed(list(OPTIONS.items())):
        function = click.option(f"--{name}", **settings)(function)
    return function


def auth_settings(given: Mapping[str, Any]) -> "AuthSettings":
    """The settings of the strategy."""
    from patchbay.api.authentication.choice import AuthSettings  # noqa: PLC0415  # help answers without it

    return AuthSettings(
        strategy=given["auth"],
        identity=given["identity"],
        htpasswd=given["htpasswd"],
        keystone=given["keystone"],
        token_key=given["token_key"],
        token_lifetime_s=given["token_lifetime"],
        insecure_noauth=given["insecure_noauth"],
    )


def quotas_of(texts: tuple[str, ...], strategy: str) -> Mapping[str, int] | None:
    """The limits that hold for every project; None for none at all.

    Without authentication all objects are of one nameless project, so Neutron's defaults would bound a whole lab.
    """
    from patchbay.service.quotas import DEFAULTS, UNLIMITED  # noqa: PLC0415  # see above

    if strategy == "noauth" and not texts:
        return None
    limits = dict(DEFAULTS) if strategy != "noauth" else dict.fromkeys(DEFAULTS, UNLIMITED)
    for text in texts:
        name, _, number = text.partition("=") if "=" in text else text.partition(":")
        if name not in limits or not number.removeprefix("-").isdecimal() or int(number) < UNLIMITED:
            raise BadRequest(
                f"--quota {text}: not RESOURCE=N with N from -1 on.", f"Resources are {', '.join(sorted(limits))}."
            )
        limits[name] = int(number)
    return limits
