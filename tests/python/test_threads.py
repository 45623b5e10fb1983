"""The adaptive threads runner: who has the baton, and what happens to what waits."""

from __future__ import annotations

import struct
import sys
import threading
import time
from typing import Any

import pytest
from wsgi_support import DEADLINE, END, Blocking, Edge, block, eventually

from keelback import _wire, threads, threads_monitor
from keelback.frames import pack
from keelback.threads_monitor import LATE_SECONDS


@pytest.fixture
def app() -> Any:
    app = Blocking()
    yield app
    app.release.set()


def test_a_blocking_view_does_not_delay_queued_requests(app: Blocking) -> None:
    with Edge(app, threads=4) as edge:
        requests = [edge.head(path) for path in ("/a", "/block", "/b", "/c")]
        edge.sock.sendall(b"".join(frame for _, frame in requests))
        (a, _), (blocked, _), (b, _), (c, _) = requests
        assert [edge.answer(n).body for n in (a, b, c)] == [b"/a", b"/b", b"/c"]
        app.wait_begun()
        # Each once. One whose thread is held up in front of the app is begun, but not heard of yet.
        assert sorted(app.order) == ["/a", "/b", "/block", "/c"]
        assert not edge.answers[blocked].ended
        assert edge.get("/later").body == b"/later"
        app.release.set()
        assert edge.answer(blocked).body == b"/block"
        assert edge.begun() == max(edge.answers)


def test_replies_in_front_of_a_blocking_view_leave(app: Blocking) -> None:
    """Also where nothing waits behind it, and with a single thread."""
    for kind in ("threads", "sync"):
        with Edge(app, kind) as edge:
            first, one = edge.head("/a")
            second, two = edge.head("/block")
            edge.sock.sendall(one + two)
            assert edge.answer(first).body == b"/a"
            app.release.set()
            edge.answer(second)
        app.release.clear()


def test_many_blocking_views_get_a_thread_each_and_no_more(app: Blocking) -> None:
    with Edge(app, threads=5) as edge:
        blocked = [edge.request(f"/block/{n}") for n in range(5)]
        for _ in blocked:
            app.wait_begun()
        waiting = edge.request("/late")
        assert edge.answer(waiting).given_back
        app.release.set()
        for stream in blocked:
            assert edge.answer(stream).status == 200
        assert len(app.threads) == 5
        assert edge.get("/more").body == b"/more"


def test_a_fast_app_stays_on_one_thread(app: Blocking) -> None:
    def threads_of_a_run() -> int:
        app.threads.clear()
        with Edge(app) as edge:
            for _ in range(50):
                requests = [edge.head("/") for _ in range(20)]
                edge.sock.sendall(b"".join(frame for _, frame in requests))
                for stream, _ in requests:
                    edge.answer(stream)
        return len(app.threads)

    # A pause of a thread may look like a view that blocks, now and then, but not always.
    assert any(threads_of_a_run() <= 2 for _ in range(10))


@pytest.mark.parametrize("unread", [False, True])
def test_sync_gives_back_what_waits_behind_a_blocking_view(app: Blocking, unread: bool) -> None:
    with Edge(app, "sync") as edge:
        blocked, first = edge.head("/block")
        second, later = edge.head("/b")
        with_body, upload = edge.head("/c", method="POST", flags=0)
        if unread:
            edge.sock.sendall(first)
            app.wait_begun()
            edge.sock.sendall(later + upload)
        else:
            edge.sock.sendall(first + later + upload)
        assert edge.answer(second).given_back
        assert edge.answer(with_body).given_back
        edge.send(with_body, _wire.BODY, END, data=b"on its way")
        assert edge.begun() == blocked
        edge.send(0, _wire.PING, data=b"alive?")
        edge.until(lambda: edge.pongs == [b"alive?"])
        app.release.set()
        assert edge.answer(blocked).body == b"/block"
        assert edge.get("/after").body == b"/after"
        assert app.order == ["/block", "/after"]


def test_pings_are_answered_by_an_idle_worker(app: Blocking) -> None:
    with Edge(app) as edge:
        edge.send(0, _wire.PING, data=b"12345678")
        edge.until(lambda: edge.pongs == [b"12345678"])
        edge.send(0, _wire.DRAIN)
        edge.send(0, _wire.PONG)
        assert edge.get().body == b"/"


def test_the_board_tells_whether_a_view_computes(app: Blocking) -> None:
    assert sys.getswitchinterval() > LATE_SECONDS, "an earlier test has left its own"

    def spin(environ: Any, start: Any) -> Any:
        while environ["PATH_INFO"] == "/spin" and not app.release.is_set():
            pass
        return app(environ, start)

    with Edge(spin, threads=4) as edge:
        # One that waits does not; looks that come late on a busy machine are told for a moment.
        waits = edge.request("/block")
        app.wait_begun()
        assert edge.get("/a").body == b"/a"
        eventually(lambda: not edge.computing())
        computes = edge.request("/spin")
        eventually(edge.computing)
        app.release.set()
        assert edge.answer(computes).body == b"/spin"
        assert edge.answer(waits).body == b"/block"
        eventually(lambda: not edge.computing())


