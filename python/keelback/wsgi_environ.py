"""The WSGI environ: from head blocks of the form `cgi` (docs/protocol.md), and names for the
log."""

from __future__ import annotations

import sys
from typing import Any

from .wsgi_file import FileWrapper
from .wsgi_input import EmptyInput


def where(environ: dict[str, Any]) -> str:
    """Method and path for a log line: nothing in it can end the line."""
    method = environ.get("REQUEST_METHOD", "")
    return f"{method} {ascii(environ.get('RAW_URI', ''))[1:-1]}"


class Environs:
    """Makes environs out of the head blocks of one link.

    What follows SERVER_PROTOCOL (the connection's variables and the header fields) is mostly the
    same for all requests of a connection: these tails are remembered as ready dicts, and a
    request is a copy with its five own variables, which takes a third of the time.
    """

    TAILS_MAX = 512
    """Then the table starts anew; and if less than half of the requests were found in it since,
    the next RESTING ones are not entered: clients do not come back soon enough for it to pay."""
    TAIL_CHARS_MAX = 4096
    RESTING = 16 * TAILS_MAX

    def __init__(self, base: dict[str, Any]) -> None:
        self._base = base
        self._resting = 0
        self._since = 0
        self.tails: dict[str, dict[str, Any]] = {}

    def learn(self, tail: str, stream: int) -> dict[str, Any]:
        """The environ of a tail that is not in the table; the request's own variables are
        missing."""
        environ = self._base.copy()
        pairs = iter(tail.split("\0"))
        environ.update(zip(pairs, pairs))
        if self._resting:
            self._resting -= 1
        elif len(tail) <= self.TAIL_CHARS_MAX:
            if len(self.tails) >= self.TAILS_MAX:
                self.tails.clear()
                if stream - self._since < 2 * self.TAILS_MAX:
                    self._resting = self.RESTING
                self._since = stream
            self.tails[tail] = environ
        return environ


def base_environ(root_path: str, variables: dict[str, Any]) -> dict[str, Any]:
    """What is the same in every environ. The request's own variables are there to be overwritten:
    a copy of a dict that has all its keys need not grow."""
    own = ("REQUEST_METHOD", "PATH_INFO", "QUERY_STRING", "REQUEST_URI", "RAW_URI")
    return {
        **dict.fromkeys((*own, "SERVER_PROTOCOL"), ""),
        "SCRIPT_NAME": root_path,
        "SERVER_SOFTWARE": "keelback",
        "wsgi.version": (1, 0),
        "wsgi.errors": sys.stderr,
        "wsgi.run_once": False,
        "wsgi.input": EmptyInput(),
        "wsgi.input_terminated": True,
        "wsgi.file_wrapper": FileWrapper,
        **variables,
    }


def inside(root_path: str, path: str) -> str:
    """PATH_INFO below SCRIPT_NAME. A path outside stays as it is: then a proxy in front has already
    taken the prefix off."""
    if path.startswith(root_path) and path[len(root_path) : len(root_path) + 1] in ("", "/"):
        return path[len(root_path) :]
    return path
