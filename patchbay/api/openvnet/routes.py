"""Which endpoint answers which path of the WebAPI."""

from collections.abc import Sequence

from patchbay.api.errors import HTTPNotFound
from patchbay.api.openvnet import (
    datapaths,
    dns_services,
    filters,
    interfaces,
    ip_lease_containers,
    ip_range_groups,
    ip_retention_containers,
    ip_routes,
    lease_policies,
    leases,
    mac_range_groups,
    network_services,
    networks,
    route_links,
    topologies,
    translations,
)
from patchbay.api.openvnet.endpoint import Endpoint

ENDPOINTS: tuple[Endpoint, ...] = (
    *datapaths.ENDPOINTS,
    *dns_services.ENDPOINTS,
    *interfaces.ENDPOINTS,
    *leases.ENDPOINTS,
    *networks.ENDPOINTS,
    *route_links.ENDPOINTS,
    *filters.ENDPOINTS,
    *ip_lease_containers.ENDPOINTS,
    *ip_range_groups.ENDPOINTS,
    *ip_retention_containers.ENDPOINTS,
    *ip_routes.ENDPOINTS,
    *lease_policies.ENDPOINTS,
    *mac_range_groups.ENDPOINTS,
    *network_services.ENDPOINTS,
    *topologies.ENDPOINTS,
    *translations.ENDPOINTS,
)
"""All endpoints, in no particular order: no path has two."""

PREFIXES = (("api", "1.0"), ("api",))
"""Where the WebAPI is; the seed's time knew no version."""


def _by_collection() -> dict[str, list[Endpoint]]:
    found: dict[str, list[Endpoint]] = {}
    for endpoint in ENDPOINTS:
        found.setdefault(endpoint.path.strip("/").partition("/")[0], []).append(endpoint)
    return found


_BY_COLLECTION = _by_collection()


def find(method: str, path: str) -> tuple[Endpoint, dict[str, str]]:
    """The endpoint and what its path's names stand for. Raises HTTPNotFound."""
    parts = _below_prefix([part for part in path.split("/") if part])
    for endpoint in _BY_COLLECTION.get(parts[0], ()) if parts else ():
        found = endpoint.matches(method, parts)
        if found is not None:
            return endpoint, found
    raise HTTPNotFound(f"Nothing answers {method} {path}: see `vnctl --help` for what there is under /api/1.0.")


def _below_prefix(parts: Sequence[str]) -> Sequence[str]:
    for prefix in PREFIXES:
        if tuple(parts[: len(prefix)]) == prefix:
            return parts[len(prefix) :]
    return ()
