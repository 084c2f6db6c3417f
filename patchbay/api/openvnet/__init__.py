"""OpenVNet's WebAPI: paths, parameters, errors and bodies as axsh/openvnet's ``vnet/endpoints/1.0`` has them."""
