from __future__ import annotations

from http import HTTPStatus
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from keelback import responses
from keelback.errors import BadResponse
from keelback.responses import CLOSE, LENGTH, Heads, check_field

PLAIN = Heads(None, False)


def test_a_head_is_ready_to_be_forwarded() -> None:
    head, length, flags = PLAIN.build_head("200 OK", [("X-A", "1"), ("Content-Length", "5")])
    assert head == b"HTTP/1.1 200 OK\r\nX-A: 1\r\ncontent-length: 5\r\n\r\n"
    assert (length, flags) == (5, LENGTH)


@pytest.mark.parametrize("again", [False, True])
def test_asgi_heads_may_be_any_pairs_of_bytes(again: bool) -> None:
    expected = b"HTTP/1.1 404 Not Found\r\nx-a: \xe9\r\ncontent-length: 0\r\n\r\n"
    for kind in (tuple, list):
        fields: Any = [kind((b"x-a", b"\xe9")), kind((b"content-length", b"0"))]
        assert PLAIN.build_head_asgi(404, fields) == (expected, 0, LENGTH)
        assert PLAIN.build_head_asgi(404, iter(fields))[0] == expected
    mutable: Any = [[bytearray(b"x-a"), bytearray(b"1")]]
    assert b"x-a: 1\r\n" in PLAIN.build_head_asgi(HTTPStatus.OK, mutable)[0]


def test_unknown_status_has_an_empty_reason() -> None:
    assert PLAIN.build_head_asgi(299, [])[0].startswith(b"HTTP/1.1 299 \r\n")
    assert PLAIN.build_head("299", [])[0].startswith(b"HTTP/1.1 299 \r\n")


def test_date_and_server_are_added_unless_the_app_sets_them(monkeypatch: Any) -> None:
    now = 1_000_000_000.0
    monkeypatch.setattr(responses, "time", lambda: now)
    heads = Heads("keelback", True)
    date = b"date: Sun, 09 Sep 2001 01:46:40 GMT\r\n"
    head = heads.build_head("200 OK", [])[0]
    assert head == b"HTTP/1.1 200 OK\r\nserver: keelback\r\n" + date + b"\r\n"
    own = [("Server", "mine"), ("date", "today")]
    assert heads.build_head("200 OK", own[:1])[0].count(b"erver: ") == 1
    assert heads.build_head("200 OK", own[1:])[0].count(b"date: ") == 1
    assert heads.build_head("200 OK", own)[0] == (
        b"HTTP/1.1 200 OK\r\nServer: mine\r\ndate: today\r\n\r\n"
    )
    assert heads.build_head_asgi(200, [])[0].endswith(date + b"\r\n")


def test_date_follows_the_clock_in_both_directions(monkeypatch: Any) -> None:
    now = [1_000_000_000.0]
    monkeypatch.setattr(responses, "time", lambda: now[0])
    heads = Heads(None, True)
    seen = []
    for now[0] in (1e9, 1e9 + 0.99, 1e9 + 1, 1e9 - 3600):
        seen.append(heads.build_head("200 OK", [])[0][-16:-4].decode())
    assert seen == ["01:46:40 GMT", "01:46:40 GMT", "01:46:41 GMT", "00:46:40 GMT"]


@pytest.mark.parametrize("control", ["\r", "\n", "\r\n", "\0", "\x1f", "\x7f", "\r\nx: y"])
def test_header_injection_is_refused(control: str) -> None:
    for status, name, value in (
        ("200 OK" + control, "x", "y"),
        ("200 OK", "x" + control, "y"),
        ("200 OK", "x", "y" + control + "z"),
    ):
        with pytest.raises(BadResponse):
            PLAIN.build_head(status, [(name, value)])
    with pytest.raises(BadResponse):
        PLAIN.build_head_asgi(200, [(b"x", control.encode())])
    with pytest.raises(BadResponse):
        PLAIN.build_head_asgi(200, [(b"x" + control.encode(), b"")])
    with pytest.raises(BadResponse):
        check_field(b"x", control.encode())
    with pytest.raises(BadResponse):
        check_field(b"x" + control.encode(), b"")


def test_tab_and_latin1_are_allowed_in_values() -> None:
    assert b"x: a\tb\xfc\r\n" in PLAIN.build_head("200 OK", [("x", "a\tb\xfc")])[0]


