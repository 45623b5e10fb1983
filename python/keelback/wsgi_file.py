"""`wsgi.file_wrapper`: files that the edge sends, so that the worker's thread is free at once.

Contract: `send_file` answers False and has done nothing where the edge can't send the file: it is
not a plain regular file, is small, or this platform has no /proc. Then it is read in blocks like
any other iterable. Only files whose bytes are those of the descriptor qualify: a GzipFile has a
fileno too.
"""

from __future__ import annotations

import io
import os
import stat
import sys
import tempfile
from collections.abc import Iterator
from struct import Struct
from typing import TYPE_CHECKING, Any

from . import _wire
from .interrupt import lower_shield, raise_shield

if TYPE_CHECKING:
    from .wsgi import WsgiCall

SMALL_BYTES = 64 * 1024
"""A file up to here is sent from the worker: quicker than the way to the edge and back."""

_FILE = Struct("<IIBBHQQ")
_TEMPORARY: Any = getattr(tempfile, "_TemporaryFileWrapper", ())

_edge_reads = sys.platform.startswith("linux")
"""False after an edge could not open a file of ours, in another container for example."""


class FileWrapper:
    """What PEP 3333 asks for: iterates over blocks, and closes the file."""

    def __init__(self, filelike: Any, block_size: int = 65536) -> None:
        self.filelike = filelike
        self.block_size = block_size
        if hasattr(filelike, "close"):
            self.close = filelike.close

    def __iter__(self) -> Iterator[bytes]:
        return self

    def __next__(self) -> bytes:
        block: bytes = self.filelike.read(self.block_size)
        if block:
            return block
        raise StopIteration


def send_file(call: WsgiCall, wrapper: FileWrapper) -> bool:
    span = _span(wrapper.filelike) if _edge_reads else None
    lines = call.lines
    if span is None or lines is None or lines.bodyless or call.head_only or call.complete:
        return False
    fd, offset, count = span
    length = call.remaining if call.started else lines.length
    if length is not None:
        if length > count:
            return False  # reading it will find that out as well, and say so
        count = length
    if count <= SMALL_BYTES:
        return False
    path = f"/proc/{os.getpid()}/fd/{fd}".encode()
    raise_shield(call)
    try:
        call.check()
        call.send_head(count)
        call.complete = True
        call.remaining = 0
        call.file_errno = None
        call.link.expect(call)
        call.link.out += (
            _FILE.pack(16 + len(path), call.stream, _wire.FILE, _wire.FLAG_END, 0, offset, count),
            path,
        )
        call.link.flush()
        while call.file_errno is None and not call.cancelled:
            call.wait(lambda: call.file_errno is not None)
    finally:
        lower_shield(call)
    _opened(call)
    return True


def _span(filelike: Any) -> tuple[int, int, int] | None:
    """(descriptor, offset, bytes from there on) of a plain regular file."""
    if isinstance(filelike, _TEMPORARY):
        filelike = filelike.file
    plain: Any = filelike
    if isinstance(filelike, (io.BufferedReader, io.BufferedRandom)):
        if not isinstance(plain.raw, io.FileIO):
            return None
    elif not isinstance(filelike, io.FileIO):
        return None
    try:
        fd = filelike.fileno()
        status = os.fstat(fd)
        offset = filelike.tell()
    except (OSError, ValueError):
        return None
    if not stat.S_ISREG(status.st_mode) or offset > status.st_size:
        return None
    return fd, offset, status.st_size - offset


def _opened(call: WsgiCall) -> None:
    """Where it failed the edge has cut this response; the next files are read here."""
    global _edge_reads
    errno = call.file_errno
    if errno:
        _edge_reads = False
        call.reporter.report(
            "error",
            f"the edge can't open the worker's files: {os.strerror(errno)}; they're read here now",
        )
