"""The real zygote and real workers under a fake supervisor."""

from __future__ import annotations

import os
import re
import signal
import socket
import subprocess
import sys
from typing import Any

import pytest
from asgi_supervisor import MAIN, Supervisor

from keelback import _wire

HELLO = """
import os

async def app(scope, receive, send):
    if scope["type"] == "lifespan":
        return await lifespan(receive, send)
    path = scope["path"]
    if path == "/spin":
        print("spinning")
        while True: pass
    body = {"/pid": str(os.getpid()), "/env": repr(sorted(os.environ)), "/cwd": os.getcwd(),
            "/group": f"{os.getpgid(0)} {os.getsid(0)}"}.get(path, "hello")
    await send({"type": "http.response.start", "status": 200, "headers": []})
    await send({"type": "http.response.body", "body": body.encode()})
async def lifespan(receive, send):
    while True:
        kind = (await receive())["type"]
        print("app:", kind)
        await send({"type": kind + ".complete"})
        if kind.endswith("shutdown"): return
"""

OWN_PAGES = re.compile("Pss_(Anon|Shmem):")
CGI_BLOCK = "\0".join(
    [
        "REQUEST_METHOD",
        "GET",
        "PATH_INFO",
        "/",
        "QUERY_STRING",
        "",
        "REQUEST_URI",
        "/",
        "SERVER_PROTOCOL",
        "HTTP/1.1",
        "REMOTE_ADDR",
        "127.0.0.1",
        "REMOTE_PORT",
        "4",
        "SERVER_NAME",
        "h",
        "SERVER_PORT",
        "80",
        "wsgi.url_scheme",
        "http",
    ]
).encode()
WSGI_HELLO = """
def app(environ, start_response):
    start_response("200 OK", [("Content-Length", "5")])
    return [b"hello"]
"""


@pytest.fixture
def start(zygotes: Any) -> Any:
    def start(source: str = HELLO, **settings: Any) -> Supervisor:
        return zygotes(source, **settings)

    return start


def test_worker_becomes_ready_serves_and_stops(start: Any) -> None:
    supervisor = start()
    assert supervisor.hello["t"] == "zygote"
    assert supervisor.hello["pid"] == supervisor.process.pid
    assert supervisor.hello["python"].startswith(".".join(map(str, sys.version_info[:2])))
    worker = supervisor.fork(7)
    assert worker.log.line() == "worker-7"
    assert worker.log.line() == "app: lifespan.startup"
    edge = supervisor.accept_edge()
    ready = worker.control.until("ready")
    assert ready["interface"] == "asgi"
    assert ready["found"] == "main:app (function, ASGI)"
    assert (ready["loop"], ready["threads"]) == ("asyncio", 1)
    hello = edge.first_frame()
    assert hello[:4] == (0, _wire.HELLO, 0, _wire.WIRE_VERSION)
    number, generation, pid, form, concurrency, board, rings = hello[4].decode().split("\0")
    assert (number, generation, int(pid), form) == ("7", "1", worker.pid, "asgi")
    assert concurrency == "1000"
    assert not rings or rings.startswith(f"/proc/{pid}/fd/")
    assert edge.get(path=b"/pid").body.decode() == pid
    assert edge.get(path=b"/group").body.decode() == f"{pid} {supervisor.process.pid}"
    assert "KEELBACK_ZYGOTE" not in edge.get(path=b"/env").body.decode()
    with open(board, "rb") as file:
        assert int.from_bytes(file.read()[:4], "little") == max(edge.answers)
    worker.control.send(t="stop")
    assert worker.control.until("stopped")
    assert worker.log.line() == "app: lifespan.shutdown"
    assert worker.exit_status() == 0
    edge.until_eof()


def test_environment_folder_and_paths(start: Any, tmp_path: Any) -> None:
    (tmp_path / "lib").mkdir()
    (tmp_path / "lib" / "helper.py").write_text("NAME = 'found'")
    # A module of the user's with the name of one of ours, and of the package, must win.
    (tmp_path / "settings.py").write_text("NAME = 'mine'")
    source = "import helper, settings, os, sys\n" + HELLO + "\nprint(helper.NAME, settings.NAME)\n"
    source += "print(os.environ['A_SETTING'], os.getcwd() == sys.path[1])\n"
    supervisor = start(source, pythonpath=[str(tmp_path / "lib")], env={"A_SETTING": "on"})
    worker = supervisor.fork()
    assert [worker.log.line() for _ in range(3)] == ["worker-1", "found mine", "on True"]


