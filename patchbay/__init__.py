"""Patchbay: tenant networks for Linux hosts on Open vSwitch and network namespaces."""

__version__ = "0.1.0"
