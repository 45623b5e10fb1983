"""Where the time of routes goes: stacks that were seen, and how long for each.

Contract: `add` is called under a lock or by one thread, `report` by anyone. The app's line of a
stack is its innermost frame that is neither the standard library's nor an installed package's.
"""

from __future__ import annotations

import linecache
import os
import sys
import sysconfig
from types import CodeType, FrameType
from typing import Any, Callable, Optional

FRAMES_MAX = 40
STACKS_MAX = 2_000
REPORTED_MAX = 300
CODE_CHARS_MAX = 120

_OWN = os.path.dirname(os.path.abspath(__file__)) + os.sep
_LIBRARIES = tuple(
    {
        os.path.abspath(path) + os.sep
        for path in (*map(sysconfig.get_paths().get, ("stdlib", "platstdlib", "purelib")),)
        if path
    }
)
_frame: Callable[[int], FrameType] = vars(sys)["_getframe"]
Places = tuple[tuple[CodeType, int], ...]
"""Innermost first."""


def places_of(frame: Optional[FrameType]) -> Places:
    found: list[tuple[CodeType, int]] = []
    while frame is not None and len(found) < FRAMES_MAX:
        found.append((frame.f_code, frame.f_lineno))
        frame = frame.f_back
    return tuple(found)


def places_of_coroutine(coroutine: Any) -> Places:
    """Where a coroutine that waits stands."""
    found: list[tuple[CodeType, int]] = []
    while coroutine is not None and len(found) < FRAMES_MAX:
        frame = getattr(coroutine, "cr_frame", None) or getattr(coroutine, "gi_frame", None)
        if frame is None:
            frame = getattr(coroutine, "ag_frame", None)
        if frame is not None:
            found.append((frame.f_code, frame.f_lineno))
        coroutine = (
            getattr(coroutine, "cr_await", None)
            or getattr(coroutine, "gi_yieldfrom", None)
            or getattr(coroutine, "ag_await", None)
        )
    return tuple(reversed(found))


def is_library(file: str) -> bool:
    return (
        file.startswith(("<", _OWN, *_LIBRARIES))
        or f"{os.sep}site-packages{os.sep}" in file
        or f"{os.sep}dist-packages{os.sep}" in file
    )


def app_line() -> Optional[str]:
    """`file:line` of the app's innermost frame in this thread."""
    frame: Optional[FrameType] = _frame(1)
    while frame is not None:
        if not is_library(frame.f_code.co_filename):
            return f"{shown(frame.f_code.co_filename)}:{frame.f_lineno}"
        frame = frame.f_back
    return None


def shown(file: str) -> str:
    """Below the current directory without it."""
    here = os.getcwd() + os.sep
    return file[len(here) :] if file.startswith(here) else file


class Stacks:
    def __init__(self) -> None:
        self._seen: dict[tuple[str, str, Places], list[int]] = {}

    def add(self, route: str, kind: str, places: Places, ns: int, samples: int) -> None:
        key = (route, kind, places)
        known = self._seen.get(key)
        if known is not None:
            known[0] += ns
            known[1] += samples
        elif len(self._seen) < STACKS_MAX:
            self._seen[key] = [ns, samples]

    def report(self) -> list[dict[str, Any]]:
        entries = sorted(self._seen.copy().items(), key=lambda item: -item[1][0])
        return [
            {
                "route": route,
                "kind": kind,
                "ms": round(ns / 1e6, 3),
                "samples": samples,
                **_described(places),
            }
            for (route, kind, places), (ns, samples) in entries[:REPORTED_MAX]
        ]


def _described(places: Places) -> dict[str, Any]:
    frames: list[dict[str, Any]] = []
    app: Optional[int] = None
    for code, line in places:
        if code.co_filename.startswith(_OWN):
            if frames:
                break  # what called the app is of no interest
            continue
        if app is None and not is_library(code.co_filename):
            app = len(frames)
        frames.append(
            {
                "file": shown(code.co_filename),
                "line": line,
                "function": code.co_name,
                "code": linecache.getline(code.co_filename, line).strip()[:CODE_CHARS_MAX],
            }
        )
    return {"app": app, "frames": frames}
