"""Passwords and tokens are in no option, no help and no error: everybody on a machine sees command lines."""

from collections.abc import Iterator

import click
import pytest

from patchbay.cli.login import access, without_login
from patchbay.cli.main import COMMANDS, load_command, run
from patchbay.cli.main import patchbay as root
from patchbay.cli.vnctl import vnctl
from patchbay.errors import PatchbayError

SECRETS = {
    "OS_PASSWORD": "w0rd-of-os",
    "OS_TOKEN": "t0ken-of-os",
    "OS_APPLICATION_CREDENTIAL_SECRET": "s3cret-of-os",
    "VNCTL_WEBAPI_PASSWORD": "w0rd-of-vnctl",
    "VNCTL_WEBAPI_TOKEN": "t0ken-of-vnctl",
}
NOT_SECRET = {
    "--token": "of `host join`: - is the default, which reads it from standard input, and what is given is blanked",
    "--token-file": "names a file",
    "--token-key": "names a file",
    "--token-lifetime": "a number",
    "--htpasswd": "names a file",
    "--keep-password": "a switch",
}
"""Options that may have such a name, and why."""


def commands(command: click.Command, context: click.Context) -> Iterator[tuple[click.Command, click.Context]]:
    """A command and all below it."""
    yield command, context
    if isinstance(command, click.Group):
        for name in command.list_commands(context):
            inner = command.get_command(context, name)
            assert inner is not None
            yield from commands(inner, click.Context(inner, parent=context, info_name=name))


def every_command() -> Iterator[tuple[click.Command, click.Context]]:
    top = click.Context(root, info_name="patchbay")
    for name in COMMANDS:
        command = load_command(name)
        yield from commands(command, click.Context(command, parent=top, info_name=name))


def test_no_option_takes_a_secret() -> None:
    words = ("passw", "secret", "token", "key", "credential")
    for command, context in every_command():
        for parameter in command.params:
            for option in parameter.opts if isinstance(parameter, click.Option) else ():
                is_suspect = any(word in option for word in words)
                is_file = isinstance(parameter.type, click.Path) or parameter.metavar in ("FILE", "DIR", "DIRECTORY")
                assert not is_suspect or is_file or option in NOT_SECRET, (context.command_path, option)


def test_no_help_shows_what_the_environment_holds(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in SECRETS.items():
        monkeypatch.setenv(name, value)
    for command, context in every_command():
        shown = command.get_help(context)
        assert not any(value in shown for value in SECRETS.values()), context.command_path


@pytest.mark.parametrize(
    "variables",
    [
        {"PATCHBAY_ENDPOINT": "http://alice:w0rd-of-os@192.0.2.1:x"},
        {"PATCHBAY_ENDPOINT": "ftp://alice:w0rd-of-os@192.0.2.1"},
        {"OS_AUTH_URL": "http://alice:w0rd-of-os@127.0.0.1:1/v3", "OS_USERNAME": "alice"},
        {"OS_AUTH_URL": "http://127.0.0.1:1/v3", "OS_USERNAME": "alice"},
        {"OS_AUTH_TYPE": "http_basic", "OS_ENDPOINT": "http://127.0.0.1:1", "OS_USERNAME": "alice"},
    ],
)
def test_no_error_shows_it(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], variables: dict[str, str]
) -> None:
    for name, value in (SECRETS | variables).items():
        monkeypatch.setenv(name, value)
    assert run(root, ["network", "list"]) == 1
    monkeypatch.setenv("VNET_WEBAPI", "127.0.0.1:1")
    assert run(vnctl, ["networks", "show", "--user", "alice"]) == 1
    shown = capsys.readouterr()
    assert not any(value in shown.out + shown.err for value in SECRETS.values()), shown.err


def test_a_login_refused_says_where_and_not_with_what() -> None:
    assert without_login("https://a:b@192.0.2.1:5000/v3") == "https://192.0.2.1:5000/v3"
    variables = {"OS_AUTH_URL": "http://a:w0rd-of-os@127.0.0.1:1", **SECRETS}
    with pytest.raises(PatchbayError) as error:
        access(variables, lambda _: pytest.fail("no TLS here"))
    assert not any(value in str(error.value) for value in SECRETS.values())
