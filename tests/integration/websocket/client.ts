/**
 * A WebSocket client that sends exactly the bytes it is given: for tests of what a library would never send, and of the frames that come
 * back. Every wait has a deadline.
 */
import { close } from "../../support/ws-frames.ts";
import { type Asked, type Line, openLine } from "./lines.ts";

/** A frame of the server; `first` holds FIN and RSV bits. */
export interface Frame {
  first: number;
  opcode: number;
  payload: Buffer;
}

/** How a client came to its end: the Close frame, if there was one (1005: without a code), and how the transport ended. */
export interface Ending {
  code: number | null;
  reason: string;
  cut: boolean;
}

export class WsClient implements AsyncDisposable {
  readonly #line: Line;
  #bytes: Buffer = Buffer.alloc(0);

  private constructor(line: Line) {
    this.#line = line;
  }

  /** Resolves with the answer to the handshake, whatever it is. */
  static async ask(port: number, path: string, asked: Asked = {}): Promise<WsClient> {
    return new WsClient(await openLine(port, path, asked));
  }

  /** Rejects when the handshake is refused. */
  static async open(port: number, path: string, asked: Asked = {}): Promise<WsClient> {
    const client = await WsClient.ask(port, path, asked);
    const { status } = client;
    if (status !== 101 && status !== 200) throw new Error(`${path} was answered with ${status}`);
    return client;
  }

  get status(): number {
    return this.#line.status;
  }

  get headers(): Record<string, string> {
    return this.#line.headers;
  }

  get over(): boolean {
    return this.#line.over;
  }

  send(...frames: Uint8Array[]): Promise<void> {
    return this.#line.send(Buffer.concat(frames));
  }

  pause(): void {
    this.#line.pause();
  }

  resume(): void {
    this.#line.resume();
  }

  /** FIN, or END_STREAM. */
  finish(): void {
    this.#line.finish();
  }

  /** The connection, or the stream of a shared one, is gone. */
  abort(): void {
    this.#line.abort();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.abort();
  }

  async frame(): Promise<Frame> {
    const [head, from] = await this.#header();
    const length = from === 2 ? head[1]! & 127 : from === 4 ? head.readUInt16BE(2) : large(head);
    await this.#has(from + length);
    const payload = this.#bytes.subarray(from, from + length);
    this.#bytes = this.#bytes.subarray(from + length);
    return { first: head[0]! & 0xf0, opcode: head[0]! & 15, payload };
  }

  /** The next whole message, of any number of frames; a Close frame fails. */
  async message(): Promise<string | Buffer> {
    const parts: Buffer[] = [];
    let kind = 0;
    for (;;) {
      const { first, opcode, payload } = await this.frame();
      if (opcode > 2) throw new Error(`a frame of kind ${opcode}: ${payload.toString("hex")}`);
      if (opcode !== 0) kind = opcode;
      parts.push(payload);
      if (first >= 0x80) break;
    }
    const whole = Buffer.concat(parts);
    return kind === 1 ? whole.toString() : whole;
  }

  /** Reads to the end, and answers the server's close. */
  async ending(): Promise<Ending> {
    const line = this.#line;
    const ending: Ending = { code: null, reason: "", cut: false };
    try {
      for (;;) {
        const { opcode, payload } = await this.frame();
        if (opcode !== 8) continue;
        ending.code = payload.length === 0 ? 1005 : payload.readUInt16BE(0);
        ending.reason = payload.toString("utf8", 2);
        if (!line.over) void line.send(close(ending.code === 1005 ? null : ending.code));
        break;
      }
      await line.until("end of the connection", () => line.over);
    } catch (error) {
      if (!line.over) throw error;
    }
    if (!line.cut) line.finish();
    return { ...ending, cut: line.cut };
  }

  /** Everything to the end, of an answer that is no WebSocket. */
  async body(): Promise<string> {
    await this.#line.until("end", () => this.#line.over);
    return Buffer.concat([this.#bytes, ...this.#line.take()]).toString();
  }

  /** How much has come and was not read as frames. */
  received(): number {
    this.#gather();
    return this.#bytes.length;
  }

  async #header(): Promise<[Buffer, number]> {
    await this.#has(2);
    const short = this.#bytes[1]! & 127;
    const from = short < 126 ? 2 : short === 126 ? 4 : 10;
    await this.#has(from);
    return [this.#bytes, from];
  }

  #gather(): void {
    const chunks = this.#line.take();
    if (chunks.length > 0) this.#bytes = Buffer.concat([this.#bytes, ...chunks]);
  }

  async #has(count: number): Promise<void> {
    this.#gather();
    if (this.#bytes.length >= count) return;
    const parts = [this.#bytes];
    let have = this.#bytes.length;
    const take = (): boolean => {
      for (const chunk of this.#line.take()) {
        parts.push(chunk);
        have += chunk.length;
      }
      return have >= count;
    };
    try {
      await this.#line.until(`frame of ${count} bytes`, take);
    } finally {
      this.#bytes = Buffer.concat(parts);
    }
  }
}

function large(head: Buffer): number {
  return Number(head.readBigUInt64BE(2));
}
