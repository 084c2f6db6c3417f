"""TLS towards an OVSDB server: who this client is, and whose servers it believes.

As Open vSwitch does it, a server is believed when its certificate comes from the one authority, whatever its name; the
certificate must be one for servers (extended key usage), so a client's certificate from the same authority is not
enough. Files are read anew for every session: a certificate that was renewed counts from the next one.
"""

import ssl

import msgspec

from patchbay.ovsdb.errors import OvsdbError
from patchbay.ovsdb.remote import Remote


class Credentials(msgspec.Struct, frozen=True):
    """Paths of PEM files: ``certificate`` holds the private key, the certificate and its chain; ``authority`` those of
    the authority that servers must come from."""

    certificate: str
    authority: str


def client_context(credentials: Credentials | None, remote: Remote) -> ssl.SSLContext:
    """What a session with ``remote`` is encrypted and authenticated with: TLS 1.2 or later. Raises OvsdbError."""
    if credentials is None:
        raise OvsdbError(f"{remote} is encrypted, and there are no credentials for it.", "Name the files with them.")
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.check_hostname = False
    try:
        context.load_verify_locations(credentials.authority)
        context.load_cert_chain(credentials.certificate)
    except OSError as error:
        which = f"{credentials.certificate} or {credentials.authority}"
        reason = error.strerror or str(error)
        raise OvsdbError(
            f"The credentials {which} cannot be used: {reason}.", "Both must be readable PEM files."
        ) from error
    return context
