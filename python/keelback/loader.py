"""Finds the app: from `module:attribute` to a callable, the interface it speaks and its name.

Contract: `load(spec, ...)` returns a LoadedApp or raises LoadError, whose message names the cause,
whose hint names the remedy, and whose traceback holds the app's frames but none of ours.
"""

from __future__ import annotations

import difflib
import importlib
import inspect
import os
import sys
import traceback
from dataclasses import dataclass
from types import ModuleType, TracebackType
from typing import Any, Callable

MODULE_ATTRIBUTES = ("app", "application", "create_app")
"""Tried in this order where only a module is named; the last is a factory."""

_FRAMEWORKS = {
    "fastapi": "FastAPI",
    "starlette": "Starlette",
    "django": "Django",
    "flask": "Flask",
    "quart": "Quart",
    "litestar": "Litestar",
    "falcon": "Falcon",
    "bottle": "Bottle",
    "pyramid": "Pyramid",
    "sanic": "Sanic",
    "channels": "Channels",
    "blacksheep": "BlackSheep",
    "connexion": "Connexion",
    "robyn": "Robyn",
    "webpy": "web.py",
    "a2wsgi": "a2wsgi",
    "asgiref": "asgiref",
}


class LoadError(Exception):
    """The app can't be used. `stage` is the one that the control channel reports."""

    def __init__(
        self, message: str, hint: str = "", trace: str = "", stage: str = "import"
    ) -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint
        self.traceback = trace
        self.stage = stage


@dataclass(frozen=True)
class LoadedApp:
    """`app` is WSGI or ASGI 3, as `interface` says; ASGI 2 has been wrapped."""

    app: Callable[..., Any]
    interface: str
    found: str


def load(spec: str, factory: bool = False, interface: str = "auto") -> LoadedApp:
    module_name, path, calls = _split(spec)
    module = _import(module_name, spec)
    if path:
        target = _attribute(module, module_name, path)
    else:
        path, target = _discover(module, module_name)
        calls = calls or path == MODULE_ATTRIBUTES[-1]
    name = f"{module_name}:{path}"
    if calls or factory:
        target = _call_factory(target, name)
        name += "()"
    if not callable(target):
        raise LoadError(
            f"{name} is not callable: it is {_article(type(target).__name__)}",
            _candidates_hint(module, module_name),
        )
    kind = _settle(target, name, interface)
    label = f"{name} ({describe(target)}, {kind[:4].upper()})"
    return LoadedApp(_asgi3_of(target) if kind == "asgi2" else target, kind[:4], label)


def resolve(spec: str, option: str) -> Callable[..., Any]:
    """The function that an option names as `module:function`."""
    module_name, path, calls = _split(spec)
    if calls or not path:
        raise LoadError(
            f"{spec!r} ({option}) does not name a function",
            f"write module:function, for example {module_name}:hook",
            stage="config",
        )
    target: Callable[..., Any] = _attribute(_import(module_name, spec), module_name, path)
    if not callable(target):
        raise LoadError(
            f"{spec} ({option}) is not callable: it is {_article(type(target).__name__)}"
        )
    return target


def app_traceback(error: BaseException) -> str:
    """The formatted traceback from the app's first frame on."""
    here = os.path.dirname(app_traceback.__code__.co_filename)
    trace: TracebackType | None = error.__traceback__
    while trace is not None:
        name = trace.tb_frame.f_code.co_filename
        if not (
            name.startswith(("<frozen importlib", here + os.sep))
            or name.endswith(os.path.join("importlib", "__init__.py"))
        ):
            break
        trace = trace.tb_next
    return "".join(traceback.format_exception(type(error), error, trace))


def _split(spec: str) -> tuple[str, str, bool]:
    module, _, attribute = spec.partition(":")
    calls = attribute.endswith("()")
    if calls:
        attribute = attribute[:-2]
    wrong = not module or (":" in spec and not attribute)
    if wrong or module.endswith(".py") or "/" in module or "(" in attribute:
        stem = module[:-3] if module.endswith(".py") else module
        dotted = stem.strip("./").replace("/", ".") or "main"
        raise LoadError(
            f"{spec!r} does not name an app",
            f"write module:attribute, for example {dotted}:{attribute.partition('(')[0] or 'app'}",
            stage="config",
        )
    return module, attribute, calls


