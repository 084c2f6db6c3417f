"""Who asks the OpenVNet WebAPI: a name and a password, or a token.

Called by ``vnctl_webapi``. Promises: a password or token comes from the environment or from the terminal, never from
the command line, where everybody on the machine would see it; it is neither printed nor put into an error.
"""

import base64
import functools
import os
import sys
from collections.abc import Mapping

import click

from patchbay.errors import BadRequest, PatchbayError

USER, PASSWORD, TOKEN = "VNCTL_WEBAPI_USER", "VNCTL_WEBAPI_PASSWORD", "VNCTL_WEBAPI_TOKEN"
REMEDY = f"Give --user NAME or {USER}; the password is asked for, or in {PASSWORD}."


class LoginWanted(PatchbayError):
    """The WebAPI does not know who asks."""

    def __init__(self, url: str, said: str) -> None:
        super().__init__(f"The WebAPI at {url} does not know who asks: {said.rstrip('.')}.", REMEDY)


def user_named(text: str) -> str:
    """The user's name as it was given. Raises BadRequest for one with a password behind it."""
    if ":" in text:
        name = text.partition(":")[0]
        raise BadRequest(f"User {name}: a name has no colon, and a password is not for the command line.", REMEDY)
    return text


def headers_for(user: str, url: str) -> Mapping[str, str]:
    """What goes with each request to the WebAPI at that URL; without a user, a token if there is one."""
    if user:
        pair = f"{user}:{password_of(user, url)}".encode()
        return {"Authorization": "Basic " + base64.b64encode(pair).decode()}
    token = os.environ.get(TOKEN, "")
    if token and not (token.isascii() and token.isprintable()):
        raise BadRequest(f"{TOKEN} holds no token.", "Take the id that `openstack token issue` prints.")
    return {"X-Auth-Token": token} if token else {}


@functools.cache
def password_of(user: str, url: str) -> str:
    """The password in the environment, or the one that is typed, once for all requests of a run."""
    given = os.environ.get(PASSWORD)
    if given is not None:
        return given
    if not sys.stdin.isatty():
        raise BadRequest(
            f"User {user}: there is no password.", f"Put it into {PASSWORD}: no terminal is here to ask at."
        )
    typed: str = click.prompt(f"Password of {user} at {url}", hide_input=True, err=True)
    return typed
