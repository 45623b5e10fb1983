"""A FastAPI app whose routes cost what their names say."""

from __future__ import annotations

import asyncio
import hashlib
import time

from fastapi import FastAPI

app = FastAPI()


@app.get("/block")
async def block() -> str:
    time.sleep(0.03)
    return "blocked"


@app.get("/wait/{number}")
async def wait(number: int) -> int:
    await asyncio.sleep(0.03)
    return number


@app.get("/thread")
def thread() -> str:
    time.sleep(0.03)
    return "waited in a thread"


@app.get("/compute")
async def compute() -> str:
    digest = b""
    for _ in range(30_000):
        digest = hashlib.sha256(digest).digest()
    return digest.hex()


@app.get("/together")
async def together() -> int:
    return len(await asyncio.gather(part(), part()))


async def part() -> None:
    for _ in range(5_000):
        hashlib.sha256(b"").digest()
    await asyncio.sleep(0.01)
