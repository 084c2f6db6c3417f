"""A distributed router whose external network is an overlay: floating IPs on three hosts, and who is behind each."""

import contextlib
from pathlib import Path

from patchbay.lab.lab import Lab
from patchbay.lab.reading import parse_topology
from tests.functional.routers.test_failover import is_met

TOPOLOGY = """\
name: test-distributed-overlay
hosts:
  compute1: {tunnel_ip: 172.21.17.1}
  compute2: {tunnel_ip: 172.21.17.2}
  compute3: {tunnel_ip: 172.21.17.3}
networks:
  ext-net:
    project: admin
    shared: true
    external: true
    subnets:
      ext-v4: {cidr: 198.51.100.0/24, gateway: 198.51.100.1, pools: [198.51.100.2-198.51.100.99], enable_dhcp: false}
  red: {project: red, subnets: {red-v4: {cidr: 10.0.1.0/24}}}
  blue: {project: red, subnets: {blue-v4: {cidr: 10.0.2.0/24}}}
routers:
  r1: {project: red, distributed: true, external: ext-net, interfaces: [red-v4, blue-v4]}
instances:
  red1: {host: compute1, plugging: direct, network: red, address: 10.0.1.11, floating_ip: 198.51.100.50}
  red2: {host: compute2, plugging: direct, network: red, address: 10.0.1.12, floating_ip: 198.51.100.51}
  blue1: {host: compute3, plugging: direct, network: blue, address: 10.0.2.11, floating_ip: 198.51.100.52}
  blue2: {host: compute1, plugging: direct, network: blue, address: 10.0.2.12}
  probe: {host: compute3, plugging: direct, network: ext-net, address: 198.51.100.90}
expect:
  - {from: [red1, red2, blue1, blue2], to: probe, reach: yes}
  - {from: red1, to: probe, reach: yes, seen_as: 198.51.100.50}
  - {from: red2, to: probe, reach: yes, seen_as: 198.51.100.51}
  - {from: blue1, to: probe, reach: yes, seen_as: 198.51.100.52}
  - {from: probe, to: [198.51.100.50, 198.51.100.51, 198.51.100.52], reach: yes}
  - {from: [red1, red2, blue1, blue2], to: [198.51.100.50, 198.51.100.51, 198.51.100.52], reach: yes}
  - {from: red1, http: http://169.254.169.254/latest/meta-data/local-ipv4, body: 10.0.1.11}
  - {from: red2, http: http://169.254.169.254/latest/meta-data/public-ipv4, body: 198.51.100.51}
  - {from: blue1, http: http://169.254.169.254/latest/meta-data/local-ipv4, body: 10.0.2.11}
  - {from: blue2, http: http://169.254.169.254/latest/meta-data/local-ipv4, body: 10.0.2.12}
"""


def test_floating_ips_on_their_own_hosts_reach_each_other_and_are_reached_over_tunnels() -> None:
    owners = "device_owner=network:floatingip_agent_gateway&device_owner=network:router_gateway"
    with Lab.up(parse_topology(TOPOLOGY, Path("overlay.yaml"))) as lab, contextlib.closing(lab.client()) as client:
        is_met(lab)
        ways_out = client.request("GET", f"/v2.0/ports?{owners}")["ports"]
        assert {(port["binding:host_id"], port["status"]) for port in ways_out} == {
            (host, "ACTIVE") for host in ("compute1", "compute2", "compute3")
        }
