"""The probe of `keelback audit`, in this process: what it counts, and what it leaves alone."""

from __future__ import annotations

import asyncio
import concurrent.futures
import contextlib
import linecache
import threading
import time
import types
from collections.abc import Iterator
from typing import Any

import pytest

from keelback import probe_asgi, probe_routes, probe_sampler, probe_wsgi
from keelback.errors import ClientDisconnected
from keelback.probe_book import Book, current
from keelback.probe_sampler import Sampler
from keelback.probe_stacks import Places
from keelback.wsgi_file import FileWrapper


@pytest.fixture(autouse=True)
def unwatched(monkeypatch: Any) -> None:
    """What a probe watches in this process is as before when a test is over."""
    pool = concurrent.futures.ThreadPoolExecutor
    monkeypatch.setattr(pool, "submit", pool.submit)


@pytest.fixture
def book(tmp_path: Any) -> Book:
    return Book(str(tmp_path), 1, "wsgi", "main:app (function, WSGI)")


@pytest.fixture
def sampler(book: Book) -> Iterator[Sampler]:
    sampler = Sampler(book)
    sampler.start()
    yield sampler
    sampler.stop()
    sampler.join()


def environ(path: str = "/", **more: Any) -> dict[str, Any]:
    return {"REQUEST_METHOD": "GET", "PATH_INFO": path, "RAW_URI": path, **more}


def started(status: str, headers: Any, exc_info: Any = None) -> Any:
    return lambda data: None


def route(book: Book, name: str) -> dict[str, Any]:
    [found] = [entry for entry in book.report()["routes"] if entry["route"] == name]
    return found


def until_seen() -> None:
    """Blocks the app until the sampler has seen it wait in this line.

    On a busy machine it may find it between two waits, or think at first that it computes.
    """
    call = current.get(None)
    assert call is not None
    while not any(kind == "wait" and sleeps(places) for kind, places in call.seen):
        time.sleep(0.005)  # the app blocks


def sleeps(places: Places) -> bool:
    code, line = places[0]
    return "sleep(0.005)" in linecache.getline(code.co_filename, line)


# --- names of routes


@pytest.mark.parametrize(
    ("path", "name"),
    [
        ("/", "/"),
        ("/users/42/posts", "/users/{number}/posts"),
        ("/f/0b6c1b6e-7f2e-4f4e-8d59-2c0a6f6b7a11", "/f/{uuid}"),
        ("/c/5f2b9c0d1e2f3a4b5c6d", "/c/{id}"),
        ("/t/eyJhbGciOiJIUzI1NiJ9x1", "/t/{id}"),
        ("/about-us?page=2", "/about-us"),
    ],
)
def test_changing_parts_of_paths_are_replaced(path: str, name: str) -> None:
    assert probe_routes.templated(path) == name


def test_a_mounted_route_has_the_mount_before_it() -> None:
    scope = {"route": types.SimpleNamespace(path="/items/{n}"), "root_path": "/api/v1"}
    assert probe_routes.of_asgi(scope, "/api") == "/v1/items/{n}"
    assert probe_routes.of_asgi({}, "") is None


# --- WSGI


def test_a_wsgi_call_is_counted_with_status_size_and_processor_time(
    book: Book, sampler: Sampler
) -> None:
    def app(environ: Any, start_response: Any) -> list[bytes]:
        start_response("201 Created", [])
        until = time.thread_time() + 0.01
        while time.thread_time() < until:
            pass
        return [b"12", b"345"]

    body = probe_wsgi.WsgiProbe(app, book, sampler).app(environ("/a/7"), started)
    assert body == [b"12", b"345"]
    found = route(book, "GET /a/{number}")
    assert (found["count"], found["bytes"], found["statuses"]) == (1, 5, {"201": 1})
    assert found["cpuMs"] >= 10
    assert found["wallMs"] >= found["cpuMs"]
    assert book.report()["paths"] == {"GET /a/7": "GET /a/{number}"}


