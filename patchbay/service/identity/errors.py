"""What keeps somebody out."""

from patchbay.errors import BadRequest, Forbidden, PatchbayError


class Unauthorized(PatchbayError):
    """401: who asks is not known. The message is the same whatever was wrong."""

    def __init__(self, message: str = "The request you have made requires authentication.") -> None:
        super().__init__(message)


class TooManyFailures(PatchbayError):
    """429: too many logins failed; ``retry_after_s`` until the next try is looked at."""

    def __init__(self, retry_after_s: int) -> None:
        super().__init__("Too many logins have failed.", f"Try again in {retry_after_s} s.")
        self.retry_after_s = retry_after_s


class NoRoles(Forbidden):
    """The user has no role in the project that it asks for."""

    def __init__(self, user: str, project: str) -> None:
        super().__init__(f"User {user} has no role in project {project}.", "Ask an administrator for one.")


class BadIdentityFile(BadRequest):
    """The identity file says what nobody can follow."""

    def __init__(self, path: object, reason: str, remedy: str = "See docs/identity.md for its form.") -> None:
        super().__init__(f"{path}: {reason}.", remedy)
