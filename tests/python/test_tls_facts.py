"""Facts of TLS in the ASGI scope, and the header that they allow."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from keelback.asgi_scope import SAID_MAX, ScopeFactory
from keelback.responses import Heads

FACTS = {
    "server_cert": "",
    "client_cert_chain": ["PEM"],
    "client_cert_name": "CN=\u00c4",
    "client_cert_error": None,
    "tls_version": 0x0304,
    "cipher_suite": 0x1301,
}


def block(scheme: bytes) -> bytes:
    return b"\0".join([b"GET", b"/", b"", b"", scheme, b"::1 5", b"::1 443", b"host", b"a"])


def scheme_of(facts: dict[str, object]) -> bytes:
    return b"https\x01" + json.dumps(facts).encode()


def test_the_extension_holds_the_facts(tmp_path: Path) -> None:
    path = tmp_path / "own.pem"
    path.write_text("OWN PEM")
    make = ScopeFactory("", {}).make
    for _ in range(2):
        scope = make(block(scheme_of({**FACTS, "server_cert": str(path)})), 11, 0)
        assert scope["scheme"] == "https"
        assert scope["extensions"]["tls"] == {**FACTS, "server_cert": "OWN PEM"}
        scope["extensions"]["tls"]["tls_version"] = 0  # what one app changes is its own
        path.unlink(missing_ok=True)


def test_a_certificate_that_cannot_be_read_is_none(tmp_path: Path) -> None:
    facts = {**FACTS, "server_cert": str(tmp_path / "gone")}
    scope = ScopeFactory("", {}).make(block(scheme_of(facts)), 20, 0)
    assert scope["extensions"]["tls"]["server_cert"] is None


@pytest.mark.parametrize("scheme", [b"http", b"https"])
def test_without_facts_there_is_no_extension(scheme: bytes) -> None:
    scope = ScopeFactory("", {}).make(block(scheme), 11, 0)
    assert scope["scheme"] == scheme.decode()
    assert "tls" not in scope["extensions"]


def test_what_is_remembered_is_bounded(tmp_path: Path) -> None:
    factory = ScopeFactory("", {})
    for suite in range(3 * SAID_MAX):
        facts = {**FACTS, "server_cert": str(tmp_path), "cipher_suite": suite}
        scope = factory.make(block(scheme_of(facts)), 11, 0)
        assert scope["extensions"]["tls"]["cipher_suite"] == suite
        assert len(factory._said) <= SAID_MAX
        assert len(factory._schemes) <= SAID_MAX + 2


@pytest.mark.parametrize(
    ("fields", "expected"),
    [
        ([], b"strict-transport-security: max-age=60\r\nserver: s\r\n\r\n"),
        ([("Server", "x")], b"strict-transport-security: max-age=60\r\n\r\n"),
        ([("STRICT-transport-Security", "max-age=1")], b"server: s\r\n\r\n"),
        ([("Strict-Transport-Security", "max-age=1"), ("Server", "x")], b"\r\n"),
    ],
)
def test_hsts_is_sent_unless_the_app_has_set_it(
    fields: list[tuple[str, str]], expected: bytes
) -> None:
    heads = Heads("s", False, hsts_seconds=60)
    head, _, _ = heads.build_head("200 OK", fields)
    lines = b"".join(f"{name}: {value}\r\n".encode() for name, value in fields)
    assert head == b"HTTP/1.1 200 OK\r\n" + lines + expected
