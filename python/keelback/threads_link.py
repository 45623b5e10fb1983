"""One link to an edge for the threads runner: what was read, what is to be sent, who waits for
what.

Who may do what:
- `receive`, `give_back` and `queue` belong to the thread that has the baton (threads.py), alone;
- `out` is appended to by anyone, a whole frame in one operation; it is taken away and written under
  `lock`, so that frames of different threads never mix;
- `calls` (listed calls) is changed by the baton's thread, and by a call's own thread at its end.
"""

from __future__ import annotations

import os
import select
import socket
import threading
from collections import deque
from struct import Struct
from typing import TYPE_CHECKING, Callable

from . import _wire
from .errors import ProtocolError
from .frames import Frame, FrameReader, pack
from .interrupt import interrupt
from .wsgi import WsgiCall
from .wsgi_input import RequestInput

if TYPE_CHECKING:
    from .board import Board
    from .wsgi_environ import Environs

READ_BYTES_MAX = 64 * 1024
"""A deep batch of requests. Much larger buffers come from the kernel, anew for each read."""

_U32 = Struct("<I")
_END = _wire.FLAG_END


class WsgiLink:
    """Owns its socket and board. `make_call` and `make_socket_call` make an empty call of the
    runner's own classes."""

    def __init__(
        self,
        sock: socket.socket,
        board: Board,
        make_call: Callable[[], WsgiCall],
        make_socket_call: Callable[[], WsgiCall],
        environs: Environs,
    ) -> None:
        sock.setblocking(True)
        self.sock = sock
        self.fd = sock.fileno()
        self.board = board
        self.make_call = make_call
        self.make_socket_call = make_socket_call
        self.environs = environs
        self.queue: deque[Frame] = deque()
        self.calls: dict[int, WsgiCall] = {}
        self.out: list[bytes] = []
        self.lock = threading.Lock()
        self.ring_lock = threading.Lock()
        self.flushes = 0
        self.closed = False
        self._reader = FrameReader()

    # --- writing

    def send(self, frame: bytes) -> None:
        self.out.append(frame)
        self.flush()

    def flush(self) -> None:
        """Writes what is there. A dead edge is noticed by who reads."""
        with self.lock:
            out = self.out
            count = len(out)
            if not count:
                return
            data = b"".join(out[:count])
            del out[:count]
            self.flushes += 1
            try:
                self.sock.sendall(data)
            except OSError:
                pass

    def share(self, part: bytes, stream: int, flags: int) -> bool:
        """Sends a large part of a body through the ring, if there is room."""
        with self.ring_lock:  # frames must be in the order of the parts
            frame = self.board.rings.put(part, stream, flags)
            if frame is None:
                return False
            self.out.append(frame)
            return True

    # --- reading, with the baton

    def receive(self) -> bool:
        """Takes what the socket has, if anything. False: the link has ended."""
        try:
            data = self.sock.recv(READ_BYTES_MAX, socket.MSG_DONTWAIT)
        except (BlockingIOError, InterruptedError):
            return True
        except OSError:
            return False
        if not data:
            return False
        frames = self._reader.feed(data)
        if self._reader.only_requests:
            self.queue += frames
            return True
        append = self.queue.append
        for frame in frames:
            if frame[1] == _wire.REQUEST:
                if not frame[2] & _END:
                    self._with_body(frame)
                append(frame)
            else:
                self._other(frame)
        return True

    def _with_body(self, frame: Frame) -> None:
        call = self.make_call()
        call.link = self
        call.stream = frame[0]
        call.input = RequestInput(call, frame[2] & _wire.FLAG_EXPECT != 0)
        self.expect(call)

    def special(self, stream: int, flags: int) -> WsgiCall:
        """The call of a request that is more than a head. KeyError where there is none."""
        if not flags & _wire.FLAG_UPGRADE:
            return self.calls[stream]
        call = self.make_socket_call()
        call.link = self
        call.stream = stream
        self.expect(call)
        return call

    def expect(self, call: WsgiCall) -> None:
        """Lists a call: frames may come for it."""
        call.listed = True
        self.calls[call.stream] = call

    def _other(self, frame: Frame) -> None:
        stream, kind, flags, aux, payload = frame
        if kind == _wire.SHARED_BODY:
            payload = self.board.rings.take(payload)
            kind = _wire.BODY
        if kind == _wire.PING:
            self.out.append(pack(0, _wire.WORKER_PONG, 0, 0, payload))
            return
        if kind > _wire.SHARED_BODY:
            raise ProtocolError(f"a frame of type {kind} from an edge")
        call = self.calls.get(stream)
        if call is None:
            if kind == _wire.CANCEL:
                self._cancel_queued(stream, aux)
            return  # it has ended or was given back while this frame was on its way
        if kind == _wire.BODY:
            if not call.body_arrived(payload, flags & _END != 0):
                raise ProtocolError(f"stream {stream}: a body that was not allowed")
        elif kind == _wire.TRAILERS:
            if call.input is not None:
                call.input.trailers_arrived(payload)
            call.body_arrived(b"", True)
        elif kind == _wire.CREDIT:
            if len(payload) != 4:
                raise ProtocolError(f"stream {stream}: a credit of {len(payload)} bytes")
            call.allowed += _U32.unpack(payload)[0]
        elif kind == _wire.FILE_OPENED:
            call.file_errno = aux
        elif kind == _wire.CANCEL and not self._cancel_queued(stream, aux):
            cancel(call, aux)
        call.wake()

    def _cancel_queued(self, stream: int, reason: int) -> bool:
        if reason != _wire.CANCEL_REASON_HALF_CLOSED:
            for frame in self.queue:
                if frame[0] == stream:
                    self.queue.remove(frame)
                    self.calls.pop(stream, None)
                    timeout = reason == _wire.CANCEL_REASON_TIMEOUT
                    why = _wire.RESET_REASON_TIMEOUT if timeout else _wire.RESET_REASON_CANCELLED
                    self.out.append(pack(stream, _wire.RESET, 0, why))
                    return True
        return False

    def give_back(self) -> None:
        """Returns all requests that have not begun."""
        queue = self.queue
        if queue:
            streams = [frame[0] for frame in queue]
            queue.clear()
            for stream in streams:
                self.calls.pop(stream, None)
            payload = b"".join(map(_U32.pack, streams))
            self.out.append(pack(0, _wire.GIVE_BACK, 0, 0, payload))

    def forget(self, call: WsgiCall) -> None:
        """The call has ended; an input that the app kept must not wait for ever."""
        self.calls.pop(call.stream, None)
        if not call.cancelled:
            call.cancelled = _wire.CANCEL_REASON_CLIENT_GONE
        call.wake()

    def close(self) -> None:
        """For the apps whose calls are listed the client has gone."""
        self.closed = True
        self.queue.clear()
        for call in list(self.calls.values()):
            call.cancelled = call.cancelled or _wire.CANCEL_REASON_CLIENT_GONE
            call.wake()
        with self.lock:
            self.sock.close()
        self.out.clear()
        self.board.close()


