"""Kinds of OpenVNet's objects: names, prefixes of uuids, and where the WebAPI lists them (``vnet/models``)."""

import re

import msgspec

UUID_TAIL = r"[a-z0-9]{1,16}"


class Kind(msgspec.Struct, frozen=True):
    """One class of objects.

    ``name`` is ``VnetObject.kind``, ``class_name`` OpenVNet's name of the class, ``prefix`` that of its uuids (without
    the dash; "" for relations, which have none), ``collection`` the path where it is listed ("": nowhere).
    """

    name: str
    class_name: str
    prefix: str = ""
    collection: str = ""

    @property
    def words(self) -> str:
        """The kind in a sentence."""
        return self.name.replace("_", " ")

    def is_uuid(self, text: object) -> bool:
        """Whether a new object of the kind may have this uuid."""
        return isinstance(text, str) and re.fullmatch(rf"{self.prefix}-{UUID_TAIL}", text) is not None


NETWORK = Kind("network", "Network", "nw", "networks")
SEGMENT = Kind("segment", "Segment", "seg", "segments")
DATAPATH = Kind("datapath", "Datapath", "dp", "datapaths")
INTERFACE = Kind("interface", "Interface", "if", "interfaces")
MAC_LEASE = Kind("mac_lease", "MacLease", "ml", "mac_leases")
IP_LEASE = Kind("ip_lease", "IpLease", "il", "ip_leases")
IP_LEASE_CONTAINER = Kind("ip_lease_container", "IpLeaseContainer", "ilc", "ip_lease_containers")
IP_RETENTION_CONTAINER = Kind("ip_retention_container", "IpRetentionContainer", "irc", "ip_retention_containers")
IP_RETENTION = Kind("ip_retention", "IpRetention")
IP_RANGE_GROUP = Kind("ip_range_group", "IpRangeGroup", "iprg", "ip_range_groups")
IP_RANGE = Kind("ip_range", "IpRange", "ipr")
MAC_RANGE_GROUP = Kind("mac_range_group", "MacRangeGroup", "mrg", "mac_range_groups")
MAC_RANGE = Kind("mac_range", "MacRange", "mr")
LEASE_POLICY = Kind("lease_policy", "LeasePolicy", "lp", "lease_policies")
NETWORK_SERVICE = Kind("network_service", "NetworkService", "ns", "network_services")
DNS_SERVICE = Kind("dns_service", "DnsService", "dnss", "dns_services")
DNS_RECORD = Kind("dns_record", "DnsRecord", "dnsr")
ROUTE_LINK = Kind("route_link", "RouteLink", "rl", "route_links")
ROUTE = Kind("route", "Route", "r", "routes")
FILTER = Kind("filter", "Filter", "fil", "filters")
FILTER_STATIC = Kind("filter_static", "FilterStatic")
TRANSLATION = Kind("translation", "Translation", "tr", "translations")
TRANSLATION_STATIC_ADDRESS = Kind("translation_static_address", "TranslationStaticAddress")
TOPOLOGY = Kind("topology", "Topology", "topo", "topologies")
DATAPATH_NUMBER = Kind("datapath_number", "DatapathNumber")
"""Has the dpid of a datapath as uuid, so that no two datapaths of one bridge are made at once."""
INTERFACE_PORT_NAME = Kind("interface_port_name", "InterfacePortName")
"""Has a datapath and the name of a port there as uuid, so that no two interfaces get one port at once."""
DATAPATH_NETWORK = Kind("datapath_network", "DatapathNetwork")
DATAPATH_SEGMENT = Kind("datapath_segment", "DatapathSegment")
DATAPATH_ROUTE_LINK = Kind("datapath_route_link", "DatapathRouteLink")
INTERFACE_PORT = Kind("interface_port", "InterfacePort")
INTERFACE_NETWORK = Kind("interface_network", "InterfaceNetwork")
INTERFACE_SEGMENT = Kind("interface_segment", "InterfaceSegment")
INTERFACE_ROUTE_LINK = Kind("interface_route_link", "InterfaceRouteLink")
