"""The token with which a host joins: for whom it is, whom to believe, and a secret that is good once.

Written as four words with dots between: a mark, the host's name in base64url, the SHA-256 fingerprint of the service's
authority, and the secret. Pure: who makes a token brings the secret.
"""

import base64
import binascii

import msgspec

MARK = "pbjoin1"
FINGERPRINT_DIGITS, SECRET_LETTERS = 64, 43
NAME_LETTERS = 64
"""The longest common name of a certificate (RFC 5280, appendix A.1), hence of a host that joins."""


class JoinToken(msgspec.Struct, frozen=True):
    """``fingerprint``: SHA-256 of the authority's certificate, in hexadecimal digits."""

    host: str
    fingerprint: str
    secret: str

    def __str__(self) -> str:
        host = base64.urlsafe_b64encode(self.host.encode()).rstrip(b"=").decode()
        return f"{MARK}.{host}.{self.fingerprint}.{self.secret}"


def parse_token(text: str) -> JoinToken | None:
    """The token that ``text`` is; None when it is none, or not whole."""
    words = text.strip().split(".")
    if len(words) != 4 or words[0] != MARK:
        return None
    _, name, fingerprint, secret = words
    try:
        host = base64.urlsafe_b64decode(name + "=" * (-len(name) % 4)).decode()
        bytes.fromhex(fingerprint)
    except (binascii.Error, ValueError):
        return None
    if not host or len(fingerprint) != FINGERPRINT_DIGITS or len(secret) != SECRET_LETTERS:
        return None
    return JoinToken(host, fingerprint, secret)
