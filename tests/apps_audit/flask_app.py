"""A Flask app whose routes cost what their names say."""

from __future__ import annotations

import hashlib
import time

from flask import Flask

app = Flask(__name__)
kept: list[bytearray] = []


@app.get("/compute/<int:rounds>")
def compute(rounds: int) -> str:
    digest = b""
    for _ in range(rounds):
        digest = hashlib.sha256(digest).digest()
    return digest.hex()


@app.get("/wait")
def wait() -> str:
    time.sleep(0.03)
    return "waited"


@app.get("/leak")
def leak() -> str:
    kept.append(bytearray(100_000))
    return "kept"


@app.get("/broken")
def broken() -> str:
    raise RuntimeError("on purpose")
