"""The threads runner under everything at once: whatever happens, each request has one answer."""

from __future__ import annotations

import random
import time
from typing import Any

import pytest
from wsgi_support import END, Edge, text

from keelback import _wire
from keelback.frames import pack

KINDS = ("/quick", "/quick", "/quick", "/sleep", "/spin", "/stream", "/big", "/echo", "/fail")
REASONS = (
    _wire.CANCEL_REASON_CLIENT_GONE,
    _wire.CANCEL_REASON_TIMEOUT,
    _wire.CANCEL_REASON_HALF_CLOSED,
)
BIG = b"x" * (_wire.RESPONSE_WINDOW_BYTES + 50_000)


def app(environ: Any, start: Any) -> Any:
    kind = environ["PATH_INFO"]
    if kind == "/sleep":
        time.sleep(0.004)  # the app blocks
    elif kind == "/spin":
        end = time.perf_counter() + 0.003
        while time.perf_counter() < end:
            pass
    elif kind == "/echo":
        return text(start, environ["wsgi.input"].read())
    elif kind == "/fail":
        raise LookupError(kind)
    elif kind == "/big":
        start("200 OK", [])
        return [BIG]
    elif kind == "/stream":
        start("200 OK", [])
        return (b"part" for _ in range(5))
    return text(start, kind)


def expected(kind: str, size: int) -> bytes:
    if kind == "/echo":
        return b"y" * size
    return {"/big": BIG, "/stream": b"part" * 5}.get(kind, kind.encode())


@pytest.mark.parametrize("seed", range(8))
def test_each_request_has_one_answer(seed: int) -> None:
    rng = random.Random(seed)
    kind = "sync" if seed == 0 else "threads"
    with Edge(app, kind, threads=seed + 1, give_credit=True) as edge:
        sent: dict[int, tuple[str, int]] = {}
        cancelled: set[int] = set()
        for _ in range(60):
            batch = []
            for _ in range(rng.randrange(1, 8)):
                path = rng.choice(KINDS)
                size = rng.randrange(200_000)
                stream, head = edge.head(path, flags=0 if path == "/echo" else END)
                sent[stream] = path, size
                batch.append(head)
                if path == "/echo":
                    cut = rng.randrange(size + 1)
                    batch.append(pack(stream, _wire.BODY, 0, 0, b"y" * cut))
                    batch.append(pack(stream, _wire.BODY, END, 0, b"y" * (size - cut)))
                if rng.random() < 0.15:
                    victim = rng.choice(list(sent))
                    if not edge.answers[victim].ended:
                        reason = rng.choice(REASONS)
                        cancelled.add(victim)
                        batch.append(pack(victim, _wire.CANCEL, 0, reason))
            if rng.random() < 0.3:
                batch.append(pack(0, _wire.PING, 0, 0, b"ping"))
            edge.push(b"".join(batch))
            if rng.random() < 0.5:
                edge.answer(rng.choice(list(sent)))
        for stream, (path, size) in sent.items():
            answer = edge.answer(stream)
            if answer.given_back or (stream in cancelled and answer.reset is not None):
                continue
            assert answer.reset is None
            assert answer.status == (500 if path == "/fail" else 200)
            if path != "/fail":
                assert answer.body == expected(path, size)
        link = edge.runner.links.all[0]
        edge.stop()
        assert not link.calls
    allowed = ("the app failed in GET /fail", "interrupted after its timeout: GET /")
    assert [message for _, message in edge.reports if not message.startswith(allowed)] == []
