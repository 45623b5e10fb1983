"""Which route a request belongs to: what the framework says, else its path with the changing parts
(numbers, UUIDs, long identifiers) replaced.
"""

from __future__ import annotations

import re
import sys
from typing import Any, Callable, Optional

_UUID = re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}", re.IGNORECASE)
_HEX = re.compile(r"(?=.*\d)[0-9a-f]{12,}", re.IGNORECASE)
_TOKEN = re.compile(r"(?=.*\d)(?=.*[a-zA-Z])[\w~-]{20,}")


def templated(path: str) -> str:
    """`/users/42/orders/9b1d...` is `/users/{number}/orders/{uuid}`."""
    return "/".join(_part(part) for part in path.partition("?")[0].split("/")) or "/"


def _part(part: str) -> str:
    if part.isdigit():
        return "{number}"
    if _UUID.fullmatch(part):
        return "{uuid}"
    return "{id}" if _HEX.fullmatch(part) or _TOKEN.fullmatch(part) else part


def of_wsgi(environ: dict[str, Any]) -> Optional[str]:
    """Flask: Werkzeug leaves the request in the environ, and Flask the rule in the request."""
    rule = getattr(environ.get("werkzeug.request"), "url_rule", None)
    text = getattr(rule, "rule", None)
    return f"{environ.get('SCRIPT_NAME', '')}{text}" if isinstance(text, str) else None


def of_asgi(scope: dict[str, Any], root: str) -> Optional[str]:
    """Starlette and FastAPI. `root` is the root path as it came; what mounts have added stands
    before the route's own path."""
    path = getattr(scope.get("route"), "path", None)
    if not isinstance(path, str):
        return None
    mounted = str(scope.get("root_path", ""))
    return (mounted[len(root) :] if mounted.startswith(root) else "") + path


def watch_django(found: Callable[[str], None]) -> None:
    """`found` is called, in the request's context, with the route that Django has resolved."""
    base = sys.modules.get("django.core.handlers.base")
    handler: Any = getattr(base, "BaseHandler", None)
    inner = getattr(handler, "resolve_request", None)
    if inner is None or hasattr(inner, "keelback_probe"):
        return

    def resolve_request(self: Any, request: Any) -> Any:
        match = inner(self, request)
        route = getattr(match, "route", None)
        if isinstance(route, str):
            found("/" + route.lstrip("^/"))
        return match

    vars(resolve_request)["keelback_probe"] = True
    handler.resolve_request = resolve_request
