"""One link to an edge for the asyncio runner: batches of frames in, batches of replies out.

All requests of a read are started before anything is written, and their replies leave in one write.

Two threads work here: the loop's, and the monitor (asgi_monitor.py) when the loop is stuck in the
app. These rules keep them apart:
- who reads the socket or puts frames back into `pending` holds the only `token` (list.pop is
  atomic);
- whoever gets a REQUEST out of `pending` or `waiting` owns it: the loop begins it, the monitor
  gives it back; both containers' removals are atomic;
- `out` is appended to by anyone; it is taken away and written under `lock`.
"""

from __future__ import annotations

import asyncio
import socket
import sys
import threading
from collections import deque
from collections.abc import Coroutine
from struct import Struct
from typing import TYPE_CHECKING, Any, Callable

from . import _wire
from .asgi_body import pairs_of
from .asgi_http import HttpCycle
from .asgi_monitor import give_back_frame
from .asgi_websocket import OPEN, SERVICE_RESTART, WebsocketCycle, websocket_scope
from .errors import ProtocolError
from .frames import FrameReader

if TYPE_CHECKING:
    from .asgi import AsyncioRunner
    from .board import Board

EAGER = sys.version_info >= (3, 12)
"""Tasks that run until their first wait when they are made (asyncio.Task(eager_start=True))."""

READ_BYTES_MAX = 64 * 1024
CONGESTED_BYTES = 1024 * 1024
"""Bytes the edge has not taken from this link, from which on streaming responses wait."""

_HEADER = Struct("<IIBBH")
_U32 = Struct("<I")
_Task: Any = asyncio.Task
"""Untyped: its arguments depend on the version."""