def _import(name: str, spec: str) -> ModuleType:
    try:
        return importlib.import_module(name)
    except ModuleNotFoundError as error:
        missing = error.name or ""
        if name == missing or name.startswith(missing + "."):
            raise LoadError(
                f"there is no module {missing!r} (wanted by {spec!r})", _module_hint(missing)
            ) from None
        raise LoadError(
            f"{name} imports {missing!r}, which is not there",
            f"install what provides {missing!r} for {sys.executable}, or check --python and "
            "--pythonpath",
            app_traceback(error),
        ) from None
    except SystemExit as error:
        raise LoadError(
            f"{name} ended the interpreter while it was imported: sys.exit({error.code!r})",
            "put what runs the program under if __name__ == '__main__'",
            app_traceback(error),
        ) from None
    except BaseException as error:
        raise LoadError(
            f"{name} could not be imported: {type(error).__name__}: {error}",
            trace=app_traceback(error),
        ) from None


def _module_hint(missing: str) -> str:
    folder = os.getcwd()
    names: list[str] = []
    try:
        for entry in os.scandir(folder):
            stem, extension = os.path.splitext(entry.name)
            package = entry.is_dir() and os.path.exists(os.path.join(entry.path, "__init__.py"))
            if extension == ".py" or package:
                names.append(stem)
    except OSError:
        pass
    near = difflib.get_close_matches(missing, names, n=1)
    if near:
        return f"did you mean {near[0]!r}? (looked in {folder})"
    return f"looked in {folder}; if it is elsewhere, give --chdir or --pythonpath"


def _attribute(module: ModuleType, module_name: str, path: str) -> Any:
    target: Any = module
    seen = module_name
    for part in path.split("."):
        try:
            target = getattr(target, part)
        except AttributeError:
            hint = ""
            if target is module:
                near = difflib.get_close_matches(part, vars(module), n=1)
                hint = _candidates_hint(module, module_name)
                if near and not hint:
                    hint = f"did you mean {near[0]!r}?"
            raise LoadError(f"{seen} has no attribute {part!r}", hint) from None
        seen += ("." if ":" in seen else ":") + part
    return target


def _discover(module: ModuleType, module_name: str) -> tuple[str, Any]:
    for name in MODULE_ATTRIBUTES:
        target = getattr(module, name, None)
        if callable(target):
            return name, target
    raise LoadError(
        f"{module_name} has none of {', '.join(MODULE_ATTRIBUTES)}",
        _candidates_hint(module, module_name) or "name the app: module:attribute",
    )


def _candidates_hint(module: ModuleType, module_name: str) -> str:
    """What in this module looks like an app: instances of frameworks, and functions of it that
    take what an app takes."""
    found: list[str] = []
    for name, value in list(vars(module).items()):
        if name.startswith("_") or inspect.ismodule(value) or not callable(value):
            continue
        framework = not inspect.isclass(value) and not inspect.isroutine(value)
        local = getattr(value, "__module__", None) == module.__name__
        kind = detect(value)
        if (framework and kind != "unknown") or (local and kind in ("asgi3", "wsgi")):
            found.append(f"{module_name}:{name}")
        elif local and inspect.isroutine(value) and name.startswith(("create", "make", "get_")):
            found.append(f"{module_name}:{name}()")
    return f"there is {', '.join(found[:5])}" if found else ""


