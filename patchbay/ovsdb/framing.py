"""Cuts a stream of JSON objects that nothing separates (RFC 7047, section 4) into messages.

``Session`` feeds it what the socket gives. Each byte is looked at once, by a regular expression, however the stream is
cut: a reply of several megabytes costs time in proportion to its length. Braces inside strings do not count.
"""

import re

from patchbay.ovsdb.errors import OvsdbError

# No possessive quantifiers: Python 3.11.2, which is Debian 12's, makes wrong matches with them. At each place only one
# alternative fits, so what is given back at the end of the data costs no more than what was read.
_IN_STRING = re.compile(rb'[^"\\]*(?:\\.[^"\\]*)*', re.DOTALL)
_NO_BRACE = re.compile(rb'(?:[^{}"]+|"[^"\\]*(?:\\.[^"\\]*)*")*', re.DOTALL)
_SPACE = b" \t\r\n"
_OPEN, _CLOSE, _QUOTE = b'{}"'


class Framer:
    """The unfinished message of one stream, and how deep into it the stream is."""

    def __init__(self) -> None:
        self._pending: list[bytes] = []
        self._depth = 0
        self._in_string = False
        self._escaped = False

    def feed(self, data: bytes) -> list[bytes]:
        """The messages that ``data`` completes.

        Raises OvsdbError when something else than a JSON object stands between messages.
        """
        messages: list[bytes] = []
        start, position, end = 0, self._leave_string(data), len(data)
        while position < end:
            position = _NO_BRACE.match(data, position).end()  # type: ignore[union-attr]  # matches everywhere
            if position == end:
                break
            byte = data[position]
            position += 1
            if byte == _OPEN:
                if self._depth == 0:
                    start = self._skip_space(data, start, position - 1)
                self._depth += 1
            elif byte == _CLOSE:
                self._depth -= 1
                if self._depth == 0:
                    messages.append(self._complete(data[start:position]))
                    start = position
                elif self._depth < 0:
                    raise OvsdbError("The peer sent '}' where no JSON object was open.")
            else:
                position += self._leave_string(data[position:], entering=True)
        if self._depth:
            self._pending.append(data[start:])
        else:
            self._skip_space(data, start, end)
        return messages

    def _complete(self, last: bytes) -> bytes:
        if not self._pending:
            return last
        message = b"".join((*self._pending, last))
        self._pending.clear()
        return message

    def _leave_string(self, data: bytes, *, entering: bool = False) -> int:
        """Where the string ends that ``data`` begins in, or the length of ``data``."""
        if not (self._in_string or entering):
            return 0
        position = 1 if self._escaped and data else 0
        if data:
            self._escaped = False
        position = _IN_STRING.match(data, position).end()  # type: ignore[union-attr]  # matches everywhere
        if position < len(data) and data[position] == _QUOTE:
            self._in_string = False
            return position + 1
        self._in_string = True
        self._escaped = self._escaped or position < len(data)
        return len(data)

    def _skip_space(self, data: bytes, start: int, end: int) -> int:
        if data[start:end].strip(_SPACE):
            raise OvsdbError("The peer sent something else than a JSON object.")
        return end
