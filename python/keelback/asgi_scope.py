"""From a head block in the form `asgi` (docs/protocol.md) to an ASGI 3 http scope.

Every scope is a new dict with a shallow copy of the lifespan's state, because apps write into both.
What repeats from request to request (addresses, methods) comes from small bounded caches.

A path that is not UTF-8 is decoded with surrogateescape: no two paths become the same string, the
app can have the bytes back by `os.fsencode`, and `raw_path` holds them anyway.
"""

from __future__ import annotations

import json
from typing import Any

from . import _wire

ADDRESSES_MAX = 4096
"""Entries of a cache of addresses; a client's port makes most of them short-lived."""
FIELDS_MAX = 256
FIELD_BYTES_MAX = 1024
"""Header blocks remembered, and the longest: clients repeat theirs from request to request, and
finding one costs a tenth of taking one with a browser's fields apart."""

_METHODS = {
    name.encode(): name
    for name in ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "QUERY")
}
_VERSIONS = {10: "1.0", 11: "1.1", 20: "2", 30: "3"}
SAID_MAX = 256
"""Scheme strings with more in them remembered; each client certificate makes one."""
_TLS_MARK = b"\x01"
_PREFIX_MARK = b"\x02"
_EXTENSIONS: dict[str, dict[str, Any]] = {
    "http.response.pathsend": {},
    "http.response.early_hint": {},
}
_EXTENSIONS_TRAILERS: dict[str, dict[str, Any]] = {**_EXTENSIONS, "http.response.trailers": {}}
_ASGI = {"version": "3.0", "spec_version": "2.5"}


class ScopeFactory:
    """Makes the scopes of one worker."""

    def __init__(self, root_path: str, state: dict[str, Any]) -> None:
        self._root = root_path.rstrip("/")
        self._root_slash = self._root + "/"
        self._root_bytes = self._root.encode()
        self._state = state
        self._addresses: dict[bytes, tuple[str, int | None] | None] = {b"": None}
        self._fields: dict[bytes, tuple[tuple[bytes, bytes], ...]] = {}
        self._schemes = {b"http": "http", b"https": "https"}
        self._said: dict[bytes, tuple[dict[str, Any] | None, str | None]] = {}
        """What scheme strings say beside the scheme: the `tls` extension, and the path under which
        a proxy mounts the app."""
        # Copying a dict is four times as fast as building one of this size.
        self._templates = {version: self._template(name) for version, name in _VERSIONS.items()}

    def _template(self, http_version: str) -> dict[str, Any]:
        return {
            "type": "http",
            "asgi": None,
            "http_version": http_version,
            "method": None,
            "scheme": None,
            "path": None,
            "raw_path": None,
            "query_string": None,
            "root_path": self._root,
            "headers": None,
            "client": None,
            "server": None,
            "state": None,
            "extensions": None,
        }

    def make(self, block: bytes, version: int, flags: int) -> dict[str, Any]:
        """Raises ValueError or KeyError where the block is malformed."""
        scope = self._templates[version].copy()
        try:
            method, path, raw_path, query, scheme, client, server, rest = block.split(b"\0", 7)
        except ValueError:
            method, path, raw_path, query, scheme, client, server = block.split(b"\0")
            scope["headers"] = []
        else:
            known = self._fields.get(rest)
            scope["headers"] = list(known) if known is not None else self._parse(rest)
        text = path.decode("utf-8", "surrogateescape")
        raw_path = raw_path or path
        if self._root and text != self._root and not text.startswith(self._root_slash):
            text = self._root + text
            raw_path = self._root_bytes + raw_path
        addresses = self._addresses
        try:
            scope["method"] = _METHODS[method]
            scope["scheme"] = self._schemes[scheme]
            scope["client"] = addresses[client]
            scope["server"] = addresses[server]
        except KeyError:
            scope["method"] = method.decode("latin-1")
            scope["scheme"] = self._scheme(scheme)
            scope["client"] = self._address(client)
            scope["server"] = self._address(server)
        scope["asgi"] = _ASGI.copy()
        scope["path"] = text
        scope["raw_path"] = raw_path
        scope["query_string"] = query
        scope["state"] = self._state.copy()
        if flags & _wire.FLAG_TRAILERS_OK:
            extensions = _EXTENSIONS_TRAILERS.copy()
        else:
            extensions = _EXTENSIONS.copy()
        if scheme in self._said:
            tls, prefix = self._said[scheme]
            if tls is not None:
                extensions["tls"] = tls.copy()
            if prefix is not None:
                _mount(scope, prefix, path, block)
        scope["extensions"] = extensions
        return scope

    def _parse(self, rest: bytes) -> list[tuple[bytes, bytes]]:
        pairs = iter(rest.split(b"\0"))
        fields = list(zip(pairs, pairs))
        if len(rest) <= FIELD_BYTES_MAX:
            if len(self._fields) >= FIELDS_MAX:
                self._fields.clear()
            self._fields[rest] = tuple(fields)
        return fields

    def _scheme(self, text: bytes) -> str:
        """`https`, or with more behind it (docs/protocol.md, "Head block")."""
        if text in self._schemes:
            return self._schemes[text]
        head, _, facts = text.partition(_TLS_MARK)
        scheme, mark, prefix = head.partition(_PREFIX_MARK)
        if facts or mark:
            if len(self._said) >= SAID_MAX:
                self._said.clear()
                self._schemes = {b"http": "http", b"https": "https"}
            tls = _tls_extension(facts) if facts else None
            self._said[text] = (tls, prefix.decode("latin-1") if mark else None)
            self._schemes[text] = scheme.decode("latin-1")
        return scheme.decode("latin-1")

    def _address(self, text: bytes) -> tuple[str, int | None] | None:
        """`host SP port`, or the path of a unix socket."""
        if text in self._addresses:
            return self._addresses[text]
        host, space, port = text.decode("utf-8", "surrogateescape").rpartition(" ")
        address: tuple[str, int | None]
        address = (host, int(port)) if space and port.isdigit() else (host + space + port, None)
        if len(self._addresses) >= ADDRESSES_MAX:
            self._addresses.clear()
            self._addresses[b""] = None
        self._addresses[text] = address
        return address


def _mount(scope: dict[str, Any], prefix: str, path: bytes, block: bytes) -> None:
    """A proxy has said under which path the app is mounted, whether it has taken that off or
    not."""
    raw_path = block.split(b"\0", 3)[2] or path
    text = path.decode("utf-8", "surrogateescape")
    if prefix and text != prefix and not text.startswith(prefix + "/"):
        text = prefix + text
        raw_path = prefix.encode() + raw_path
    scope["root_path"] = prefix
    scope["path"] = text
    scope["raw_path"] = raw_path


def _tls_extension(facts: bytes) -> dict[str, Any]:
    """The extension of ASGI's TLS specification. The server's certificate comes as the path of a
    file, which is gone when the server is about to end."""
    extension: dict[str, Any]
    if facts.startswith(b"{"):
        extension = json.loads(facts)
    else:
        version, suite, path = facts.decode("utf-8", "surrogateescape").split(" ", 2)
        extension = {
            "server_cert": path,
            "client_cert_chain": [],
            "client_cert_name": None,
            "client_cert_error": None,
            "tls_version": int(version) or None,
            "cipher_suite": int(suite) or None,
        }
    path = extension["server_cert"]
    try:
        with open(path, encoding="ascii") as file:
            extension["server_cert"] = file.read()
    except OSError:
        extension["server_cert"] = None
    return extension
