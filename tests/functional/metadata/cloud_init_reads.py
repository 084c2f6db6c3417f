"""Run by Debian's Python inside an instance: what the real cloud-init makes of the metadata service, as JSON.

Arguments: a folder for everything that cloud-init writes. cloud-init takes itself to be on OpenStack when the first
process (of its PID namespace) has ``product_name=OpenStack Nova`` in its environment, or the machine's DMI says so.
"""

import base64
import json
import logging
import sys
from pathlib import Path

from cloudinit import distros, helpers, user_data
from cloudinit.net import netplan, network_state
from cloudinit.sources import DataSource, DataSourceEc2, DataSourceOpenStack


def main(folder: Path) -> None:
    logging.basicConfig(level=logging.WARNING)
    paths = helpers.Paths(
        {"cloud_dir": str(folder / "cloud"), "run_dir": str(folder / "run"), "templates_dir": "/nothing"}
    )
    for name in ("cloud", "run"):
        (folder / name).mkdir()
    patient = {"max_wait": 10, "timeout": 5}
    settings = {
        "datasource_list": ["OpenStack", "Ec2"],
        "datasource": {"OpenStack": patient, "Ec2": {**patient, "strict_id": False}},
    }
    distro = distros.fetch("debian")("debian", settings, paths)
    source = DataSourceOpenStack.DataSourceOpenStack(settings, distro, paths)
    found = {"is_accepted": source.get_data()}
    if found["is_accepted"]:
        found |= facts(source, folder)
        found["parts"] = [
            [part.get_content_type(), part.get_payload(decode=True).decode()]
            for part in user_data.UserDataProcessor(paths).process(source.get_userdata_raw()).walk()
            if not part.is_multipart()
        ]
    found["Ec2"] = accepted(DataSourceEc2.DataSourceEc2(settings, distro, paths))
    json.dump(found, sys.stdout)


def facts(source: DataSourceOpenStack.DataSourceOpenStack, folder: Path) -> dict:
    """What the data source understood."""
    state = network_state.parse_net_config_data(source.network_config)
    netplan.Renderer({"netplan_path": "netplan.yaml", "postcmds": False}).render_network_state(
        state, target=str(folder)
    )
    return {
        "version": source.version,
        "instance_id": source.get_instance_id(),
        "hostname": source.get_hostname(fqdn=False).hostname,
        "fqdn": source.get_hostname(fqdn=True).hostname,
        "keys": source.get_public_ssh_keys(),
        "user_data": text(source.get_userdata_raw()),
        "zone": source.availability_zone,
        "vendor_data": source.vendordata_pure,
        "metadata": {key: source.metadata[key] for key in ("meta", "project_id", "name") if key in source.metadata},
        "seed_bytes": len(base64.b64encode(source.metadata["random_seed"])) if "random_seed" in source.metadata else 0,
        "ec2": source.ec2_metadata,
        "netplan": (folder / "netplan.yaml").read_text(),
    }


def accepted(source: DataSource) -> dict:
    """What another data source understood, as far as all do."""
    return {
        "is_accepted": source.get_data(),
        "instance_id": source.get_instance_id(),
        "fqdn": source.get_hostname(fqdn=True).hostname,
        "keys": source.get_public_ssh_keys(),
        "user_data": text(source.get_userdata_raw()),
        "zone": source.availability_zone,
    }


def text(raw: bytes | str | None) -> str:
    return raw.decode() if isinstance(raw, bytes) else raw or ""


main(Path(sys.argv[1]))
