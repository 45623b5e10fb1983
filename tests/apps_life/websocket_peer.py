"""The `websockets` library against tests/apps_life/websocket_app.py: websocket_peer.py URL.

It prints what it saw as JSON.
"""

from __future__ import annotations

import asyncio
import json
import ssl
import sys
from typing import Any

from websockets.asyncio.client import connect
from websockets.exceptions import ConnectionClosed, InvalidStatus

MIB = 1024 * 1024


async def tried(url: str) -> dict[str, Any]:
    tls = ssl.create_default_context() if url.startswith("wss") else None
    if tls is not None:
        tls.check_hostname = False
        tls.verify_mode = ssl.CERT_NONE
    options: dict[str, Any] = {"ssl": tls, "max_size": 2**25}
    seen: dict[str, Any] = {}
    async with connect(f"{url}/echo", subprotocols=["first", "second"], **options) as socket:
        seen["subprotocol"] = socket.subprotocol
        seen["extensions"] = [extension.name for extension in socket.protocol.extensions]
        words = "as is the sea marvelous " * 50_000
        await socket.send(words)
        seen["text"] = await socket.recv() == words
        await socket.send([b"\x00" * MIB, b"\x01" * MIB, b"end"])
        data = await socket.recv()
        seen["fragments"] = len(data) == 2 * MIB + 3 and data[-3:] == b"end"
        seen["pong"] = await (await socket.ping()) < 10
        for number in range(1000):
            await socket.send(str(number))
        seen["thousand"] = [await socket.recv() for _ in range(1000)] == list(map(str, range(1000)))
    seen["closed"] = socket.close_code
    try:
        async with connect(f"{url}/refuse/x", **options):
            pass
    except InvalidStatus as error:
        seen["refused"] = error.response.status_code
    async with connect(f"{url}/close/x?code=4321&reason=enough", **options) as socket:
        try:
            await socket.recv()
        except ConnectionClosed as error:
            seen["theirs"] = [error.rcvd.code, error.rcvd.reason] if error.rcvd else None
    return seen


print(json.dumps(asyncio.run(tried(sys.argv[1]))))
