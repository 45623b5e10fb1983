"""Response heads: from what an app said to the checked bytes that the edge forwards.

Contract: a head that comes out of here is valid HTTP/1.1 whatever the app passed in: names are
tokens, values and reason hold no control characters but HTAB, there is one Content-Length at the
most, and nothing that belongs to the hop between edge and client. Everything else raises
BadResponse.

Strategy: names are classified once and remembered; the lines are joined, and one pass over the
whole head counts control characters, of which there must be just those of our line ends. Finished
heads are remembered by (status, headers) without their Date, which changes every second.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from email.utils import formatdate
from http import HTTPStatus
from struct import Struct
from time import time
from typing import Any, Callable

from . import _wire
from .errors import BadResponse

LENGTH = _wire.FLAG_LENGTH
CLOSE = _wire.FLAG_CLOSE

ONE_FRAME_BYTES = 64 * 1024
"""Longest body of a response that is one frame."""
HEADS_MAX = 512
"""Heads remembered; then the table starts anew."""
HEAD_BYTES_MAX = 512
"""A longer head is not remembered: it is likely to hold cookies and to be seen once."""
STATUSES_MAX = 128
NAMES_MAX = 1024
"""Field names remembered, of at most 64 characters each."""

_CONTROL = bytes(c for c in (*range(32), 127) if c != 9)
_TOKEN = re.compile(r"[!#$%&'*+\-.^_`|~0-9A-Za-z]+", re.ASCII)
_STATUS = re.compile(r"([2-9][0-9][0-9])(?: ([^\r\n]*))?")

# What a name means. PLAIN is the only false one; DATE, SERVER and HSTS are the bits of Lines.tail.
_PLAIN, _DATE, _SERVER, _HSTS, _LENGTH, _CONNECTION, _DROPPED, _HOP = 0, 1, 2, 4, 8, 9, 10, 11
_SPECIAL = {
    "content-length": _LENGTH,
    "date": _DATE,
    "server": _SERVER,
    "strict-transport-security": _HSTS,
    "connection": _CONNECTION,
    "transfer-encoding": _DROPPED,  # the framing is the edge's
    "keep-alive": _HOP,
    "proxy-connection": _HOP,
    "te": _HOP,
    "trailer": _HOP,
    "trailers": _HOP,
    "upgrade": _HOP,
}

_U32 = Struct("<I")
_AFTER = Struct("<BBHI")

_REASONS = {status.value: status.phrase for status in HTTPStatus}


class Lines:
    """A checked head but for its end: what the server adds, and the empty line.

    `sized` remembers the last complete response made of it (see `frame_of`): one value, so that
    threads that share it see an old or a new one, never a mixture.
    """

    __slots__ = ("bodyless", "data", "flags", "length", "sized", "status", "tail")

    def __init__(self, status: int, flags: int, length: int | None, data: bytes, tail: int) -> None:
        self.status = status
        self.flags = flags
        self.length = length
        self.data = data
        self.tail = tail
        """Which of the endings: a bit for each of "the app has set Date", "... Server" and "...
        Strict-Transport-Security"."""
        self.bodyless = status in (204, 304)
        self.sized: tuple[int, bytes, bytes] | None = None

    def data_for(self, size: int | None) -> bytes:
        """The lines with a Content-Length, which the app has not given."""
        return self.data if size is None else b"%bcontent-length: %d\r\n" % (self.data, size)

    def frame_of(self, size: int, tail: bytes) -> tuple[int, bytes, bytes] | None:
        """What stands around the stream number in a complete RESPONSE frame with a body of `size`
        bytes: (size, before, after); behind it come the tail and the body. None where such a
        response is not one frame, or is wrong."""
        if self.bodyless or size > ONE_FRAME_BYTES or self.length not in (None, size):
            return None
        data = self.data_for(size if self.length is None else None)
        head = len(data) + len(tail)
        before = _U32.pack(4 + head + size)
        flags = self.flags | LENGTH | _wire.FLAG_END
        after = _AFTER.pack(_wire.RESPONSE, flags, self.status, head) + data
        self.sized = sized = (size, before, after)
        return sized


class _Names(dict[Any, int]):
    """What a name means, learnt at its first use; str and bytes both."""

    def __missing__(self, name: Any) -> int:
        if isinstance(name, str):
            text = name
        elif isinstance(name, bytes):
            text = name.decode("latin-1")
        else:
            raise BadResponse(f"a header name must be a string, not {name!r}")
        if not _TOKEN.fullmatch(text):
            raise BadResponse(f"invalid header name {name!r}")
        meaning = _SPECIAL.get(text.lower(), _PLAIN)
        if len(self) < NAMES_MAX and len(text) <= 64:
            self[name] = meaning
        return meaning


