"""As much of RFC 6455 as an echo of short texts takes, on a socket."""

from __future__ import annotations

import base64
import hashlib
import socket

MAGIC = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11"
TEXT = 1
CLOSE = 8
FIN = 0x80
SHORT_MAX = 125


def echo(connection: socket.socket, key: str) -> None:
    accept = base64.b64encode(hashlib.sha1(key.encode() + MAGIC).digest()).decode()
    lines = [
        "HTTP/1.1 101 Switching Protocols",
        "Upgrade: websocket",
        "Connection: Upgrade",
        f"Sec-WebSocket-Accept: {accept}",
    ]
    with connection, connection.makefile("rb") as reader:
        connection.sendall(("\r\n".join(lines) + "\r\n\r\n").encode())
        while len(head := reader.read(2)) == 2:
            opcode, length = head[0] & 15, head[1] & 127
            mask = reader.read(4)
            payload = bytes(byte ^ mask[i % 4] for i, byte in enumerate(reader.read(length)))
            if opcode == CLOSE or len(payload) < length or length > SHORT_MAX:
                return
            connection.sendall(bytes([FIN | TEXT, length]) + payload)
