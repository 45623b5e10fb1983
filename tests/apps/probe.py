"""What the two probe apps share: the query of a request, and the journal.

The journal is how a test and a running request talk: a request writes down how far it has come, and
waits until the test (by another request) has written a word. So nothing has to sleep.
"""

from __future__ import annotations

from collections import defaultdict
from http import HTTPStatus
from typing import Callable, Optional
from urllib.parse import parse_qsl

PIECE = b"x" * 65536
SECRET = "secret detail of the app"


class Query:
    """The parameters of a request, decoded as latin-1 so that every byte can be said."""

    def __init__(self, text: str) -> None:
        self._values = defaultdict(list)
        pairs = parse_qsl(text, keep_blank_values=True, encoding="latin-1")
        for name, value in pairs:
            self._values[name].append(value)

    def get(self, name: str, default: str = "") -> str:
        return self._values[name][0] if name in self._values else default

    def number(self, name: str, default: int = 0) -> int:
        return int(self.get(name, str(default)))

    def all(self, name: str) -> list[str]:
        return list(self._values.get(name, []))

    def status(self) -> tuple[int, str]:
        """Status code and reason that the answer is to have."""
        code = self.number("status", 200)
        known = {status.value: status.phrase for status in HTTPStatus}
        return code, self.get("reason", known.get(code, "Unknown"))

    def headers(self) -> list[tuple[str, str]]:
        """`h=name:value`, as often as wanted; `length=N` is a Content-Length."""
        fields = []
        for text in self.all("h"):
            name, _, value = text.partition(":")
            fields.append((name, value))
        if self.get("length"):
            fields.append(("Content-Length", self.get("length")))
        return fields


class Journal:
    """Words by key. `changed` is called after each new word."""

    def __init__(self) -> None:
        self.changed: Optional[Callable[[], None]] = None
        self._words = defaultdict(list)
        self._numbers = defaultdict(int)

    def write(self, key: str, word: str) -> None:
        if not key:
            return
        self._words[key].append(word)
        if self.changed is not None:
            self.changed()

    def words(self, key: str) -> list[str]:
        return list(self._words.get(key, []))

    def holds(self, key: str, word: str) -> bool:
        return word in self._words.get(key, [])

    def count(self, key: str, number: int) -> None:
        self._numbers[key] += number

    def number(self, key: str) -> int:
        return self._numbers.get(key, 0)