class Heads:
    """Made once for each worker. Safe to use from several threads: every table is only a cache."""

    def __init__(
        self,
        server: str | None,
        date: bool,
        warn: Callable[[str], None] | None = None,
        hsts_seconds: int = 0,
        alt_svc: str = "",
    ) -> None:
        """`hsts_seconds`: max-age of Strict-Transport-Security (RFC 6797); 0: no such field.
        `alt_svc`: where HTTP/3 is (RFC 7838); empty: no such field.
        """
        self._server = f"server: {server}\r\n" if server else ""
        age = hsts_seconds
        self._hsts = f"strict-transport-security: max-age={age}\r\n" if age else ""
        self._alt_svc = f"alt-svc: {alt_svc}\r\n" if alt_svc else ""
        self._date = date
        self._warn = warn
        self._names = _Names()
        self._statuses: dict[str, tuple[int, str]] = {}
        self._asgi_statuses: dict[int, tuple[int, str]] = {}
        self.known: dict[Any, Lines] = {}
        """(status, headers as a tuple) to Lines."""
        self.current: tuple[bytes, ...] = ()
        """`tails()` of the last call."""
        self._from = self._to = 0
        if len(self._server.encode("latin-1").translate(None, _CONTROL)) != max(
            0, len(self._server) - 2
        ):
            raise ValueError("the server header holds control characters")
        self.tails()

    def tails(self) -> tuple[bytes, ...]:
        """The endings of a head (see Lines.tail), of this second."""
        now = time()
        if not self._from <= now < self._to:  # the clock may also have been set back
            second = int(now)
            date = f"date: {formatdate(second, usegmt=True)}\r\n" if self._date else ""
            server = self._server
            self.current = tuple(
                f"{hsts}{self._alt_svc}{end}\r\n".encode("latin-1")
                for hsts in (self._hsts, "")
                for end in (f"{server}{date}", server, date, "")
            )
            self._from = second
            self._to = second + 1
        return self.current

    def build_head(
        self, status: str, headers: Sequence[tuple[str, str]]
    ) -> tuple[bytes, int | None, int]:
        """The head of a WSGI response, its Content-Length if it has one, and frame flags."""
        lines = self.lines(status, headers)
        return lines.data + self.tails()[lines.tail], lines.length, lines.flags

    def build_head_asgi(
        self, status: int, headers: Iterable[Sequence[bytes]]
    ) -> tuple[bytes, int | None, int]:
        """The same for ASGI."""
        try:
            fields: tuple[Sequence[bytes], ...] = tuple(headers)
        except TypeError:
            raise BadResponse(f"the headers must be a list, not {headers!r}") from None
        try:
            lines = self.known.get((status, fields))
        except TypeError:  # fields as lists are common
            fields = _hashable(fields)
            lines = self.known.get((status, fields))
        if lines is None:
            lines = self._make_asgi(status, fields)
        # A call less for each response; `tails` looks again.
        tails = self.current if self._from <= time() < self._to else self.tails()
        return lines.data + tails[lines.tail], lines.length, lines.flags

    def lines(self, status: str, headers: Sequence[tuple[str, str]]) -> Lines:
        """The part of a WSGI head that the app decides."""
        try:
            fields = tuple(headers)
        except TypeError:
            raise BadResponse(f"the headers must be a list, not {headers!r}") from None
        try:
            lines = self.known.get((status, fields))
        except TypeError:  # pairs as lists
            return self._make(status, fields)
        if lines is None:
            lines = self._make(status, fields)
            self._remember((status, fields), lines)
        return lines

    def _remember(self, key: Any, lines: Lines) -> None:
        if len(lines.data) <= HEAD_BYTES_MAX:
            if len(self.known) >= HEADS_MAX:
                self.known.clear()
            self.known[key] = lines

    def _make(self, status: str, headers: Sequence[tuple[str, str]]) -> Lines:
        first = self._statuses.get(status) if type(status) is str else None
        return self._make_lines(first or self._first_line(status), headers)

    def _make_lines(self, first: tuple[int, str], headers: Sequence[tuple[str, str]]) -> Lines:
        parts = [first[1]]
        length = tail = flags = 0
        count = 1
        names = self._names
        try:
            for name, value in headers:
                meaning = names[name]
                if meaning:
                    if meaning == _LENGTH:
                        length = self._length(value, length, flags)
                        flags |= LENGTH
                        continue
                    if meaning > _LENGTH:
                        flags |= self._hop(meaning, name, value)
                        continue
                    tail |= meaning
                parts += (name, ": ", value, "\r\n")
                count += 1
            if flags & LENGTH:
                if first[0] == 204:
                    flags &= ~LENGTH
                else:
                    parts.append(f"content-length: {length}\r\n")
                    count += 1
            data = "".join(parts).encode("latin-1")
        except UnicodeEncodeError as error:
            raise BadResponse(f"a header is not latin-1: {error.object!r}") from None
        except BadResponse:
            raise
        except (TypeError, ValueError) as error:
            raise BadResponse(f"headers must be pairs of strings: {error}") from None
        if len(data.translate(None, _CONTROL)) != len(data) - 2 * count:
            raise BadResponse(_find_control(parts))
        return Lines(first[0], flags, length if flags & LENGTH else None, data, tail)

    def _first_line(self, status: Any) -> tuple[int, str]:
        match = _STATUS.fullmatch(status) if isinstance(status, str) else None
        if match is None:
            raise BadResponse(f"invalid status {status!r}")
        first = int(match[1]), f"HTTP/1.1 {match[1]} {match[2] or ''}\r\n"
        if len(self._statuses) < STATUSES_MAX and len(status) <= 64:
            self._statuses[status] = first
        return first

    def _make_asgi(self, status: int, fields: tuple[Sequence[bytes], ...]) -> Lines:
        try:
            headers = [(name.decode("latin-1"), value.decode("latin-1")) for name, value in fields]
        except (AttributeError, TypeError, ValueError) as error:
            raise BadResponse(f"headers must be pairs of byte strings: {error}") from None
        first = self._asgi_statuses.get(status)
        if first is None:
            try:
                code = int(status)  # HTTPStatus members too
            except (TypeError, ValueError):
                raise BadResponse(f"the status must be a number, not {status!r}") from None
            first = self._first_line(f"{code} {_REASONS.get(code, '')}")
            self._asgi_statuses[code] = first
        lines = self._make_lines(first, headers)
        self._remember((status, fields), lines)
        return lines

    def _length(self, value: str, length: int, flags: int) -> int:
        text = value.strip(" \t")
        if not (text.isdigit() and text.isascii()) or len(text) > 18:
            raise BadResponse(f"invalid Content-Length {value!r}")
        if flags & LENGTH and length != int(text):
            raise BadResponse("Content-Length twice with different values")
        return int(text)

    def _hop(self, meaning: int, name: str, value: str) -> int:
        """Fields that are dropped: what they mean as a flag."""
        if meaning == _CONNECTION:
            if "close" in [token.strip(" \t").lower() for token in value.split(",")]:
                return CLOSE
        elif meaning == _HOP and self._warn is not None:
            warn, self._warn = self._warn, None
            warn(f"the app's header {name!r} was dropped: it belongs to the server (PEP 3333)")
        return 0


