"""Apps under a path that a proxy names for each request."""

from __future__ import annotations

import pytest

from keelback.asgi_scope import SAID_MAX, ScopeFactory
from keelback.wsgi_environ import Environs, base_environ, inside


def block(scheme: bytes, path: bytes, raw_path: bytes = b"") -> bytes:
    return b"\0".join([b"GET", path, raw_path, b"", scheme, b"::1 5", b"::1 443", b"host", b"a"])


@pytest.mark.parametrize("own", ["", "/own"])
@pytest.mark.parametrize(
    ("prefix", "path", "expected"),
    [
        (b"/shop", b"/a", "/shop/a"),
        (b"/shop", b"/shop/a", "/shop/a"),
        (b"/shop", b"/shop", "/shop"),
        (b"/shop", b"/shopping", "/shop/shopping"),
        (b"", b"/a", "/a"),
    ],
)
def test_a_scope_has_the_prefix_once(own: str, prefix: bytes, path: bytes, expected: str) -> None:
    make = ScopeFactory(own, {}).make
    for _ in range(2):
        scope = make(block(b"https\x02" + prefix, path), 11, 0)
        assert scope["scheme"] == "https"
        assert scope["root_path"] == prefix.decode()
        assert scope["path"] == expected
        assert scope["raw_path"] == expected.encode()
        assert "tls" not in scope["extensions"]
    assert make(block(b"https", b"/a"), 11, 0)["root_path"] == own


def test_a_raw_path_stays_as_it_was_sent() -> None:
    scope = ScopeFactory("", {}).make(block(b"http\x02/shop", b"/a b", b"/a%20b"), 11, 0)
    assert (scope["path"], scope["raw_path"]) == ("/shop/a b", b"/shop/a%20b")


def test_prefix_and_facts_of_tls_go_together() -> None:
    scheme = b"https\x02/shop\x01772 4865 /nowhere"
    scope = ScopeFactory("", {}).make(block(scheme, b"/a"), 20, 0)
    assert (scope["scheme"], scope["path"]) == ("https", "/shop/a")
    assert scope["extensions"]["tls"]["tls_version"] == 772


def test_what_is_remembered_of_prefixes_is_bounded() -> None:
    factory = ScopeFactory("", {})
    for number in range(3 * SAID_MAX):
        scope = factory.make(block(b"http\x02/p%d" % number, b"/"), 11, 0)
        assert scope["path"] == f"/p{number}/"
        assert len(factory._said) <= SAID_MAX
        assert len(factory._schemes) <= SAID_MAX + 2


def test_an_environ_takes_the_prefix_of_its_request() -> None:
    environs = Environs(base_environ("/own", {}))
    tail = "REMOTE_ADDR\x00::1\x00wsgi.url_scheme\x00https\x00SCRIPT_NAME\x00/shop\x00HTTP_A\x001"
    environ = environs.learn(tail, 1)
    assert environ["SCRIPT_NAME"] == "/shop"
    assert inside(environ["SCRIPT_NAME"], "/shop/a") == "/a"
    assert environs.learn("REMOTE_ADDR\x00::1", 2)["SCRIPT_NAME"] == "/own"
