"""Interrupts the app of a request that has timed out, without ever hitting anything else.

An exception is raised asynchronously in the thread that runs the app (what mod_wsgi calls its
interrupt-timeout). It may only strike while the app's own code runs: our code, which sends frames
and keeps the state of the request, stands behind a shield, and what strikes too late is taken
back before the thread goes on to its next request.

Only displaced calls are interrupted (threads.py): the thread that has the baton reads its own
CANCEL.
"""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING, Any

from .errors import RequestTimeout

if TYPE_CHECKING:
    from .wsgi import WsgiCall

_lock = threading.Lock()
"""Held for a few instructions: whoever has it knows whether the shield of a call is up."""


def interrupt(call: WsgiCall) -> bool:
    """From another thread: raises RequestTimeout in the app. False where this Python can't."""
    with _lock:
        if call.shielded or call.interrupted:
            return True  # the shield's end raises it
        call.interrupted = True
        return _set(call.seat.ident, RequestTimeout)


def raise_shield(call: WsgiCall) -> None:
    """On entering our code from the app's. A pending interrupt strikes in here, not behind it."""
    with _lock:
        call.shielded = True


def lower_shield(call: WsgiCall) -> None:
    """On returning to the app; raises what came in the meantime."""
    with _lock:
        call.shielded = False
        if call.timed_out and not call.interrupted:
            call.interrupted = True
            raise RequestTimeout("the request took too long")


def conclude(call: WsgiCall) -> None:
    """The app has ended, in this thread: no interrupt from here on, not even a pending one."""
    with _lock:
        call.shielded = True
        if call.interrupted:
            _set(call.seat.ident, None)


def _set(ident: int, error: type[BaseException] | None) -> bool:
    try:
        import ctypes
    except ImportError:  # a Python built without libffi
        return False
    raised: Any = None if error is None else ctypes.py_object(error)
    ctypes.pythonapi.PyThreadState_SetAsyncExc(ctypes.c_ulong(ident), raised)
    return True
