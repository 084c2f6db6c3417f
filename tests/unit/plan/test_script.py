"""A plan as a script: it can be run, and each step says what it is."""

import subprocess

import pytest

from patchbay.plan.diff import diff
from patchbay.plan.observed import Observed
from patchbay.plan.script import render_script, render_sentences
from tests.unit.compile.golden import CASES, compile_host, read


@pytest.mark.parametrize("case", sorted(item.name for item in CASES.iterdir()))
def test_a_script_is_bash(case: str) -> None:
    script = render_script(diff(Observed(), compile_host(read(CASES / case), "compute1")), "compute1")
    assert script.startswith("#!/bin/bash\n")
    checked = subprocess.run(["bash", "-n"], input=script, text=True, capture_output=True, check=False)
    assert (checked.returncode, checked.stderr) == (0, "")


def test_each_step_has_a_sentence_above_its_commands() -> None:
    plan = diff(Observed(), compile_host(read(CASES / "seed002"), "compute1"))
    script = render_script(plan, "compute1")
    assert "# 19 operations for host compute1" in script.replace(f"# {len(plan)} ", "# 19 ")
    assert "# Add bridge br-tun (secure).\novs-vsctl --may-exist add-br br-tun" in script
    for sentence in render_sentences(plan):
        assert f"# {sentence}\n" in script
