"""Give-back: what happens to others while one view blocks the event loop."""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Iterator
from typing import Any

import pytest
from asgi_support import Server, respond

from keelback import _wire, frames
from keelback.asgi_monitor import LATE_SECONDS, LOOK_SECONDS, LOOK_SECONDS_MAX, Pace


class Gate:
    """A view that blocks the loop's thread until the test lets it go."""

    def __init__(self) -> None:
        self.inside = threading.Event()
        self.release = threading.Event()
        self.begun: list[str] = []

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        self.begun.append(scope["path"])
        if scope["path"] == "/later":
            await asyncio.sleep(0)
        if scope["path"] in ("/block", "/later"):
            self.inside.set()
            self.release.wait(10)
        if scope["path"] == "/compute":
            self.inside.set()
            end = time.monotonic() + 10
            while not self.release.is_set() and time.monotonic() < end:
                pass
        if scope["method"] == "POST":
            await respond(send, (await receive())["body"])
        else:
            await respond(send, scope["path"].encode())


@pytest.fixture(params=["asyncio", "uvloop"])
def stage(request: Any, tmp_path: Any) -> Iterator[tuple[Server, Gate]]:
    if request.param == "uvloop":
        pytest.importorskip("uvloop")
    gate = Gate()
    server = Server(gate, str(tmp_path), loop=request.param, lifespan="off")
    yield server, gate
    gate.release.set()
    server.stop()


@pytest.mark.parametrize("path", [b"/block", b"/later", b"/compute"])
def test_what_waits_behind_a_blocking_view_goes_back(stage: Any, path: bytes) -> None:
    server, gate = stage
    edge = server.edge
    # These run before the loop comes back to the blocking task.
    runs_behind = path == b"/later"

    def as_expected() -> bool:
        """Where a busy machine pauses the loop in front of the view, more than that goes back."""
        gate.release.clear()
        made = [edge.frame(path=p) for p in (b"/fast", path, b"/1", b"/2")]
        edge.send(*(frame for _, frame in made))
        fast, blocking, *behind = (edge.answer(s) if s != made[1][0] else s for s, _ in made)
        right = all(answer.given_back != runs_behind for answer in behind)
        if right and not fast.given_back and not edge.answers[blocking].given_back:
            assert fast.body == b"/fast"
            assert runs_behind or edge.board.words[0] == blocking
            gate.release.set()
            assert edge.answer(blocking).body == path
            return True
        gate.release.set()
        edge.answer(blocking)
        return False

    assert any(as_expected() for _ in range(10))


@pytest.mark.parametrize("path", [b"/block", b"/later", b"/compute"])
def test_what_is_unread_in_the_socket_goes_back(stage: Any, path: bytes) -> None:
    server, gate = stage
    edge = server.edge
    blocking = edge.begun(path=path)
    assert gate.inside.wait(10)
    for _ in range(3):
        assert edge.answer(edge.request(path=b"/unread")).given_back
    assert "/unread" not in gate.begun
    gate.release.set()
    assert edge.answer(blocking).body == path
    assert edge.get(path=b"/after").body == b"/after"


def test_other_frames_are_kept_in_order(stage: Any) -> None:
    server, gate = stage
    edge = server.edge
    reading = edge.begun(method="POST", path=b"/read", flags=0)
    blocking = edge.begun(path=b"/block")
    assert gate.inside.wait(10)
    lost, frame = edge.frame(method="POST", path=b"/lost", flags=0)
    edge.send(
        frame,
        frames.pack(lost, _wire.BODY, 0, 0, b"lost"),
        frames.pack(0, _wire.PING, 0, 0, b"ping"),
        frames.pack(reading, _wire.BODY, 0, 0, b"one "),
        frames.pack(reading, _wire.BODY, _wire.FLAG_END, 0, b"two"),
    )
    assert edge.answer(lost).given_back
    edge.until(lambda: edge.pongs == [b"ping"])
    edge.body(lost, b"still on its way")
    gate.release.set()
    edge.answer(blocking)
    assert edge.answer(reading).body == b"one two"
    assert edge.get().body == b"/"


def test_links_of_other_edges_are_relieved_too(stage: Any) -> None:
    server, gate = stage
    other = server.second_edge()
    server.edge.begun(path=b"/block")
    assert gate.inside.wait(10)
    assert other.answer(other.request(path=b"/other")).given_back


def test_idle_worker_uses_no_cpu(stage: Any) -> None:
    """The monitor's thread sleeps: only a bound on its CPU time can show that. One that never does
    is over it each time; what else is left to do in this process ends."""
    server, _ = stage
    server.edge.get()
    silent = threading.Event()

    def used() -> float:
        start = time.process_time()
        silent.wait(0.3)
        return time.process_time() - start

    assert any(used() < 0.02 for _ in range(10))


def test_computing_views_are_looked_at_less_often() -> None:
    pace = Pace()
    assert pace.seconds == LOOK_SECONDS
    assert not pace.slow
    for _ in range(9):
        pace.woke(2 * LATE_SECONDS)
    assert pace.seconds == LOOK_SECONDS_MAX
    assert pace.slow


def test_a_loop_that_lets_go_of_the_interpreter_is_looked_at_as_often_as_ever() -> None:
    pace = Pace()
    pace.woke(LATE_SECONDS / 2)
    assert pace.seconds == LOOK_SECONDS
    for _ in range(9):
        pace.woke(2 * LATE_SECONDS)
    for _ in range(2):
        pace.woke(0)
    assert pace.seconds == LOOK_SECONDS
    assert not pace.slow