@pytest.mark.parametrize(
    ("status", "headers"),
    [
        ("200 OK", [("", "x")]),
        ("200 OK", [("a b", "x")]),
        ("200 OK", [("a:", "x")]),
        ("200 OK", [("\xe9", "x")]),
        ("200 OK", [("x", "\u20ac")]),
        ("200 \u20ac", []),
        ("200 OK", [("x", 5)]),
        ("200 OK", [(b"x", "y")]),
        ("200 OK", [("x", b"y")]),
        ("200 OK", [("x",)]),
        ("200 OK", [("x", None)]),
        ("200 OK", [5]),
        ("200 OK", None),
        (200, []),
        (["200 OK"], []),
        ("20 OK", []),
        ("2000 OK", []),
        ("200OK", []),
        ("101 Switching Protocols", []),
        ("", []),
        ("200 OK", [("Content-Length", "-1")]),
        ("200 OK", [("Content-Length", "+1")]),
        ("200 OK", [("Content-Length", "1_0")]),
        ("200 OK", [("Content-Length", "\xb2")]),
        ("200 OK", [("Content-Length", "")]),
        ("200 OK", [("Content-Length", "9" * 30)]),
        ("200 OK", [("Content-Length", "5"), ("content-length", "6")]),
    ],
)
def test_bad_heads_are_refused(status: Any, headers: Any) -> None:
    for _ in range(2):  # what is refused is not remembered either
        with pytest.raises(BadResponse):
            PLAIN.build_head(status, headers)


@pytest.mark.parametrize(
    ("status", "headers"),
    [
        (200, [(b"x", 5)]),
        (200, [("x", "y")]),
        (200, [5]),
        (200, [(b"x",)]),
        (99, []),
        (100, []),
        (1000, []),
        ("OK", []),
        (None, []),
        (200, [[b"x", memoryview(b"\n")]]),
    ],
)
def test_bad_asgi_heads_are_refused(status: Any, headers: Any) -> None:
    with pytest.raises(BadResponse):
        PLAIN.build_head_asgi(status, headers)


def test_equal_content_lengths_become_one() -> None:
    head, length, _ = PLAIN.build_head(
        "200 OK", [("Content-Length", "5"), ("content-length", " 05")]
    )
    assert head.lower().count(b"content-length") == 1
    assert length == 5


def test_204_has_no_content_length_and_304_keeps_it() -> None:
    assert PLAIN.build_head("204 No Content", [("Content-Length", "0")]) == (
        b"HTTP/1.1 204 No Content\r\n\r\n",
        None,
        0,
    )
    assert PLAIN.build_head("304 Not Modified", [("Content-Length", "7")])[1:] == (7, LENGTH)


def test_fields_between_two_hops_are_dropped() -> None:
    warnings: list[str] = []
    heads = Heads(None, False, warnings.append)
    fields = [
        ("Connection", "keep-alive, Close"),
        ("Transfer-Encoding", "chunked"),
        ("Keep-Alive", "timeout=5"),
        ("Upgrade", "x"),
        ("Trailer", "x"),
        ("X", "y"),
    ]
    assert heads.build_head("200 OK", fields) == (b"HTTP/1.1 200 OK\r\nX: y\r\n\r\n", None, CLOSE)
    assert len(warnings) == 1
    assert "Keep-Alive" in warnings[0]
    assert heads.build_head("200 OK", [("Connection", "keep-alive")])[2] == 0


def test_heads_that_are_remembered_are_bounded() -> None:
    heads = Heads(None, False)
    for n in range(3 * responses.HEADS_MAX):
        heads.build_head("200 OK", [("x", str(n))])
        heads.build_head_asgi(200, [(b"x-%d" % n, b"")])
    assert len(heads.known) <= responses.HEADS_MAX
    heads.known.clear()
    heads.build_head("200 OK", [("x", "y" * responses.HEAD_BYTES_MAX)])
    assert not heads.known


def test_a_server_header_that_would_inject_is_refused() -> None:
    with pytest.raises(ValueError, match="control"):
        Heads("x\r\ny: z", True)


@given(
    st.text(st.characters(max_codepoint=300), max_size=6),
    st.lists(
        st.tuples(
            st.text(st.characters(max_codepoint=300), max_size=6),
            st.text(st.characters(max_codepoint=300), max_size=6),
        ),
        max_size=4,
    ),
)
def test_no_head_says_more_than_its_fields(reason: str, headers: list[tuple[str, str]]) -> None:
    heads = Heads(None, False)
    try:
        head, _, _ = heads.build_head("200 " + reason, headers)
    except BadResponse:
        return
    lines = head.split(b"\r\n")
    assert lines[-2:] == [b"", b""]
    assert len(lines) == 3 + len(headers)
    assert not any(c < 32 and c != 9 for line in lines for c in line)
