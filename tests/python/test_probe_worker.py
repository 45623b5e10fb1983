"""The probe in a real worker: there when an audit asks for it, and not a module of it else."""

from __future__ import annotations

from typing import Any

import pytest

SOURCE = """
import os, sys

def app(environ, start_response):
    loaded = sorted(name for name in sys.modules if name.startswith("keelback.probe"))
    print(len(loaded) > 0, "_KEELBACK_PROBE" in os.environ, flush=True)
    start_response("200 OK", [])
    return [b""]
"""


@pytest.mark.parametrize("audited", [False, True])
def test_without_an_audit_no_module_of_the_probe_is_loaded(
    zygotes: Any, monkeypatch: Any, tmp_path: Any, audited: bool
) -> None:
    findings = tmp_path / "findings"
    findings.mkdir()
    if audited:
        monkeypatch.setenv("_KEELBACK_PROBE", str(findings))
    worker = zygotes(SOURCE, interface="wsgi", warmup=["/"]).fork()
    worker.control.until("ready")
    assert [worker.log.line(), worker.log.line()] == ["worker-1", f"{audited} False"]
    assert len(list(findings.glob("slots-*"))) == audited
