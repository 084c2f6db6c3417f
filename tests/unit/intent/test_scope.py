"""What an agent asks the server for."""

import json
from importlib import resources

import pytest

from patchbay.intent.columns import FIELDS, MODELS
from patchbay.intent.scope import AGENT_COLUMNS, ALL_COLUMNS, AgentScope, Columns

SCHEMA = json.loads(resources.files("patchbay.intent").joinpath("patchbay.ovsschema").read_text("utf-8"))["tables"]


def test_a_new_agent_asks_for_its_own_and_for_no_network() -> None:
    assert AgentScope("compute1").conditions() == {
        "Network": [False],
        "Subnet": [False],
        "Port": [["host", "==", "compute1"]],
        "Address": [False],
        "Instance": [["host", "==", "compute1"]],
        "Plug": [["host", "==", "compute1"]],
        "Router": [["host", "==", "compute1"]],
        "FloatingIP": [False],
        "SubnetPool": [False],
        "AddressScope": [False],
        "AddressGroup": [False],
        "SecurityGroup": [False],
        "SecurityGroupRule": [False],
        "DefaultSecurityGroupRule": [False],
        "RBACPolicy": [False],
        "Quota": [False],
        "VnetObject": [["kind", "==", "datapath"]],
    }


def test_an_agent_asks_for_its_networks_and_further_ports() -> None:
    conditions = AgentScope("compute1", frozenset({"n1", "n2"}), frozenset({"p1"})).conditions()
    on_networks = [["network", "==", ["uuid", "n1"]], ["network", "==", ["uuid", "n2"]]]
    assert conditions["Network"] == [["_uuid", "==", ["uuid", "n1"]], ["_uuid", "==", ["uuid", "n2"]]]
    assert conditions["Port"] == [["host", "==", "compute1"], *on_networks, ["_uuid", "==", ["uuid", "p1"]]]
    assert conditions["Subnet"] == conditions["Address"] == on_networks


def test_an_agent_asks_for_routers_with_their_ports_and_for_ports_by_interface_name() -> None:
    scope = AgentScope("compute1", routers=frozenset({"r1"}), interfaces=frozenset({"if-veth1"}))
    conditions = scope.conditions()
    here = ["host", "==", "compute1"]
    assert conditions["Router"] == [here, ["_uuid", "==", ["uuid", "r1"]]]
    assert conditions["Port"] == [here, ["device_id", "==", "r1"], ["interface_name", "==", "if-veth1"]]
    assert conditions["FloatingIP"] == [["router", "includes", ["uuid", "r1"]]]


def test_an_agent_with_many_interfaces_asks_for_all_ports_that_name_one() -> None:
    conditions = AgentScope("compute1", interfaces=frozenset(f"if-{number}" for number in range(65))).conditions()
    assert conditions["Port"] == [["host", "==", "compute1"], ["interface_name", "!=", ""]]


@pytest.mark.parametrize("columns", [ALL_COLUMNS, AGENT_COLUMNS])
def test_what_is_watched_is_in_the_schema_and_makes_models(columns: Columns) -> None:
    for table, names in columns.items():
        assert set(names) <= set(SCHEMA[table]["columns"])
    for table, model in MODELS.items():
        watched = {field.name for field in FIELDS[table] if field.column in columns[table]}
        required = set(model.__struct_fields__[: len(model.__struct_fields__) - len(model.__struct_defaults__)])
        assert required - {"id"} <= watched


def test_the_service_watches_every_column_but_those_of_the_database_itself() -> None:
    for table in MODELS:
        assert set(SCHEMA[table]["columns"]) - set(ALL_COLUMNS[table]) <= {"segment"}
