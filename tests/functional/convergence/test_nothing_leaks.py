"""No packet of an instance leaves a router with its inner address while the router comes, changes and goes."""

import contextlib
import ipaddress
import socket
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from patchbay.host import netns
from patchbay.lab.lab import Lab
from tests.functional.convergence.scene import converged, find, settled, wait_for

EXAMPLE = "seed001.yaml"
INSIDE = ipaddress.ip_network("10.0.0.0/16")
PORT = 7007


class Watcher:
    """Counts datagrams that come to a machine outside, by whether their sender is an inner address."""

    def __init__(self, sniffer: socket.socket) -> None:
        self.translated = 0
        self.leaked: list[str] = []
        self._sniffer = sniffer

    def run(self, stopping: threading.Event) -> None:
        self._sniffer.settimeout(0.1)
        while not stopping.is_set():
            with contextlib.suppress(TimeoutError):
                packet = self._sniffer.recv(200)
                if packet[9] == socket.IPPROTO_UDP and int.from_bytes(packet[22:24], "big") == PORT:
                    sender = ipaddress.ip_address(packet[12:16])
                    self.leaked += [str(sender)] if sender in INSIDE else []
                    self.translated += sender not in INSIDE


def in_place(lab: Lab, place: str, *kind: int) -> socket.socket:
    def opened() -> socket.socket:
        with netns.inside(lab.places()[place].path):
            return socket.socket(*kind)

    with ThreadPoolExecutor(1) as executor:
        return executor.submit(opened).result()


def send_from_new_ports(lab: Lab, place: str, stopping: threading.Event) -> None:
    """Each datagram from a port of its own: each is the first of a connection."""

    def send() -> None:
        with netns.inside(lab.places()[place].path):
            while not stopping.wait(0.002):
                with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as opened, contextlib.suppress(OSError):
                    opened.sendto(b"x", ("192.168.1.1", PORT))

    with ThreadPoolExecutor(1) as executor:
        executor.submit(send).result()


@contextlib.contextmanager
def new_connections(lab: Lab, *sources: str) -> Iterator[Watcher]:
    stopping = threading.Event()
    with in_place(lab, "gateway", socket.AF_PACKET, socket.SOCK_DGRAM, socket.htons(0x0800)) as sniffer:
        watcher = Watcher(sniffer)
        threads = [threading.Thread(target=watcher.run, args=(stopping,), daemon=True)]
        threads += [threading.Thread(target=send_from_new_ports, args=(lab, one, stopping)) for one in sources]
        for thread in threads:
            thread.start()
        try:
            yield watcher
        finally:
            stopping.set()
            for thread in threads:
                thread.join(5)


def test_no_inner_address_is_seen_outside_while_a_gateway_goes_and_comes(lab: Lab) -> None:
    router = find(lab, "routers", "other-router")
    floatingip = next(one for one in _get(lab, "floatingips") if one["floating_ip_address"] == "192.168.1.248")
    with new_connections(lab, "other01") as seen:
        wait_for(lambda: seen.translated > 20, "datagrams come through")
        for _ in range(3):
            _put(lab, f"floatingips/{floatingip['id']}", floatingip={"port_id": None})
            settled(*lab.hosts.values())
            _put(lab, f"routers/{router['id']}", router={"external_gateway_info": {}})
            settled(*lab.hosts.values())
            before = seen.translated
            _put(lab, f"routers/{router['id']}", router={"external_gateway_info": _gateway(router)})
            wait_for(lambda before=before: seen.translated > before + 20, "datagrams come through again")  # type: ignore[misc]
            _put(lab, f"floatingips/{floatingip['id']}", floatingip={"port_id": floatingip["port_id"]})
    converged(lab)
    assert seen.leaked == []


def _gateway(router: dict[str, Any]) -> dict[str, Any]:
    info = router["external_gateway_info"]
    return {name: info[name] for name in ("network_id", "external_fixed_ips", "enable_snat")}


def _get(lab: Lab, kind: str) -> Any:
    with contextlib.closing(lab.client()) as client:
        return client.request("GET", f"/v2.0/{kind}")[kind]


def _put(lab: Lab, path: str, **body: Any) -> None:
    with contextlib.closing(lab.client()) as client:
        client.request("PUT", f"/v2.0/{path}", body)
