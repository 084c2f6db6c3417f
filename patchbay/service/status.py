"""What is derived and never stored: whether a port is up, how it is bound, whether an agent is alive."""

import time

from patchbay.model import Host, Instance, Port
from patchbay.model.instance import HYBRID
from patchbay.service.service import Service

ACTIVE, DOWN = "ACTIVE", "DOWN"
UNBOUND, OVS, BINDING_FAILED = "unbound", "ovs", "binding_failed"
UNPLUGGED_VIF_TYPES = (UNBOUND, BINDING_FAILED)


def port_status(service: Service, port: Port) -> str:
    """ACTIVE when the port is administratively up and an agent says that its data plane is complete.

    The agent must be that of the port's host, if it is bound to one.
    """
    if port.admin_state_up:
        db = service.db
        for plug_id in db.plugs_by_port.get(port.id, ()):
            plug = db.plugs[plug_id]
            if plug.up and port.host in ("", plug.host):
                return ACTIVE
    return DOWN


def vif_type(service: Service, port: Port) -> str:
    """``binding:vif_type``: unbound without a host, ovs on a host that has an agent, else binding_failed."""
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
    """Whether the agent was heard of within ``agent_down_time_s`` (20 s; Neutron: 75)."""
    return time.time() - host.heartbeat_at <= service.settings.agent_down_time_s
