"""A web server that answers every request with the address that it comes from.

Run as a script by ``outside``, with nothing but the standard library. It shows what the world sees of an instance: the
address of its router, or its floating IP. ``/health`` answers ``ok``.
"""

import http.server
import ipaddress
import socket


class Answer(http.server.BaseHTTPRequestHandler):
    """One request."""

    def do_GET(self) -> None:
        """The asker's address, on a line."""
        address = ipaddress.ip_address(self.client_address[0].partition("%")[0])
        mapped = address.ipv4_mapped if isinstance(address, ipaddress.IPv6Address) else None
        text = "ok" if self.path == "/health" else str(mapped or address)
        body = f"{text}\n".encode()
        self.send_response(200)
        self.send_header("Content-Type", "text/plain")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)


class Server(http.server.ThreadingHTTPServer):
    """Listens on IPv6 and, by the same socket, on IPv4."""

    address_family = socket.AF_INET6

    def server_bind(self) -> None:
        """Both families on one socket; no name is looked up, as the usual server does."""
        self.socket.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 0)
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        self.socket.bind(self.server_address)
        self.server_name, self.server_port = "outside", 80


if __name__ == "__main__":
    Server(("::", 80), Answer).serve_forever()