def test_the_board_of_an_idle_worker_says_nothing(app: Blocking, monkeypatch: Any) -> None:
    """Though the last look of its monitor has come late, as each does here."""
    monkeypatch.setattr(threads_monitor, "LATE_SECONDS", -1)
    with Edge(app) as edge:
        assert edge.get().body == b"/"
        eventually(lambda: edge.runner.monitor.asleep)
        assert not edge.computing()


def test_followers_that_nobody_needs_end(app: Blocking, monkeypatch: Any) -> None:
    monkeypatch.setattr(threads, "IDLE_SECONDS", 0.01)
    with Edge(app, threads=8) as edge:
        blocked = [edge.request(f"/block/{n}") for n in range(8)]
        for _ in blocked:
            app.wait_begun()
        app.release.set()
        for stream in blocked:
            edge.answer(stream)

        def count() -> int:
            names = [thread.name for thread in threading.enumerate()]
            return sum(name.startswith("keelback-") and name[9:].isdigit() for name in names)

        deadline = time.monotonic() + DEADLINE
        while count() > threads.SPARE_FOLLOWERS + 1:
            assert time.monotonic() < deadline
            edge.get()


# --- links


def test_two_links_share_the_threads(app: Blocking) -> None:
    with Edge(app, threads=2) as edge:
        other = edge.second_link()
        assert other.get("/two").body == b"/two"
        blocked = edge.request("/block")
        app.wait_begun()
        assert other.get("/three").body == b"/three"
        assert (edge.begun(), other.begun()) == (blocked, max(other.answers))
        other.sock.close()
        app.release.set()
        assert edge.answer(blocked).body == b"/block"


def test_a_lost_link_leaves_the_other_one_alone(app: Blocking) -> None:
    with Edge(app, threads=3) as edge:
        other = edge.second_link()
        other.request("/block/lost")
        app.wait_begun()
        other.sock.close()
        assert edge.get("/one").body == b"/one"
        app.release.set()
        assert edge.get("/two").body == b"/two"
        assert edge.reports == []


@pytest.mark.parametrize(
    "frame",
    [
        pack(0, 99),
        struct.pack("<IIBBH", 2**31, 0, _wire.PING, 0, 0),
        pack(1, _wire.RESPONSE, END, 200, b"\0\0\0\0"),
        pack(1, _wire.REQUEST, END, 11, b"nonsense"),
        pack(1, _wire.REQUEST, 0, 11, block("/block"))
        + pack(1, _wire.BODY, 0, 0, bytes(_wire.REQUEST_WINDOW_BYTES + 1)),
        pack(1, _wire.REQUEST, 0, 11, block("/block")) + pack(1, _wire.CREDIT, 0, 0, b"x"),
    ],
)
def test_a_link_that_breaks_the_rules_is_closed(app: Blocking, frame: bytes) -> None:
    with Edge(app) as edge:
        edge.sock.sendall(frame)
        try:
            assert edge.sock.recv(100) == b""
        except ConnectionResetError:
            pass  # the worker has not read everything
        app.release.set()
        assert len(edge.reports) == 1
        assert "the link to an edge is closed" in edge.reports[0][1]


# --- the end


@pytest.mark.parametrize("kind", ["threads", "sync"])
def test_stop_finishes_what_runs_and_gives_back_what_comes_later(app: Blocking, kind: str) -> None:
    with Edge(app, kind) as edge:
        blocked = edge.request("/block")
        app.wait_begun()
        edge.runner.stop()
        late = edge.request("/late")
        if kind == "threads":
            assert edge.answer(late).given_back or edge.answers[late].status == 200
        app.release.set()
        assert edge.answer(blocked).body == b"/block"
        edge.thread.join(DEADLINE)
        assert not edge.thread.is_alive()


def test_stop_ends_an_idle_runner_and_its_threads(app: Blocking) -> None:
    before = threading.active_count()
    with Edge(app, threads=4) as edge:
        blocked = [edge.request("/block") for _ in range(3)]
        for _ in blocked:
            app.wait_begun()
        app.release.set()
        for stream in blocked:
            edge.answer(stream)
    deadline = time.monotonic() + DEADLINE
    while threading.active_count() > before:
        assert time.monotonic() < deadline


def test_an_idle_runner_uses_no_cpu(app: Blocking) -> None:
    with Edge(app) as edge:
        for _ in range(3):
            edge.get()
        monitor = edge.runner.monitor
        eventually(lambda: monitor.asleep)
        assert edge.get().status == 200
