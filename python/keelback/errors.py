"""The exceptions of the worker, those that an app may see included."""

from __future__ import annotations

from typing import Protocol


class ProtocolError(Exception):
    """The edge broke the rules of the wire; the link is closed."""


class BadResponse(ValueError):
    """The app's response head can't be sent: it would be invalid HTTP or inject into it."""


class ClientDisconnected(ConnectionResetError):
    """The client of this request has gone: reading its body or sending to it is pointless.

    It is an OSError, so that code written for sockets treats it as the usual broken connection.
    """


class RequestTimeout(BaseException):
    """Raised inside an app whose request has run longer than the server allows.

    Not an Exception: an app that catches "everything" around its work should still end.
    """


class Reporter(Protocol):
    """Takes lines for the log."""

    def report(self, level: str, message: str) -> None: ...
