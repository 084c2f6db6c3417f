"""Log lines of the two services: one record a line, its fields named.

Called by ``services``. Two forms: ``logfmt`` (``time=… level=info at=agent msg="…" host=compute1``) for people and
journals, ``json`` for machines. What a caller gives as ``extra=`` becomes fields; a mapping is spread.
"""

import json
import logging
import sys
from datetime import UTC, datetime
from logging.handlers import RotatingFileHandler
from pathlib import Path
from typing import Any

from patchbay.errors import HostError

FORMATS = ("logfmt", "json")
LEVELS = ("debug", "info", "warning", "error")
LOG_FILE_BYTES = 1 << 20
NOT_FIELDS = frozenset({*logging.makeLogRecord({}).__dict__, "message", "asctime", "taskName", "color_message"})


def start_logging(style: str, level: str) -> None:
    """Send what the process logs to standard error, one line a record."""
    stream = logging.StreamHandler(sys.stderr)
    stream.setFormatter(Lines(style))
    logging.basicConfig(level=level.upper(), handlers=[stream], force=True)


def log_to_file(path: Path, style: str, level: str) -> None:
    """Send what the process logs to a file that is begun anew when it is full; the one before is kept as ``….1``."""
    try:
        path.parent.mkdir(mode=0o755, parents=True, exist_ok=True)
        file = RotatingFileHandler(path, maxBytes=LOG_FILE_BYTES, backupCount=1, encoding="utf-8")
    except OSError as error:
        raise HostError(f"{path}: {error.strerror}.", "Name another with --log-file PATH.") from error
    file.setFormatter(Lines(style))
    logging.basicConfig(level=level.upper(), handlers=[file], force=True)


class Lines(logging.Formatter):
    """Records as lines of named fields."""

    def __init__(self, style: str) -> None:
        super().__init__()
        self.render = json_line if style == "json" else logfmt_line

    def format(self, record: logging.LogRecord) -> str:
        return self.render(fields(record, self.formatException))


def fields(record: logging.LogRecord, render_exception: Any) -> dict[str, Any]:
    """The fields of a record: time in UTC, level, where from, message, then the caller's own."""
    moment = datetime.fromtimestamp(record.created, UTC)
    found: dict[str, Any] = {
        "time": moment.isoformat(timespec="milliseconds").replace("+00:00", "Z"),
        "level": record.levelname.lower(),
        "at": record.name.removeprefix("patchbay."),
        "msg": record.getMessage(),
    }
    for name, value in record.__dict__.items():
        if name not in NOT_FIELDS:
            found |= value if isinstance(value, dict) else {name: value}
    if record.exc_info:
        found["exception"] = render_exception(record.exc_info)
    return found


def json_line(named: dict[str, Any]) -> str:
    """Fields as one JSON object; what JSON does not know is written as text."""
    return json.dumps(named, default=str, ensure_ascii=False)


def logfmt_line(named: dict[str, Any]) -> str:
    """Fields as ``name=value``; values with spaces, quotes or what no terminal should be sent are quoted."""
    return " ".join(f"{name}={quoted(value)}" for name, value in named.items())


def quoted(value: Any) -> str:
    """A value as logfmt writes it."""
    text = value if isinstance(value, str) else json.dumps(value, default=str, ensure_ascii=False)
    if text and text.isprintable() and not any(character in text for character in ' "='):
        return text
    escaped = text.replace("\\", "\\\\").replace('"', '\\"')
    return '"' + "".join(one if one.isprintable() else _escape(one) for one in escaped) + '"'


def _escape(character: str) -> str:
    """A line end or control character, as whoever asks the API may put them into a path, in letters."""
    return character.encode("unicode_escape").decode()
