"""The probe of `keelback audit`: what each route of an app costs, measured inside a worker.

Contract: `attach` returns the app wrapped; without it none of the probe's modules is imported, so a
server that is not audited pays nothing. What was found is written as JSON to
`<folder>/probe-<pid>.json`, now and then and at the end (src/audit/types.ts says how it looks).

A call belongs to the context (contextvars) that it was begun in: what the app starts from there, in
tasks or in threads, is counted for it.
"""

from __future__ import annotations

import atexit
import os
import threading
from typing import Any

from . import probe_db
from .loader import LoadedApp
from .probe_book import Book
from .probe_sampler import Sampler


def attach(loaded: LoadedApp, folder: str, worker: int) -> LoadedApp:
    """In the worker, once its app is there."""
    book = Book(folder, worker, loaded.interface, loaded.found)
    sampler = Sampler(book)
    app: Any
    if loaded.interface == "asgi":
        from .probe_asgi import AsgiProbe

        app = AsgiProbe(loaded.app, book, sampler).app
    else:
        from .probe_wsgi import WsgiProbe

        app = WsgiProbe(loaded.app, book, sampler).app
    probe_db.install()
    sampler.start()
    atexit.register(_finish, book, sampler, os.getpid())
    return LoadedApp(app, loaded.interface, loaded.found)


def _finish(book: Book, sampler: Sampler, owner: int) -> None:
    """Not in a child that the app has forked."""
    if os.getpid() == owner:
        sampler.stop()
        if sampler is not threading.current_thread():
            sampler.join(1)
        book.write()
