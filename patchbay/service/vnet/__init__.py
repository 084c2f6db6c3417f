"""The rules of OpenVNet's WebAPI: its objects as networks, subnets, ports and routers, and rows for what they lack."""
