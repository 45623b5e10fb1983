"""What the probe has learnt: a call under way, and the sums for each route.

Contract: `begin` and `finish` may be called by any thread. All that grows is bounded; beyond the
bound things are counted under "(other)" or left out, never refused.
"""

from __future__ import annotations

import contextvars
import json
import os
import random
import sys
import sysconfig
import threading
from time import perf_counter_ns
from typing import Any, Optional

from .probe_routes import templated
from .probe_stacks import Places, Stacks

ROUTES_MAX = 500
PATHS_MAX = 20_000
WALLS_MAX = 2_000
"""Durations kept for each route; beyond that each has the same chance to be kept."""
MEMORY_POINTS_MAX = 600
WARM_CALLS = 200
STACKS_MAX = 100
STATEMENTS_MAX = 200
"""Different stacks, and statements, remembered of one call."""
OTHER = "(other)"
BACKGROUND = "(background)"

_PAGE_KIB = os.sysconf("SC_PAGE_SIZE") // 1024


class Call:
    """One request under way, or the one that stands for all work outside of requests."""

    __slots__ = (
        "began",
        "blocked_ns",
        "core_ns",
        "coroutine",
        "cpu_ns",
        "failed",
        "held_ns",
        "longest_ns",
        "method",
        "number",
        "numbered",
        "path",
        "pool_jobs",
        "pool_ns",
        "pool_wait_ns",
        "queries",
        "query_ns",
        "resident",
        "responded",
        "route",
        "seen",
        "sent",
        "statements",
        "status",
    )

    def __init__(self, method: str, path: str) -> None:
        self.method = method
        self.path = path
        self.route: Optional[str] = None
        self.status = 0
        self.failed = False
        self.sent = 0
        self.cpu_ns = 0
        self.core_ns = 0
        """Ready to run, without a core."""
        self.held_ns = 0
        """Of an event loop's time; `blocked_ns`: without computing meanwhile."""
        self.blocked_ns = 0
        self.longest_ns = 0
        self.pool_jobs = 0
        self.pool_ns = 0
        self.pool_wait_ns = 0
        self.queries = 0
        self.query_ns = 0
        self.statements: dict[str, list[Any]] = {}
        self.seen: dict[tuple[str, Places], list[int]] = {}
        self.coroutine: Any = None
        self.resident = 0
        self.numbered = 0
        """Which begun call it is, when it began alone; else 0."""
        self.number = 0
        """Of its path, for probe_slots."""
        self.responded = 0
        self.began = perf_counter_ns()

    def query(self, statement: str, took_ns: int, line: Any) -> None:
        """`line()` says where in the app; asked once, when a statement comes again."""
        self.queries += 1
        self.query_ns += took_ns
        known = self.statements.get(statement)
        if known is not None:
            known[0] += 1
            known[1] += took_ns
            if known[2] is None:
                known[2] = line()
        elif len(self.statements) < STATEMENTS_MAX:
            self.statements[statement] = [1, took_ns, None]

    def note(self, kind: str, places: Places, ns: int) -> None:
        """By the sampler: it was there, for so long."""
        known = self.seen.get((kind, places))
        if known is not None:
            known[0] += ns
            known[1] += 1
        elif len(self.seen) < STACKS_MAX:
            self.seen[kind, places] = [ns, 1]

    @property
    def key(self) -> str:
        return f"{self.method} {self.route or templated(self.path)}" if self.method else self.path


current: contextvars.ContextVar[Optional[Call]] = contextvars.ContextVar("keelback-probe")


class Route:
    """Sums of all calls of one route; times in nanoseconds."""

    def __init__(self) -> None:
        self.count = 0
        self.failed = 0
        self.statuses: dict[int, int] = {}
        self.wall = 0
        self.wall_max = 0
        self.walls: list[int] = []
        self.cpu = 0
        self.core = 0
        self.held = 0
        self.blocked = 0
        self.longest = 0
        self.blocking_calls = 0
        self.pool_calls = 0
        self.pool_ns = 0
        self.pool_wait = 0
        self.sent = 0
        self.queries = 0
        self.queries_max = 0
        self.query_ns = 0
        self.repeated: Optional[dict[str, Any]] = None
        self.grown_kib = 0
        self.alone = 0

    def add(self, call: Call, wall: int, blocking_ns: int) -> None:
        self.count += 1
        self.failed += call.failed
        self.statuses[call.status] = self.statuses.get(call.status, 0) + 1
        self.wall += wall
        self.wall_max = max(self.wall_max, wall)
        if len(self.walls) < WALLS_MAX:
            self.walls.append(wall)
        else:
            at = random.randrange(self.count)  # noqa: S311
            if at < WALLS_MAX:
                self.walls[at] = wall
        self.cpu += call.cpu_ns
        self.core += call.core_ns
        self.held += call.held_ns
        self.blocked += call.blocked_ns
        self.longest = max(self.longest, call.longest_ns)
        self.blocking_calls += call.longest_ns >= blocking_ns
        self.pool_calls += call.pool_jobs > 0
        self.pool_ns += call.pool_ns
        self.pool_wait += call.pool_wait_ns
        self.sent += call.sent
        self.queries += call.queries
        self.queries_max = max(self.queries_max, call.queries)
        self.query_ns += call.query_ns
        for statement, (times, took, line) in call.statements.items():
            if times > 1 and (self.repeated is None or times > self.repeated["times"]):
                ms = round(took / 1e6, 3)
                self.repeated = {"sql": statement, "times": times, "ms": ms, "line": line}

    def report(self, name: str) -> dict[str, Any]:
        def ms(ns: int) -> float:
            return round(ns / 1e6, 4)

        return {
            "route": name,
            "count": self.count,
            "failed": self.failed,
            "statuses": {str(status): count for status, count in self.statuses.items()},
            "wallMs": ms(self.wall),
            "wallMaxMs": ms(self.wall_max),
            "wallsMs": [ms(wall) for wall in self.walls],
            "cpuMs": ms(self.cpu),
            "coreMs": ms(self.core),
            "heldMs": ms(self.held),
            "blockedMs": ms(self.blocked),
            "longestMs": ms(self.longest),
            "blockingCalls": self.blocking_calls,
            "poolCalls": self.pool_calls,
            "poolMs": ms(self.pool_ns),
            "poolWaitMs": ms(self.pool_wait),
            "bytes": self.sent,
            "queries": self.queries,
            "queriesMax": self.queries_max,
            "queryMs": ms(self.query_ns),
            "repeated": self.repeated,
            "grownKib": self.grown_kib,
            "alone": self.alone,
        }


