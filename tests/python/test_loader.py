"""Finding the app, telling its interface, and saying clearly what is wrong."""

from __future__ import annotations

import asyncio
import functools
import sys
import textwrap
from collections.abc import Iterator
from typing import Any, Callable

import pytest

from keelback import loader
from keelback.loader import LoadError, detect, load

Write = Callable[[str, str], None]


@pytest.fixture
def write(tmp_path: Any, monkeypatch: Any) -> Iterator[Write]:
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(str(tmp_path))
    before = set(sys.modules)

    def write(name: str, text: str) -> None:
        (tmp_path / name).write_text(textwrap.dedent(text))

    yield write
    for name in set(sys.modules) - before:
        del sys.modules[name]


WSGI = "def app(environ, start_response): return []\n"
ASGI = "async def app(scope, receive, send): pass\n"


def error_of(spec: str, **more: Any) -> LoadError:
    with pytest.raises(LoadError) as caught:
        load(spec, **more)
    return caught.value


def test_module_and_attribute(write: Write) -> None:
    write("one.py", WSGI)
    found = load("one:app")
    assert (found.interface, found.found) == ("wsgi", "one:app (function, WSGI)")
    assert found.app is sys.modules["one"].app


def test_dotted_attribute(write: Write) -> None:
    write("one.py", "class Site:\n    " + ASGI.replace("app(", "app(self, "))
    write("two.py", "import one\nsite = one.Site()\n")
    assert load("two:site.app").interface == "asgi"


@pytest.mark.parametrize("name", ["app", "application"])
def test_module_alone(write: Write, name: str) -> None:
    write("one.py", WSGI.replace("app", name))
    assert load("one").found == f"one:{name} (function, WSGI)"


def test_module_alone_with_a_factory(write: Write) -> None:
    write("one.py", ASGI.replace("app", "inner") + "def create_app(): return inner\n")
    assert load("one").found == "one:create_app() (function, ASGI)"


@pytest.mark.parametrize(("spec", "factory"), [("one:make()", False), ("one:make", True)])
def test_factory(write: Write, spec: str, factory: bool) -> None:
    write("one.py", ASGI + "def make(): return app\n")
    assert load(spec, factory).found == "one:make() (function, ASGI)"


@pytest.mark.parametrize("spec", ["main.py", "main.py:app", "src/main:app", ":app", "main:", ""])
def test_spec_that_names_no_app(spec: str) -> None:
    error = error_of(spec)
    assert error.stage == "config"
    assert "write module:attribute, for example " in error.hint


def test_missing_module_says_where_it_looked(write: Write, tmp_path: Any) -> None:
    write("webapp.py", WSGI)
    error = error_of("webap:app")
    assert error.message == "there is no module 'webap' (wanted by 'webap:app')"
    assert error.hint.startswith("did you mean 'webapp'?")
    assert str(tmp_path) in error_of("zzz:app").hint


def test_missing_import_of_the_module_is_told_apart(write: Write) -> None:
    write("one.py", "\nimport no_such_thing\n")
    error = error_of("one:app")
    assert error.message == "one imports 'no_such_thing', which is not there"
    assert "line 2" in error.traceback
    assert "loader.py" not in error.traceback
    assert "importlib" not in error.traceback


def test_exception_in_the_module_has_the_apps_frames_only(write: Write) -> None:
    write("one.py", "def boom():\n    return 1 / 0\nboom()\n")
    error = error_of("one:app")
    assert error.message == "one could not be imported: ZeroDivisionError: division by zero"
    assert "in boom" in error.traceback
    assert "loader.py" not in error.traceback


def test_syntax_error_shows_the_line(write: Write) -> None:
    write("one.py", "def (:\n")
    error = error_of("one:app")
    assert "SyntaxError" in error.message
    assert "def (:" in error.traceback


def test_exit_while_importing(write: Write) -> None:
    write("one.py", "import sys\nsys.exit(4)\n")
    assert "sys.exit(4)" in error_of("one:app").message


def test_missing_attribute_lists_candidates(write: Write) -> None:
    write("one.py", WSGI.replace("app", "site") + "def make_site(): return site\nx = 1\n")
    error = error_of("one:app")
    assert error.message == "one has no attribute 'app'"
    assert error.hint == "there is one:site, one:make_site()"
    assert error_of("one").hint == error.hint


def test_not_callable(write: Write) -> None:
    write("one.py", "app = 3\n" + WSGI.replace("app", "real"))
    error = error_of("one:app")
    assert error.message == "one:app is not callable: it is an int"
    assert error.hint == "there is one:real"