def _hashable(fields: tuple[Sequence[bytes], ...]) -> tuple[Sequence[bytes], ...]:
    try:
        copies = tuple(map(tuple, fields))
        hash(copies)
    except TypeError:
        try:
            return tuple([(bytes(name), bytes(value)) for name, value in fields])
        except (TypeError, ValueError) as error:
            raise BadResponse(f"headers must be pairs of byte strings: {error}") from None
    return copies


def _find_control(parts: list[str]) -> str:
    for part in parts:
        clean = len(part.encode("latin-1").translate(None, _CONTROL)) == len(part)
        if not (clean or part.endswith("\r\n")):
            return f"a control character in the response head: {part!r}"
    return "a control character in the response head"


def check_field(name: bytes, value: bytes) -> tuple[bytes, bytes]:
    """A field outside a head (trailers, early hints): returned as it is, or BadResponse."""
    if not _TOKEN.fullmatch(name.decode("latin-1")):
        raise BadResponse(f"invalid header name {name!r}")
    if len(value.translate(None, _CONTROL)) != len(value):
        raise BadResponse(f"a control character in the header {name!r}: {value!r}")
    return name, value


def field_lines(headers: Iterable[tuple[str, str]]) -> bytes:
    """Field lines outside a head, of a WSGI app."""
    lines: list[bytes] = []
    for name, value in headers:
        try:
            field = check_field(name.encode("latin-1"), value.encode("latin-1"))
        except UnicodeEncodeError:
            raise BadResponse(f"a header is not latin-1: {value!r}") from None
        lines.append(b"%b: %b\r\n" % field)
    return b"".join(lines)
