"""DNS names, DHCP options and what an instance is told: the attributes as Neutron's clients give and read them."""

import pytest

from tests.functional.api.api_world import Api, snapshot

pytestmark = pytest.mark.asyncio(loop_scope="session")


async def test_an_address_without_a_name_is_named_after_itself(api: Api) -> None:
    network = await api.network("10.0.0.0/24", "fd00::/64", dns_domain="Blue.Example.")
    port = await api.create("port", network_id=network["id"])
    assert (network["dns_domain"], port["dns_name"], port["dns_domain"]) == ("blue.example.", "", "")
    assert port["dns_assignment"][0] == {
        "ip_address": "10.0.0.2",
        "hostname": "host-10-0-0-2",
        "fqdn": "host-10-0-0-2.blue.example.",
    }
    assert port["dns_assignment"][1]["hostname"] == "host-fd00--2"


async def test_a_port_has_its_own_name_in_its_own_domain_or_that_of_its_network(api: Api) -> None:
    network = await api.network("10.0.0.0/24")
    port = await api.create("port", network_id=network["id"], dns_name="Web")
    assert [name["fqdn"] for name in port["dns_assignment"]] == ["web.openstacklocal."]
    await api.update("network", network["id"], dns_domain="blue.example.")
    shown = await api.get(f"/ports/{port['id']}")
    assert [name["fqdn"] for name in shown["dns_assignment"]] == ["web.blue.example."]
    port = await api.update("port", port["id"], dns_domain="own.example.")
    assert [name["fqdn"] for name in port["dns_assignment"]] == ["web.own.example."]
    assert [one["id"] for one in await api.get("/ports?dns_name=web&dns_domain=own.example.")] == [port["id"]]


async def test_a_new_instance_names_its_ports_that_have_no_name(api: Api) -> None:
    network = await api.network("10.0.0.0/24")
    plain = await api.create("port", network_id=network["id"])
    named = await api.create("port", network_id=network["id"], dns_name="db")
    ports = [plain["id"], named["id"]]
    instance = await api.create("instance", name="Web1", host="compute1", ports=ports)
    assert [(await api.get(f"/ports/{id_}"))["dns_name"] for id_ in ports] == ["web1", "db"]
    await api.delete(f"/instances/{instance['id']}")
    assert [(await api.get(f"/ports/{id_}"))["dns_name"] for id_ in ports] == ["", "db"]
    await api.create("instance", name="no_label.x", host="compute1", ports=ports)
    assert (await api.get(f"/ports/{plain['id']}"))["dns_name"] == ""


async def test_dhcp_options_are_set_changed_and_removed_by_name(api: Api) -> None:
    network = await api.network("10.0.0.0/24")
    boot = {"opt_name": "bootfile-name", "opt_value": "pxelinux.0"}
    six = {"opt_name": "bootfile-name", "opt_value": "six", "ip_version": 6}
    none = {"opt_name": "router", "opt_value": ""}
    port = await api.create("port", network_id=network["id"], extra_dhcp_opts=[boot, none, six])
    assert port["extra_dhcp_opts"] == [boot | {"ip_version": 4}, none | {"ip_version": 4}, six]
    change = [{"opt_name": "bootfile-name", "opt_value": "grub.0"}, {"opt_name": "router", "opt_value": None}]
    port = await api.update("port", port["id"], extra_dhcp_opts=change)
    assert port["extra_dhcp_opts"] == [{"opt_name": "bootfile-name", "opt_value": "grub.0", "ip_version": 4}, six]
    port = await api.update("port", port["id"], extra_dhcp_opts=None)
    assert len(port["extra_dhcp_opts"]) == 2


