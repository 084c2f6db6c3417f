"""Errors with the names, codes and statuses of OpenVNet's WebAPI (axsh/openvnet, ``vnet/endpoints/errors.rb``).

The message is OpenVNet's own, word for word, because its clients look for that; the remedy names rule and way out, and
goes along as a member that OpenVNet has not.
"""

from typing import ClassVar

from patchbay.errors import BadRequest, Conflict, NotFound, PatchbayError
from patchbay.service.vnet.kinds import Kind


class VnetError(PatchbayError):
    """An error of the WebAPI. ``code`` is OpenVNet's number for it, as text."""

    code: ClassVar[str]


class UnknownUUIDResource(VnetError, NotFound):
    """No object of the kind has this uuid."""

    code = "100"

    def __init__(self, kind: Kind, uuid: str, parameter: str = "uuid") -> None:
        super().__init__(
            f"{kind.class_name}#{parameter}: {uuid}",
            f"There is no {kind.words} with this uuid."
            + (f" GET /api/1.0/{kind.collection} lists those there are." if kind.collection else ""),
        )


class InvalidUUID(VnetError, BadRequest):
    """The text cannot be the uuid of an object of the kind."""

    code = "101"

    def __init__(self, kind: Kind, uuid: object, parameter: str = "uuid") -> None:
        super().__init__(
            f"{kind.class_name}#{parameter}: {uuid}",
            f"The uuid of a {kind.words} is {kind.prefix}- and 1 to 16 of the characters a to z and 0 to 9.",
        )


class DuplicateUUID(VnetError, Conflict):
    """Another object has this uuid."""

    code = "102"

    def __init__(self, kind: Kind, uuid: str) -> None:
        super().__init__(uuid, f"There is a {kind.words} with this uuid already; choose another, or leave it out.")


class InvalidID(VnetError, BadRequest):
    """Objects that a request names do not belong together."""

    code = "103"


class ArgumentError(VnetError, BadRequest):
    """The value of a parameter breaks a rule."""

    code = "110"


class MissingArgument(VnetError, BadRequest):
    """A required parameter was not given."""

    code = "111"

    def __init__(self, parameter: str) -> None:
        super().__init__(parameter, f"The parameter {parameter} is required; give it a value.")


class RelationAlreadyExists(VnetError, Conflict):
    """The two objects are related so already."""

    code = "112"


class DeleteRestrictionError(VnetError, Conflict):
    """The object is in use."""

    code = "113"


class UnknownResource(VnetError, NotFound):
    """What the request names is not there."""

    code = "114"
