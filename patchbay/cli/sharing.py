"""``patchbay network rbac`` and ``patchbay default security group rule``: commands made of nouns.

Called by ``main``. Promises: as ``resources``.
"""

from patchbay.cli.resources import make_group
from patchbay.cli.sharing_nouns import DEFAULT_RULES, RBAC_POLICIES

network_rbac = make_group(RBAC_POLICIES)
default_security_group_rule = make_group(DEFAULT_RULES)
