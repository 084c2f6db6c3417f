"""Two projects on two hosts: mallory is an instance of red and means harm to its neighbours, to blue, to the hosts."""

TOPOLOGY = """\
name: test-attacks
control_plane: tls
hosts:
  compute1: {tunnel_ip: 172.21.46.1, bridge_mappings: {physnet1: br-ex}}
  compute2: {tunnel_ip: 172.21.46.2}
networks:
  ext-net:
    type: flat
    physical_network: physnet1
    external: true
    mtu: 1500
    subnets:
      ext-v4: {cidr: 198.51.100.0/24, gateway: 198.51.100.1, pools: [198.51.100.5-198.51.100.99], enable_dhcp: false}
  red: {subnets: {red-v4: {cidr: 10.0.1.0/24}, red-v6: {cidr: "fd00:1::/64"}}}
  blue: {subnets: {blue-v4: {cidr: 10.0.2.0/24}, blue-v6: {cidr: "fd00:2::/64"}}}
routers:
  red-router: {external: ext-net, external_addresses: [198.51.100.5], interfaces: [red-v4, red-v6]}
  blue-router: {external: ext-net, external_addresses: [198.51.100.6], interfaces: [blue-v4, blue-v6]}
security_groups:
  everything: [{}, {ethertype: IPv6}]
  web: [{protocol: tcp, ports: 80}, {protocol: tcp, ports: 80, ethertype: IPv6}]
instances:
  mallory: {host: compute1, plugging: direct, network: red, addresses: [10.0.1.66, "fd00:1::66"],
    security_groups: [everything], floating_ip: 198.51.100.66}
  mallory2: {host: compute1, network: red, addresses: [10.0.1.67, "fd00:1::67"], security_groups: [everything]}
  loose: {host: compute1, plugging: direct, network: red, addresses: [10.0.1.68, "fd00:1::68"], port_security: false}
  victim: {host: compute2, network: red, addresses: [10.0.1.11, "fd00:1::11"], security_groups: [everything]}
  neighbour: {host: compute1, plugging: direct, network: red, addresses: [10.0.1.12, "fd00:1::12"],
    security_groups: [everything]}
  web: {host: compute1, plugging: direct, network: red, addresses: [10.0.1.31, "fd00:1::31"], security_groups: [web]}
  blue1: {host: compute1, plugging: direct, network: blue, addresses: [10.0.2.11, "fd00:2::11"],
    security_groups: [everything]}
  blue2: {host: compute2, network: blue, addresses: [10.0.2.12, "fd00:2::12"], security_groups: [everything]}
outside:
  internet: {physical_network: physnet1, addresses: [198.51.100.1/24]}
"""
"""Groups let everything pass, but for web's: what stops an attack is never that nobody had asked for it. mallory is
plugged directly, mallory2 by a Linux bridge, loose has no port security."""

HOSTS = {"compute1": "172.21.46.1", "compute2": "172.21.46.2"}
OUTSIDE = "198.51.100.1"
ATTACKERS = {
    "mallory": ("10.0.1.66", "fd00:1::66"),
    "mallory2": ("10.0.1.67", "fd00:1::67"),
    "loose": ("10.0.1.68", "fd00:1::68"),
}
