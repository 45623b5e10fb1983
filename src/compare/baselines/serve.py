"""
Serves a WSGI app by one of the designs:
`python serve.py DESIGN MODULE:ATTRIBUTE --port N [--workers N] [--threads N]`.

Teaching baselines of `keelback compare`: for a comparison, never for use. The app is imported from
the current directory.
"""

from __future__ import annotations

import argparse
import contextlib
import importlib
import os
import signal
import sys
from pathlib import Path
from typing import Callable, NamedTuple

# As `baselines`, not as top-level modules that the app's own could clash with.
sys.path[0] = str(Path(__file__).resolve().parent.parent)

from baselines import designs, evented  # noqa: E402
from baselines.message import App, Server  # noqa: E402

HOST = "127.0.0.1"
# What ThreadPoolExecutor takes at most when it is not told.
THREADS = 32


class Design(NamedTuple):
    """How a design is run, and what it tells apps of itself."""

    serve: Callable[[Server, int], None]
    multithread: bool = False
    multiprocess: bool = False


DESIGNS = {
    "sequential-loop": Design(designs.sequential_loop),
    "sequential-socketserver": Design(designs.sequential_socketserver),
    "forking-each": Design(designs.forking_each, multiprocess=True),
    "forking-socketserver": Design(designs.forking_socketserver, multiprocess=True),
    "forking-prefork": Design(designs.forking_prefork, multiprocess=True),
    "threading-each": Design(designs.threading_each, multithread=True),
    "threading-socketserver": Design(designs.threading_socketserver, multithread=True),
    "threading-pool": Design(designs.threading_pool, multithread=True),
    "process-pool": Design(designs.process_pool, multiprocess=True),
    "select": Design(evented.by_select),
    "selectors": Design(evented.by_selectors),
    "asyncio": Design(evented.by_asyncio),
}


def load(name: str) -> App:
    """Import `module:attribute` (or `module:attribute.attribute`) from the current directory."""
    sys.path[0] = str(Path.cwd())
    module, _, path = name.partition(":")
    found = importlib.import_module(module)
    for attribute in path.split("."):
        found = getattr(found, attribute)
    return found  # type: ignore[return-value] # what a name leads to is the user's affair


def end(*_: object) -> None:
    """End this process and all that it has forked: they are a group of their own."""
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, signal.SIG_IGN)
    os.killpg(0, signal.SIGTERM)
    with contextlib.suppress(ChildProcessError):
        while True:
            os.wait()
    os._exit(0)  # an exception could be lost in whatever was interrupted


def main() -> None:
    """Read the command line and serve until SIGTERM or SIGINT."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("design", choices=DESIGNS)
    parser.add_argument("app", metavar="MODULE:ATTRIBUTE")
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--workers", type=int, default=1)
    parser.add_argument("--threads", type=int, default=THREADS)
    options = parser.parse_args()
    design = DESIGNS[options.design]
    if os.getpgrp() != os.getpid():
        os.setpgid(0, 0)
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, end)
    server = Server(load(options.app), HOST, options.port, design.multithread, design.multiprocess)
    count = options.threads if options.design == "threading-pool" else options.workers
    design.serve(server, count)


if __name__ == "__main__":
    main()
