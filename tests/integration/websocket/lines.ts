/** Byte streams that a WebSocket handshake opened, or that hold its refusal: over HTTP/1.1 or on a stream of HTTP/2, plain or over TLS. */
import { connect as connectPlain, type Socket } from "node:net";
import { connect as connectTls } from "node:tls";
import { FrameFlag, H2Code } from "../../../src/proto/h2/frames.ts";
import { H2Client } from "../../support/h2-client.ts";
import { data, headers, reset } from "../../support/h2-connection.ts";

export const TRANSPORTS = ["h1", "h1 over TLS", "h2", "h2 over TLS"] as const;
export type Transport = (typeof TRANSPORTS)[number];

export interface Asked {
  transport?: Transport;
  /** Fields beside those of the handshake. */
  fields?: readonly (readonly [string, string])[];
  /** Frames that go out with the handshake. */
  early?: Uint8Array;
  /** The answer to the handshake is not awaited. */
  impatient?: boolean;
  /** On this connection of HTTP/2, instead of one of its own. */
  shared?: H2Client;
}

/** Bytes both ways. */
export interface Line {
  status: number;
  headers: Record<string, string>;
  readonly over: boolean;
  /** The transport ended in a way that an orderly close does not. */
  readonly cut: boolean;
  take(): Buffer[];
  send(bytes: Uint8Array): Promise<void>;
  until(what: string, ready: () => boolean): Promise<void>;
  pause(): void;
  resume(): void;
  finish(): void;
  abort(): void;
}

const WAIT_MS = 15_000;
const KEY = "dGhlIHNhbXBsZSBub25jZQ==";

function parseHead(head: string): { status: number; headers: Record<string, string> } {
  const [line = "", ...fields] = head.split("\r\n");
  const found: Record<string, string> = {};
  for (const field of fields) {
    const colon = field.indexOf(":");
    const name = field.slice(0, colon).toLowerCase();
    const value = field.slice(colon + 1).trim();
    found[name] = found[name] === undefined ? value : `${found[name]}, ${value}`;
  }
  return { status: Number(line.split(" ")[1]), headers: found };
}

class SocketLine implements Line {
  status = 0;
  headers: Record<string, string> = {};
  over = false;
  cut = false;
  readonly #socket: Socket;
  #chunks: Buffer[] = [];
  #changed = Promise.withResolvers<void>();

  private constructor(socket: Socket) {
    this.#socket = socket;
    socket.setNoDelay(true);
    socket.on("data", (chunk: Buffer) => {
      this.#chunks.push(chunk);
      this.#wake();
    });
    socket.on("error", () => {
      this.cut = true;
    });
    for (const event of ["end", "close", "error"]) {
      socket.on(event, () => {
        this.over = true;
        this.#wake();
      });
    }
  }

  static async open(port: number, path: string, asked: Asked): Promise<SocketLine> {
    const { promise, resolve, reject } = Promise.withResolvers<void>();
    const to = { port, host: "127.0.0.1", allowHalfOpen: true };
    const secure = asked.transport === "h1 over TLS";
    const socket = secure
      ? connectTls({ ...to, rejectUnauthorized: false }, resolve)
      : connectPlain(to, resolve);
    socket.once("error", reject);
    await promise;
    const line = new SocketLine(socket);
    const fields = [
      ...[`GET ${path} HTTP/1.1`, "Host: test", "Connection: Upgrade", "Upgrade: websocket"],
      ...[`Sec-WebSocket-Key: ${KEY}`, "Sec-WebSocket-Version: 13"],
      ...(asked.fields ?? []).map(([name, value]) => `${name}: ${value}`),
    ];
    const head = Buffer.from(`${fields.join("\r\n")}\r\n\r\n`, "latin1");
    await line.send(Buffer.concat([head, asked.early ?? Buffer.alloc(0)]));
    if (asked.impatient !== true) await line.#readHead();
    return line;
  }

