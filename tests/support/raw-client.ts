/**
 * A TCP (or unix) client that sends exactly the bytes it is given and reads with awaited conditions: for tests of what a
 * well-behaved HTTP client would never send, and of the exact bytes that come back. Bytes are strings of latin-1.
 */
import { connect } from "node:net";
import type { NetConnectOpts, Socket } from "node:net";
import { connect as connectTls } from "node:tls";

export interface RawResponse {
  status: number;
  reason: string;
  version: string;
  /** Lower-case names; a repeated field's values are joined by `, `. */
  headers: Record<string, string>;
  body: string;
  trailers: Record<string, string>;
  /** Head and body as they came over the wire. */
  raw: string;
}

interface Framing {
  headers: Record<string, string>;
  status: number;
  method: string;
}

const READ_TIMEOUT_MS = 10_000;

function parseFields(lines: readonly string[]): Record<string, string> {
  const fields: Record<string, string> = {};
  for (const line of lines) {
    const colon = line.indexOf(":");
    const name = line.slice(0, colon).toLowerCase();
    const value = line.slice(colon + 1).trim();
    fields[name] = fields[name] === undefined ? value : `${fields[name]}, ${value}`;
  }
  return fields;
}

export class RawClient implements AsyncDisposable {
  #socket: Socket;
  #received = "";
  #ended = false;
  #error: Error | undefined;
  #changed = Promise.withResolvers<void>();

  private constructor(socket: Socket) {
    this.#socket = socket;
    socket.setNoDelay(true);
    socket.on("data", (chunk) => {
      this.#received += chunk.toString("latin1");
      this.#wake();
    });
    socket.on("end", () => {
      this.#ended = true;
      this.#wake();
    });
    socket.on("error", (error) => {
      this.#error = error;
      this.#wake();
    });
    socket.on("close", () => {
      this.#ended = true;
      this.#wake();
    });
  }

  /** To a port of this machine, with TLS (whatever the certificate) when it is `secure`, or to a path. */
  static async connect(to: number | string, secure: boolean = false): Promise<RawClient> {
    const options: NetConnectOpts & { allowHalfOpen: boolean } =
      typeof to === "number"
        ? { port: to, host: "127.0.0.1", allowHalfOpen: true }
        : { path: to, allowHalfOpen: true };
    const { promise, resolve, reject } = Promise.withResolvers<void>();
    const socket = secure
      ? connectTls({ ...options, rejectUnauthorized: false }, resolve)
      : connect(options, resolve);
    socket.once("error", reject);
    await promise;
    socket.off("error", reject);
    return new RawClient(socket);
  }