def test_failing_import_is_reported_and_exits_3(start: Any) -> None:
    supervisor = start("def boom():\n    raise KeyError('oh')\nboom()\n")
    worker = supervisor.fork()
    failed = worker.control.message()
    assert failed["t"] == "failed"
    assert failed["stage"] == "import"
    assert failed["message"] == "main could not be imported: KeyError: 'oh'"
    assert 'main.py", line 2, in boom' in failed["traceback"]
    assert "keelback" not in failed["traceback"]
    assert os.WEXITSTATUS(worker.exit_status()) == 3


def test_failing_startup_is_reported_and_exits_3(start: Any) -> None:
    source = HELLO.replace(
        'await send({"type": kind', 'raise OSError("no db")\n        await send({"type": kind'
    )
    worker = start(source, lifespan="on").fork()
    failed = worker.control.message()
    assert (failed["t"], failed["stage"]) == ("failed", "lifespan")
    assert failed["message"] == "the app's startup failed: OSError: no db"
    assert "in lifespan" in failed["traceback"]
    assert os.WEXITSTATUS(worker.exit_status()) == 3


def test_wrong_worker_kind_is_a_clear_failure(start: Any) -> None:
    worker = start(kind="threads").fork()
    failed = worker.control.message()
    assert failed["stage"] == "config"
    assert failed["message"] == "main:app (function, ASGI) can't run on workers of the kind threads"
    assert "asyncio" in failed["hint"]


@pytest.mark.parametrize("kind", ["auto", "sync"])
@pytest.mark.parametrize("interface", ["auto", "wsgi"])
def test_wsgi_app(start: Any, kind: str, interface: str) -> None:
    supervisor = start(WSGI_HELLO, kind=kind, interface=interface, threads=4)
    worker = supervisor.fork()
    edge = supervisor.accept_edge()
    ready = worker.control.until("ready")
    assert ready["found"] == "main:app (function, WSGI)"
    assert (ready["interface"], ready["threads"]) == ("wsgi", 1 if kind == "sync" else 4)
    assert edge.first_frame()[4].decode().split("\0")[3] == "cgi"
    listener = supervisor.second_edge()
    worker.control.send(t="edges", paths=[supervisor.edge_path(0), supervisor.edge_path(1)])
    second = supervisor.accept_edge(listener)
    second.first_frame()
    for one in (edge, second):
        assert one.get(block=CGI_BLOCK).body == b"hello"
    worker.control.send(t="stop")
    assert worker.control.until("stopped")
    assert worker.exit_status() == 0


def test_wsgi_worker_stops_at_sigterm(start: Any) -> None:
    worker = start(WSGI_HELLO, interface="wsgi").fork()
    worker.control.until("ready")
    os.kill(worker.pid, signal.SIGTERM)
    assert worker.control.until("stopped")
    assert worker.exit_status() == 0


def test_preloaded_app_is_imported_once(start: Any) -> None:
    supervisor = start(
        "import os\nprint('imported in', os.getpid(), flush=True)\n" + HELLO, preload=True
    )
    preloaded = supervisor.zygote.until("preloaded")
    assert (preloaded["interface"], preloaded["found"]) == ("asgi", "main:app (function, ASGI)")
    first, second = supervisor.fork(1), supervisor.fork(2)
    for worker in (first, second):
        worker.control.until("ready")
        assert worker.log.line().startswith("worker-")
        assert worker.log.line() == "app: lifespan.startup"


def test_failing_preload_ends_the_zygote_with_3(start: Any) -> None:
    supervisor = start("import nothing_of_the_kind\n", preload=True)
    failed = supervisor.zygote.message()
    assert failed["message"] == "main imports 'nothing_of_the_kind', which is not there"
    assert supervisor.process.wait(10) == 3


def test_new_edges_are_connected_at_run_time(start: Any) -> None:
    supervisor = start()
    worker = supervisor.fork()
    first = supervisor.accept_edge()
    first.first_frame()
    worker.control.until("ready")
    listener = supervisor.second_edge()
    worker.control.send(t="edges", paths=[supervisor.edge_path(0), supervisor.edge_path(1)])
    second = supervisor.accept_edge(listener)
    second.first_frame()
    assert second.get().body == b"hello"
    assert first.get().body == b"hello"
    first.sock.close()  # this edge restarts: the worker must come again when it is told
    assert second.get().body == b"hello"
    worker.control.send(t="edges", paths=[supervisor.edge_path(0)])
    again = supervisor.accept_edge()
    again.first_frame()
    assert again.get().body == b"hello"