class Book:
    """Everything a worker's probe has learnt."""

    blocking_ns = 5_000_000
    """An event loop that is held for longer keeps others waiting."""

    def __init__(self, folder: str, worker: int, interface: str, found: str) -> None:
        self.folder = folder
        self.stacks = Stacks()
        self.active = 0
        self.active_max = 0
        self.lags: list[int] = []
        self._facts = {"worker": worker, "interface": interface, "found": found}
        self._lock = threading.Lock()
        self._writing = threading.Lock()
        self._routes: dict[str, Route] = {}
        self._paths: dict[str, str] = {}
        self._numbers: dict[str, int] = {}
        self.pool_active = 0
        self.pool_max = 0
        self._begun = 0
        self._finished = 0
        self._started = perf_counter_ns()
        self._memory: list[tuple[int, int]] = []
        self._every = 1
        self._seen = 0
        self._statm = _open_statm()

    def begin(self, method: str, path: str) -> Call:
        call = Call(method, path)
        key = f"{method} {path}"
        with self._lock:
            number = self._numbers.get(key)
            if number is None:
                number = len(self._numbers) + 1 if len(self._numbers) < PATHS_MAX else 0
                if number:
                    self._numbers[key] = number
            call.number = number
            self._begun += 1
            self.active += 1
            self.active_max = max(self.active_max, self.active)
            call.numbered = self._begun if self.active == 1 else 0
        if call.numbered:
            call.resident = self.resident_kib()
        return call

    def finish(self, call: Call) -> None:
        wall = (call.responded or perf_counter_ns()) - call.began
        key = call.key
        resident = self.resident_kib() if call.numbered else 0
        with self._lock:
            self.active -= 1
            self._finished += 1
            route = self._routes.get(key)
            if route is None:
                if len(self._routes) >= ROUTES_MAX:
                    key = OTHER
                route = self._routes.setdefault(key, Route())
            route.add(call, wall, self.blocking_ns)
            # Nothing else has begun meanwhile, and what is made once has been made.
            if call.numbered == self._begun and self._finished > WARM_CALLS:
                route.grown_kib += resident - call.resident
                route.alone += 1
            for (kind, places), (ns, samples) in list(call.seen.items()):
                self.stacks.add(key, kind, places, ns, samples)
            if len(self._paths) < PATHS_MAX:
                self._paths[f"{call.method} {call.path}"] = key

    # --- memory

    def resident_kib(self) -> int:
        if self._statm < 0:
            return 0
        return int(os.pread(self._statm, 128, 0).split(b" ")[1]) * _PAGE_KIB

    def weigh(self) -> None:
        """By the sampler, every now and then. Half of the points go when there are too many."""
        self._seen += 1
        if self._statm < 0 or self._seen % self._every:
            return
        self._memory.append((self._finished, self.resident_kib()))
        if len(self._memory) > MEMORY_POINTS_MAX:
            self._memory = self._memory[::2]
            self._every *= 2

    # --- the file

    def write(self) -> None:
        with self._writing:
            name = os.path.join(self.folder, f"probe-{os.getpid()}.json")
            try:
                with open(f"{name}.new", "w", encoding="utf-8", errors="backslashreplace") as file:
                    json.dump(self.report(), file)
                os.replace(f"{name}.new", name)
            except OSError:
                pass  # the audit is over, and its folder with it

    def report(self) -> dict[str, Any]:
        with self._lock:
            routes = [route.report(name) for name, route in self._routes.items()]
            paths = dict(self._paths)
            numbers = list(self._numbers)
            finished = self._finished
        return {
            "schema": 1,
            **self._facts,
            "pid": os.getpid(),
            "python": ".".join(map(str, sys.version_info[:3])),
            "freeThreaded": bool(sysconfig.get_config_var("Py_GIL_DISABLED")),
            "seconds": (perf_counter_ns() - self._started) / 1e9,
            "requests": finished,
            "activeMax": self.active_max,
            "poolMax": self.pool_max,
            "lagsMs": [round(lag / 1e6, 3) for lag in self.lags],
            "memory": [list(point) for point in self._memory],
            "pssKib": _pss_kib(),
            "routes": routes,
            "stacks": self.stacks.report(),
            "paths": paths,
            "numbers": numbers,
        }


def _open_statm() -> int:
    try:
        return os.open("/proc/self/statm", os.O_RDONLY | os.O_CLOEXEC)
    except OSError:
        return -1


def _pss_kib() -> Optional[int]:
    try:
        with open("/proc/self/smaps_rollup", "rb") as file:
            for line in file:
                if line.startswith(b"Pss:"):
                    return int(line.split()[1])
    except (OSError, ValueError):
        pass
    return None
