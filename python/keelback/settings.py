"""The zygote's configuration: the JSON of KEELBACK_ZYGOTE as a typed, immutable value.

Contract: `Settings.parse(text)` either returns a complete value or raises SettingsError naming the
key that is wrong. An unknown key is an error, so that the supervisor and the worker can't drift.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable
from dataclasses import MISSING, dataclass, field, fields
from typing import Any, cast

PROBE_VARIABLE = "_KEELBACK_PROBE"


class SettingsError(ValueError):
    """KEELBACK_ZYGOTE is not what this version of the worker understands."""


def _strings() -> list[str]:
    return []


def _pairs() -> dict[str, str]:
    return {}


@dataclass(frozen=True)
class Settings:
    """One field for each key of the JSON object; the names are the same in snake case."""

    app: str
    directory: str
    factory: bool = False
    interface: str = "auto"
    kind: str = "auto"
    threads: int = 16
    root_path: str = ""
    chdir: str = ""
    pythonpath: list[str] = field(default_factory=_strings)
    env: dict[str, str] = field(default_factory=_pairs)
    preload: bool = False
    generation: int = 1
    edges: list[str] = field(default_factory=_strings)
    lifespan: str = "auto"
    server_header: str = "keelback"
    date_header: bool = True
    hsts_seconds: int = 0
    alt_svc: str = ""
    timeout_ms: int = 30_000
    interrupt_ms: int = 5_000
    graceful_ms: int = 30_000
    concurrency: int = 1_000
    loop: str = "auto"
    warmup: list[str] = field(default_factory=_strings)
    on_preload: str = ""
    on_worker_start: str = ""
    on_worker_ready: str = ""
    on_worker_stop: str = ""
    nice: int = 0
    cpu_affinity: bool = False
    log_level: str = "info"
    reload: bool = False
    probe: str = ""
    """Folder of the probe's findings (probe.py); `keelback audit` gives it by PROBE_VARIABLE."""

    @classmethod
    def parse(cls, text: str) -> Settings:
        try:
            parsed: object = json.loads(text)
        except ValueError as error:
            raise SettingsError(f"KEELBACK_ZYGOTE is not JSON: {error}") from None
        if not isinstance(parsed, dict):
            raise SettingsError("KEELBACK_ZYGOTE must be a JSON object")
        raw = cast("dict[str, object]", parsed)
        values: dict[str, Any] = {}
        for spec in fields(cls):
            key = _camel(spec.name)
            if key in raw:
                values[spec.name] = _checked(key, raw.pop(key), str(spec.type))
            elif spec.default is MISSING and spec.default_factory is MISSING:
                raise SettingsError(f"KEELBACK_ZYGOTE lacks the key {key!r}")
        if raw:
            raise SettingsError(f"KEELBACK_ZYGOTE has unknown keys: {', '.join(sorted(raw))}")
        for name, allowed in CHOICES.items():
            if values.get(name, allowed[0]) not in allowed:
                raise SettingsError(f"{_camel(name)} must be one of {', '.join(allowed)}")
        return cls(**values)


CHOICES = {
    "interface": ("auto", "wsgi", "asgi"),
    "kind": ("auto", "threads", "sync", "asyncio"),
    "lifespan": ("auto", "on", "off"),
    "loop": ("auto", "asyncio", "uvloop"),
}


def _camel(name: str) -> str:
    head, *rest = name.split("_")
    return head + "".join(part.capitalize() for part in rest)


def _checked(key: str, value: Any, kind: str) -> Any:
    """`kind` is the annotation's text: `from __future__ import annotations` keeps it a string."""
    if not _CHECKS[kind](value):
        raise SettingsError(f"KEELBACK_WORKER: {key} must be a {kind}, not {value!r}")
    return value


def _is_count(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and value >= 0


def _is_strings(value: Any) -> bool:
    return isinstance(value, list) and _all_text(cast("list[object]", value))


def _is_pairs(value: Any) -> bool:
    return isinstance(value, dict) and _all_text(cast("dict[str, object]", value).values())


def _all_text(values: Iterable[object]) -> bool:
    return all(isinstance(value, str) for value in values)


def _is_text(value: Any) -> bool:
    return isinstance(value, str)


def _is_flag(value: Any) -> bool:
    return isinstance(value, bool)


_CHECKS: dict[str, Callable[[Any], bool]] = {
    "str": _is_text,
    "bool": _is_flag,
    "int": _is_count,
    "list[str]": _is_strings,
    "dict[str, str]": _is_pairs,
}
