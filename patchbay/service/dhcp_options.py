"""``extra_dhcp_opts`` of ports (Neutron's extra_dhcp_opt extension): how a request changes them."""

from collections.abc import Iterable

from patchbay.model import DhcpOption
from patchbay.service.specs import WantedOption

BLANK_OPTIONS = ("router", "classless-static-route")
"""Options whose empty value means: send none. Of others an empty value is no value."""


def changed_options(old: Iterable[DhcpOption], wanted: Iterable[WantedOption]) -> tuple[DhcpOption, ...]:
    """The options after a request, in order of IP version and name.

    As in Neutron a request changes the options that it names, and null removes one; the others stay.
    """
    options = {(option.ip_version, option.name): option for option in old}
    for option in wanted:
        key = (option.ip_version, option.name)
        if option.value is None:
            options.pop(key, None)
        elif option.value or option.name in BLANK_OPTIONS:
            options[key] = DhcpOption(option.name, option.value, option.ip_version)
    return tuple(options[key] for key in sorted(options))