  #wake(): void {
    const { resolve } = this.#changed;
    this.#changed = Promise.withResolvers<void>();
    resolve();
  }

  /** Bytes that have come and that nobody has read. */
  get received(): string {
    return this.#received;
  }

  /** The peer has closed its side, or the connection is gone. */
  get ended(): boolean {
    return this.#ended;
  }

  get error(): Error | undefined {
    return this.#error;
  }

  /** The local port, as the server sees it. */
  get localPort(): number {
    return this.#socket.localPort ?? 0;
  }

  /** Sends; resolves when the kernel has taken the bytes. */
  async send(bytes: string | Uint8Array): Promise<void> {
    const { promise, resolve } = Promise.withResolvers<void>();
    const data = typeof bytes === "string" ? Buffer.from(bytes, "latin1") : bytes;
    this.#socket.write(data, () => resolve());
    return promise;
  }

  /** Half-close: no more bytes from us, still reading. */
  halfClose(): void {
    this.#socket.end();
  }

  /** Closes with a RST. */
  reset(): void {
    this.#socket.resetAndDestroy();
  }

  close(): void {
    this.#socket.destroy();
  }

  /** Stops and resumes reading: a slow client. */
  pause(): void {
    this.#socket.pause();
  }

  resume(): void {
    this.#socket.resume();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.close();
  }

  /** Waits until `ready` gives something, else fails at the timeout or when the connection ends. */
  async #until<T>(what: string, ready: () => T | undefined, timeoutMs: number): Promise<T> {
    let timedOut = false;
    const timer = setTimeout(() => {
      timedOut = true;
      this.#wake();
    }, timeoutMs);
    try {
      for (;;) {
        const changed = this.#changed.promise;
        const value = ready();
        if (value !== undefined) return value;
        if (this.#error !== undefined) throw this.#error;
        const seen = JSON.stringify(this.#received.slice(0, 2000));
        if (this.#ended) throw new Error(`the peer closed before ${what}; received ${seen}`);
        if (timedOut) throw new Error(`no ${what} in ${timeoutMs} ms; received ${seen}`);
        await changed;
      }
    } finally {
      clearTimeout(timer);
    }
  }

  #take(length: number): string {
    const taken = this.#received.slice(0, length);
    this.#received = this.#received.slice(length);
    return taken;
  }

  /** Reads up to and with `mark`. */
  async readUntil(mark: string, timeoutMs: number = READ_TIMEOUT_MS): Promise<string> {
    const find = (): number | undefined => {
      const at = this.#received.indexOf(mark);
      return at < 0 ? undefined : at + mark.length;
    };
    return this.#take(await this.#until(JSON.stringify(mark), find, timeoutMs));
  }

  async readBytes(length: number, timeoutMs: number = READ_TIMEOUT_MS): Promise<string> {
    const enough = (): true | undefined => (this.#received.length >= length ? true : undefined);
    await this.#until(`${length} bytes`, enough, timeoutMs);
    return this.#take(length);
  }

  /** Everything until the peer closes. A reset after the bytes fails unless `allowReset`. */
  async readToEnd(
    timeoutMs: number = READ_TIMEOUT_MS,
    allowReset: boolean = false,
  ): Promise<string> {
    const over = (): true | undefined => {
      if (this.#error !== undefined) return allowReset ? true : undefined;
      return this.#ended ? true : undefined;
    };
    await this.#until("end of the connection", over, timeoutMs);
    return this.#take(this.#received.length);
  }

  /** One whole response: Content-Length, chunked, or up to the close. `method` says that HEAD has no body. */
  async readResponse(
    method: string = "GET",
    timeoutMs: number = READ_TIMEOUT_MS,
  ): Promise<RawResponse> {
    const head = await this.readUntil("\r\n\r\n", timeoutMs);
    const [statusLine = "", ...lines] = head.slice(0, -4).split("\r\n");
    const match = /^(HTTP\/1\.[01]) (\d{3}) ?(.*)$/.exec(statusLine);
    if (match === null) throw new Error(`not a status line: ${JSON.stringify(statusLine)}`);
    const [, version = "", status = "", reason = ""] = match;
    const headers = parseFields(lines);
    const framing = { headers, status: Number(status), method };
    const { body, trailers, raw } = await this.#readBody(framing, timeoutMs);
    return { status: framing.status, reason, version, headers, body, trailers, raw: head + raw };
  }

  async #readBody(
    framing: Framing,
    timeoutMs: number,
  ): Promise<{ body: string; trailers: Record<string, string>; raw: string }> {
    const { headers, status, method } = framing;
    if (method === "HEAD" || status < 200 || status === 204 || status === 304) {
      return { body: "", trailers: {}, raw: "" };
    }
    if (headers["transfer-encoding"] === "chunked") return this.#readChunks(timeoutMs);
    const length = headers["content-length"];
    const body =
      length === undefined
        ? await this.readToEnd(timeoutMs)
        : await this.readBytes(Number(length), timeoutMs);
    return { body, trailers: {}, raw: body };
  }

  async #readChunks(
    timeoutMs: number,
  ): Promise<{ body: string; trailers: Record<string, string>; raw: string }> {
    let body = "";
    let raw = "";
    for (;;) {
      const line = await this.readUntil("\r\n", timeoutMs);
      raw += line;
      const size = Number.parseInt(line, 16);
      if (!(size >= 0)) throw new Error(`not a chunk size: ${JSON.stringify(line)}`);
      if (size === 0) break;
      const chunk = await this.readBytes(size + 2, timeoutMs);
      raw += chunk;
      if (!chunk.endsWith("\r\n")) throw new Error("a chunk does not end with CRLF");
      body += chunk.slice(0, -2);
    }
    const lines: string[] = [];
    for (;;) {
      const line = await this.readUntil("\r\n", timeoutMs);
      raw += line;
      if (line === "\r\n") break;
      lines.push(line.slice(0, -2));
    }
    return { body, trailers: parseFields(lines), raw };
  }
}
