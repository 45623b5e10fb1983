"""One connection from request to end, waiting at each step: as all but event loops do."""

from __future__ import annotations

import contextlib
import socket
import socketserver
from typing import TYPE_CHECKING, cast

from baselines.message import answer

if TYPE_CHECKING:
    from baselines.message import Server

BACKLOG = 128
CHUNK_BYTES = 65_536


def listen(host: str, port: int) -> socket.socket:
    """Open the listening socket."""
    listener = socket.socket()
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    listener.bind((host, port))
    listener.listen(BACKLOG)
    return listener


def handle(connection: socket.socket, server: Server, client: str) -> None:
    """Answer the one request of a connection and end it."""
    with connection, contextlib.suppress(OSError):
        received = bytearray()
        while chunk := connection.recv(CHUNK_BYTES):
            received += chunk
            response = answer(bytes(received), server, client)
            if response is not None:
                connection.sendall(response)
                # Said at once even where another process still holds this connection.
                connection.shutdown(socket.SHUT_WR)
                return


class Handler(socketserver.BaseRequestHandler):
    """The same for the servers of the module socketserver."""

    def handle(self) -> None:
        """Answer the one request of a connection."""
        served = cast("SocketServer", self.server).served
        handle(self.request, served, self.client_address[0])


class SocketServer(socketserver.TCPServer):
    """`socketserver.TCPServer` for an app; mix-ins make it fork or start threads."""

    allow_reuse_address = True
    request_queue_size = BACKLOG

    def __init__(self, served: Server) -> None:
        """Listen for it."""
        self.served = served
        super().__init__((served.host, served.port), Handler)