class EdgeLink:
    """Owns its socket and board."""

    def __init__(self, runner: AsyncioRunner, sock: socket.socket, board: Board) -> None:
        sock.setblocking(False)
        self.runner = runner
        self.loop = runner.loop
        self.sock = sock
        self.fd = sock.fileno()
        self.board = board
        self.reader = FrameReader()
        self.build_head = runner.heads.build_head_asgi
        self.active = runner.active
        self.report = runner.report
        self.cycles: dict[int, HttpCycle] = {}
        self.pending: deque[Any] = deque()
        self.waiting: dict[int, None] = {}
        self.token: list[None] = [None]
        self.lock = threading.Lock()
        self.out: list[bytes] = []
        self.backlog = bytearray()
        self.scheduled = False
        self.closed = False
        self.ticks = 0
        self._writing = False
        self._drain_waiters: list[asyncio.Future[None]] = []
        self._roomless: dict[WebsocketCycle, None] = {}
        self._make_scope = runner.scopes.make
        self._context = runner.context
        self._app = runner.app
        self._take: Callable[[Any], None] = self._begin
        self.loop.add_reader(sock, self._readable)

    # --- reading

    def _readable(self) -> None:
        try:
            self.token.pop()
        except IndexError:
            return  # the monitor is reading: the loop calls again while there is more
        try:
            data = self.sock.recv(READ_BYTES_MAX)
            self.ticks += 1
            if data:
                self.pending += self.reader.feed(data)
        except (BlockingIOError, InterruptedError):
            return
        except ProtocolError as error:
            self.fail(str(error))
            return
        except OSError:
            data = b""
        finally:
            self.token.append(None)
        if not data:
            self.close()
            return
        self.process()

    def process(self) -> None:
        """Starts what is pending; the replies of those that ended at once leave together."""
        self.scheduled = True
        pending = self.pending
        begin = self._take
        try:
            while pending:
                try:
                    frame = pending.popleft()
                except IndexError:
                    break  # the monitor was quicker
                if frame[1] == _wire.REQUEST:
                    begin(frame)
                else:
                    self._other(frame)
        except (ProtocolError, ValueError, KeyError) as error:
            self.fail(f"{type(error).__name__}: {error}")
        self.flush()

    def resume(self) -> None:
        """Called for the monitor, which has left something to do."""
        if not self.closed:
            self.process()

    def refuse(self) -> None:
        """From now on requests go back to the edge: this worker is about to stop. What is open may
        finish, but WebSockets would go on for ever."""
        self._take = self._refuse
        for cycle in list(self.cycles.values()):
            if isinstance(cycle, WebsocketCycle) and cycle.phase == OPEN:
                cycle.closed(SERVICE_RESTART, "")

    def _refuse(self, frame: Any) -> None:
        self.out.append(give_back_frame([frame[0]]))

    def _begin(self, frame: Any) -> None:
        stream, _, flags, version, block = frame
        self.ticks += 1
        scope = self._make_scope(block, version, flags)
        if flags & _wire.FLAG_UPGRADE:
            websocket_scope(scope)
            cycle: HttpCycle = WebsocketCycle(self, stream, flags)
        else:
            cycle = HttpCycle(self, stream, flags, scope["method"] == "HEAD")
        self.cycles[stream] = cycle
        if EAGER:
            self.board.begin(stream)
            task = _Task(
                cycle.run(self._app, scope),
                loop=self.loop,
                eager_start=True,
                context=self._context.copy(),
            )
            if not task.done():
                cycle.task = task
                self.active.add(cycle)
            return
        self.waiting[stream] = None
        self.active.add(cycle)
        cycle.task = self._context.run(self._later, cycle.run_waiting(self._app, scope))

    def _later(self, coroutine: Coroutine[Any, Any, None]) -> asyncio.Task[None]:
        return asyncio.Task(coroutine, loop=self.loop)

    def claim(self, stream: int) -> bool:
        """Begins a waiting request, unless the monitor has given it back."""
        try:
            del self.waiting[stream]
        except KeyError:
            return False
        self.ticks += 1
        self.board.begin(stream)
        return True

    def _other(self, frame: Any) -> None:
        stream, kind, flags, aux, payload = frame
        if kind == _wire.MESSAGE:
            self._message(stream, flags, aux, payload)
            return
        if kind == _wire.SHARED_BODY:
            self._shared_body(stream, flags, payload)
            return
        if kind == _wire.PING:
            self.out.append(_HEADER.pack(len(payload), 0, _wire.WORKER_PONG, 0, 0) + payload)
            return
        cycle = self.cycles.get(stream)
        if cycle is None:
            if kind == _wire.PONG:
                self._room_came()
            return  # else it has ended or was given back while this frame was on its way
        if kind == _wire.BODY:
            if not _part_arrived(cycle, payload, flags):
                raise ProtocolError(f"stream {stream}: a body that was not allowed")
        elif kind == _wire.TRAILERS:
            if cycle.body is not None:
                cycle.body.trailers = pairs_of(payload)
            cycle.body_arrived(b"", True)
        elif kind == _wire.CREDIT:
            cycle.credit_arrived(_U32.unpack(payload)[0])
        elif kind == _wire.CANCEL:
            cycle.cancelled(aux)
        elif kind == _wire.WS_CLOSE:
            _websocket(cycle).closed(aux, payload.decode())

    def _message(self, stream: int, flags: int, kind: int, payload: bytes) -> None:
        cycle = self.cycles.get(stream)
        if not flags & _wire.FLAG_SHARED:
            if cycle is not None:
                _websocket(cycle).message_arrived(payload, kind)
            return
        rings = self.board.rings
        with rings.look(payload) as part:
            if cycle is not None:
                _websocket(cycle).message_arrived(part, kind)
        rings.done(payload)

    def _shared_body(self, stream: int, flags: int, payload: bytes) -> None:
        cycle = self.cycles.get(stream)
        rings = self.board.rings
        with rings.look(payload) as part:
            allowed = cycle is None or _part_arrived(cycle, part, flags)
        rings.done(payload)
        if not allowed:
            raise ProtocolError(f"stream {stream}: a body that was not allowed")

    def cancel_task(self, cycle: HttpCycle) -> None:
        if self.waiting.pop(cycle.stream, 0) is None:
            self.active.discard(cycle)  # its task has not begun: cancelling alone ends it
        cycle.task.cancel()

    # --- writing

    def want_room(self, cycle: WebsocketCycle) -> None:
        """The response ring is full: `cycle.room_came` is called when the edge has read on."""
        if not self._roomless:
            self.out.append(_HEADER.pack(0, 0, _wire.WORKER_PING, 0, 0))
            self.schedule()
        self._roomless[cycle] = None

    def _room_came(self) -> None:
        roomless, self._roomless = self._roomless, {}
        for cycle in roomless:
            cycle.room_came()

    def schedule(self) -> None:
        """What is in `out` leaves at the end of this turn of the loop."""
        if not self.scheduled:
            self.scheduled = True
            self.loop.call_soon(self.flush)

    def flush(self) -> None:
        self.scheduled = False
        self.ticks += 1
        with self.lock:
            self.write_out()
        if self.backlog and not self._writing and not self.closed:
            self._writing = True
            self.loop.add_writer(self.sock, self._writable)

    def write_out(self) -> None:
        """Under `lock`, by either thread. What the socket does not take stays in `backlog`."""
        count = len(self.out)
        if not count or self.closed:
            return
        data = b"".join(self.out[:count])
        del self.out[:count]
        if self.backlog:
            self.backlog += data
            return
        try:
            sent = self.sock.send(data)
        except (BlockingIOError, InterruptedError):
            sent = 0
        except OSError:
            return  # the edge has gone: the reading side sees that too and closes
        if sent < len(data):
            self.backlog += memoryview(data)[sent:]

    def _writable(self) -> None:
        with self.lock:
            try:
                sent = self.sock.send(self.backlog)
            except (BlockingIOError, InterruptedError):
                return
            except OSError:
                sent = len(self.backlog)
            del self.backlog[:sent]
        if not self.backlog:
            self._writing = False
            self.loop.remove_writer(self.sock)
            self._wake_drained()

    def congested(self) -> bool:
        return len(self.backlog) > CONGESTED_BYTES

    async def drained(self) -> None:
        waiter = self.loop.create_future()
        self._drain_waiters.append(waiter)
        await waiter

    def _wake_drained(self) -> None:
        waiters, self._drain_waiters = self._drain_waiters, []
        for waiter in waiters:
            if not waiter.done():
                waiter.set_result(None)

    # --- the end

    def fail(self, why: str) -> None:
        self.report("error", f"the link to an edge is closed: {why}")
        self.close()

    def close(self) -> None:
        """For the apps whose requests are open the client has gone."""
        if self.closed:
            return
        self.closed = True
        self.loop.remove_reader(self.sock)
        if self._writing:
            self.loop.remove_writer(self.sock)
        with self.lock:
            self.sock.close()
        self.pending.clear()
        self.backlog.clear()
        for cycle in list(self.cycles.values()):
            if cycle.stream in self.waiting:
                self.cancel_task(cycle)  # it has not begun, and there is no board to say so
            cycle.cancelled(_wire.CANCEL_REASON_CLIENT_GONE)
        self._wake_drained()
        self.board.close()
        self.runner.link_closed(self)


def _part_arrived(cycle: HttpCycle, part: bytes | memoryview, flags: int) -> bool:
    """False where the edge may not send it."""
    if isinstance(cycle, WebsocketCycle):
        return cycle.part_arrived(part, flags)
    return cycle.body_arrived(bytes(part), flags & _wire.FLAG_END != 0)


def _websocket(cycle: HttpCycle) -> WebsocketCycle:
    if not isinstance(cycle, WebsocketCycle):
        raise ProtocolError(f"stream {cycle.stream} is no WebSocket")
    return cycle
