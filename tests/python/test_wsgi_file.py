"""wsgi.file_wrapper: files that the edge sends."""

from __future__ import annotations

import errno
import gzip
import io
import os
import struct
import sys
import tempfile
from pathlib import Path
from typing import Any

import pytest
from wsgi_support import Edge

from keelback import _wire, wsgi_file
from keelback.wsgi_file import FileWrapper

BIG = bytes(range(256)) * 1024
linux = pytest.mark.skipif(not sys.platform.startswith("linux"), reason="needs /proc")


@pytest.fixture
def path(tmp_path: Path, monkeypatch: Any) -> Path:
    monkeypatch.setattr(wsgi_file, "_edge_reads", sys.platform.startswith("linux"))
    path = tmp_path / "file"
    path.write_bytes(BIG)
    return path


def serve(opened: Any, *headers: tuple[str, str], status: str = "200 OK") -> Any:
    def app(environ: Any, start: Any) -> Any:
        start(status, list(headers))
        return environ["wsgi.file_wrapper"](opened)

    return app


def file_frame(edge: Edge, stream: int) -> tuple[int, int, str]:
    answer = edge.answer(stream)
    kinds = [frame[0] for frame in answer.frames]
    assert kinds == [_wire.RESPONSE, _wire.FILE]
    payload = answer.frames[1][3]
    offset, count = struct.unpack_from("<QQ", payload)
    return offset, count, payload[16:].decode()


@linux
@pytest.mark.parametrize("kind", ["threads", "sync"])
def test_a_file_is_handed_to_the_edge_and_closed_when_it_has_it(path: Path, kind: str) -> None:
    opened = path.open("rb")
    opened.read(100)
    with Edge(serve(opened), kind) as edge:
        stream = edge.request()
        offset, count, name = file_frame(edge, stream)
        assert (offset, count) == (100, len(BIG) - 100)
        assert edge.answers[stream].headers["content-length"] == str(count)
        with open(name, "rb") as mine:
            assert mine.read() == BIG
        assert not opened.closed
        edge.send(stream, _wire.FILE_OPENED)
        edge.stop()
        assert opened.closed
        assert edge.reports == []


@linux
def test_a_content_length_limits_what_is_sent(path: Path) -> None:
    with Edge(serve(path.open("rb"), ("Content-Length", "100000"))) as edge:
        stream = edge.request()
        assert file_frame(edge, stream)[:2] == (0, 100_000)
        edge.send(stream, _wire.FILE_OPENED)


@linux
def test_a_temporary_file_is_a_plain_file() -> None:
    opened = tempfile.NamedTemporaryFile()  # noqa: SIM115 - the runner closes it
    opened.write(BIG)
    opened.seek(0)
    with Edge(serve(opened)) as edge:
        stream = edge.request()
        assert file_frame(edge, stream)[:2] == (0, len(BIG))
        edge.send(stream, _wire.FILE_OPENED)


@linux
def test_after_an_edge_that_can_not_open_files_they_are_read(path: Path) -> None:
    opened = path.open("rb")
    with Edge(serve(opened)) as edge:
        stream = edge.request()
        file_frame(edge, stream)
        edge.send(stream, _wire.FILE_OPENED, 0, errno.ENOENT)
        edge.stop()
        assert opened.closed
        assert "No such file" in edge.reports[0][1]
    with Edge(serve(path.open("rb"))) as edge:
        assert edge.get().body == BIG


@linux
def test_a_cancelled_file_is_closed(path: Path) -> None:
    opened = path.open("rb")
    with Edge(serve(opened)) as edge:
        stream = edge.request()
        file_frame(edge, stream)
        edge.cancel(stream, _wire.CANCEL_REASON_CLIENT_GONE)
        edge.stop()
        assert opened.closed


class OnlyRead:
    def __init__(self, data: bytes) -> None:
        self.read = io.BytesIO(data).read


def test_what_is_no_plain_file_is_read_in_blocks(path: Path, tmp_path: Path) -> None:
    packed = tmp_path / "packed"
    packed.write_bytes(gzip.compress(BIG))
    reader, writer = os.pipe()
    os.write(writer, b"piped")
    os.close(writer)
    small = tmp_path / "small"
    small.write_bytes(b"small")
    for opened, expected in (
        (gzip.open(packed), BIG),  # noqa: SIM115 - the runner closes it
        (io.BytesIO(BIG), BIG),
        (OnlyRead(b"data"), b"data"),
        (os.fdopen(reader, "rb"), b"piped"),
        (small.open("rb"), b"small"),
    ):
        with Edge(serve(opened)) as edge:
            answer = edge.get()
            assert answer.body == expected
            assert all(frame[0] != _wire.FILE for frame in answer.frames)
            edge.stop()
            assert getattr(opened, "closed", True)


def test_no_file_for_head_or_304(path: Path) -> None:
    for method, status in (("HEAD", "200 OK"), ("GET", "304 Not Modified")):
        opened = path.open("rb")
        with Edge(serve(opened, status=status)) as edge:
            answer = edge.get(method=method)
            assert (answer.body, len(answer.frames)) == (b"", 1)
            edge.stop()
            assert opened.closed


def test_a_content_length_beyond_the_file_is_a_short_body(path: Path) -> None:
    with Edge(serve(path.open("rb"), ("Content-Length", str(len(BIG) + 1)))) as edge:
        assert edge.get().reset == _wire.RESET_REASON_BODY_SHORT


def test_the_wrapper_iterates_over_blocks() -> None:
    wrapper = FileWrapper(io.BytesIO(b"abcde"), 2)
    assert list(wrapper) == [b"ab", b"cd", b"e"]
    assert not hasattr(FileWrapper(OnlyRead(b"")), "close")
