"""A cluster whose members talk TLS and share one authority: a host joins at one and is known, or refused, at all."""

import shutil
from pathlib import Path

from .served import Served, free_port
from .test_joining import HOSTS, ask
from .test_lab_over_tls import wait_for


def test_members_share_the_authority(tmp_path: Path) -> None:
    members = []
    ports = [free_port() for _ in range(3)]
    try:
        for number, port in enumerate(ports):
            folder = tmp_path / str(number)
            options = [f"--cluster-local=ssl:127.0.0.1:{port}"]
            options += [f"--cluster-join=ssl:127.0.0.1:{ports[0]}"] if number else []
            member = Served(folder, options)
            folder.mkdir()
            if number:
                (member.state / "pki").mkdir(parents=True, mode=0o700)
                for name in ("authority.key", "authority.pem", "agents.secret"):
                    shutil.copy(members[0].state / "pki" / name, member.state / "pki" / name)
            member.start()
            members.append(member)
        folder = tmp_path / "etc"
        members[1].join(members[0].token("compute1"), folder)
        members[0].join(members[2].token("compute2"), tmp_path / "etc2")
        for member in members:
            wait_for(lambda member=member: '"compute1"' in ask(member, folder, HOSTS), "known everywhere")  # type: ignore[misc]
        update = {"op": "update", "table": "Host", "where": [["name", "==", "compute2"]], "row": {"version": "x"}}
        for member in members:
            assert 'client \\"compute1\\" role \\"agent\\" prohibit' in ask(member, folder, update)
        members[2].run("host", "remove", "compute1", f"--state-dir={members[2].state}")
        for member in members:
            wait_for(lambda member=member: '"rows"' not in ask(member, folder, HOSTS), "refused everywhere")  # type: ignore[misc]
    finally:
        for member in reversed(members):
            member.stop()