def test_a_body_that_is_made_while_it_is_sent_counts_until_it_is_closed(
    book: Book, sampler: Sampler
) -> None:
    closed = []

    class Parts:
        def __iter__(self) -> Iterator[bytes]:
            yield b"one"
            yield b"two"

        def close(self) -> None:
            closed.append(True)

    body = probe_wsgi.WsgiProbe(lambda *_: Parts(), book, sampler).app(environ(), started)
    assert list(body) == [b"one", b"two"]
    assert book.report()["routes"] == []
    body.close()
    body.close()
    assert closed == [True, True]
    assert (route(book, "GET /")["count"], route(book, "GET /")["bytes"]) == (1, 6)


def test_a_file_wrapper_is_left_as_it_is(book: Book, sampler: Sampler) -> None:
    wrapper = FileWrapper(None)
    app = probe_wsgi.WsgiProbe(lambda *_: wrapper, book, sampler).app
    assert app(environ(), started) is wrapper


def test_an_app_that_raises_is_counted_as_failed_and_goes_on_raising(
    book: Book, sampler: Sampler
) -> None:
    def app(*_: Any) -> Any:
        raise KeyError("no such thing")

    with pytest.raises(KeyError, match="no such thing"):
        probe_wsgi.WsgiProbe(app, book, sampler).app(environ(), started)
    assert route(book, "GET /")["failed"] == 1
    assert sampler.running == {}
    assert book.active == 0


def test_the_line_where_a_view_waits_is_found(book: Book, sampler: Sampler) -> None:
    def app(*_: Any) -> list[bytes]:
        until_seen()
        return []

    probe_wsgi.WsgiProbe(app, book, sampler).app(environ("/slow"), started)
    stacks = [stack for stack in book.report()["stacks"] if stack["kind"] == "wait"]
    assert {stack["route"] for stack in stacks} == {"GET /slow"}
    innermost = [stack["frames"][stack["app"]] for stack in stacks]
    [waiting] = [frame for frame in innermost if "sleep(0.005)" in frame["code"]]
    assert waiting["function"] == "until_seen"
    assert waiting["code"].endswith("sleep(0.005)  # the app blocks")
    frames = [frame for stack in stacks for frame in stack["frames"]]
    assert not any("probe_wsgi" in frame["file"] for frame in frames)


def test_flask_names_the_route(book: Book, sampler: Sampler) -> None:
    flask = pytest.importorskip("flask")
    app = flask.Flask(__name__)
    app.add_url_rule("/user/<name>", view_func=lambda name: name, endpoint="user")
    probe = probe_wsgi.WsgiProbe(app, book, sampler)
    from werkzeug.test import run_wsgi_app

    given = {**environ("/user/ann"), "wsgi.url_scheme": "http", "HTTP_HOST": "localhost"}
    run_wsgi_app(probe.app, given, buffered=True)
    assert route(book, "GET /user/<name>")["statuses"] == {"200": 1}


# --- ASGI


async def call_asgi(probe: probe_asgi.AsgiProbe, path: str = "/") -> list[Any]:
    sent: list[Any] = []
    scope = {"type": "http", "method": "GET", "path": path, "raw_path": path.encode()}

    async def send(message: Any) -> None:
        sent.append(message)

    await probe.app(scope, None, send)
    return sent


async def answer(send: Any, body: bytes = b"ok") -> None:
    await send({"type": "http.response.start", "status": 200, "headers": []})
    await send({"type": "http.response.body", "body": body})


def test_a_blocking_call_on_the_event_loop_is_found_with_its_line(
    book: Book, sampler: Sampler
) -> None:
    async def app(scope: Any, receive: Any, send: Any) -> None:
        time.sleep(0.03)  # the app blocks
        until_seen()
        await answer(send)

    asyncio.run(call_asgi(probe_asgi.AsgiProbe(app, book, sampler), "/block"))
    found = route(book, "GET /block")
    assert found["longestMs"] >= 30
    assert found["blockingCalls"] == 1
    lines = [stack["frames"][0]["code"] for stack in book.report()["stacks"]]
    assert any("sleep(0.03)" in line or "sleep(0.005)" in line for line in lines)


