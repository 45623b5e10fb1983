"""The operator's and the app's own code at the turns of a worker's life.

Four hooks are named in the configuration as `module:function`: `on-preload` runs in the zygote
after the app has been imported there, the others in a worker: `on-worker-start` after the fork,
before the app is imported unless it was preloaded; `on-worker-ready` when it is about to serve;
`on-worker-stop` when all requests are done, or left behind (farewell.py: in another thread then).
An app can also say it itself:

    from keelback.hooks import postfork

    @postfork
    def connect() -> None: ...

which runs in each worker once the app is imported, before it serves, preloaded or not.

Contract: a hook that raises before the worker serves is a LoadError: the worker does not start. One
that raises later is reported, and nothing else happens.
"""

from __future__ import annotations

import inspect
from typing import Any, Callable, NamedTuple, TypeVar

from . import loader

Function = TypeVar("Function", bound=Callable[[], object])

_after_fork: list[Callable[[], object]] = []


class WorkerInfo(NamedTuple):
    """What a hook that takes an argument gets. Number and generation are 0 in the zygote's."""

    number: int
    name: str
    generation: int


def postfork(function: Function) -> Function:
    """Decorator: `function` runs without arguments in each worker before it serves."""
    _after_fork.append(function)
    return function


def run_postfork() -> None:
    for function in _after_fork:
        name = f"{function.__module__}:{getattr(function, '__qualname__', function)}"
        _call(function, name, "postfork")


def run(option: str, spec: str, info: WorkerInfo) -> None:
    """Imports and calls the hook of this option; "" is none."""
    if not spec:
        return
    hook = loader.resolve(spec, option)
    _call(hook, spec, option, info)


def run_late(option: str, spec: str, info: WorkerInfo, report: Callable[[str, str], None]) -> None:
    """The same where it is too late to refuse."""
    try:
        run(option, spec, info)
    except loader.LoadError as error:
        text = f"{error.message}\n{error.traceback}" if error.traceback else error.message
        report("error", text)


def _call(hook: Callable[..., Any], name: str, option: str, *info: WorkerInfo) -> None:
    if inspect.iscoroutinefunction(hook):
        raise loader.LoadError(
            f"{name} ({option}) is an async function, and a hook is called without await",
            "make it a plain function, or do it in the app's lifespan",
            stage="hook",
        )
    try:
        hook(*(info if _takes_one(hook) else ()))
    except BaseException as error:
        raise loader.LoadError(
            f"{name} ({option}) failed: {type(error).__name__}: {error}",
            trace=loader.app_traceback(error),
            stage="hook",
        ) from None


def _takes_one(hook: Callable[..., Any]) -> bool:
    try:
        inspect.signature(hook).bind(None)
    except (TypeError, ValueError):
        return False
    return True
