/**
 * The control socket: `keelback ctl` asks, one JSON object a line, and is answered in kind, in the order of its questions. Only
 * the server's user (and root) can connect: the mode of the socket is 0600. Peers that send anything else are told so and
 * disconnected.
 */
import { chmodSync } from "node:fs";
import { errorText } from "../../observe/log.ts";
import { LineBuffer } from "../workers/lines.ts";

/** docs/behavior.md, "keelback ctl speaks with a running server". */
export interface CtlRequest {
  readonly do: string;
  readonly worker?: unknown;
  readonly count?: unknown;
  readonly level?: unknown;
}

export type CtlAnswer =
  | { readonly ok: true; readonly [fact: string]: unknown }
  | { readonly ok: false; readonly error: string; readonly hint?: string };

export type CtlHandler = (request: CtlRequest) => CtlAnswer | Promise<CtlAnswer>;

export interface CtlServer {
  /** Nobody can connect any more. Who is connected stays so until the process ends: who asked for the end waits for that. */
  close(): void;
}

/** The longest question is some dozens of bytes. */
const LINE_BYTES_MAX = 4096;
const CONNECTIONS_MAX = 32;
const MODE = 0o600;

class Peer {
  readonly #socket: Bun.Socket<Peer>;
  readonly #handler: CtlHandler;
  readonly #lines = new LineBuffer(LINE_BYTES_MAX);
  #unsent: Buffer = Buffer.alloc(0);
  /** Questions are answered one after the other. */
  #last: Promise<void> = Promise.resolve();
  #ended = false;

  constructor(socket: Bun.Socket<Peer>, handler: CtlHandler) {
    this.#socket = socket;
    this.#handler = handler;
  }

  receive(chunk: Buffer): void {
    for (const line of this.#lines.push(chunk)) {
      this.#last = this.#last.then(() => this.#answer(line));
    }
  }

  /** The client asks nothing more, and may wait for answers. */
  ended(): void {
    this.#ended = true;
    this.#last = this.#last.then(() => this.flush());
  }

  flush(): void {
    if (this.#unsent.length > 0) {
      const taken = this.#socket.write(this.#unsent);
      this.#unsent = taken < 0 ? Buffer.alloc(0) : this.#unsent.subarray(taken);
    }
    if (this.#ended && this.#unsent.length === 0) this.#socket.end();
  }

  refuse(error: string): void {
    this.#send({ ok: false, error });
    this.#socket.end();
  }

  async #answer(line: string): Promise<void> {
    const request = parse(line);
    if (request === null) return this.refuse("this is no question: one JSON object a line");
    try {
      this.#send(await this.#handler(request));
    } catch (error) {
      this.#send({ ok: false, error: errorText(error) });
    }
  }

  #send(answer: CtlAnswer): void {
    this.#unsent = Buffer.concat([this.#unsent, Buffer.from(`${JSON.stringify(answer)}\n`)]);
    this.flush();
  }
}

/** Throws when the socket cannot be made. Its directory is private: nobody connects before it has its mode. */
export function serveCtl(path: string, handler: CtlHandler): CtlServer {
  let connections = 0;
  const server = Bun.listen<Peer>({
    unix: path,
    allowHalfOpen: true,
    socket: {
      open: (socket) => {
        connections += 1;
        socket.data = new Peer(socket, handler);
        if (connections > CONNECTIONS_MAX) socket.data.refuse("too many ask at the same time");
      },
      data: (socket, chunk) => socket.data.receive(chunk),
      drain: (socket) => socket.data.flush(),
      end: (socket) => socket.data.ended(),
      close: () => {
        connections -= 1;
      },
      error: (socket) => {
        socket.terminate();
      },
    },
  });
  chmodSync(path, MODE);
  return { close: () => server.stop() };
}

function parse(line: string): CtlRequest | null {
  try {
    const value: unknown = JSON.parse(line);
    const valid = typeof value === "object" && value !== null && "do" in value;
    return valid && typeof value.do === "string" ? (value as CtlRequest) : null;
  } catch {
    return null;
  }
}
