"""A WebSocket's message that goes in parts.

Of what arrives, a text is decoded part by part, straight from where the part lies, and put
together once: its bytes are never put together for themselves.
"""

from __future__ import annotations

from codecs import utf_8_decode
from typing import Any, Callable

from . import _wire
from .errors import ProtocolError


class Parts:
    """What has arrived of a message whose end has not come. What it is given is only lent."""

    __slots__ = ("_cut", "_kind", "_pieces")

    def __init__(self, kind: int) -> None:
        self._kind = kind
        self._pieces: list[Any] = []
        self._cut = b""
        """The beginning of a character that was cut."""

    def add(self, data: bytes | memoryview) -> None:
        if self._kind == _wire.WS_KIND_BINARY:
            self._pieces.append(bytes(data))
            return
        if self._cut:
            data = self._cut + data
        text, used = utf_8_decode(data, "strict", False)
        self._cut = bytes(data[used:]) if used < len(data) else b""
        self._pieces.append(text)

    def finish(self, data: bytes | memoryview, kind: int) -> str | bytes:
        """The message, with its last part."""
        if kind != self._kind:
            raise ProtocolError("the parts of a message are not of one kind")
        pieces = self._pieces
        if kind == _wire.WS_KIND_BINARY:
            pieces.append(data)
            return b"".join(pieces)
        if self._cut:
            data = self._cut + data
        pieces.append(str(data, "utf-8"))
        return "".join(pieces)


class Rest:
    """A message of the app's that goes on as credit comes."""

    __slots__ = ("data", "kind", "offset", "owner")

    def __init__(self, owner: str | bytes, kind: int) -> None:
        self.owner = owner
        self.data = utf8_of(owner) if isinstance(owner, str) else memoryview(owner)
        self.kind = kind
        self.offset = 0


_PYBUF_READ = 0x100
_view_functions: list[Callable[..., Any]] = []


def utf8_of(text: str) -> memoryview:
    """Its bytes; of an ASCII text they are the text's own memory, which it must outlive."""
    if not text.isascii():
        return memoryview(text.encode())
    if not _view_functions:
        _view_functions.extend(_load_view_functions())
    address_of, view_of = _view_functions
    view: memoryview = view_of(address_of(text, None), len(text), _PYBUF_READ)
    return view


def _load_view_functions() -> tuple[Callable[..., Any], Callable[..., Any]]:
    """Of the interpreter's C API, in prototypes of our own: those of `ctypes.pythonapi` belong to
    everybody. An interpreter without ctypes copies."""
    try:
        import ctypes
    except ImportError:
        return _encoded, _viewed
    text_type = ctypes.PYFUNCTYPE(ctypes.c_void_p, ctypes.py_object, ctypes.c_void_p)
    view_type = ctypes.PYFUNCTYPE(ctypes.py_object, ctypes.c_void_p, ctypes.c_ssize_t, ctypes.c_int)
    address_of = text_type(("PyUnicode_AsUTF8AndSize", ctypes.pythonapi))
    view_of = view_type(("PyMemoryView_FromMemory", ctypes.pythonapi))
    return address_of, view_of


def _encoded(text: str, _size: None) -> bytes:
    return text.encode()


def _viewed(data: bytes, _length: int, _mode: int) -> memoryview:
    return memoryview(data)
