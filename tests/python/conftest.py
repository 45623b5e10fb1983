"""Fixtures that several test files share."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from asgi_support import Server

LOOPS = ["asyncio", "uvloop"]


@pytest.fixture(params=LOOPS)
def serve(request: Any, tmp_path: Any) -> Iterator[Any]:
    if request.param == "uvloop":
        pytest.importorskip("uvloop")
    servers = []

    def start(app: Any, **settings: Any) -> Server:
        folder = tmp_path / str(len(servers))
        folder.mkdir()
        server = Server(app, str(folder), **{"loop": request.param, "lifespan": "off", **settings})
        servers.append(server)
        assert server.error is None
        return server

    yield start
    for server in servers:
        server.stop()
