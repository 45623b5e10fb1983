/** Where workers connect to this edge: a unix socket in the private directory. Turns a HELLO into a WorkerLink. */
import { unlinkSync } from "node:fs";
import { BOARD_BYTES, FRAME_HEADER_BYTES, FrameType, WIRE_VERSION } from "../wire/spec.ts";
import type { Writable } from "./outbox.ts";
import { SharedMemory } from "./ring.ts";
import type { WorkerFacts } from "./worker-facts.ts";

/** Longer than any honest HELLO. */
const HELLO_BYTES_MAX = 4096;

/** What the edge does with a worker. `L` is its link. */
export interface WorkerPortOwner<L> {
  connected(facts: WorkerFacts, shared: SharedMemory, socket: WorkerSocket): L;
  received(link: L, chunk: Buffer): void;
  drained(link: L): void;
  closed(link: L): void;
  refused(why: string): void;
}

export interface WorkerSocket extends Writable {
  end(): void;
  terminate(): void;
}

interface PortState<L> {
  link: L | null;
  hello: Buffer;
}

/** Reads a whole HELLO frame. Returns null when more bytes are needed, a text when it is wrong. */
function parseHello(buf: Buffer): { facts: WorkerFacts; bytes: number } | string | null {
  if (buf.length < FRAME_HEADER_BYTES) return null;
  const length = buf.readUInt32LE(0);
  if (buf[8] !== FrameType.HELLO || length > HELLO_BYTES_MAX) return "the first frame is no HELLO";
  if (buf.readUInt16LE(10) !== WIRE_VERSION) {
    return `the worker speaks version ${buf.readUInt16LE(10)} of the wire, this edge ${WIRE_VERSION}`;
  }
  const bytes = FRAME_HEADER_BYTES + length;
  if (buf.length < bytes) return null;
  const parts = buf.toString("utf8", FRAME_HEADER_BYTES, bytes).split("\0");
  const [worker, generation, pid, form, concurrency, boardPath, ringPath] = parts;
  if (parts.length !== 7 || (form !== "cgi" && form !== "asgi")) return "HELLO is malformed";
  const facts: WorkerFacts = {
    worker: Number(worker),
    generation: Number(generation),
    pid: Number(pid),
    form,
    concurrency: Math.max(1, Number(concurrency)),
    boardPath: boardPath!,
    ringPath: ringPath!,
  };
  return { facts, bytes };
}

/** Starts to listen. Throws when the socket cannot be made. */
export function openWorkerPort<L>(path: string, owner: WorkerPortOwner<L>): void {
  Bun.listen<PortState<L>>({
    unix: path,
    socket: {
      open(socket) {
        socket.data = { link: null, hello: Buffer.alloc(0) };
      },
      data(socket, chunk) {
        const state = socket.data;
        if (state.link !== null) owner.received(state.link, chunk);
        else greet(socket, state, chunk, owner);
      },
      drain(socket) {
        if (socket.data.link !== null) owner.drained(socket.data.link);
      },
      close(socket) {
        if (socket.data.link !== null) owner.closed(socket.data.link);
      },
      error() {
        // The close that follows says it all.
      },
    },
  });
}

function greet<L>(
  socket: WorkerSocket,
  state: PortState<L>,
  chunk: Buffer,
  owner: WorkerPortOwner<L>,
): void {
  state.hello = Buffer.concat([state.hello, chunk]);
  const result = parseHello(state.hello);
  if (result === null) return;
  if (typeof result === "string") {
    owner.refused(result);
    socket.terminate();
    return;
  }
  const shared = openShared(result.facts);
  if (typeof shared === "string") {
    owner.refused(shared);
    socket.terminate();
    return;
  }
  state.link = owner.connected(result.facts, shared, socket);
  const rest = state.hello.subarray(result.bytes);
  state.hello = Buffer.alloc(0);
  if (rest.length > 0) owner.received(state.link, rest);
}

/** Maps the board, whose name is no longer needed after that, and the rings where that works. */
function openShared({ boardPath, ringPath }: WorkerFacts): SharedMemory | string {
  try {
    const bytes = Bun.mmap(boardPath, { shared: true });
    unlinkSync(boardPath);
    const board = new Uint32Array(bytes.buffer, bytes.byteOffset, BOARD_BYTES / 4);
    return new SharedMemory(board, openRings(ringPath));
  } catch (error) {
    return `the board ${boardPath} cannot be mapped: ${String(error)}`;
  }
}

/** null: large parts go through the socket as well, which is only slower. */
function openRings(path: string): Uint8Array | null {
  if (path === "") return null;
  try {
    return Bun.mmap(path, { shared: true });
  } catch {
    return null;
  }
}
