"""The shared memory of a link where there is no room for it."""

from __future__ import annotations

import errno
import os
import resource
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest

from keelback.board import Board


@pytest.fixture
def no_room() -> Iterator[None]:
    """No file of this process may grow."""
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    handler = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (0, limits[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
        signal.signal(signal.SIGXFSZ, handler)


def test_a_board_without_room_is_refused_and_not_a_trap(tmp_path: Path, no_room: None) -> None:
    with pytest.raises(OSError, match="File too large"):
        Board.open(str(tmp_path / "board"))


def test_a_board_has_its_room_from_the_start(tmp_path: Path) -> None:
    path = tmp_path / "board"
    board = Board.open(str(path))
    assert path.stat().st_blocks > 0
    board.begin(7)
    assert path.read_bytes()[0] == 7


def test_a_board_that_is_closed_takes_no_more(tmp_path: Path) -> None:
    """The monitor does not know."""
    board = Board.open(str(tmp_path / "board"))
    board.close()
    board.computing(True)
    board.close()


def test_without_room_for_rings_there_are_none(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(_fd: int, _size: int) -> None:
        raise OSError(errno.ENOSPC, "no room")

    monkeypatch.setattr(os, "truncate", refuse)
    board = Board.open(str(tmp_path / "board"))
    assert board.rings.path == ""
    assert board.rings.put(bytes(100_000), 1, 0) is None
    board.close()
