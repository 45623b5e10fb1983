"""Calls every method of tests/apps/grpc_asgi.py with the gRPC library, prints what came as JSON.

`grpc_client.py HOST:PORT [CERTIFICATE]`: with a certificate over TLS, else over plain TCP.
"""

from __future__ import annotations

import json
import queue
import sys
from collections.abc import Iterator
from typing import Any

import grpc

TIMEOUT_SECONDS = 20
LARGE = bytes(range(256)) * 4096


def count(of: int) -> Iterator[bytes]:
    for number in range(of):
        yield b"%d" % number


def conversation(channel: grpc.Channel) -> list[str]:
    """Each message is sent when the one before has been answered: both directions flow at once."""
    questions: queue.SimpleQueue[bytes | None] = queue.SimpleQueue()
    asked = iter(questions.get, None)
    calls = channel.stream_stream("/probe.Probe/BothWays")(asked, timeout=TIMEOUT_SECONDS)
    answers = []
    for text in (b"abc", b"def", b"ghi"):
        questions.put(text)
        answers.append(next(calls).decode())
    questions.put(None)
    return answers + [answer.decode() for answer in calls]


def failure(call: Any, message: bytes) -> dict[str, Any]:
    try:
        call(message, timeout=TIMEOUT_SECONDS)
    except grpc.RpcError as error:
        return {"code": error.code().name, "details": error.details()}
    return {}


def run(channel: grpc.Channel) -> dict[str, Any]:
    unary = channel.unary_unary("/probe.Probe/Unary")
    answer, call = unary.with_call(b"hello", timeout=TIMEOUT_SECONDS)
    down = channel.unary_stream("/probe.Probe/Down")(b"500", timeout=TIMEOUT_SECONDS)
    up = channel.stream_unary("/probe.Probe/Up")
    several = [unary.future(b"%d!" % n, timeout=TIMEOUT_SECONDS) for n in range(50)]
    return {
        "unary": answer.decode(),
        "initial": dict(call.initial_metadata()).get("x-served-by"),
        "trailing": dict(call.trailing_metadata()).get("x-checked"),
        "large": unary(LARGE, timeout=TIMEOUT_SECONDS) == LARGE[::-1],
        "down": [int(message) for message in down],
        "up": up(count(500), timeout=TIMEOUT_SECONDS).decode(),
        "bothWays": conversation(channel),
        "atOnce": [future.result().decode() for future in several],
        "fail": failure(channel.unary_unary("/probe.Probe/Fail"), b""),
        "unknown": failure(channel.unary_unary("/probe.Probe/Nothing"), b""),
    }


def main(address: str, certificate: str | None = None) -> None:
    if certificate is None:
        channel = grpc.insecure_channel(address)
    else:
        with open(certificate, "rb") as file:
            credentials = grpc.ssl_channel_credentials(file.read())
        options = [("grpc.ssl_target_name_override", "localhost")]
        channel = grpc.secure_channel(address, credentials, options)
    with channel:
        print(json.dumps(run(channel)))


main(*sys.argv[1:])
