"""A worker's life after the fork: its own signals and channels, the app, the links, one runner.

Contract: `main` returns an exit status after a graceful stop; a boot that fails reports why over
the control channel and ends the process with status 3 at once. It says ready only when the app has
started and the links to the edges are up.
"""

from __future__ import annotations

import faulthandler
import os
import signal
import socket
import sys
import threading
from typing import TYPE_CHECKING, Any, Callable, TextIO

from . import _wire, frames, hooks
from .board import Board
from .control import Control, connect_unix
from .farewell import LAST_SECONDS, Farewell, StopTimes, leave_now
from .lifeline import Lifeline
from .loader import LoadedApp, LoadError, load
from .title import set_process_name

if TYPE_CHECKING:
    import asyncio

    from .settings import Settings

BOOT_FAILED = 3
LINK_RETRY_SECONDS = 1.0
"""Until an edge is tried again that a link could not be made to."""
DUMP_SIGNAL = int(getattr(signal, "SIGINFO", 59))
"""Writes all tracebacks to the log: `keelback ctl dump` (src/supervisor/workers/dump.ts)."""
KINDS = {"wsgi": ("threads", "sync"), "asgi": ("asyncio",)}
"""Worker kinds of each interface; the first is what `auto` means."""


def main(settings: Settings, number: int, name: str, loaded: LoadedApp | None) -> int:
    os.setpgid(0, 0)
    set_process_name(f"keelback:w{number}")
    Lifeline(os.path.join(settings.directory, "lifeline"))
    _redirect_output(settings.directory, name)
    faulthandler.enable(file=2, all_threads=True)
    # Before the supervisor knows of this process: without a handler the signal would end it.
    faulthandler.register(DUMP_SIGNAL, file=2, all_threads=True, chain=False)
    control = Control(settings.directory)
    control.send({"t": "worker", "worker": number, "pid": os.getpid()})
    os.nice(settings.nice)
    worker = Worker(settings, hooks.WorkerInfo(number, name, settings.generation), control)
    try:
        status = worker.run(loaded)
    except LoadError as error:
        control.send(failed(error))
        leave_now(BOOT_FAILED)
    worker.farewell.conclude()
    if status == 0:
        control.send({"t": "stopped"})
    return status


def failed(error: LoadError) -> dict[str, Any]:
    return {
        "t": "failed",
        "stage": error.stage,
        "message": error.message,
        "traceback": error.traceback,
        "hint": error.hint,
    }


def _redirect_output(directory: str, worker: str) -> None:
    """Everything the process prints, from C too, goes to the log under the worker's name."""
    sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    connect_unix(sock, os.path.join(directory, "log.sock"))
    sock.sendall(worker.encode() + b"\n")
    for stream, fd in ((sys.stdout, 1), (sys.stderr, 2)):
        stream.flush()
        os.dup2(sock.fileno(), fd)
    sock.close()
    # Made anew: a stream that was opened on a file takes the descriptor for seekable.
    sys.stdout = _line_buffered(1)
    sys.stderr = _line_buffered(2)
    for name, stream in (("__stdout__", sys.stdout), ("__stderr__", sys.stderr)):
        setattr(sys, name, stream)


def _line_buffered(fd: int) -> TextIO:
    return open(fd, "w", 1, encoding="utf-8", errors="backslashreplace", closefd=False)


