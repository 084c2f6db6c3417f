"""Rules as compile writes them: iptables takes them, and prints them letter by letter."""

from patchbay.host.services import Services
from patchbay.hoststate import Ruleset
from patchbay.plan.diff import diff
from patchbay.plan.observed import Observed
from patchbay.plan.rules import parse_saved
from tests.unit.compile.golden import CASES, compile_host, read

HOSTS = (("router", "gateway1"), ("seed001", "compute1"))


def test_the_rules_of_a_router_are_printed_as_they_were_written(on_private_host):
    async def scenario(host):
        for case, name in HOSTS:
            state = compile_host(read(CASES / case), name)
            rulesets = {key: item for key, item in state.items() if isinstance(item, Ruleset)}
            assert rulesets
            host.sh("\n".join(f"ip netns add {space}" for space in sorted({key[1] for key in rulesets})))
            services = Services("/run/patchbay", is_watching=False)
            await services.load(rulesets)
            assert await services.apply(diff(Observed(services.resources.values()), rulesets)) == []
            for ruleset in rulesets.values():
                program = "iptables-save" if ruleset.version == 4 else "ip6tables-save"
                assert parse_saved(host.sh(f"ip netns exec {ruleset.namespace} {program}")) == ruleset.tables
            services.close()

    on_private_host(scenario)
