"""``patchbay identity``: hashes of passwords, users of the identity file, and whether the file is right.

Passwords are read from the terminal or from standard input, never from the command line.
"""

import contextlib
import os
import sys
from pathlib import Path
from typing import Any

import click
import yaml

from patchbay.errors import BadRequest

FILE = click.Path(dir_okay=False, path_type=Path)


@click.group()
def identity() -> None:
    """Users, projects and roles of the built-in identity endpoint (docs/identity.md)."""


@identity.command("hash")
def print_hash() -> None:
    """Print the bcrypt hash of a password: for the identity file, or after NAME: for an htpasswd file."""
    click.echo(_hashed())


@identity.command("check")
@click.argument("file", type=FILE)
def check(file: Path) -> None:
    """Say what the identity FILE holds, with the ids of projects and users, or what is wrong with it."""
    from patchbay.service.identity.file import WatchedFile, parse_identity  # noqa: PLC0415  # help answers without it

    found = WatchedFile(file, parse_identity).current()
    if not found.users:
        click.echo(f"{file} holds no user.")
    for project in found.projects.values():
        click.echo(f"project {project.name} ({project.id})")
    for user in found.users.values():
        roles = [f"{found.projects[id_].name}: {', '.join(sorted(held))}" for id_, held in user.roles.items() if held]
        click.echo(f"user {user.name} ({user.id}): {'; '.join(roles) or 'no role'}")
    _warn_of_roles(found)


@identity.command("set")
@click.argument("file", type=FILE)
@click.argument("user")
@click.option("--project", required=True, help="Project that the user gets the roles in; made if it is not there.")
@click.option("--role", "roles", multiple=True, default=("member",), show_default=True, help="May be repeated.")
@click.option("--keep-password", is_flag=True, help="Leave the user's password as it is.")
def set_user(file: Path, user: str, project: str, roles: tuple[str, ...], keep_password: bool) -> None:
    """Give USER a password, and roles in a project, in the identity FILE; both are made if they are not there.

    The file is written anew: comments in it are lost.
    """
    from patchbay.service.identity.file import WatchedFile, parse_identity  # noqa: PLC0415  # see above

    written: dict[str, Any] = {}
    if file.exists():
        WatchedFile(file, parse_identity)
        written = yaml.safe_load(file.read_text(encoding="utf-8")) or {}
    projects, users = (written.get(name) or {} for name in ("projects", "users"))
    entry = users.get(user) or {}
    entry["roles"] = (entry.get("roles") or {}) | {project: list(roles)}
    written |= {"projects": {project: {}} | projects, "users": users | {user: entry}}
    if not keep_password:
        entry["password"] = _hashed()
    text = yaml.safe_dump(written, sort_keys=False, allow_unicode=True)
    found = parse_identity(text, file)
    try:
        _replace(file, text)
    except OSError as error:
        raise BadRequest(f"{file}: {error.strerror}.", "Name a file that you may write.") from None
    _warn_of_roles(found)


def _warn_of_roles(found: Any) -> None:
    """Say which roles are of no use here: a role that is misspelt would lock its user out without a word."""
    from patchbay.service.context import IMPLIED, ROLES  # noqa: PLC0415  # see above

    known = ROLES.union(IMPLIED)
    strange = sorted({role for user in found.users.values() for held in user.roles.values() for role in held} - known)
    if strange:
        allows = "allow nothing" if len(strange) > 1 else "allows nothing"
        click.echo(f"Note: {', '.join(strange)} {allows} here; what does is {', '.join(sorted(ROLES))}.", err=True)


def _hashed() -> str:
    from patchbay.service.identity.passwords import hash_password  # noqa: PLC0415  # see above

    if sys.stdin.isatty():
        password = click.prompt("Password", hide_input=True, confirmation_prompt=True)
    else:
        password = sys.stdin.readline().rstrip("\n")
    try:
        return hash_password(password)
    except ValueError as error:
        raise BadRequest(str(error), "Type another.") from None


def _replace(file: Path, text: str) -> None:
    """The file with that text: whole or as before; readable by its owner alone, or by whom it was readable before."""
    before = file.stat() if file.exists() else None
    mode = before.st_mode & 0o777 if before else 0o600
    beside = file.with_name(f".{file.name}.{os.getpid()}")
    with os.fdopen(os.open(beside, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode), "w", encoding="utf-8") as out:
        if before:
            os.fchmod(out.fileno(), mode)  # not less the umask
            with contextlib.suppress(PermissionError):
                os.fchown(out.fileno(), before.st_uid, before.st_gid)
        out.write(text)
    beside.replace(file)
