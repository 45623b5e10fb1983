/**
 * An HTTP/2 client that sends exactly the frames it is told to and keeps what comes back by stream: for tests of what a well-behaved
 * client would never send, and of flow control. Windows are given back as bytes come, unless `holding` says that they are not.
 */
import { connect as connectPlain, type Socket } from "node:net";
import { connect as connectTls } from "node:tls";
import { FrameFlag, FrameType, H2Code, Setting } from "../../src/proto/h2/frames.ts";
import { FieldCode, HpackDecoder } from "../../src/proto/h2/hpack-decoder.ts";
import {
  data,
  type Field,
  frame,
  headers,
  HELLO,
  reset,
  type Sent,
  settings,
  splitFrames,
  summary,
  windowUpdate,
} from "./h2-connection.ts";

const WAIT_MS = 15_000;
const WINDOW_INITIAL = 65_535;
const FRAME_BYTES = 16_384;
/** What a client allows that reads everything. */
const ROOM = 2 ** 30;

export interface H2ClientOptions {
  secure?: boolean;
  /** SETTINGS_INITIAL_WINDOW_SIZE. */
  window?: number;
  /** Nothing is sent by itself: not even the preface. */
  silent?: boolean;
}

/** What a server says of one request. */
export class H2Call {
  readonly id: number;
  status = 0;
  headers: Record<string, string> = {};
  readonly interim: { status: number; headers: Record<string, string> }[] = [];
  trailers: Record<string, string> | null = null;
  ended = false;
  /** The code of RST_STREAM; -1: none came. */
  resetCode = -1;
  bytes = 0;
  readonly chunks: Buffer[] = [];
  /** DATA bytes that may be sent. */
  window: number;

  constructor(id: number, window: number) {
    this.id = id;
    this.window = window;
  }

  get body(): string {
    return Buffer.concat(this.chunks).toString("latin1");
  }

  get over(): boolean {
    return this.ended || this.resetCode >= 0;
  }
}

export class H2Client implements AsyncDisposable {
  /** Frames of stream 0, in words. */
  readonly frames: string[] = [];
  readonly calls: Map<number, H2Call> = new Map();
  /** Body bytes are neither given back nor kept. */
  holding = false;
  /** PING is answered. */
  answersPing = true;
  ended = false;
  readonly #socket: Socket;
  readonly #scheme: string;
  readonly #decoder = new HpackDecoder("asgi", 1_000_000);
  #left: Buffer = Buffer.alloc(0);
  #next = 1;
  #window = WINDOW_INITIAL;
  #streamWindow = WINDOW_INITIAL;
  #goaway: { last: number; code: number; text: string } | null = null;
  #changed = Promise.withResolvers<void>();

