"""
The designs of one thread that waits for all connections at once: select, epoll by way of
`selectors`, asyncio.

They call the app from their loop, so that a view which waits makes everybody wait: that is what
they are to show.
"""

from __future__ import annotations

import asyncio
import contextlib
import select
import selectors
import socket
from typing import TYPE_CHECKING

from baselines.blocking import BACKLOG, CHUNK_BYTES, listen
from baselines.message import answer

if TYPE_CHECKING:
    from baselines.message import Server

# select() can name no file descriptor beyond.
FD_SETSIZE = 1024


class _Connection:
    """What a connection has received, or what of its response is yet to be sent."""

    def __init__(self, connection: socket.socket, client: str) -> None:
        self.socket = connection
        self.client = client
        self.received = bytearray()
        self.to_send = memoryview(b"")

    def read(self, server: Server) -> bool:
        """Take what has come; False when the connection is over."""
        try:
            chunk = self.socket.recv(CHUNK_BYTES)
        except BlockingIOError:
            return True
        except ConnectionError:
            return False
        self.received += chunk
        response = answer(bytes(self.received), server, self.client) if chunk else None
        if response is None:
            return bool(chunk)
        self.to_send = memoryview(response)
        return self.write()

    def write(self) -> bool:
        """Send what the kernel takes; False when all is sent."""
        try:
            sent = self.socket.send(self.to_send)
        except BlockingIOError:
            return True
        except ConnectionError:
            return False
        self.to_send = self.to_send[sent:]
        return len(self.to_send) > 0


def _accept(listener: socket.socket) -> list[_Connection]:
    """Accept all that wait."""
    accepted: list[_Connection] = []
    with contextlib.suppress(BlockingIOError):
        while True:
            connection, client = listener.accept()
            connection.setblocking(False)
            accepted.append(_Connection(connection, client[0]))
    return accepted


def by_select(server: Server, _: int) -> None:
    """Ask select() which connections can go on."""
    connections: dict[int, _Connection] = {}
    with listen(server.host, server.port) as listener:
        listener.setblocking(False)
        while True:
            writing = [fd for fd, each in connections.items() if each.to_send]
            reading = [fd for fd, each in connections.items() if not each.to_send]
            readable, writable, _failed = select.select([listener.fileno(), *reading], writing, [])
            for fd in readable:
                if fd == listener.fileno():
                    for each in _accept(listener):
                        if each.socket.fileno() < FD_SETSIZE:
                            connections[each.socket.fileno()] = each
                        else:
                            each.socket.close()  # this design cannot hold more
                elif not connections[fd].read(server):
                    connections.pop(fd).socket.close()
            for fd in writable:
                if not connections[fd].write():
                    connections.pop(fd).socket.close()


def by_selectors(server: Server, _: int) -> None:
    """Be told by epoll (or what `selectors` finds best) which connections can go on."""
    with listen(server.host, server.port) as listener, selectors.DefaultSelector() as selector:
        listener.setblocking(False)
        selector.register(listener, selectors.EVENT_READ)
        while True:
            for key, _events in selector.select():
                if key.data is None:
                    for each in _accept(listener):
                        selector.register(each.socket, selectors.EVENT_READ, each)
                    continue
                each = key.data
                if not (each.write() if each.to_send else each.read(server)):
                    selector.unregister(each.socket)
                    each.socket.close()
                elif each.to_send and key.events == selectors.EVENT_READ:
                    selector.modify(each.socket, selectors.EVENT_WRITE, each)


def by_asyncio(server: Server, _: int) -> None:
    """Serve with `asyncio.start_server`."""
    asyncio.run(_serve(server))


async def _serve(server: Server) -> None:
    async def on_connection(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        client = writer.get_extra_info("peername")[0]
        received = bytearray()
        with contextlib.suppress(ConnectionError):
            while chunk := await reader.read(CHUNK_BYTES):
                received += chunk
                response = answer(bytes(received), server, client)
                if response is not None:
                    writer.write(response)
                    await writer.drain()
                    break
        writer.close()

    host, port = server.host, server.port
    listening = await asyncio.start_server(on_connection, host, port, backlog=BACKLOG)
    await listening.serve_forever()
