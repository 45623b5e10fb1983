"""A WebSocket client without a network: ws_peer.py websockets|wsproto OPTIONS.

It prints its offer of extensions and reads one line of JSON: the answer, the messages to send
(of each the kind and the parts, in hex) and the bytes that the server sends (hex). Then it prints
the frames of its messages and the messages it found.
"""

import json
import sys
from typing import Any, Protocol

Message = tuple[str, list[str]]


class Peer(Protocol):
    """What both libraries are asked."""

    def offer(self) -> str:
        """The extensions offered."""
        ...

    def agree(self, answer: str) -> None:
        """Takes the server's answer."""
        ...

    def frames(self, messages: list[Message]) -> bytes:
        """The frames of these messages."""
        ...

    def read(self, data: bytes) -> list[tuple[str, str]]:
        """The messages in the server's bytes: kind and hex."""
        ...


class WebsocketsPeer:
    """By websockets' sans-I/O layer."""

    def __init__(self, options: dict[str, Any]) -> None:
        from websockets.extensions.permessage_deflate import ClientPerMessageDeflateFactory
        from websockets.protocol import CLIENT, Protocol

        self._factory = ClientPerMessageDeflateFactory(**options)
        self._protocol = Protocol(CLIENT, max_size=None)

    def offer(self) -> str:
        from websockets.headers import build_extension

        return build_extension([(self._factory.name, list(self._factory.get_request_params()))])

    def agree(self, answer: str) -> None:
        from websockets.headers import parse_extension

        params = parse_extension(answer)[0][1]
        self._protocol.extensions = [self._factory.process_response_params(params, [])]

    def frames(self, messages: list[Message]) -> bytes:
        protocol = self._protocol
        for kind, parts in messages:
            for index, part in enumerate(parts):
                fin = index == len(parts) - 1
                data = bytes.fromhex(part)
                if index > 0:
                    protocol.send_continuation(data, fin)
                elif kind == "text":
                    protocol.send_text(data, fin)
                else:
                    protocol.send_binary(data, fin)
        return b"".join(protocol.data_to_send())

    def read(self, data: bytes) -> list[tuple[str, str]]:
        from websockets.frames import Frame, Opcode

        self._protocol.receive_data(data)
        found: list[tuple[str, str]] = []
        kind, whole = "", b""
        for event in self._protocol.events_received():
            assert isinstance(event, Frame)
            if event.opcode is not Opcode.CONT:
                kind, whole = event.opcode.name.lower(), b""
            whole += bytes(event.data)
            if event.fin:
                found.append((kind, whole.hex()))
        return found


class WsprotoPeer:
    """By wsproto."""

    def __init__(self, options: dict[str, Any]) -> None:
        from wsproto.extensions import PerMessageDeflate

        self._extension = PerMessageDeflate(**options)

    def offer(self) -> str:
        return f"permessage-deflate; {self._extension.offer()}"

    def agree(self, answer: str) -> None:
        from wsproto.connection import Connection, ConnectionType

        self._extension.finalize(answer)
        # Only extensions that are agreed on by now are used.
        self._connection = Connection(ConnectionType.CLIENT, extensions=[self._extension])

    def frames(self, messages: list[Message]) -> bytes:
        from wsproto.events import BytesMessage, TextMessage

        out = b""
        for kind, parts in messages:
            for index, part in enumerate(parts):
                fin = index == len(parts) - 1
                data = bytes.fromhex(part)
                if kind == "text":
                    out += self._connection.send(TextMessage(data.decode(), message_finished=fin))
                else:
                    out += self._connection.send(BytesMessage(data, message_finished=fin))
        return out

    def read(self, data: bytes) -> list[tuple[str, str]]:
        from wsproto.events import Message as MessageEvent

        self._connection.receive_data(data)
        found: list[tuple[str, str]] = []
        whole = b""
        for event in self._connection.events():
            assert isinstance(event, MessageEvent), event
            is_text = isinstance(event.data, str)
            whole += event.data.encode() if isinstance(event.data, str) else bytes(event.data)
            if event.message_finished:
                found.append(("text" if is_text else "binary", whole.hex()))
                whole = b""
        return found


def main() -> None:
    """One exchange."""
    library, options = sys.argv[1], json.loads(sys.argv[2])
    peer: Peer = WebsocketsPeer(options) if library == "websockets" else WsprotoPeer(options)
    print(peer.offer(), flush=True)
    task = json.loads(sys.stdin.readline())
    peer.agree(task["answer"])
    frames = peer.frames([(kind, parts) for kind, parts in task["messages"]])
    received = peer.read(bytes.fromhex(task["bytes"]))
    print(json.dumps({"frames": frames.hex(), "received": received}))


main()