@pytest.mark.parametrize("source", [HELLO, WSGI_HELLO], ids=["asgi", "wsgi"])
def test_a_link_that_cannot_be_made_is_made_later(start: Any, source: str) -> None:
    supervisor = start(source, **{"interface": "wsgi"} if source is WSGI_HELLO else {})
    in_the_way = os.path.join(supervisor.directory, "board-1-0")
    os.mkdir(in_the_way)
    worker = supervisor.fork()
    warning = worker.control.until("log")
    assert warning["level"] == "warning"
    assert "can't connect to the edge" in warning["message"]
    worker.control.until("ready")
    os.rmdir(in_the_way)
    edge = supervisor.accept_edge()
    while not edge.sock.recv(1, socket.MSG_PEEK):  # of a time that failed
        edge = supervisor.accept_edge()
    edge.first_frame()


def test_sigterm_stops_gracefully_and_sigint_is_ignored(start: Any) -> None:
    worker = start().fork()
    worker.control.until("ready")
    os.kill(worker.pid, signal.SIGINT)
    os.kill(worker.pid, signal.SIGTERM)
    assert worker.control.until("stopped")
    assert worker.exit_status() == 0


def test_quit_ends_at_once(start: Any) -> None:
    worker = start().fork()
    worker.control.until("ready")
    worker.control.send(t="quit")
    assert worker.exit_status() == 0
    assert "shutdown" not in worker.log.until_eof()


def test_exit_reports_have_the_wait_status(start: Any) -> None:
    worker = start().fork()
    worker.control.until("ready")
    os.kill(worker.pid, signal.SIGKILL)
    assert os.WTERMSIG(worker.exit_status()) == signal.SIGKILL


def test_abort_prints_all_threads(start: Any) -> None:
    supervisor = start()
    worker = supervisor.fork()
    edge = supervisor.accept_edge()
    edge.first_frame()
    edge.begun(path=b"/spin")
    while worker.log.line() != "spinning":
        pass
    os.kill(worker.pid, signal.SIGABRT)
    assert os.WTERMSIG(worker.exit_status()) == signal.SIGABRT
    printed = worker.log.until_eof()
    assert "main.py" in printed
    assert "in app" in printed
    assert "asgi_monitor.py" in printed


def test_zygote_stops_when_its_children_have(start: Any) -> None:
    supervisor = start()
    worker = supervisor.fork()
    worker.control.until("ready")
    supervisor.zygote.send(t="stop")
    worker.control.send(t="stop")
    assert worker.exit_status() == 0
    assert supervisor.process.wait(10) == 0


@pytest.mark.parametrize("spinning", [False, True])
def test_all_end_with_the_supervisor(start: Any, spinning: bool) -> None:
    supervisor = start()
    worker = supervisor.fork()
    edge = supervisor.accept_edge()
    edge.first_frame()
    worker.control.until("ready")
    if spinning:
        edge.begun(path=b"/spin")
        while worker.log.line() != "spinning":
            pass
    supervisor.cut_lifeline()
    edge.until_eof()
    worker.log.until_eof()
    assert supervisor.process.wait(10) == -signal.SIGKILL


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("{", "is not JSON"),
        ("[]", "must be a JSON object"),
        ('{"directory":"x"}', "lacks the key 'app'"),
        ('{"app":"a","directory":"x","wat":1}', "unknown keys: wat"),
        ('{"app":"a","directory":"x","threads":"2"}', "threads must be a int, not '2'"),
        ('{"app":"a","directory":"x","loop":"gevent"}', "loop must be one of"),
    ],
)
def test_wrong_configuration_is_an_error(text: str, problem: str) -> None:
    done = subprocess.run(
        [sys.executable, MAIN],
        env={**os.environ, "KEELBACK_ZYGOTE": text},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 3
    assert problem in done.stderr


def proportional_kilobytes(pids: list[int]) -> int:
    """Without pages of files, such as the interpreter's: their shares grow when a process of
    somebody else's ends that has mapped them too."""
    total = 0
    for pid in pids:
        with open(f"/proc/{pid}/smaps_rollup") as file:
            total += sum(int(line.split()[1]) for line in file if OWN_PAGES.match(line))
    return total


@pytest.mark.parametrize("interface", ["asgi", "wsgi"])
@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="reads smaps_rollup")
def test_further_worker_is_cheap(start: Any, interface: str) -> None:
    """What the whole tree grows by with one more hello worker: at most 6 MB."""
    supervisor = start(HELLO if interface == "asgi" else WSGI_HELLO, interface=interface)
    sizes = []
    pids = [supervisor.process.pid]
    for number in range(1, 4):
        worker = supervisor.fork(number)
        worker.control.until("ready")
        pids.append(worker.pid)
        sizes.append(proportional_kilobytes(pids))
    assert sizes[2] - sizes[1] < 6 * 1024, sizes