class Worker:
    """One worker process."""

    def __init__(self, settings: Settings, info: hooks.WorkerInfo, control: Control) -> None:
        self.info = info
        self._settings = settings
        self._control = control
        self._sockets: dict[str, socket.socket] = {}
        self._linking = threading.Lock()
        self._unlinked: set[str] = set()
        self._stopping = False
        self.farewell = Farewell(self._last, self.report)

    def run(self, loaded: LoadedApp | None) -> int:
        settings = self._settings
        loop = None
        if settings.interface != "wsgi":
            from .asgi import make_loop

            loop = make_loop(settings.loop)
        hooks.run("on-worker-start", settings.on_worker_start, self.info)
        if loaded is None:
            loaded = load(settings.app, settings.factory, settings.interface)
        hooks.run_postfork()
        if settings.probe:
            from . import probe

            loaded = probe.attach(loaded, settings.probe, self.info.number)
        kind = _kind(settings.kind, loaded)
        if loop is not None and kind == "asyncio":
            return self._run_asyncio(loaded, loop)
        if loop is not None:
            import asyncio

            asyncio.set_event_loop(None)
            loop.close()
        return self._run_threads(loaded, kind)

    def report(self, level: str, message: str) -> None:
        self._control.send({"t": "log", "level": level, "message": message})

    def _last(self) -> None:
        spec = self._settings.on_worker_stop
        hooks.run_late("on-worker-stop", spec, self.info, self.report)

    # --- asgi

    def _run_asyncio(self, loaded: LoadedApp, loop: asyncio.AbstractEventLoop) -> int:
        from .asgi import AsyncioRunner
        from .lifespan import LifespanFailed

        runner = AsyncioRunner(loaded.app, self._settings, loop, self.report)

        def connect(paths: list[str]) -> None:
            if self._connect(paths, "asgi", self._settings.concurrency, runner.add_link):
                loop.call_later(LINK_RETRY_SECONDS, connect, paths)

        def started() -> None:
            connect(self._settings.edges)
            self._ready(loaded, runner.loop_name, 1)

        def commands() -> None:
            received = self._control.receive()
            if received is None:
                loop.remove_reader(self._control.fileno())
            self._obey(received, connect, stop)

        def stop(times: StopTimes | None) -> None:
            runner.stop(times)
            if times is not None:
                end = times.all + LAST_SECONDS
                self.farewell.within(end, end)

        loop.add_reader(self._control.fileno(), commands)
        loop.add_signal_handler(signal.SIGTERM, runner.stop)
        try:
            return runner.run(started)
        except LifespanFailed as error:
            raise LoadError(
                f"the app's startup failed: {error.message}",
                "",
                error.traceback,
                stage="lifespan",
            ) from None

    # --- wsgi

    def _run_threads(self, loaded: LoadedApp, kind: str) -> int:
        from .threads import ThreadsRunner

        runner = ThreadsRunner(loaded.app, self._settings, kind, self.report)
        count = 1 if kind == "sync" else self._settings.threads

        def connect(paths: list[str]) -> None:
            if self._connect(paths, "cgi", count, runner.add_link):
                timer = threading.Timer(LINK_RETRY_SECONDS, connect, (paths,))
                timer.daemon = True
                timer.start()

        def commands() -> None:
            while True:
                received = self._control.receive()
                self._obey(received, connect, stop)
                if received is None:
                    return

        def stop(times: StopTimes | None) -> None:
            runner.stop()
            if times is not None:
                # A view cannot be cancelled: it is left behind.
                patience = times.finish + times.cancel
                self.farewell.within(patience, times.all + LAST_SECONDS)

        def terminate(_number: int, _frame: object) -> None:
            runner.stop()

        if self._settings.warmup:
            from .warmup import warm_wsgi

            root = self._settings.root_path
            warm_wsgi(loaded.app, self._settings.warmup, root, count, self.report)
        signal.signal(signal.SIGTERM, terminate)
        connect(self._settings.edges)
        threading.Thread(target=commands, name="keelback-control", daemon=True).start()
        self._ready(loaded, "", count)
        runner.run()
        return 0

    # --- both

    def _ready(self, loaded: LoadedApp, loop: str, threads: int) -> None:
        spec = self._settings.on_worker_ready
        hooks.run_late("on-worker-ready", spec, self.info, self.report)
        self._control.send(
            {
                "t": "ready",
                "interface": loaded.interface,
                "found": loaded.found,
                "loop": loop,
                "threads": threads,
            }
        )

    def _obey(
        self,
        commands: list[dict[str, Any]] | None,
        connect: Callable[[list[str]], None],
        stop: Callable[[StopTimes | None], None],
    ) -> None:
        if commands is None:
            self._stopping = True
            stop(None)  # the supervisor has gone or dropped us: nobody could end this worker later
            return
        for command in commands:
            if command["t"] == "edges":
                connect(command["paths"])
            elif command["t"] == "stop":
                self._stopping = True
                stop(StopTimes(self._settings.graceful_ms / 1000).told(command))
            elif command["t"] == "quit":
                leave_now(0)

    def _connect(
        self,
        paths: list[str],
        form: str,
        concurrency: int,
        add_link: Callable[[socket.socket, Board], object],
    ) -> bool:
        """To the edges of `paths` without a link; a socket whose link has ended is closed. Answers
        whether there is one left to be tried again: what a link needs (descriptors, memory, room
        on the disk) may be short for a while, and nobody else would ask this worker again."""
        left = False
        with self._linking:
            if self._stopping:
                return False
            for path in paths:
                known = self._sockets.get(path)
                if known is not None and known.fileno() >= 0:
                    continue
                try:
                    sock, board = self._open(path, form, concurrency)
                except OSError as error:
                    left = True
                    if path not in self._unlinked:
                        self.report("warning", f"can't connect to the edge at {path}: {error}")
                    self._unlinked.add(path)
                    continue
                self._unlinked.discard(path)
                self._sockets[path] = sock
                add_link(sock, board)
        return left

    def _open(self, path: str, form: str, concurrency: int) -> tuple[socket.socket, Board]:
        edge = os.path.splitext(os.path.basename(path))[0].rpartition("-")[2]
        board_path = os.path.join(self._settings.directory, f"board-{self.info.number}-{edge}")
        sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        try:
            connect_unix(sock, path)
            if os.path.exists(board_path):
                os.unlink(board_path)  # of our link to this edge's predecessor
            board = Board.open(board_path)
            sock.sendall(self._hello(form, concurrency, board_path, board.rings.path))
        except OSError:
            sock.close()
            raise
        return sock, board

    def _hello(self, form: str, concurrency: int, board_path: str, ring_path: str) -> bytes:
        fields = (self.info.number, self._settings.generation, os.getpid(), form, concurrency)
        payload = "\0".join((*map(str, fields), board_path, ring_path)).encode()
        return frames.pack(0, _wire.HELLO, 0, _wire.WIRE_VERSION, payload)


def _kind(kind: str, loaded: LoadedApp) -> str:
    allowed = KINDS[loaded.interface]
    if kind == "auto":
        return allowed[0]
    if kind not in allowed:
        raise LoadError(
            f"{loaded.found} can't run on workers of the kind {kind}",
            f"leave out --worker, or choose {' or '.join(allowed)}",
            stage="config",
        )
    return kind
