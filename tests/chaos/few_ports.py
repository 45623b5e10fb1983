"""Clients at one address that have eight ports: `few_ports.py ADDRESS PORT plain|tls`.

When all are taken there is no further connection (which is what is tried), and as soon as one is
free there is. Every answer must be the one to its request.
"""

from __future__ import annotations

import errno
import hashlib
import socket
import ssl
import struct
import sys

IP_LOCAL_PORT_RANGE = 51
FIRST, LAST = 40_000, 40_007
ROUNDS = 12
DEADLINE_SECONDS = 20


def connect(source: str, port: int) -> socket.socket | None:
    """None: no port is free."""
    client = socket.socket()
    try:
        client.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        span = struct.pack("I", LAST << 16 | FIRST)
        client.setsockopt(socket.IPPROTO_IP, IP_LOCAL_PORT_RANGE, span)
        client.settimeout(DEADLINE_SECONDS)
        client.bind((source, 0))
        client.connect(("127.0.0.1", port))
    except OSError as error:
        client.close()
        if error.errno in (errno.EADDRINUSE, errno.EADDRNOTAVAIL):
            return None
        raise
    return client


def ask(client: socket.socket, path: str) -> None:
    client.sendall(f"GET {path} HTTP/1.1\r\nHost: x\r\n\r\n".encode())
    answer = b""
    wanted = hashlib.sha256(f"GET{path}".encode()).hexdigest().encode()
    while not answer.endswith(wanted):
        piece = client.recv(65536)
        if not piece:
            sys.exit(f"{path} on a port that was used again: {answer!r}")
        answer += piece


def secured(client: socket.socket) -> ssl.SSLSocket:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    return context.wrap_socket(client)


def main(source: str, port: int, secure: bool) -> None:
    for number in range(ROUNDS):
        clients: list[socket.socket] = []
        while (client := connect(source, port)) is not None:
            clients.append(client)
        if not clients:
            sys.exit("no port became free")
        if secure:
            clients = [secured(client) for client in clients]
        for index, client in enumerate(clients):
            ask(client, f"/sum/port{number}-{index}")
        for client in clients:
            # With a RST: the port is free at once.
            client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            client.close()


main(sys.argv[1], int(sys.argv[2]), sys.argv[3] == "tls")
