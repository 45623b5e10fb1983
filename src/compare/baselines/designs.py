"""
The designs that wait for one connection at a time in each process or thread: sequential,
forking, threading, a pool of processes.

Each is a function that serves for ever: serve.py ends the process and what it has forked.
"""

from __future__ import annotations

import os
import signal
import socket
import socketserver
import threading
from queue import SimpleQueue
from typing import TYPE_CHECKING

from baselines.blocking import SocketServer, handle, listen

if TYPE_CHECKING:
    from baselines.message import Server

# An address as text.
CLIENT_BYTES_MAX = 64


def sequential_loop(server: Server, _: int) -> None:
    """Accept, answer, close; then the next."""
    with listen(server.host, server.port) as listener:
        while True:
            connection, client = listener.accept()
            handle(connection, server, client[0])


def sequential_socketserver(server: Server, _: int) -> None:
    """The same by `socketserver.TCPServer`."""
    with SocketServer(server) as served:
        served.serve_forever()


def forking_each(server: Server, _: int) -> None:
    """A process for each connection."""
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)  # the kernel takes ended children away
    with listen(server.host, server.port) as listener:
        while True:
            connection, client = listener.accept()
            if os.fork() == 0:
                listener.close()
                handle(connection, server, client[0])
                os._exit(0)
            connection.close()


class _ForkingServer(socketserver.ForkingMixIn, SocketServer):
    """One for each connection, at most 40 at once: `socketserver`'s own bound."""


def forking_socketserver(server: Server, _: int) -> None:
    """The same by `socketserver.ForkingMixIn`."""
    with _ForkingServer(server) as served:
        served.serve_forever()


def forking_prefork(server: Server, workers: int) -> None:
    """So many processes from the start, all accepting from the same socket."""
    with listen(server.host, server.port) as listener:
        for _ in range(workers):
            if os.fork() == 0:
                _accept_forever(listener, server)
        signal.pause()


def _accept_forever(listener: socket.socket, server: Server) -> None:
    while True:
        connection, client = listener.accept()
        handle(connection, server, client[0])


def threading_each(server: Server, _: int) -> None:
    """A thread for each connection."""
    with listen(server.host, server.port) as listener:
        while True:
            connection, client = listener.accept()
            arguments = (connection, server, client[0])
            threading.Thread(target=handle, args=arguments, daemon=True).start()


class _ThreadingServer(socketserver.ThreadingMixIn, SocketServer):
    daemon_threads = True


def threading_socketserver(server: Server, _: int) -> None:
    """The same by `socketserver.ThreadingMixIn`."""
    with _ThreadingServer(server) as served:
        served.serve_forever()


def threading_pool(server: Server, threads: int) -> None:
    """So many threads, which take connections from a queue."""
    with listen(server.host, server.port) as listener:
        accepted: SimpleQueue[tuple[socket.socket, str]] = SimpleQueue()
        for _ in range(threads):
            # Daemons, because the executor's threads would be waited for at the end.
            threading.Thread(target=_take_forever, args=(accepted, server), daemon=True).start()
        while True:
            connection, client = listener.accept()
            accepted.put((connection, client[0]))


def _take_forever(accepted: SimpleQueue[tuple[socket.socket, str]], server: Server) -> None:
    while True:
        connection, client = accepted.get()
        handle(connection, server, client)


def process_pool(server: Server, workers: int) -> None:
    """So many processes, which take connections from a queue that the one that accepts fills."""
    # The kernel's queue of messages, in which file descriptors can be sent.
    taking, giving = socket.socketpair(socket.AF_UNIX, socket.SOCK_DGRAM)
    for _ in range(workers):
        if os.fork() == 0:
            while True:
                client, [handle_], _flags, _address = socket.recv_fds(taking, CLIENT_BYTES_MAX, 1)
                handle(socket.socket(fileno=handle_), server, client.decode())
    with listen(server.host, server.port) as listener:
        while True:
            connection, client_address = listener.accept()
            socket.send_fds(giving, [client_address[0].encode()], [connection.fileno()])
            connection.close()
