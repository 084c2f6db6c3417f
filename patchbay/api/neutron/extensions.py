"""/v2.0/extensions: what of Neutron's extensions is really there (API reference, "Extensions")."""

import msgspec

from patchbay.errors import NotFound

UPDATED = "2026-01-01T00:00:00-00:00"


class Extension(msgspec.Struct, frozen=True):
    """One extension as the API shows it."""

    alias: str
    name: str
    description: str
    updated: str = UPDATED
    links: tuple[str, ...] = ()


EXTENSIONS = tuple(
    Extension(*row)
    for row in (
        ("address-group", "Address group", "Support address group"),
        ("address-scope", "Address scope", "Address scopes extension."),
        ("agent", "agent", "The agent management extension."),
        ("dhcp_agent_scheduler", "DHCP Agent Scheduler", "Schedule networks among dhcp agents"),
        ("l3_agent_scheduler", "L3 Agent Scheduler", "Schedule routers among l3 agents"),
        ("allowed-address-pairs", "Allowed Address Pairs", "Provides allowed address pairs"),
        ("binding", "Port Binding", "Expose port bindings of a virtual port to external application"),
        (
            "default-subnetpools",
            "Default Subnetpools",
            "Provides ability to mark and use a subnetpool as the default.",
        ),
        ("dns-domain-ports", "dns_domain for ports", "Allows the DNS domain to be specified for a network port."),
        ("dns-integration", "DNS Integration", "Provides integration with DNS."),
        ("dvr", "Distributed Virtual Router", "Enables configuration of Distributed Virtual Routers."),
        (
            "empty-string-filtering",
            "Empty String Filtering Extension",
            "Allow filtering by attributes with empty string",
        ),
        (
            "expose-port-forwarding-in-fip",
            "Expose Floating IP port forwardings",
            "Expose port forwarding fields in floating IP response",
        ),
        (
            "ext-gw-mode",
            "Neutron L3 Configurable external gateway mode",
            "Whether source addresses are translated on a router's external gateway",
        ),
        ("external-net", "Neutron external network", "Adds external network attribute to network resource."),
        (
            "extra_dhcp_opt",
            "Neutron Extra DHCP options",
            "Extra options configuration for DHCP, for example PXE boot options.",
        ),
        ("extraroute", "Neutron Extra Route", "Extra routes configuration for L3 router"),
        ("extraroute-atomic", "Atomically add/remove extra routes", "Edit extra routes of a router on server side"),
        ("filter-validation", "Filter parameters validation", "Provides validation on filter parameters."),
        (
            "fip-port-details",
            "Floating IP Port Details Extension",
            "Add port_details attribute to Floating IP resource",
        ),
        (
            "floating-ip-port-forwarding",
            "Floating IP Port Forwarding",
            "Allow port forwarding from floating IP port to an internal port",
        ),
        (
            "floating-ip-port-forwarding-description",
            "Floating IP Port Forwarding new description field",
            "Add a description field to Port Forwarding rules",
        ),
        (
            "floating-ip-port-forwarding-detail",
            "Floating IP Port Forwarding details",
            "Floating IPs show the id and the internal_port_id of their port forwardings",
        ),
        (
            "floating-ip-port-forwarding-port-ranges",
            "Floating IP Port Forwarding support port ranges",
            "Add support to port ranges",
        ),
        ("ip-substring-filtering", "IP address substring filtering", "Provides IP address substring filtering"),
        (
            "l3-port-ip-change-not-allowed",
            "Prevent L3 router ports IP address change extension",
            "Prevent change of IP address for some L3 router ports",
        ),
        ("net-mtu", "Network MTU", "Provides MTU attribute for a network resource."),
        ("net-mtu-writable", "Network MTU (writable)", "Provides a writable MTU attribute for a network resource."),
        ("pagination", "Pagination support", "Extension that indicates that pagination is enabled."),
        ("patchbay-instances", "Instances", "Namespaces on hosts that stand in for virtual machines."),
        ("project-id", "project_id field enabled", "Extension that indicates that project_id field is enabled."),
        ("port-security", "Port Security", "Provides port security"),
        (
            "port-security-groups-filtering",
            "Port filtering on security groups",
            "Provides security groups filtering when listing ports",
        ),
        ("provider", "Provider Network", "Expose mapping of virtual networks to physical networks"),
        ("quotas", "Quota management support", "Expose functions for quotas management per project"),
        (
            "quota-check-limit",
            "Quota engine limit check",
            "Support for checking the resource usage before applying a new quota limit",
        ),
        (
            "quota-check-limit-default",
            "Quota engine limit check by default",
            "By default, the resource usage is checked before a new quota limit is applied",
        ),
        (
            "quota_details",
            "Quota details management support",
            "Expose functions for quotas usage statistics per project",
        ),
        (
            "rbac-policies",
            "RBAC Policies",
            "Allows creation and modification of policies that control tenant access to resources.",
        ),
        ("rbac-address-group", "Add address_group type to RBAC", "Add address_group type to network RBAC"),
        ("rbac-address-scope", "Address scope RBAC", "Allow address scopes to be shared with projects."),
        ("rbac-security-groups", "Add security_group type to network RBAC", "Share security groups with projects"),
        ("rbac-subnetpool", "Add subnetpool type to network RBAC", "Allow subnetpools to be shared with projects."),
        (
            "revision-if-match",
            "If-Match constraints based on revision_number",
            "Extension indicating that If-Match based on revision_number is supported.",
        ),
        ("router", "Neutron L3 Router", "Routers between networks, with gateways to external ones, and floating IPs."),
        (
            "router-admin-state-down-before-update",
            "Enforce Router's Admin State Down Before Update Extension",
            "Ensure that the admin state of a router is DOWN before updating the distributed attribute",
        ),
        ("security-group", "security-group", "The security groups extension."),
        (
            "security-groups-default-rules",
            "Default rules for security groups",
            "Shows the rules that every new security group gets",
        ),
        (
            "security-groups-normalized-cidr",
            "Normalized CIDR field for security group rules",
            "Add new field with normalized remote_ip_prefix cidr in SG rule",
        ),
        (
            "security-groups-remote-address-group",
            "Remote address group id field for security group rules",
            "Add new field of remote address group id in SG rules",
        ),
        (
            "security-groups-rules-belongs-to-default-sg",
            "Security group rule belongs to the project's default security group",
            "Flag to determine if the security group rule belongs to the project's default security group",
        ),
        (
            "security-groups-shared-filtering",
            "Security group filtering on the shared field",
            "Support filtering security groups on the shared field",
        ),
        ("sort-key-validation", "Sort keys validation", "Provides validation on sort keys."),
        ("sorting", "Sorting support", "Extension that indicates that sorting is enabled."),
        (
            "standard-attr-description",
            "standard-attr-description",
            "Extension to add descriptions to standard attributes",
        ),
        (
            "standard-attr-revisions",
            "Resource revision numbers",
            "This extension will display the revision number of neutron resources.",
        ),
        (
            "standard-attr-tag",
            "Tag support for resources with standard attribute: network, subnet, port, router, floatingip, instance, "
            "security_group",
            "Enables to set tag on resources with standard attribute.",
        ),
        (
            "standard-attr-timestamp",
            "Resource timestamps",
            "Adds created_at and updated_at fields to all Neutron resources that have Neutron standard attributes.",
        ),
        (
            "stateful-security-group",
            "Stateful security group",
            "Indicates if the security group is stateful or not",
        ),
        (
            "subnetpool-prefix-ops",
            "Subnet Pool Prefix Operations",
            "Provides support for adjusting the prefix list of subnet pools",
        ),
        (
            "subnet-external-network",
            "Subnet belongs to an external network",
            "Informs if the subnet belongs to an external network",
        ),
        ("subnet_allocation", "Subnet Allocation", "Enables allocation of subnets from a subnet pool"),
        ("subnet-service-types", "Subnet service types", "Provides ability to set the subnet service_types field"),
        ("tag-ports-during-bulk-creation", "Tag Ports During Bulk Creation", "Allow to tag ports during bulk creation"),
    )
)


class ExtensionNotFound(NotFound):
    """No extension has this alias."""

    def __init__(self, alias: str) -> None:
        super().__init__(f"Extension with alias {alias} does not exist")


def get_extension(alias: str) -> Extension:
    """The extension, or ExtensionNotFound."""
    for extension in EXTENSIONS:
        if extension.alias == alias:
            return extension
    raise ExtensionNotFound(alias)
