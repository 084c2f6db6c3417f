"""The commands for RBAC policies, quotas, and the rules that new security groups get."""

import uuid
from typing import Any

import msgspec

from patchbay.cli.quotas import OPTIONS
from patchbay.service.quotas import DEFAULTS
from tests.functional.cli.conftest import Run


def made(run: Run, *command: str) -> Any:
    return msgspec.json.decode(run(*command, "-f", "json").stdout)


def test_sharing_and_what_it_leaves(patchbay: Run) -> None:
    blue, web = made(patchbay, "network", "create", "blue"), made(patchbay, "security", "group", "create", "web")
    create = ("network", "rbac", "create")
    first = made(patchbay, *create, "--type", "network", "--target-project", "red", "blue")
    assert (first["object_id"], first["action"], first["target_tenant"]) == (blue["id"], "access_as_shared", "red")
    second = made(patchbay, *create, "--type", "security-group", "--target-all-projects", "web")
    assert (second["object_id"], second["target_tenant"]) == (web["id"], "*")
    outside = made(
        patchbay, *create, "--type", "network", "--action", "access_as_external", "--target-project", "x", "blue"
    )
    assert outside["action"] == "access_as_external"
    found = made(patchbay, "network", "rbac", "list", "--type", "network", "--target-project", "red")
    assert [one["id"] for one in found] == [first["id"]]
    patchbay("network", "rbac", "set", first["id"], "--target-project", "green")
    assert made(patchbay, "network-rbac", "show", first["id"])["target_tenant"] == "green"
    patchbay("network", "rbac", "delete", first["id"], second["id"])
    assert "does not exist" in patchbay("network", "rbac", "show", first["id"], code=1).stderr
    assert "does not exist" in patchbay("network", "rbac", "show", "blue", code=1).stderr
    for wrong in (("--type", "network"), ("--type", "network", "--target-project", "x", "--target-all-projects")):
        assert "either --target-project" in patchbay(*create, *wrong, "blue", code=2).stderr
    assert "write one of network" in patchbay(*create, "--type", "port", "--target-project", "x", "p", code=2).stderr


def test_quotas(patchbay: Run) -> None:
    assert set(OPTIONS.values()) == set(DEFAULTS)
    project = uuid.uuid4().hex
    assert made(patchbay, "quota", "show", project)["port"] == -1
    patchbay("quota", "set", project, "--ports", "7", "--rbac-policies", "3")
    shown = made(patchbay, "quota", "show", project)
    assert (shown["port"], shown["rbac_policy"], shown["network"]) == (7, 3, -1)
    assert made(patchbay, "quota", "show", "--default", project)["port"] == -1
    usage = {one["resource"]: one for one in made(patchbay, "quota", "show", "--usage", project)}
    assert (usage["port"]["limit"], usage["port"]["used"]) == (7, 0)
    (listed,) = made(patchbay, "quota", "list")
    assert (listed["project_id"], listed["port"]) == (project, 7)
    made(patchbay, "network", "create", "one", "--project", project)
    assert "already used 1" in patchbay("quota", "set", project, "--networks", "0", code=1).stderr
    patchbay("quota", "set", project, "--networks", "0", "--force")
    patchbay("quota", "delete", project)
    assert made(patchbay, "quota", "list") == []
    assert "Nothing to set" in patchbay("quota", "set", project, code=2).stderr
    assert "Tenant-id was missing" in patchbay("quota", "show", code=1).stderr


def test_the_rules_of_new_groups(patchbay: Run) -> None:
    words = ("default", "security", "group", "rule")
    before = made(patchbay, *words, "list")
    assert len(before) == 4
    rule = made(patchbay, *words, "create", "--protocol", "tcp", "--dst-port", "22")
    assert (rule["protocol"], rule["port_range_min"], rule["direction"]) == ("tcp", 22, "ingress")
    assert made(patchbay, *words, "show", rule["id"]) == rule
    group = made(patchbay, "security", "group", "create", "web")
    assert any(one["port_range_min"] == 22 for one in group["security_group_rules"])
    patchbay(*words, "delete", rule["id"])
    assert made(patchbay, *words, "list") == before
