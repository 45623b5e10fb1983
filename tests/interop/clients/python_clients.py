"""HTTP and WebSocket clients of Python: prints what they saw as JSON.

`python_clients.py httpx|h2|websockets URL UPLOAD PIECES`: UPLOAD is a file to send, PIECES what to
download. Certificates are not checked.
"""

from __future__ import annotations

import base64
import hashlib
import json
import os
import socket
import ssl
import struct
import sys
from typing import Any
from urllib.parse import urlsplit

import h2.config
import h2.connection
import h2.events
import h2.settings
import httpx
import websockets.sync.client

BINARY = bytes(range(256)) * 1024
TIMEOUT_SECONDS = 20


def sha256(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


def unchecked(*alpn: str) -> ssl.SSLContext:
    context = ssl.create_default_context()
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    context.set_alpn_protocols(alpn)
    return context


def with_httpx(url: str, upload: bytes, pieces: int) -> dict[str, Any]:
    """Over TLS by ALPN; over plain TCP by prior knowledge."""
    plain = url.startswith("http:")
    client = httpx.Client(http1=not plain, http2=True, verify=False, timeout=TIMEOUT_SECONDS)
    with client:
        got = client.get(url)
        sent = client.post(f"{url}/upload", content=upload)
        digest = hashlib.sha256()
        with client.stream("GET", f"{url}/download?pieces={pieces}") as streamed:
            for chunk in streamed.iter_raw():
                digest.update(chunk)
    return {
        "version": got.http_version,
        "get": got.json(),
        "upload": sent.json(),
        "download": digest.hexdigest(),
    }


class RawH2:
    """A connection by hyper-h2, one stream after the other."""

    def __init__(self, url: str) -> None:
        parts = urlsplit(url)
        self.scheme, self.authority = parts.scheme, parts.netloc
        plain = socket.create_connection((parts.hostname, parts.port), TIMEOUT_SECONDS)
        self.socket = (
            plain
            if parts.scheme == "http"
            else unchecked("h2").wrap_socket(plain, server_hostname="localhost")
        )
        self.connection = h2.connection.H2Connection(h2.config.H2Configuration())
        self.connection.initiate_connection()
        self.flush()
        self.headers: dict[str, str] = {}
        self.data = bytearray()
        self.ended = False
        self.settled = False

    def flush(self) -> None:
        self.socket.sendall(self.connection.data_to_send())

    def read(self) -> None:
        received = self.socket.recv(65536)
        if received == b"":
            raise ConnectionError("the server closed the connection")
        for event in self.connection.receive_data(received):
            if isinstance(event, h2.events.ResponseReceived):
                self.headers = {n.decode(): v.decode() for n, v in event.headers}
            elif isinstance(event, h2.events.DataReceived):
                self.data += event.data
                length = event.flow_controlled_length
                self.connection.acknowledge_received_data(length, event.stream_id)
            elif isinstance(event, h2.events.StreamEnded):
                self.ended = True
            elif isinstance(event, h2.events.RemoteSettingsChanged):
                self.settled = True
            elif isinstance(event, (h2.events.StreamReset, h2.events.ConnectionTerminated)):
                raise ConnectionError(str(event))
        self.flush()

    def start(self, fields: list[tuple[str, str]], *, end: bool) -> int:
        self.headers, self.data, self.ended = {}, bytearray(), False
        stream = self.connection.get_next_available_stream_id()
        head = [(":scheme", self.scheme), (":authority", self.authority), *fields]
        self.connection.send_headers(stream, head, end_stream=end)
        self.flush()
        return stream

    def send(self, stream: int, data: bytes) -> None:
        """Within the windows the server gives."""
        while data:
            window = self.connection.local_flow_control_window(stream)
            size = min(window, self.connection.max_outbound_frame_size, len(data))
            if size == 0:
                self.read()
                continue
            self.connection.send_data(stream, data[:size])
            self.flush()
            data = data[size:]

    def request(self, method: str, path: str, body: bytes = b"") -> bytes:
        stream = self.start([(":method", method), (":path", path)], end=not body)
        if body:
            self.send(stream, body)
            self.connection.end_stream(stream)
            self.flush()
        while not self.ended:
            self.read()
        return bytes(self.data)

    def frame(self) -> tuple[int, bytes]:
        """The next WebSocket frame of the server: opcode and payload."""
        while True:
            short = self.data[1] & 127 if len(self.data) >= 2 else 0
            at = {126: 4, 127: 10}.get(short, 2)
            if len(self.data) >= at:
                length = int.from_bytes(self.data[2:at], "big") if short > 125 else short
                if len(self.data) >= at + length:
                    opcode = self.data[0] & 15
                    payload = bytes(self.data[at : at + length])
                    del self.data[: at + length]
                    return opcode, payload
            self.read()

    def websocket(self) -> dict[str, Any]:
        """RFC 8441, the frames built by hand, with a mask of zeros."""
        while not self.settled:
            self.read()
        if not self.connection.remote_settings.enable_connect_protocol:
            return {"refused": "no extended CONNECT"}
        fields = [(":method", "CONNECT"), (":protocol", "websocket"), (":path", "/")]
        fields += [("sec-websocket-version", "13"), ("sec-websocket-protocol", "first, second")]
        stream = self.start(fields, end=False)
        while not self.headers:
            self.read()
        mask = bytes(4)
        self.send(stream, b"\x81\x85" + mask + b"hello")
        _, text = self.frame()
        self.send(stream, b"\x82\xff" + struct.pack("!Q", len(BINARY)) + mask + BINARY)
        _, binary = self.frame()
        self.send(stream, b"\x88\x82" + mask + struct.pack("!H", 1000))
        _, close = self.frame()
        return {
            "text": text.decode(),
            "binary": binary == BINARY,
            "protocol": self.headers.get("sec-websocket-protocol"),
            "code": struct.unpack("!H", close[:2])[0],
        }


def with_h2(url: str, upload: bytes, pieces: int) -> dict[str, Any]:
    client = RawH2(url)
    return {
        "version": "HTTP/2",
        "get": json.loads(client.request("GET", "/")),
        "upload": json.loads(client.request("POST", "/upload", upload)),
        "download": sha256(client.request("GET", f"/download?pieces={pieces}")),
        "websocket": client.websocket(),
    }


def with_websockets(url: str, upload: bytes, pieces: int) -> dict[str, Any]:
    """With compression, which the library offers by default."""
    context = unchecked("http/1.1") if url.startswith("https:") else None
    connect = websockets.sync.client.connect
    with connect(
        url.replace("http", "ws", 1),
        ssl=context,
        subprotocols=["first", "second"],
        max_size=None,
        open_timeout=TIMEOUT_SECONDS,
    ) as client:
        client.send("hello")
        text = client.recv(TIMEOUT_SECONDS)
        client.send(BINARY)
        binary = client.recv(TIMEOUT_SECONDS)
        noise = base64.b64encode(os.urandom(len(upload) // 2)).decode()
        client.send([noise[:1000], noise[1000:]])
        fragmented = client.recv(TIMEOUT_SECONDS)
        pong = client.ping().wait(TIMEOUT_SECONDS)
        protocol, extensions = client.subprotocol, client.protocol.extensions
        client.close()
        code = client.close_code
    return {
        "version": "HTTP/1.1",
        "websocket": {
            "text": text,
            "binary": binary == BINARY,
            "fragmented": fragmented == noise,
            "pong": pong,
            "protocol": protocol,
            "compressed": len(extensions) == 1,
            "code": code,
        },
    }


def main(kind: str, url: str, upload: str, pieces: str) -> None:
    clients = {"httpx": with_httpx, "h2": with_h2, "websockets": with_websockets}
    with open(upload, "rb") as file:
        print(json.dumps(clients[kind](url, file.read(), int(pieces))))


main(*sys.argv[1:])
