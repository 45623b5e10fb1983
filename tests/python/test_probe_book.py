"""What the probe of `keelback audit` keeps: sums, statements and memory, within bounds."""

from __future__ import annotations

import json
import sys
import types
from typing import Any

import pytest

from keelback import probe_book, probe_db
from keelback.probe_book import Book, Call, current


@pytest.fixture
def book(tmp_path: Any) -> Book:
    return Book(str(tmp_path), 1, "wsgi", "main:app (function, WSGI)")


def route(book: Book, name: str) -> dict[str, Any]:
    [found] = [entry for entry in book.report()["routes"] if entry["route"] == name]
    return found


# --- the database


def test_statements_are_known_by_their_shape() -> None:
    first = probe_db.shape("SELECT *\n FROM a WHERE id = 1 AND name = 'it''s' AND x IN (%s, %s)")
    assert first == "SELECT * FROM a WHERE id = ? AND name = ? AND x IN (...)"
    assert first == probe_db.shape("SELECT * FROM a WHERE id = 22 AND name = '' AND x IN (%s,%s)")


def test_a_statement_that_comes_again_and_again_is_reported_with_its_line(book: Book) -> None:
    call = book.begin("GET", "/list")
    for number in range(7):
        call.query(probe_db.shape(f"select {number}"), 1_000_000, lambda: "views.py:12")
    call.query("select once", 1, lambda: "views.py:1")
    book.finish(call)
    found = route(book, "GET /list")
    assert (found["queries"], found["queriesMax"]) == (8, 8)
    assert found["repeated"] == {"sql": "select ?", "times": 7, "ms": 7.0, "line": "views.py:12"}


def test_sqlalchemy_is_watched_when_it_comes(monkeypatch: Any, book: Book) -> None:
    listeners: dict[str, Any] = {}
    event = types.ModuleType("sqlalchemy.event")
    engine = types.ModuleType("sqlalchemy.engine")
    vars(event)["listen"] = lambda _target, name, function: listeners.update({name: function})
    vars(engine)["Engine"] = object
    monkeypatch.setattr(probe_db, "_installed", set())
    probe_db.install()
    assert listeners == {}
    for module in (event, engine):
        monkeypatch.setitem(sys.modules, module.__name__, module)
    probe_db.install()
    probe_db.install()
    call = book.begin("GET", "/")
    context = types.SimpleNamespace()
    token = current.set(call)
    arguments = ("connection", "cursor", "select 5", (), context, False)
    listeners["before_cursor_execute"](*arguments)
    listeners["after_cursor_execute"](*arguments)
    current.reset(token)
    assert (call.queries, list(call.statements)) == (1, ["select ?"])


# --- the book


def test_what_grows_is_bounded(monkeypatch: Any, book: Book) -> None:
    monkeypatch.setattr(probe_book, "ROUTES_MAX", 3)
    monkeypatch.setattr(probe_book, "PATHS_MAX", 4)
    monkeypatch.setattr(probe_book, "WALLS_MAX", 5)
    for letter in "abcdef":
        for _ in range(8):
            book.finish(book.begin("GET", f"/{letter}"))
    report = book.report()
    names = [entry["route"] for entry in report["routes"]]
    assert names == ["GET /a", "GET /b", "GET /c", "(other)"]
    assert [entry["count"] for entry in report["routes"]] == [8, 8, 8, 24]
    assert {len(entry["wallsMs"]) for entry in report["routes"]} == {5}
    assert len(report["paths"]) == 4
    assert report["numbers"] == ["GET /a", "GET /b", "GET /c", "GET /d"]


def test_the_findings_are_json_in_the_folder(book: Book, tmp_path: Any) -> None:
    book.finish(book.begin("GET", "/"))
    book.weigh()
    book.write()
    [path] = tmp_path.glob("probe-*.json")
    report = json.loads(path.read_text())
    assert (report["schema"], report["requests"], report["worker"]) == (1, 1, 1)
    assert report["memory"][0][0] == 1


def test_memory_points_are_thinned_out(monkeypatch: Any, book: Book) -> None:
    monkeypatch.setattr(probe_book, "MEMORY_POINTS_MAX", 10)
    for _ in range(200):
        book.weigh()
    assert 5 <= len(book.report()["memory"]) <= 11


def test_calls_that_began_beside_others_say_nothing_about_memory(
    monkeypatch: Any, book: Book
) -> None:
    monkeypatch.setattr(probe_book, "WARM_CALLS", 0)
    first = book.begin("GET", "/a")
    second = book.begin("GET", "/b")
    book.finish(first)
    book.finish(second)
    book.finish(book.begin("GET", "/c"))
    assert [entry["alone"] for entry in book.report()["routes"]] == [0, 0, 1]


def test_a_call_is_named_by_its_method_and_route() -> None:
    call = Call("GET", "/a/1")
    assert call.key == "GET /a/{number}"
    call.route = "/a/<id>"
    assert call.key == "GET /a/<id>"