async def test_an_instance_says_how_it_is_addressed_and_what_it_is_told(api: Api) -> None:
    plain = await api.create("instance", name="plain", host="compute1")
    assert (plain["addressing"], plain["public_keys"], plain["user_data"], plain["metadata"]) == ("static", [], "", {})
    told = {
        "addressing": "dhcp",
        "public_keys": ["ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAA me@home", "ssh-rsa AAAAB3Nza=="],
        "user_data": "#cloud-config\nhostname: ü\n",
        "metadata": {"role": "web", "empty": ""},
    }
    instance = await api.create("instance", name="web", host="compute1", **told)
    assert instance | told == instance
    assert await api.get(f"/instances/{instance['id']}") == instance
    assert [one["name"] for one in await api.get("/instances?addressing=dhcp")] == ["web"]
    changed = await api.update("instance", instance["id"], user_data=None, metadata={"role": "db"}, public_keys=[])
    assert (changed["user_data"], changed["metadata"], changed["public_keys"]) == ("", {"role": "db"}, [])
    assert changed["addressing"] == "dhcp"


@pytest.mark.parametrize(
    ("member", "attribute", "value", "message"),
    [
        ("port", "dns_name", "-web", "Name '-web' must not start or end with a hyphen"),
        ("port", "dns_name", "web_1", "can only be alphanumeric or a hyphen"),
        ("port", "dns_name", "a..b", "Encountered an empty component"),
        ("port", "dns_name", "a.7", "TLD '7' must not be all numeric"),
        ("port", "dns_name", "web.example.", "is a FQDN. It should be a relative domain name"),
        ("port", "dns_name", "l" * 64, "must be 1-63 characters long"),
        ("port", "dns_domain", "example", "'example' is not a FQDN"),
        ("network", "dns_domain", "example", "'example' is not a FQDN"),
        ("network", "dns_domain", ".", "Encountered an empty component"),
        ("port", "dns_assignment", [], "Attribute 'dns_assignment' not allowed in POST"),
        ("port", "extra_dhcp_opts", "x", "'x' is not a list"),
        ("port", "extra_dhcp_opts", [7], "'7' is not a dictionary"),
        ("port", "extra_dhcp_opts", [{"opt_name": "x"}], "missing ['opt_value']"),
        ("port", "extra_dhcp_opts", [{"opt_name": "x", "opt_value": "1", "z": 1}], "unknown ['z']"),
        ("port", "extra_dhcp_opts", [{"opt_name": "x", "opt_value": "1", "ip_version": 5}], "5 is not in [4, 6]"),
        ("port", "extra_dhcp_opts", [{"opt_name": "x", "opt_value": "1\n2"}], "is not one printable line"),
        ("port", "extra_dhcp_opts", [{"opt_name": "x,y", "opt_value": "1"}], "is not the name or number of an option"),
        ("port", "extra_dhcp_opts", [{"opt_name": "x", "opt_value": ""}], "Blank strings are not permitted"),
        ("port", "extra_dhcp_opts", [{"opt_name": "x", "opt_value": "1"}] * 2, "Duplicate option 'x'"),
        ("instance", "addressing", "magic", "addressing 'magic' is not one of static, dhcp"),
        ("instance", "public_keys", ["not a key\n"], "is not an OpenSSH public key"),
        ("instance", "public_keys", "ssh-rsa AAAA", "is not a list"),
        ("instance", "user_data", 7, "user_data is not a text"),
        ("instance", "user_data", "ü" * 32768, "user_data has 65536 bytes, more than 65535"),
        ("instance", "metadata", {"a": 1}, "'1' is not a valid string"),
        ("instance", "metadata", [], "is not a dictionary"),
        ("instance", "metadata", {f"k{n}": "" for n in range(129)}, "metadata has 129 items, more than 128"),
    ],
)
async def test_wrong_values_are_refused(api: Api, member: str, attribute: str, value: object, message: str) -> None:
    network = await api.network("10.0.0.0/24")
    before = snapshot(api.db)
    item: dict[str, object] = {"name": "web"}
    item |= {"port": {"network_id": network["id"]}, "instance": {"host": "compute1"}}.get(member, {})
    status, _, said = await api.error("POST", f"/{member}s", {member: item | {attribute: value}})
    assert (status, message in said) == (400, True), said
    assert snapshot(api.db) == before
