"""The shared memory of a link where there is no room for it."""

from __future__ import annotations

import errno
import os
import subprocess
import sys
from pathlib import Path

import pytest

import keelback
from keelback.board import Board

OPEN_WITHOUT_ROOM = """
import resource, signal, sys
sys.path.insert(0, sys.argv[1])
from keelback.board import Board

signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
resource.setrlimit(resource.RLIMIT_FSIZE, (0, 0))
Board.open(sys.argv[2])
"""


def test_a_board_without_room_is_refused_and_not_a_trap(tmp_path: Path) -> None:
    """In a process of its own: of this one no file could grow, not even the report of the tests."""
    python = str(Path(keelback.__file__).parents[1])
    command = [sys.executable, "-c", OPEN_WITHOUT_ROOM, python, str(tmp_path / "board")]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert "OSError: [Errno 27] File too large" in done.stderr


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
