"""Folders of processes: what somebody removes or changes there is noticed, and a fresh agent would see the same."""

from pathlib import Path

import pytest

from tests.functional.host.test_services import FOLDER, World, dnsmasq, hosts_file, pid_of, world

FOLDER_DAMAGE = {
    "folder removed": (f"rm -rf {FOLDER}", ["StartDaemon"]),
    "pid file removed": (f"rm {FOLDER}/pid", ["StartDaemon"]),
    "file removed": (f"rm {FOLDER}/host", ["ReloadDaemon"]),
    "file changed": (f"echo >> {FOLDER}/host", ["ReloadDaemon"]),
    "another in its place": (f"echo > {FOLDER}/other; mv {FOLDER}/other {FOLDER}/host", ["ReloadDaemon"]),
}


@pytest.mark.parametrize("what", FOLDER_DAMAGE)
def test_what_somebody_does_to_the_folder_of_a_process_is_noticed_and_repaired(on_private_host, what):
    command, repair = FOLDER_DAMAGE[what]

    async def scenario(host):
        async with world(host, dnsmasq()) as one:
            await one.converge()
            host.sh(command)
            await host.until(one.plan, "the damage is noticed")
            assert await one.converge() == repair
            assert hosts_file() == dict(dnsmasq().files)[f"{FOLDER}/host"]
            fresh = World(host, dnsmasq())
            await fresh.open(is_watching=False)
            assert fresh.plan() == []
            fresh.services.close()
            await one.converge()

    on_private_host(scenario)


def test_a_removed_description_is_written_again_and_the_process_goes_on(on_private_host):
    async def scenario(host):
        async with world(host, dnsmasq()) as one:
            await one.converge()
            number = pid_of(dnsmasq())
            host.sh(f"rm {FOLDER}/daemon.json")
            await host.until(Path(FOLDER, "daemon.json").exists, "the description is there again")
            assert one.plan() == []
            assert pid_of(dnsmasq()) == number

    on_private_host(scenario)


def test_reloads_are_not_taken_for_damage(on_private_host):
    async def scenario(host):
        async with world(host, dnsmasq()) as one:
            await one.converge()
            number = pid_of(dnsmasq())
            for count in range(20):
                one.want(dnsmasq(hosts=f"fa:16:3e:00:00:05,web{count},10.0.0.5\n"))
                assert await one.converge() == ["ReloadDaemon"]
            assert pid_of(dnsmasq()) == number

    on_private_host(scenario)


def test_a_folder_that_is_removed_while_its_files_are_written_is_missed(on_private_host):
    async def scenario(host):
        async with world(host, dnsmasq()) as one:
            await one.converge()
            one.want(dnsmasq(hosts="fa:16:3e:00:00:05,other,10.0.0.5\n"))
            plan = one.plan()
            host.sh(f"rm -rf {FOLDER}")
            await one.services.apply(plan)
            await host.until(one.plan, "the missing pid file is noticed")
            assert await one.converge() == ["StartDaemon"]
            fresh = World(host, *one.desired.values())
            await fresh.open(is_watching=False)
            assert fresh.plan() == []
            fresh.services.close()

    on_private_host(scenario)
