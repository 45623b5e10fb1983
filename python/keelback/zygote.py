"""The zygote: imports what all workers share once, then forks them when the supervisor asks.

It is single-threaded, runs no request, reaps its children and reports how they ended. `main`
returns an exit status twice over: in the zygote when it is done, and in each worker when that is.
"""

from __future__ import annotations

import faulthandler
import gc
import importlib
import os
import platform
import select
import signal
import sys
import sysconfig
from dataclasses import replace
from typing import Any

from . import hooks, loader, worker
from .control import Control
from .lifeline import Lifeline
from .settings import PROBE_VARIABLE, Settings, SettingsError
from .title import set_process_name

BOOT_FAILED = 3
"""Exit status of "it can't start, and starting it again won't help"."""


def main() -> int:
    try:
        settings = Settings.parse(os.environ.pop("KEELBACK_ZYGOTE", ""))
        settings = replace(settings, probe=os.environ.pop(PROBE_VARIABLE, ""))
    except SettingsError as error:
        print(f"keelback: {error}", file=sys.stderr)
        return BOOT_FAILED
    try:
        os.setsid()
    except PermissionError:
        pass  # a group leader already: whoever started us did it
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    set_process_name("keelback:zygote")
    # The supervisor aborts a zygote that hangs, most likely in the app's import.
    faulthandler.enable(file=2, all_threads=True)
    lifeline = Lifeline(os.path.join(settings.directory, "lifeline"))
    control = Control(settings.directory)
    control.send(
        {
            "t": "zygote",
            "pid": os.getpid(),
            "generation": settings.generation,
            "python": platform.python_version(),
            "free_threaded": bool(sysconfig.get_config_var("Py_GIL_DISABLED")),
        }
    )
    try:
        loaded = _prepare(settings)
    except loader.LoadError as error:
        control.send(worker.failed(error))
        return BOOT_FAILED
    if loaded is not None:
        control.send({"t": "preloaded", "interface": loaded.interface, "found": loaded.found})
    return _Zygote(settings, lifeline, control, loaded).run()


def _prepare(settings: Settings) -> loader.LoadedApp | None:
    """The place the app expects, then what the workers will need: imported here, it is shared."""
    os.environ.update(settings.env)
    if settings.chdir:
        try:
            os.chdir(settings.chdir)
        except OSError as error:
            raise loader.LoadError(
                f"can't change to {settings.chdir}: {error.strerror}",
                "check --chdir",
                stage="config",
            ) from None
    sys.path[:0] = [*settings.pythonpath, os.getcwd()]
    if settings.interface != "wsgi":
        importlib.import_module("keelback.asgi")
        if settings.loop != "asyncio":
            try:
                importlib.import_module("uvloop")
            except Exception:
                pass  # a broken one is reported by the worker that was told to use it
    if settings.interface != "asgi":
        importlib.import_module("keelback.threads")
    if settings.preload:
        loaded = loader.load(settings.app, settings.factory, settings.interface)
        hooks.run("on-preload", settings.on_preload, hooks.WorkerInfo(0, "zygote", 0))
        return loaded
    return None


class _Zygote:
    def __init__(
        self,
        settings: Settings,
        lifeline: Lifeline,
        control: Control,
        loaded: loader.LoadedApp | None,
    ) -> None:
        self._settings = settings
        self._lifeline = lifeline
        self._control = control
        self._loaded = loaded
        self._children: dict[int, int] = {}
        self._stopping = False

    def run(self) -> int:
        self._wake_read, self._wake_write = os.pipe()
        os.set_blocking(self._wake_read, False)
        os.set_blocking(self._wake_write, False)
        signal.set_wakeup_fd(self._wake_write, warn_on_full_buffer=False)
        signal.signal(signal.SIGCHLD, _ignore)
        signal.signal(signal.SIGTERM, self._terminate)
        # Nothing imported so far will be looked at again by the collector: its pages stay shared.
        gc.collect()
        gc.freeze()
        poller = select.poll()
        poller.register(self._control.fileno(), select.POLLIN)
        poller.register(self._wake_read, select.POLLIN)
        while not self._stopping or self._children:
            ready = dict(poller.poll())
            if self._wake_read in ready:
                os.read(self._wake_read, 4096)
            self._reap()
            if self._control.fileno() in ready:
                commands = self._control.receive()
                if commands is None:
                    return 0  # the supervisor has gone; the workers have lifelines of their own
                for command in commands:
                    status = self._obey(command)
                    if status is not None:
                        return status
        return 0

    def _terminate(self, _number: int, _frame: object) -> None:
        self._stopping = True

    def _obey(self, command: dict[str, Any]) -> int | None:
        """A status only in the child, which has run its worker by then."""
        if command["t"] == "stop":
            self._stopping = True
        elif command["t"] == "fork":
            pid = os.fork()
            if pid == 0:
                if self._settings.cpu_affinity:
                    _bind_to_core(command["slot"])
                return self._become(command)
            self._children[pid] = command["worker"]
            self._control.send({"t": "forked", "worker": command["worker"], "pid": pid})
        return None

    def _become(self, command: dict[str, Any]) -> int:
        signal.set_wakeup_fd(-1)
        signal.signal(signal.SIGCHLD, signal.SIG_DFL)
        signal.signal(signal.SIGTERM, signal.SIG_DFL)
        os.close(self._wake_read)
        os.close(self._wake_write)
        self._control.close()
        self._lifeline.close()
        return worker.main(self._settings, command["worker"], command["name"], self._loaded)

    def _reap(self) -> None:
        while True:
            try:
                pid, status = os.waitpid(-1, os.WNOHANG)
            except ChildProcessError:
                return
            if pid == 0:
                return
            number = self._children.pop(pid, None)
            if number is not None:  # else it was left to us by a worker, as to any ancestor
                self._control.send({"t": "exit", "worker": number, "pid": pid, "status": status})


def _bind_to_core(slot: int) -> None:
    """Who takes a worker's place has the same slot, so the same core, whichever zygote forks it.

    The supervisor has said on other systems that only Linux can do that.
    """
    if sys.platform == "linux":
        cores = sorted(os.sched_getaffinity(0))
        os.sched_setaffinity(0, {cores[slot % len(cores)]})


def _ignore(_number: int, _frame: object) -> None:
    """A handler, so that the signal wakes poll() through the wake-up descriptor."""