def _call_factory(factory: Any, name: str) -> Any:
    if not callable(factory):
        raise LoadError(
            f"{name} is not a factory: it is {_article(type(factory).__name__)}",
            "leave out --factory and the parentheses",
        )
    if inspect.iscoroutinefunction(factory):
        raise LoadError(
            f"{name} is an async function, and a factory is called without await",
            "make it a plain function, and do the awaiting in the lifespan",
        )
    try:
        inspect.signature(factory).bind()
    except TypeError as error:
        raise LoadError(
            f"{name}() is called without arguments: {error}",
            f"use functools.partial, or name the app itself without parentheses: {name}",
        ) from None
    except ValueError:
        pass  # a builtin without a signature: the call decides
    try:
        app = factory()
    except BaseException as error:
        raise LoadError(
            f"{name}() failed: {type(error).__name__}: {error}", trace=app_traceback(error)
        ) from None
    if inspect.iscoroutine(app):
        app.close()
        raise LoadError(
            f"{name}() returned a coroutine, and a factory is called without await",
            "make it a plain function, and do the awaiting in the lifespan",
        )
    return app


def _settle(target: Any, name: str, interface: str) -> str:
    """asgi3, asgi2 or wsgi: what was asked for, unless the callable certainly is something else."""
    kind = detect(target)
    if kind == "factory":
        raise LoadError(
            f"{name} takes no arguments: it is a factory, not an app",
            f"write {name}() or give --factory",
        )
    if interface == "auto":
        return "wsgi" if kind == "unknown" else kind
    if kind != "unknown" and kind[:4] != interface:
        raise LoadError(
            f"{name} is {_article(kind[:4].upper())} app, and the interface is set to {interface}",
            f"leave out --interface, or set it to {kind[:4]}",
            stage="config",
        )
    if kind == "unknown":
        return "asgi3" if interface == "asgi" else "wsgi"
    return kind


def detect(target: Any) -> str:
    """asgi3, asgi2, wsgi, factory (takes nothing) or unknown (its signature doesn't say)."""
    if inspect.isclass(target):
        if hasattr(target, "__await__"):
            return "asgi3"  # an endpoint class: called with three, awaited
        if inspect.iscoroutinefunction(getattr(target, "__call__", None)):  # noqa: B004
            return "asgi2"
        return _by_count(target)
    inner = target
    while hasattr(inner, "func") and hasattr(inner, "keywords"):  # functools.partial
        inner = inner.func
    if inspect.iscoroutinefunction(inner):
        return "asgi3"
    if not inspect.isroutine(inner) and inspect.iscoroutinefunction(type(inner).__call__):
        return "asgi3"
    return _by_count(target)


def _by_count(target: Any) -> str:
    try:
        parameters = inspect.signature(target).parameters.values()
    except (TypeError, ValueError):
        return "unknown"
    positional = (inspect.Parameter.POSITIONAL_ONLY, inspect.Parameter.POSITIONAL_OR_KEYWORD)
    required = sum(p.kind in positional and p.default is p.empty for p in parameters)
    if any(p.kind is p.VAR_POSITIONAL for p in parameters) and required < 2:
        return "unknown"
    count = sum(p.kind in positional for p in parameters)
    if required > 3 or count == 0:
        return "factory" if count == 0 else "unknown"
    if required == 3 or (required < 2 and count == 3):
        return "asgi3"
    if required == 2 or (required < 1 and count == 2):
        return "wsgi"
    return "asgi2" if required == 1 and count == 1 else "unknown"


def describe(target: Any) -> str:
    """The framework where one is known, else the type."""
    if inspect.isclass(target):
        return f"class {target.__name__}"
    if inspect.isroutine(target):
        return "function"
    for cls in type(target).__mro__:
        framework = _FRAMEWORKS.get(cls.__module__.partition(".")[0])
        if framework is not None:
            plain = framework.lower() == cls.__name__.lower()
            return framework if plain else f"{framework} {cls.__name__}"
    return type(target).__name__


def _asgi3_of(app: Callable[..., Any]) -> Callable[..., Any]:
    async def asgi3(scope: Any, receive: Any, send: Any) -> None:
        await app(scope)(receive, send)

    return asgi3


def _article(noun: str) -> str:
    return f"an {noun}" if noun[:1].lower() in "aeiou" else f"a {noun}"