  private constructor(socket: Socket, options: H2ClientOptions) {
    this.#socket = socket;
    this.#scheme = options.secure === true ? "https" : "http";
    socket.setNoDelay(true);
    socket.on("data", (chunk: Buffer) => this.#take(chunk));
    socket.on("error", () => this.#over());
    socket.on("end", () => this.#over());
    socket.on("close", () => this.#over());
    if (options.silent === true) return;
    const window = options.window ?? ROOM;
    const first = settings([Setting.INITIAL_WINDOW_SIZE, window], [Setting.ENABLE_PUSH, 0]);
    const preface = HELLO.subarray(0, -9);
    socket.write(Buffer.concat([preface, first, windowUpdate(0, ROOM)]));
  }

  static async connect(port: number, options: H2ClientOptions = {}): Promise<H2Client> {
    const { promise, resolve, reject } = Promise.withResolvers<void>();
    const to = { port, host: "127.0.0.1" };
    const socket =
      options.secure === true
        ? connectTls({ ...to, ALPNProtocols: ["h2"], rejectUnauthorized: false }, resolve)
        : connectPlain({ ...to, allowHalfOpen: true }, resolve);
    socket.once("error", reject);
    await promise;
    socket.off("error", reject);
    const client = new H2Client(socket, options);
    // Its acknowledgement is not to come between frames of a test.
    if (options.silent !== true)
      await client.until("SETTINGS", () => client.frames.includes("SETTINGS"));
    return client;
  }

  /** The last GOAWAY. */
  get goaway(): { last: number; code: number; text: string } | null {
    return this.#goaway;
  }

  // What is sent

  async send(...frames: Uint8Array[]): Promise<void> {
    const { promise, resolve } = Promise.withResolvers<void>();
    this.#socket.write(Buffer.concat(frames), () => resolve());
    return promise;
  }

  fields(method: string, path: string, extra: readonly Field[] = []): Field[] {
    return [
      [":method", method],
      [":scheme", this.#scheme],
      [":authority", "test"],
      [":path", path],
      ...extra,
    ];
  }

  /** A stream that is not begun yet. */
  open(): H2Call {
    const call = new H2Call(this.#next, this.#streamWindow);
    this.#next += 2;
    this.calls.set(call.id, call);
    return call;
  }

  /** A request without a body. */
  get(path: string, extra: readonly Field[] = [], method: string = "GET"): H2Call {
    const call = this.open();
    void this.send(headers(call.id, this.fields(method, path, extra)));
    return call;
  }

  /** A request with this beginning of a body, which `ends` it or not. */
  post(path: string, body: string, ends: boolean = true, extra: readonly Field[] = []): H2Call {
    const call = this.open();
    const head = headers(call.id, this.fields("POST", path, extra), 0);
    void this.send(head, data(call.id, body, ends ? FrameFlag.END_STREAM : 0));
    this.#spend(call, body.length);
    return call;
  }

  /** Body bytes as the windows let them go; the last ones end the request. Stops when the answer is over. */
  async upload(call: H2Call, bytes: Uint8Array, ends: boolean = true): Promise<void> {
    for (let at = 0; at < bytes.length;) {
      await this.until("room", () => call.over || Math.min(call.window, this.#window) > 0);
      if (call.over) return;
      const size = Math.min(FRAME_BYTES, bytes.length - at, call.window, this.#window);
      const last = ends && at + size === bytes.length;
      const flags = last ? FrameFlag.END_STREAM : 0;
      this.#spend(call, size);
      await this.send(data(call.id, bytes.subarray(at, at + size), flags));
      at += size;
    }
  }

  cancel(call: H2Call): Promise<void> {
    return this.send(reset(call.id));
  }

  // What is awaited

  /** Waits until it is so. */
  async until(what: string, ready: () => boolean, ms: number = WAIT_MS): Promise<void> {
    let late = false;
    const timer = setTimeout(() => {
      late = true;
      this.#wake();
    }, ms);
    try {
      for (;;) {
        const changed = this.#changed.promise;
        if (ready()) return;
        if (late) throw new Error(`no ${what} in ${ms} ms; ${this.#seen()}`);
        if (this.ended) throw new Error(`the server closed before ${what}; ${this.#seen()}`);
        await changed;
      }
    } finally {
      clearTimeout(timer);
    }
  }

  /** What has come, for messages. */
  #seen(): string {
    const calls = [...this.calls.values()].map(
      ({ id, status, bytes, ended, resetCode }) =>
        `${id}: ${status}, ${bytes} bytes${ended ? ", ended" : ""}, reset ${resetCode}`,
    );
    return [...this.frames.slice(-20), ...calls.slice(-20)].join("; ");
  }

  /** The whole answer. */
  async answer(call: H2Call): Promise<H2Call> {
    await this.until(`answer to ${call.id}`, () => call.ended);
    return call;
  }

  async answerOf(
    path: string,
    extra: readonly Field[] = [],
    method: string = "GET",
  ): Promise<H2Call> {
    return this.answer(this.get(path, extra, method));
  }

  /** The code of the RST_STREAM that comes. */
  async resetOf(call: H2Call): Promise<number> {
    await this.until(`reset of ${call.id}`, () => call.resetCode >= 0);
    return call.resetCode;
  }

  async closed(): Promise<void> {
    await this.until("end of the connection", () => this.ended);
  }

  /** Stops and goes on reading the socket. */
  pause(): void {
    this.#socket.pause();
  }

  resume(): void {
    this.#socket.resume();
  }

  halfClose(): void {
    this.#socket.end();
  }

  destroy(): void {
    this.#socket.destroy();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.destroy();
  }

  // What comes

  #over(): void {
    this.ended = true;
    this.#wake();
  }

  #wake(): void {
    const { resolve } = this.#changed;
    this.#changed = Promise.withResolvers<void>();
    resolve();
  }

  #take(chunk: Buffer): void {
    const { frames, left } = splitFrames(Buffer.concat([this.#left, chunk]));
    this.#left = left;
    for (const one of frames) this.#frame(one);
    this.#wake();
  }

  #frame(one: Sent): void {
    const call = this.calls.get(one.stream);
    if (one.stream === 0) this.#connectionFrame(one);
    else if (call !== undefined) this.#streamFrame(one, call);
  }

  #connectionFrame(one: Sent): void {
    this.frames.push(summary(one));
    const { type, flags, payload } = one;
    const acknowledges = (flags & FrameFlag.ACK) !== 0;
    if (type === "WINDOW_UPDATE") this.#window += payload.readUInt32BE(0);
    if (type === "GOAWAY") {
      const text = payload.toString("latin1", 8);
      this.#goaway = { last: payload.readUInt32BE(0), code: payload.readUInt32BE(4), text };
    }
    if (type === "PING" && !acknowledges && this.answersPing)
      void this.send(frame(FrameType.PING, FrameFlag.ACK, 0, payload));
    if (type === "SETTINGS" && !acknowledges) {
      for (let at = 0; at < payload.length; at += 6) {
        if (payload.readUInt16BE(at) === Setting.INITIAL_WINDOW_SIZE)
          this.#setStreamWindow(payload.readUInt32BE(at + 2));
      }
      void this.send(frame(FrameType.SETTINGS, FrameFlag.ACK, 0));
    }
  }

  #setStreamWindow(bytes: number): void {
    for (const call of this.calls.values()) call.window += bytes - this.#streamWindow;
    this.#streamWindow = bytes;
  }

  #streamFrame({ type, flags, payload }: Sent, call: H2Call): void {
    if (type === "WINDOW_UPDATE") call.window += payload.readUInt32BE(0);
    if (type === "RST_STREAM") call.resetCode = payload.readUInt32BE(0);
    if (type === "HEADERS") this.#headers(call, payload);
    if (type === "DATA") {
      call.bytes += payload.length;
      if (!this.holding) {
        call.chunks.push(payload);
        if (payload.length > 0)
          void this.send(windowUpdate(0, payload.length), windowUpdate(call.id, payload.length));
      }
    }
    const ends = type === "DATA" || type === "HEADERS" ? flags & FrameFlag.END_STREAM : 0;
    if (ends !== 0) call.ended = true;
  }

  #headers(call: H2Call, block: Buffer): void {
    const decoder = this.#decoder;
    if (!decoder.begin(block, 0, block.length)) throw new Error("a block cannot be decoded");
    const fields: Record<string, string> = {};
    let status = 0;
    let code = decoder.next();
    for (; code === FieldCode.FIELD; code = decoder.next()) {
      const { source, from, valueAt, to } = decoder;
      const name = Buffer.from(source.subarray(from + 1, valueAt - 1)).toString("latin1");
      const value = Buffer.from(source.subarray(valueAt, to)).toString("latin1");
      if (name === "") status = Number(value);
      else fields[name] = value;
    }
    if (code !== FieldCode.END) throw new Error("a block cannot be decoded");
    if (status === 0) call.trailers = fields;
    else if (status < 200) call.interim.push({ status, headers: fields });
    else [call.status, call.headers] = [status, fields];
  }

  #spend(call: H2Call, bytes: number): void {
    call.window -= bytes;
    this.#window -= bytes;
  }
}

export { H2Code };