  async #readHead(): Promise<void> {
    let bytes = Buffer.alloc(0);
    await this.until("answer to the handshake", () => {
      bytes = Buffer.concat([bytes, ...this.take()]);
      return bytes.includes("\r\n\r\n");
    });
    const end = bytes.indexOf("\r\n\r\n");
    Object.assign(this, parseHead(bytes.toString("latin1", 0, end)));
    if (bytes.length > end + 4) this.#chunks.unshift(bytes.subarray(end + 4));
  }

  #wake(): void {
    const { resolve } = this.#changed;
    this.#changed = Promise.withResolvers<void>();
    resolve();
  }

  take(): Buffer[] {
    const chunks = this.#chunks;
    this.#chunks = [];
    return chunks;
  }

  async send(bytes: Uint8Array): Promise<void> {
    const { promise, resolve } = Promise.withResolvers<void>();
    this.#socket.write(bytes, () => resolve());
    return promise;
  }

  async until(what: string, ready: () => boolean): Promise<void> {
    let late = false;
    const timer = setTimeout(() => {
      late = true;
      this.#wake();
    }, WAIT_MS);
    try {
      for (;;) {
        const changed = this.#changed.promise;
        if (ready()) return;
        if (this.over) throw new Error(`the server closed before ${what}`);
        if (late) throw new Error(`no ${what} in ${WAIT_MS} ms`);
        await changed;
      }
    } finally {
      clearTimeout(timer);
    }
  }

  pause(): void {
    this.#socket.pause();
  }

  resume(): void {
    this.#socket.resume();
  }

  finish(): void {
    this.#socket.end();
  }

  abort(): void {
    this.#socket.resetAndDestroy();
  }
}

class StreamLine implements Line {
  readonly #client: H2Client;
  readonly #call: ReturnType<H2Client["open"]>;
  readonly #own: boolean;
  #paused = false;

  private constructor(client: H2Client, own: boolean) {
    this.#client = client;
    this.#call = client.open();
    this.#own = own;
  }

  static async open(port: number, path: string, asked: Asked): Promise<StreamLine> {
    const secure = asked.transport === "h2 over TLS";
    const client = asked.shared ?? (await H2Client.connect(port, { secure }));
    const line = new StreamLine(client, asked.shared === undefined);
    const fields = client.fields("CONNECT", path, [
      ...[[":protocol", "websocket"] as const, ["sec-websocket-version", "13"] as const],
      ...(asked.fields ?? []).map(([name, value]) => [name.toLowerCase(), value] as const),
    ]);
    const call = line.#call;
    await client.send(headers(call.id, fields, 0));
    if (asked.early !== undefined) await line.send(asked.early);
    if (asked.impatient === true) return line;
    await client.until("answer to the handshake", () => call.status !== 0);
    return line;
  }

  get status(): number {
    return this.#call.status;
  }

  get headers(): Record<string, string> {
    return this.#call.headers;
  }

  get over(): boolean {
    return this.#call.over || this.#client.ended;
  }

  get cut(): boolean {
    return this.#call.resetCode > 0 || (!this.#call.ended && this.#client.ended);
  }

  take(): Buffer[] {
    return this.#call.chunks.splice(0);
  }

  async send(bytes: Uint8Array): Promise<void> {
    await this.#client.upload(this.#call, bytes, false);
  }

  async until(what: string, ready: () => boolean): Promise<void> {
    await this.#client.until(what, () => {
      if (ready()) return true;
      if (this.over) throw new Error(`the server closed before ${what}`);
      return false;
    });
  }

  /** The whole connection is not read. */
  pause(): void {
    this.#paused = true;
    this.#client.pause();
  }

  resume(): void {
    if (this.#paused) this.#client.resume();
    this.#paused = false;
  }

  finish(): void {
    void this.#client.send(data(this.#call.id, "", FrameFlag.END_STREAM));
    if (this.#own && this.over) this.#client.halfClose();
  }

  abort(): void {
    if (!this.#client.ended) void this.#client.send(reset(this.#call.id, H2Code.CANCEL));
    if (this.#own) this.#client.halfClose();
  }
}

/** Asks for a WebSocket; resolves with the answer to the handshake, whatever it is. */
export function openLine(port: number, path: string, asked: Asked): Promise<Line> {
  const h2 = asked.transport?.startsWith("h2") === true || asked.shared !== undefined;
  return h2 ? StreamLine.open(port, path, asked) : SocketLine.open(port, path, asked);
}
