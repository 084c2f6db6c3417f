"""Log lines that people and programs can read: ``time level logger message key=value …`` on standard error."""

import logging
import sys
from typing import Any

_KEY = "patchbay_fields"


def fields(**values: object) -> dict[str, Any]:
    """The ``extra`` of a log call: values that become ``key=value``."""
    return {_KEY: values}


class KeyValueFormatter(logging.Formatter):
    """Formats a record as one line of ``key=value``; what holds spaces or quotes is quoted."""

    default_time_format = "%Y-%m-%dT%H:%M:%S"
    default_msec_format = "%s.%03d"

    def format(self, record: logging.LogRecord) -> str:
        """The line of a record; a traceback follows on lines of its own."""
        values: dict[str, object] = {
            "time": self.formatTime(record),
            "level": record.levelname.lower(),
            "logger": record.name,
            "message": record.getMessage(),
            **getattr(record, _KEY, {}),
        }
        line = " ".join(f"{key}={_quoted(str(value))}" for key, value in values.items())
        return f"{line}\n{self.formatException(record.exc_info)}" if record.exc_info else line


def _quoted(text: str) -> str:
    if text and not any(char in text for char in ' "=\n\t\\') and text.isprintable():
        return text
    escaped = text.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n").replace("\t", "\\t")
    return '"' + "".join(char if char.isprintable() else f"\\x{ord(char):02x}" for char in escaped) + '"'


def log_to_stderr(level: int = logging.INFO) -> None:
    """Send all log records to standard error as key=value lines."""
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(KeyValueFormatter())
    logging.basicConfig(level=level, handlers=[handler], force=True)