def test_what_is_awaited_does_not_block(book: Book, sampler: Sampler) -> None:
    async def app(scope: Any, receive: Any, send: Any) -> None:
        call = current.get(None)
        assert call is not None
        while not any(kind == "await" for kind, _ in call.seen):
            await asyncio.sleep(0.005)
        await answer(send)

    asyncio.run(call_asgi(probe_asgi.AsgiProbe(app, book, sampler)))
    found = route(book, "GET /")
    assert found["heldMs"] < found["wallMs"]
    [stack, *_] = [stack for stack in book.report()["stacks"] if stack["kind"] == "await"]
    assert stack["frames"][stack["app"]]["code"] == "await asyncio.sleep(0.005)"


def test_tasks_and_threads_of_a_request_are_counted_for_it(book: Book, sampler: Sampler) -> None:
    def compute() -> str:
        until = time.thread_time() + 0.01
        while time.thread_time() < until:
            pass
        return threading.current_thread().name

    async def part() -> str:
        await asyncio.sleep(0)
        return compute()

    async def app(scope: Any, receive: Any, send: Any) -> None:
        loop = asyncio.get_running_loop()
        names = await asyncio.gather(part(), part())
        names.append(await loop.run_in_executor(None, compute))
        await answer(send, ",".join(names).encode())

    sent = asyncio.run(call_asgi(probe_asgi.AsgiProbe(app, book, sampler)))
    assert sent[1]["body"].startswith(b"MainThread,MainThread,asyncio_0")
    found = route(book, "GET /")
    assert found["cpuMs"] >= 30
    assert (found["poolCalls"], book.pool_max) == (1, 1)
    assert found["poolMs"] >= 10


def test_errors_and_cancellation_reach_the_app(book: Book, sampler: Sampler) -> None:
    seen = []

    async def app(scope: Any, receive: Any, send: Any) -> None:
        try:
            await asyncio.sleep(60)
        except asyncio.CancelledError:
            seen.append("cancelled")
            raise

    async def run() -> None:
        task = asyncio.ensure_future(call_asgi(probe_asgi.AsgiProbe(app, book, sampler)))
        while not sampler.waiting:
            await asyncio.sleep(0)
        task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await task

    asyncio.run(run())
    assert seen == ["cancelled"]
    assert route(book, "GET /")["failed"] == 0
    assert (sampler.waiting, sampler.running, book.active) == ({}, {}, 0)


@pytest.mark.parametrize(("error", "failed"), [(ClientDisconnected, 0), (KeyError, 1)])
def test_a_client_that_leaves_is_no_failure_of_the_app(
    book: Book, sampler: Sampler, error: Any, failed: int
) -> None:
    async def app(scope: Any, receive: Any, send: Any) -> None:
        try:
            await send({"type": "http.response.start", "status": 200, "headers": []})
        except OSError:
            raise RuntimeError from None  # as frameworks do

    async def send(message: Any) -> None:
        raise error

    scope = {"type": "http", "method": "GET", "path": "/"}
    with pytest.raises((RuntimeError, KeyError)):
        asyncio.run(probe_asgi.AsgiProbe(app, book, sampler).app(scope, None, send))
    assert route(book, "GET /")["failed"] == failed


def test_lifespan_and_websockets_pass_by(book: Book, sampler: Sampler) -> None:
    seen = []

    async def app(scope: Any, receive: Any, send: Any) -> None:
        seen.append((scope["type"], receive, send))

    probe = probe_asgi.AsgiProbe(app, book, sampler)
    for kind in ("lifespan", "websocket"):
        asyncio.run(probe.app({"type": kind}, "receive", "send"))
    assert seen == [("lifespan", "receive", "send"), ("websocket", "receive", "send")]
    assert book.report()["routes"] == []


def test_a_timed_function_without_a_request_is_itself(sampler: Sampler) -> None:
    assert probe_sampler.timed(None, len, sampler) is len
