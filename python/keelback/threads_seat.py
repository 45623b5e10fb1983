"""What a thread of the threads runner has of its own: its seat as leader, and how it waits.

Also what the runner takes from outside: settings, and somebody who takes lines for the log.
"""

from __future__ import annotations

import sys
import threading
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Callable, Protocol

if TYPE_CHECKING:
    from .threads import ThreadsRunner
    from .wsgi import WsgiCall

NOTHING: dict[str, Any] = {}
"""The environ of a seat without a call; never changed."""


class SettingsLike(Protocol):
    """What the runner needs of the worker's settings."""

    @property
    def threads(self) -> int: ...
    @property
    def root_path(self) -> str: ...
    @property
    def server_header(self) -> str: ...
    @property
    def date_header(self) -> bool: ...
    @property
    def hsts_seconds(self) -> int: ...
    @property
    def alt_svc(self) -> str: ...


@dataclass(frozen=True)
class RunnerSettings:
    """For whoever runs it without a zygote: tests and benchmarks."""

    threads: int = 16
    root_path: str = ""
    server_header: str = "keelback"
    date_header: bool = True
    hsts_seconds: int = 0
    alt_svc: str = ""


class Seat:
    """One thread's tenure as leader."""

    __slots__ = ("busy", "call", "environ", "ident", "runner", "table")

    def __init__(self, runner: ThreadsRunner) -> None:
        self.runner = runner
        self.ident = threading.get_ident()
        self.table: list[None] = []
        self.call: WsgiCall | None = None
        self.environ = NOTHING
        self.busy = False


def print_report(level: str, message: str) -> None:
    sys.stderr.write(f"[{level}] {message}\n")


def respond_late(call: WsgiCall, result: Any, environ: dict[str, Any]) -> None:
    """The usual small response, of a call that has lost the baton meanwhile."""
    try:
        call.respond(result, environ)
    except BaseException as error:
        call.failed(error, environ)


def wait_at_gate(call: WsgiCall, ready: Callable[[], bool]) -> None:
    """Somebody else reads: he opens the gate."""
    gate = threading.Lock()
    gate.acquire()
    call.gate = gate
    if ready() or call.cancelled:
        call.gate = None
        return
    gate.acquire()
