"""Database time, where Django's or SQLAlchemy's layer is in use: each statement is counted for the
call in whose context it runs.

Contract: `install` may be called again and again: it looks for modules that have come since.
"""

from __future__ import annotations

import re
import sys
from time import perf_counter_ns
from typing import Any, Callable

from .probe_book import current
from .probe_stacks import app_line

STATEMENT_CHARS_MAX = 500
_LITERALS = re.compile(r"'(?:[^']|'')*'|\b\d+(?:\.\d+)?\b")
_LISTS = re.compile(r"\((?:\s*(?:\?|%s)\s*,)+\s*(?:\?|%s)\s*\)")
_installed: set[str] = set()


def install() -> None:
    if "django" not in _installed and _loaded("django.db.backends.signals"):
        _installed.add("django")
        _watch_django()
    if "sqlalchemy" not in _installed and _loaded("sqlalchemy.event", "sqlalchemy.engine"):
        _installed.add("sqlalchemy")
        _watch_sqlalchemy()


def _loaded(*names: str) -> bool:
    """Imported to their ends."""
    for name in names:
        module = sys.modules.get(name)
        spec = getattr(module, "__spec__", None)
        if module is None or getattr(spec, "_initializing", False):
            return False
    return True


def shape(statement: str) -> str:
    """The statement without its values: what comes again with others is the same."""
    text = " ".join(statement[: STATEMENT_CHARS_MAX * 2].split())
    return _LISTS.sub("(...)", _LITERALS.sub("?", text))[:STATEMENT_CHARS_MAX]


def _count(statement: Any, began: int) -> None:
    call = current.get(None)
    if call is not None:
        call.query(shape(str(statement)), perf_counter_ns() - began, app_line)


def _watch_django() -> None:
    signals: Any = sys.modules["django.db.backends.signals"]
    database: Any = sys.modules.get("django.db")

    def counted(execute: Callable[..., Any], sql: Any, params: Any, many: Any, context: Any) -> Any:
        began = perf_counter_ns()
        try:
            return execute(sql, params, many, context)
        finally:
            _count(sql, began)

    def connected(connection: Any, **_: Any) -> None:
        if counted not in connection.execute_wrappers:
            connection.execute_wrappers.append(counted)

    signals.connection_created.connect(connected, weak=False, dispatch_uid="keelback-probe")
    if database is not None:
        for connection in database.connections.all():
            connected(connection)


def _watch_sqlalchemy() -> None:
    event: Any = sys.modules["sqlalchemy.event"]
    engine: Any = sys.modules["sqlalchemy.engine"].Engine

    def before(*arguments: Any) -> None:
        context = arguments[4]
        if context is not None:
            context.keelback_began = perf_counter_ns()

    def after(*arguments: Any) -> None:
        began = getattr(arguments[4], "keelback_began", None)
        if began is not None:
            _count(arguments[2], began)

    # Both get connection, cursor, statement, parameters, context, executemany.
    event.listen(engine, "before_cursor_execute", before)
    event.listen(engine, "after_cursor_execute", after)
