"""Hooks and postfork functions, in a real zygote and real workers."""

from __future__ import annotations

import os
import sys
from typing import Any

import pytest

SITE = """
from keelback.hooks import postfork

def say(text):
    print(text, flush=True)

say("import")

@postfork
def connect():
    say("postfork")

def on_preload():
    global loaded
    loaded = True

loaded = False

def on_start(info):
    say(f"start {info.number} {info.name} {info.generation} {loaded}")

def on_ready():
    say("ready")

def on_stop(info):
    say(f"stop {info.number}")

def broken(info):
    raise ValueError("no such pool")

async def awaited(info):
    pass
"""
ASGI = (
    SITE
    + """
async def app(scope, receive, send):
    assert scope["type"] == "lifespan"
    for event in ("startup", "shutdown"):
        await receive()
        say(event)
        await send({"type": f"lifespan.{event}.complete"})
"""
)
WSGI = (
    SITE
    + """
def app(environ, start_response):
    start_response("200 OK", [])
    return [b"hello"]
"""
)
HOOKS = {
    "onPreload": "main:on_preload",
    "onWorkerStart": "main:on_start",
    "onWorkerReady": "main:on_ready",
    "onWorkerStop": "main:on_stop",
}


def lines_until_end(worker: Any) -> list[str]:
    worker.control.until("ready")
    worker.control.send(t="stop")
    worker.control.until("stopped")
    assert worker.exit_status() == 0
    return worker.log.until_eof().splitlines()


def test_hooks_run_at_the_turns_of_a_workers_life(zygotes: Any) -> None:
    worker = zygotes(ASGI, generation=4, **HOOKS).fork(7)
    assert lines_until_end(worker) == [
        "worker-7",
        "import",
        "start 7 worker-7 4 False",
        "postfork",
        "startup",
        "ready",
        "shutdown",
        "stop 7",
    ]


@pytest.mark.parametrize("source", [ASGI, WSGI])
def test_hooks_with_preload(zygotes: Any, source: str) -> None:
    interface = "wsgi" if source is WSGI else "asgi"
    supervisor = zygotes(source, preload=True, interface=interface, **HOOKS)
    assert supervisor.zygote.until("preloaded")
    lifespan = [] if source is WSGI else ["startup"]
    for number in (1, 2):
        lines = lines_until_end(supervisor.fork(number))
        name = f"worker-{number}"
        started = [f"start {number} {name} 1 True", "postfork", *lifespan, "ready"]
        assert lines[: len(started) + 1] == [name, *started]
        assert lines[-1] == f"stop {number}"


@pytest.mark.parametrize(
    ("hook", "message"),
    [
        ("main:broken", "main:broken (on-worker-start) failed: ValueError: no such pool"),
        ("main:awaited", "main:awaited (on-worker-start) is an async function"),
        ("main:nothing", "main has no attribute 'nothing'"),
        ("main", "'main' (on-worker-start) does not name a function"),
        ("main:loaded", "main:loaded (on-worker-start) is not callable: it is a bool"),
    ],
)
def test_a_hook_that_fails_keeps_the_worker_from_serving(
    zygotes: Any, hook: str, message: str
) -> None:
    worker = zygotes(WSGI, interface="wsgi", onWorkerStart=hook).fork()
    failed = worker.control.message()
    assert failed["t"] == "failed"
    assert failed["message"].startswith(message)
    assert ("no such pool" in failed["traceback"]) == (hook == "main:broken")
    assert worker.exit_status() >> 8 == 3


def test_a_postfork_function_that_fails(zygotes: Any) -> None:
    source = WSGI + "\n\n@postfork\ndef lost():\n    raise OSError('no broker')\n"
    failed = zygotes(source, interface="wsgi").fork().control.message()
    assert failed["message"] == "main:lost (postfork) failed: OSError: no broker"


@pytest.mark.parametrize("option", ["onWorkerReady", "onWorkerStop"])
def test_a_late_hook_that_fails_is_reported(zygotes: Any, option: str) -> None:
    worker = zygotes(WSGI, interface="wsgi", **{option: "main:broken"}).fork()
    if option == "onWorkerStop":
        worker.control.until("ready")
        worker.control.send(t="stop")
    report = worker.control.until("log")
    assert report["level"] == "error"
    assert "main:broken" in report["message"]
    assert "no such pool" in report["message"]
    worker.control.until("ready" if option == "onWorkerReady" else "stopped")


def test_a_preload_hook_that_fails_ends_the_zygote(zygotes: Any) -> None:
    supervisor = zygotes(WSGI, interface="wsgi", preload=True, onPreload="main:broken")
    assert supervisor.zygote.message()["message"].startswith("main:broken (on-preload) failed")
    assert supervisor.process.wait(10) == 3


def test_nice_lowers_the_priority(zygotes: Any) -> None:
    source = WSGI + "\nimport os\nsay(f'nice {os.nice(0)}')\n"
    supervisor = zygotes(source, interface="wsgi", nice=5)
    worker = supervisor.fork()
    worker.control.until("ready")
    assert [worker.log.line() for _ in range(3)] == ["worker-1", "import", "nice 5"]


@pytest.mark.skipif(sys.platform != "linux", reason="Linux only")
def test_slots_are_spread_over_the_cores(zygotes: Any) -> None:
    cores = sorted(os.sched_getaffinity(0))
    source = WSGI + "\nimport os\nsay(f'cores {sorted(os.sched_getaffinity(0))}')\n"
    supervisor = zygotes(source, interface="wsgi", cpuAffinity=True)

    def core_of(number: int, slot: int) -> str:
        worker = supervisor.fork(number, slot)
        worker.control.until("ready")
        return [worker.log.line() for _ in range(3)][-1]

    seen = [core_of(number, slot) for number, slot in enumerate([*range(len(cores)), 0], 1)]
    # The last one is to take the place of the first, which still has it.
    assert seen == [f"cores [{core}]" for core in [*cores, cores[0]]]
    assert core_of(99, 2 * len(cores) - 1) == f"cores [{cores[-1]}]"
