"""Processes that are slow to end and to start, wanted again before they are gone."""

from pathlib import Path

from patchbay.hoststate import Daemon
from tests.functional.host.test_services import world

PROGRAM, LAUNCHES, FOLDER = "/run/slow", "/run/launches", "/run/patchbay/slow/one"
SCRIPT = f"""\
#!/bin/sh
if [ -z "$AGAIN" ]; then
  echo start >> {LAUNCHES}
  sleep 0.3
  AGAIN=yes setsid "$0" </dev/null >/dev/null 2>&1 &
  while [ ! -s {FOLDER}/pid ]; do sleep 0.02; done
  exit 0
fi
trap 'sleep 1.5; exit' TERM
echo $$ > {FOLDER}/pid
while :; do sleep 0.05; done
"""
SLOW = Daemon(kind="slow", owner="one", command=(PROGRAM,), pidfile=f"{FOLDER}/pid")


def install() -> None:
    Path(PROGRAM).write_text(SCRIPT)
    Path(PROGRAM).chmod(0o755)


def has_ended() -> bool:
    return not Path(FOLDER).exists()


def launches() -> int:
    return len(Path(LAUNCHES).read_text().splitlines())


def test_a_process_that_is_wanted_again_while_it_ends_is_started_once(on_private_host):
    async def scenario(host):
        install()
        async with world(host, SLOW) as one:
            await one.services.apply(one.plan())
            await host.until(lambda: not one.plan(), "the process runs")
            assert launches() == 1
            one.want()
            assert await one.services.apply(one.plan()) == []
            assert not has_ended(), "it has ended already: nothing is tried here"
            one.want(SLOW)
            while one.plan():
                assert [str(failure.error) for failure in await one.services.apply(one.plan())] == []
            assert launches() == 2
            one.want()
            await one.services.apply(one.plan())
            await host.until(has_ended, "it is gone")

    on_private_host(scenario)
