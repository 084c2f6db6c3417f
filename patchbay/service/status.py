"""What is derived and never stored: whether a port is up, how it is bound, whether an agent is alive."""

import time

from patchbay.model import FloatingIP, Host, Instance, Port, Router
from patchbay.model.instance import HYBRID
from patchbay.model.router import FLOATING_IP, ROUTER_INTERFACE_DISTRIBUTED
from patchbay.service.router_rules import floating_gateways
from patchbay.service.service import Service

ACTIVE, DOWN, ERROR, NOT_APPLICABLE = "ACTIVE", "DOWN", "ERROR", "N/A"
UNBOUND, OVS, BINDING_FAILED, DISTRIBUTED = "unbound", "ovs", "binding_failed", "distributed"
UNPLUGGED_VIF_TYPES = (UNBOUND, BINDING_FAILED)


def port_status(service: Service, port: Port) -> str:
    """ACTIVE when the port is administratively up and an agent says that its data plane is complete.

    The agent must be that of the port's host, if it is bound to one. N/A for a floating IP's, which is plugged nowhere.
    """
    if port.device_owner == FLOATING_IP:
        return NOT_APPLICABLE
    if port.admin_state_up:
        db = service.db
        for plug_id in db.plugs_by_port.get(port.id, ()):
            plug = db.plugs[plug_id]
            if plug.up and port.host in ("", plug.host):
                return ACTIVE
    return DOWN


def floatingip_status(service: Service, floatingip: FloatingIP) -> str:
    """What the agent of the host where it lives says: ACTIVE when it works, ERROR when it cannot, else DOWN."""
    db = service.db
    router = db.routers.get(floatingip.router_id or "")
    if router is not None:
        host = floating_host(service, router, floatingip)
        for plug_id in db.plugs_by_port.get(floatingip.floating_port_id, ()):
            plug = db.plugs[plug_id]
            if plug.host == host:
                return ERROR if plug.trouble else ACTIVE if plug.up else DOWN
    return DOWN


def floating_host(service: Service, router: Router, floatingip: FloatingIP) -> str:
    """Where a floating IP lives: with its port if its router has a floating gateway there, else with the router."""
    port = service.db.ports.get(floatingip.port_id or "")
    gateways = floating_gateways(service, router.id) if router.distributed else ()
    return port.host if port is not None and any(port.host == each.host for each in gateways) else router.host


def vif_type(service: Service, port: Port) -> str:
    """``binding:vif_type``: unbound without a host, ovs on a host that has an agent, else binding_failed.

    An interface of a distributed router is on every host that needs it: distributed.
    """
    if port.device_owner == ROUTER_INTERFACE_DISTRIBUTED:
        return DISTRIBUTED
    if not port.host:
        return UNBOUND
    return OVS if port.host in service.db.hosts_by_name else BINDING_FAILED


def is_hybrid(service: Service, port: Port) -> bool:
    """Whether the port's instance is plugged through a Linux bridge (qbr)."""
    instance = service.db.instances.get(port.device_id)
    return instance is not None and instance.plugging == HYBRID


def instance_status(service: Service, instance: Instance) -> str:
    """ACTIVE when all its ports are."""
    ports = [service.db.ports.get(port_id) for port_id in instance.interfaces.values()]
    return ACTIVE if all(port is not None and port_status(service, port) == ACTIVE for port in ports) else DOWN


def is_alive(service: Service, host: Host) -> bool:
    """Whether the agent was heard of within ``agent_down_time_s`` (75 s, as in Neutron)."""
    return time.time() - host.heartbeat_at <= service.settings.agent_down_time_s
