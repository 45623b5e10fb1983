"""
Runs a server that has no command line of its own, or none that fits a comparison:
`python launch.py SERVER MODULE:ATTRIBUTE --port N [--workers N] [--threads N] [--backlog N]`.

Each is started as its own documentation says. The app is imported from the current directory.
"""

from __future__ import annotations

import argparse
import contextlib
import importlib
import os
import signal
import socket
import sys
from pathlib import Path
from typing import Any, Callable

HOST = "127.0.0.1"


class Options(argparse.Namespace):
    """The command line."""

    server: str
    app: str
    port: int
    workers: int
    threads: int
    backlog: int


def load(name: str) -> Any:
    """Import `module:attribute`; its attributes may be nested."""
    module, _, path = name.partition(":")
    found: Any = importlib.import_module(module)
    for attribute in path.split("."):
        found = getattr(found, attribute)
    return found


def listen(options: Options) -> socket.socket:
    """Open the socket that several processes are to share."""
    listener = socket.socket()
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    listener.bind((HOST, options.port))
    listener.listen(options.backlog)
    return listener


def wait_for(children: list[int]) -> None:
    """Wait for children to end, and end them when this process is to."""

    def end(*_: object) -> None:
        for child in children:
            with contextlib.suppress(ProcessLookupError):
                os.kill(child, signal.SIGTERM)

    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, end)
    for child in children:
        os.waitpid(child, 0)


def fork_each(workers: int, serve: Callable[[], object]) -> None:
    """Serve in so many processes, in this one when it is to be one."""
    if workers == 1:
        serve()
        return
    children: list[int] = []
    for _ in range(workers):
        child = os.fork()
        if child == 0:
            serve()
            os._exit(0)
        children.append(child)
    wait_for(children)


def bjoern(options: Options) -> None:
    """One socket, made before the processes are."""
    server: Any = importlib.import_module("bjoern")
    app = load(options.app)
    if options.workers == 1:
        server.run(app, HOST, options.port, listen_backlog=options.backlog)
        return
    server.listen(app, HOST, options.port, listen_backlog=options.backlog)
    fork_each(options.workers, server.run)


def daphne(options: Options) -> None:
    """So many of them with one socket, by `--fd`, as its documentation has a supervisor do it."""
    listener = listen(options)
    os.set_inheritable(listener.fileno(), True)
    children: list[int] = []
    command = [sys.executable, "-m", "daphne", "--verbosity", "0", "--fd", str(listener.fileno())]
    for _ in range(options.workers):
        child = os.posix_spawn(sys.executable, [*command, options.app], os.environ)
        children.append(child)
    wait_for(children)


def tornado(options: Options) -> None:
    """A process for each core, a pool of threads in each when threads are asked for."""
    from concurrent.futures import ThreadPoolExecutor

    parts = ("httpserver", "ioloop", "netutil", "wsgi")
    http, loop, netutil, wsgi = (importlib.import_module(f"tornado.{part}") for part in parts)
    sockets = netutil.bind_sockets(options.port, HOST, backlog=options.backlog)

    def serve() -> None:
        executor = ThreadPoolExecutor(options.threads) if options.threads else None
        server = http.HTTPServer(wsgi.WSGIContainer(load(options.app), executor))
        server.add_sockets(sockets)
        loop.IOLoop.current().start()

    fork_each(options.workers, serve)


def runserver(options: Options) -> None:
    """Django's, of the project whose settings the app's module names."""
    importlib.import_module(options.app.partition(":")[0])
    if "DJANGO_SETTINGS_MODULE" not in os.environ:
        sys.exit(f"{options.app} is no Django app: its module names no settings")
    address = f"{HOST}:{options.port}"
    sys.argv = ["manage.py", "runserver", "--noreload", "--skip-checks", address]
    importlib.import_module("django.core.management").execute_from_command_line(sys.argv)


def wsgiref(options: Options) -> None:
    """The standard library's, which serves one request at a time; it prints a line for each."""
    from wsgiref.simple_server import WSGIRequestHandler, make_server

    class Quiet(WSGIRequestHandler):
        def log_message(self, format: str, *args: Any) -> None:
            """Print nothing, as no server of the comparison does."""

    with make_server(HOST, options.port, load(options.app), handler_class=Quiet) as server:
        server.serve_forever()


SERVERS = {
    "bjoern": bjoern,
    "daphne": daphne,
    "tornado": tornado,
    "runserver": runserver,
    "wsgiref": wsgiref,
}


def main() -> None:
    """Read the command line and serve."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("server", choices=SERVERS)
    parser.add_argument("app", metavar="MODULE:ATTRIBUTE")
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--workers", type=int, default=1)
    parser.add_argument("--threads", type=int, default=0)
    parser.add_argument("--backlog", type=int, default=4096)
    options = parser.parse_args(namespace=Options())
    # Imports are the app's, not those of this file's directory.
    sys.path[0] = str(Path.cwd())
    SERVERS[options.server](options)


if __name__ == "__main__":
    main()
