"""The one error tree. Every error names the object, the rule and the remedy.

PatchbayError                     what a user may be shown
├── NotFound                      404  the named object does not exist (for this project)
├── BadRequest                    400  the input breaks a rule that holds whatever the network looks like
├── Forbidden                     403  the caller may not do this
├── Conflict                      409  the input is well formed but clashes with what is there
├── PreconditionFailed            412  If-Match named a revision that is no longer current
├── TooLarge                      413  the request body is larger than the service accepts
├── ServiceUnavailable            503  the intent database cannot be reached
├── IntentError                        the intent database refused or lost a write (see patchbay.intent)
├── HostError                          the machine refused an operation (see patchbay.host)
└── LabError                           a topology file or a lab is wrong (see patchbay.lab)

Subclasses used by the Neutron API carry Neutron's own exception names, because that name is what its clients
see as ``NeutronError.type`` (neutron-lib, ``neutron_lib/exceptions``).
"""


class PatchbayError(Exception):
    """An error that a user can act on.

    ``message`` names the object and the rule; ``remedy`` says what to do about it and may be empty.
    """

    def __init__(self, message: str, remedy: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.remedy = remedy

    def __str__(self) -> str:
        # Some messages are Neutron's, to the letter, and have no full stop.
        stop = "." if self.remedy and self.message[-1:].isalnum() else ""
        return f"{self.message}{stop} {self.remedy}".strip()


class NotFound(PatchbayError):
    """The named object does not exist for this caller."""


class BadRequest(PatchbayError):
    """The input breaks a rule that holds whatever the network looks like."""


class Forbidden(PatchbayError):
    """The caller may not do this."""


class Conflict(PatchbayError):
    """The input is well formed but clashes with what is there."""


class PreconditionFailed(PatchbayError):
    """If-Match named a revision that is no longer current."""


class TooLarge(PatchbayError):
    """The request body is larger than the service accepts."""


class ServiceUnavailable(PatchbayError):
    """The intent database cannot be reached."""


class IntentError(PatchbayError):
    """The intent database refused or lost a write."""


class HostError(PatchbayError):
    """The machine refused an operation."""


class LabError(PatchbayError):
    """A topology file or a lab is wrong."""
