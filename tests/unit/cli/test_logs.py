"""Log lines: one record a line, fields named, nothing lost."""

import json
import logging
import sys

from patchbay.cli.logs import Lines


def line(style: str, message: str, **extra: object) -> str:
    record = logging.makeLogRecord(
        {"name": "patchbay.agent.loop", "msg": message, "levelname": "INFO", "created": 0.25, **extra}
    )
    return Lines(style).format(record)


def test_logfmt_quotes_only_what_needs_it() -> None:
    assert line("logfmt", "port wired", port="abc", ms=3.5) == (
        'time=1970-01-01T00:00:00.250Z level=info at=agent.loop msg="port wired" port=abc ms=3.5'
    )
    assert line("logfmt", 'said "no"\nagain').endswith(r'msg="said \"no\"\nagain"')
    hostile = line("logfmt", "request", path="/v2.0/x\r\x1b[2Jlevel=error\x9b\u2028")
    assert hostile.endswith(r'path="/v2.0/x\r\x1b[2Jlevel=error\x9b\u2028"')
    assert hostile.isprintable()


def test_json_is_one_object_a_line() -> None:
    said = json.loads(line("json", "port wired", port="abc", ms=3.5))
    assert said == {
        "time": "1970-01-01T00:00:00.250Z",
        "level": "info",
        "at": "agent.loop",
        "msg": "port wired",
        "port": "abc",
        "ms": 3.5,
    }


def test_an_exception_stays_on_its_line() -> None:
    try:
        raise ValueError("broken\nin two")
    except ValueError:
        written = line("logfmt", "failed", exc_info=sys.exc_info())
    assert "\n" not in written
    assert "ValueError" in written
