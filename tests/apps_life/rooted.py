"""Shows what --root-path does to a scope."""

from __future__ import annotations

import json


async def app(scope, receive, send):
    assert scope["type"] == "http"
    shown = json.dumps({"root_path": scope["root_path"], "path": scope["path"]})
    await send({"type": "http.response.start", "status": 200, "headers": []})
    await send({"type": "http.response.body", "body": shown.encode()})
