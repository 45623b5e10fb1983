"""Warm-up requests, in real workers."""

from __future__ import annotations

from typing import Any

import pytest

WSGI = """
class Body(list):
    def close(self):
        print("closed", flush=True)

def app(environ, start_response):
    asked = environ["REQUEST_METHOD"], environ["PATH_INFO"], environ["QUERY_STRING"]
    print(*asked, environ["HTTP_HOST"], environ["wsgi.input"].read(), flush=True)
    if environ["PATH_INFO"] == "/raise":
        raise KeyError("no table")
    if environ["PATH_INFO"] == "/silent":
        return Body()
    start_response(environ["PATH_INFO"].strip("/") + " x", [])
    return Body([b"part"])
"""
ASGI = """
async def app(scope, receive, send):
    if scope["type"] == "lifespan":
        for event in ("startup", "shutdown"):
            await receive()
            print(event, flush=True)
            await send({"type": f"lifespan.{event}.complete"})
        return
    host = dict(scope["headers"])[b"host"].decode()
    message = await receive()
    print(scope["method"], scope["path"], scope["query_string"].decode(), host, message["body"],
          flush=True)
    if scope["path"] == "/raise":
        raise KeyError("no table")
    if scope["path"] == "/silent":
        return
    status = int(scope["path"].strip("/"))
    await send({"type": "http.response.start", "status": status, "headers": []})
    await send({"type": "http.response.body", "body": b"part", "more_body": True})
    await send({"type": "http.response.body"})
    assert (await receive())["type"] == "http.disconnect"
    print("closed", flush=True)
"""
KINDS = [("wsgi", WSGI), ("asgi", ASGI)]


@pytest.mark.parametrize(("interface", "source"), KINDS)
def test_a_worker_answers_its_warm_up_requests_before_it_serves(
    zygotes: Any, interface: str, source: str
) -> None:
    worker = zygotes(source, interface=interface, warmup=["/200?a=1", "/30%34"]).fork()
    worker.control.until("ready")
    lines = [worker.log.line() for _ in range(5 if interface == "wsgi" else 6)]
    assert lines == [
        "worker-1",
        *(["startup"] if interface == "asgi" else []),
        "GET /200 a=1 localhost b''",
        "closed",
        "GET /304  localhost b''",
        "closed",
    ]


@pytest.mark.parametrize(("interface", "source"), KINDS)
@pytest.mark.parametrize(
    ("path", "message"),
    [
        ("/raise", "the warm-up request for /raise failed: KeyError: 'no table'"),
        ("/503", "the warm-up request for /503 got status 503"),
        ("/silent", "the warm-up request for /silent got no response"),
    ],
)
def test_a_failing_warm_up_request_keeps_the_worker_from_serving(
    zygotes: Any, interface: str, source: str, path: str, message: str
) -> None:
    worker = zygotes(source, interface=interface, warmup=["/200", path, "/201"]).fork()
    failed = worker.control.message()
    assert (failed["t"], failed["stage"], failed["message"]) == ("failed", "warmup", message)
    assert ("no table" in failed["traceback"]) == (path == "/raise")
    assert worker.exit_status() >> 8 == 3
    log = worker.log.until_eof()
    assert ("shutdown" in log) == (interface == "asgi")
    assert "/201" not in log


@pytest.mark.parametrize(("interface", "source"), KINDS)
def test_a_wrong_warm_up_path_is_reported(zygotes: Any, interface: str, source: str) -> None:
    worker = zygotes(source, interface=interface, warmup=["/404"]).fork()
    report = worker.control.until("log")
    assert report["level"] == "warning"
    assert report["message"].startswith("the warm-up request for /404 got status 404")
    worker.control.until("ready")