def cancel(call: WsgiCall, reason: int) -> None:
    if reason == _wire.CANCEL_REASON_HALF_CLOSED:
        return  # it may still want the response
    call.cancelled = reason
    if reason == _wire.CANCEL_REASON_TIMEOUT:
        call.timed_out = True
        if call.displaced and not interrupt(call):
            call.reporter.report("warning", "this Python can't interrupt an app that has timed out")


class LinkSet:
    """The links of one runner. `receive` and `drop` belong to the thread that has the baton; anyone
    may `add` a link, and `wake` whoever waits in `receive`, also a signal handler."""

    def __init__(self, report: Callable[[str, str], None], changed: Callable[[], None]) -> None:
        self.all: tuple[WsgiLink, ...] = ()
        self._report = report
        self._changed = changed
        self._by_fd: dict[int, WsgiLink] = {}
        self._lock = threading.Lock()
        self._wake_read, self._wake_write = os.pipe()
        os.set_blocking(self._wake_read, False)
        os.set_blocking(self._wake_write, False)
        self._poller = select.poll()
        self._poller.register(self._wake_read, select.POLLIN)

    def add(self, link: WsgiLink) -> None:
        with self._lock:
            self._by_fd[link.fd] = link
            self._poller.register(link.fd, select.POLLIN)
            self.all += (link,)
        self._changed()
        self.wake()

    def wake(self) -> None:
        try:
            os.write(self._wake_write, b"\0")
        except OSError:
            pass  # full of wake-ups already, or the run is over

    def receive(self) -> None:
        """Waits for frames, or for a wake-up, and takes what is there."""
        for fd, _ in self._poller.poll():
            link = self._by_fd.get(fd)
            if link is None:
                try:
                    os.read(self._wake_read, 4096)
                except BlockingIOError:
                    pass
                continue
            try:
                alive = link.receive()
            except ProtocolError as error:
                self._report("error", f"the link to an edge is closed: {error}")
                alive = False
            if not alive:
                self.drop(link)

    def drop(self, link: WsgiLink) -> None:
        with self._lock:
            self.all = tuple(other for other in self.all if other is not link)
            del self._by_fd[link.fd]
            self._poller.unregister(link.fd)
        self._changed()
        link.close()

    def close(self) -> None:
        """The run is over."""
        for link in self.all:
            link.flush()
            link.close()
        wake, self._wake_write = self._wake_write, -1  # a late `wake` must not hit a new descriptor
        os.close(wake)
        os.close(self._wake_read)