def test_factory_without_parentheses(write: Write) -> None:
    write("one.py", "def app(): pass\n")
    error = error_of("one:app")
    assert "takes no arguments" in error.message
    assert "one:app()" in error.hint


@pytest.mark.parametrize(
    "make",
    [
        "async def make(): pass",
        "async def inner(): pass\ndef make(): return inner()",
    ],
)
def test_coroutine_factory(write: Write, make: str) -> None:
    write("one.py", make + "\n")
    error = error_of("one:make()")
    assert "called without await" in error.message
    assert "lifespan" in error.hint


def test_factory_that_wants_arguments_or_fails(write: Write) -> None:
    write("one.py", "def make(x): pass\ndef bad():\n    raise KeyError('k')\n")
    assert "without arguments" in error_of("one:make()").message
    error = error_of("one:bad()")
    assert error.message == "one:bad() failed: KeyError: 'k'"
    assert "in bad" in error.traceback
    assert "loader.py" not in error.traceback


def test_interface_that_contradicts_the_app(write: Write) -> None:
    write("one.py", WSGI)
    error = error_of("one:app", interface="asgi")
    assert error.stage == "config"
    assert error.message == "one:app is a WSGI app, and the interface is set to asgi"


def test_interface_decides_where_the_signature_does_not(write: Write) -> None:
    write("one.py", "def app(*args): pass\n")
    assert load("one:app").interface == "wsgi"
    assert load("one:app", interface="asgi").interface == "asgi"


async def asgi(scope: Any, receive: Any, send: Any) -> None: ...


def wsgi(environ: Any, start_response: Any) -> list[bytes]:
    return []


def wrapped(*args: Any) -> Any:
    return asgi(*args)


def configured(option: int, scope: Any, receive: Any, send: Any) -> Any:
    return asgi(scope, receive, send)


class AsgiInstance:
    async def __call__(self, scope: Any, receive: Any, send: Any) -> None: ...


class WsgiInstance:
    def __call__(self, environ: Any, start_response: Any, extra: int = 0) -> list[bytes]:
        return []


class Double:
    def __init__(self, scope: Any) -> None: ...

    async def __call__(self, receive: Any, send: Any) -> None: ...


class Endpoint:
    def __init__(self, scope: Any, receive: Any, send: Any) -> None: ...

    def __await__(self) -> Any: ...


def double(scope: Any) -> Any:
    async def inner(receive: Any, send: Any) -> None: ...

    return inner


@pytest.mark.parametrize(
    ("app", "kind"),
    [
        (asgi, "asgi3"),
        (functools.wraps(asgi)(wrapped), "asgi3"),
        (functools.partial(configured, 1), "asgi3"),
        (functools.partial(asgi), "asgi3"),
        (AsgiInstance(), "asgi3"),
        (AsgiInstance().__call__, "asgi3"),
        (Endpoint, "asgi3"),
        (Double, "asgi2"),
        (double, "asgi2"),
        (wsgi, "wsgi"),
        (WsgiInstance(), "wsgi"),
        (lambda: None, "factory"),
        (lambda *args: None, "unknown"),
    ],
)
def test_detection(app: Any, kind: str) -> None:
    assert detect(app) == kind


def test_asgi2_is_wrapped(write: Write) -> None:
    write(
        "one.py",
        """
        class app:
            def __init__(self, scope): self.scope = scope
            async def __call__(self, receive, send): await send(self.scope)
        """,
    )
    found = load("one:app")
    assert found.interface == "asgi"
    sent: list[Any] = []

    async def send(message: Any) -> None:
        sent.append(message)

    asyncio.run(found.app("scope", None, send))
    assert sent == ["scope"]


@pytest.mark.parametrize(
    ("module", "make", "label"),
    [
        ("fastapi", "FastAPI()", "FastAPI, ASGI"),
        ("starlette.applications", "Starlette()", "Starlette, ASGI"),
        ("flask", "Flask('x')", "Flask, WSGI"),
        ("quart", "Quart('x')", "Quart, ASGI"),
        ("django.core.handlers.wsgi", "WSGIHandler", "Django WSGIHandler, WSGI"),
        ("django.core.handlers.asgi", "ASGIHandler", "Django ASGIHandler, ASGI"),
    ],
)
def test_frameworks_are_named(module: str, make: str, label: str) -> None:
    name = make.partition("(")[0]
    cls = getattr(pytest.importorskip(module), name)
    app = cls.__new__(cls) if make == name else cls(*(["x"] if "'x'" in make else []))
    interface = detect(app)[:4].upper()
    assert f"{loader.describe(app)}, {interface}" == label
