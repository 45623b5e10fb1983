/** Helpers for tests of the wire: a socket that remembers, frames as objects, exchanges and heads made by hand. */
import type { ErrorCode } from "../../src/core/errors.ts";
import type { WorkerFacts } from "../../src/dispatch/worker-facts.ts";
import { type FileSpan, Exchange } from "../../src/exchange/exchange.ts";
import { bareHead } from "../../src/proto/bare-head.ts";
import type { HeadForm, RequestHead } from "../../src/proto/events.ts";
import { frame, FrameDecoder } from "../../src/wire/frames.ts";
import { Flag, FrameType } from "../../src/wire/spec.ts";

export interface SeenFrame {
  type: number;
  stream: number;
  flags: number;
  aux: number;
  payload: Buffer;
}

/** Decodes everything; throws on a protocol error. */
export function decodeAll(bytes: Buffer): SeenFrame[] {
  const frames: SeenFrame[] = [];
  const decoder = new FrameDecoder({
    onFrame(type, stream, flags, aux, buf, start, end) {
      frames.push({ type, stream, flags, aux, payload: Buffer.from(buf.subarray(start, end)) });
    },
  });
  const wrong = decoder.push(bytes);
  if (wrong !== null) throw new Error(wrong);
  return frames;
}

/** Takes at most `room` bytes. */
export class FakeSocket {
  room = Number.POSITIVE_INFINITY;
  ended = false;
  terminated = false;
  #bytes: Buffer[] = [];

  write(data: Buffer, byteOffset = 0, byteLength: number = data.length - byteOffset): number {
    const length = Math.min(byteLength, this.room);
    this.room -= length;
    if (length > 0) this.#bytes.push(Buffer.from(data.subarray(byteOffset, byteOffset + length)));
    return length;
  }

  end(): void {
    this.ended = true;
  }

  terminate(): void {
    this.terminated = true;
  }

  take(): Buffer {
    const bytes = Buffer.concat(this.#bytes);
    this.#bytes = [];
    return bytes;
  }

  takeFrames(): SeenFrame[] {
    return decodeAll(this.take());
  }
}

/** Writes down what happens to it. */
export class FakeExchange extends Exchange {
  readonly events: string[] = [];
  name: string;

  constructor(name: string, method = "GET") {
    super();
    this.name = name;
    this.method = method;
    this.flags = Flag.END;
    this.bodyEnded = true;
    this.replay = [];
  }

  onHead(
    status: number,
    flags: number,
    buf: Buffer,
    _start: number,
    headEnd: number,
    end: number,
  ): void {
    this.events.push(`head ${status} ${flags} ${buf.toString("latin1", headEnd, end)}`);
  }

  onData(flags: number, buf: Buffer, start: number, end: number): void {
    this.events.push(`data ${flags} ${buf.toString("latin1", start, end)}`);
  }

  onLent(flags: number, buf: Buffer, start: number, end: number): void {
    this.onData(flags, Buffer.from(buf.subarray(start, end)), 0, end - start);
  }

  onLentBack(): void {}

  onTrailers(buf: Buffer, start: number, end: number): void {
    this.events.push(`trailers ${buf.toString("latin1", start, end)}`);
  }

  onInformational(status: number): void {
    this.events.push(`informational ${status}`);
  }

  onFile(_flags: number, file: FileSpan, opened: (errno: number) => void): void {
    this.events.push(`file ${file.path} ${file.offset} ${file.count}`);
    opened(0);
  }

  onReset(reason: number): void {
    this.events.push(`reset ${reason}`);
  }

  onRefused(code: ErrorCode): void {
    this.events.push(`refused ${code}`);
  }

  onCredit(): void {
    this.events.push("credit");
  }

  target(): string {
    return `/${this.name}`;
  }
}

/** Of a worker without files. */
export function factsOf(id: number, form: HeadForm, concurrency: number): WorkerFacts {
  const paths = { boardPath: "", ringPath: "" };
  return { worker: id, generation: 1, pid: id, form, concurrency, ...paths };
}

/** A response without fields, whole unless the flags say otherwise. */
export function responseFrame(stream: number, body: string, flags: number): Buffer {
  const head = Buffer.from("HTTP/1.1 200 OK\r\n\r\n");
  const size = Buffer.alloc(4);
  size.writeUInt32LE(head.length);
  const payload = Buffer.concat([size, head, Buffer.from(body)]);
  return frame(FrameType.RESPONSE, stream, flags, 200, payload);
}

export function giveBackFrame(...streams: number[]): Buffer {
  const payload = Buffer.alloc(4 * streams.length);
  streams.forEach((stream, i) => payload.writeUInt32LE(stream, 4 * i));
  return frame(FrameType.GIVE_BACK, 0, 0, 0, payload);
}

/** A head whose block is `text` (strings followed by NUL) before the constant part and `fields` after it. */
export function fakeHead(text: string, fields = ""): RequestHead {
  return bareHead(Buffer.from(text + fields, "latin1"), text.length);
}
