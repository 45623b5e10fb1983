"""Fixtures that several test files share."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from typing import Any

import pytest
from asgi_supervisor import Supervisor
from asgi_support import Server
from hypothesis import HealthCheck, settings

# By default an example that takes 200 ms fails, whoever has had the processor meanwhile.
settings.register_profile("patient", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("patient")

LOOPS = ["asyncio", "uvloop"]


@pytest.fixture(autouse=True)
def switch_interval() -> Iterator[None]:
    """Runners for ASGI set the interpreter's, as a worker's own process ends with them. Here the
    next test's threads would have it."""
    found = sys.getswitchinterval()
    yield
    sys.setswitchinterval(found)


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


@pytest.fixture
def zygotes(tmp_path: Any) -> Iterator[Any]:
    """Starts real zygotes of an app with the source given, in tmp_path."""
    started = []

    def start(source: str, **settings: Any) -> Supervisor:
        (tmp_path / "main.py").write_text(source)
        started.append(Supervisor(str(tmp_path), **settings))
        return started[-1]

    yield start
    for supervisor in started:
        supervisor.close()
