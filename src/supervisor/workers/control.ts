/**
 * control.sock: zygotes and workers connect and speak JSON, one object a line
 * (docs/architecture.md, "Control channel"). A peer that sends anything else is disconnected; only
 * this user can connect at all.
 */
import { LineBuffer } from "./lines.ts";

/** A traceback of the app is the longest thing sent. */
const LINE_BYTES_MAX = 1024 * 1024;

/** What a zygote or worker says; a field is looked at only after its type has been checked. */
export type ControlMessage = Readonly<Record<string, unknown>> & { readonly t: string };

export interface ControlPeer {
  send(message: object): void;
  close(): void;
}

export interface ControlHandlers {
  message(peer: ControlPeer, message: ControlMessage): void;
  closed(peer: ControlPeer): void;
}

export interface ControlServer {
  close(): void;
}

class Peer implements ControlPeer {
  readonly lines: LineBuffer = new LineBuffer(LINE_BYTES_MAX);
  readonly #socket: Bun.Socket<Peer>;
  /** Bytes that the kernel has not taken. */
  #unsent: Buffer = Buffer.alloc(0);

  constructor(socket: Bun.Socket<Peer>) {
    this.#socket = socket;
  }

  send(message: object): void {
    this.#unsent = Buffer.concat([this.#unsent, Buffer.from(`${JSON.stringify(message)}\n`)]);
    this.flush();
  }

  flush(): void {
    if (this.#unsent.length === 0) return;
    const taken = this.#socket.write(this.#unsent);
    this.#unsent = taken < 0 ? Buffer.alloc(0) : this.#unsent.subarray(taken);
  }

  close(): void {
    this.#socket.terminate();
  }
}

export function serveControl(path: string, handlers: ControlHandlers): ControlServer {
  const server = Bun.listen<Peer>({
    unix: path,
    socket: {
      open: (socket) => {
        socket.data = new Peer(socket);
      },
      data: (socket, chunk) => {
        for (const line of socket.data.lines.push(chunk)) {
          const message = parse(line);
          if (message === null) return socket.data.close();
          handlers.message(socket.data, message);
        }
      },
      drain: (socket) => socket.data.flush(),
      close: (socket) => handlers.closed(socket.data),
      error: (socket) => socket.data.close(),
    },
  });
  return { close: () => server.stop(true) };
}

function parse(line: string): ControlMessage | null {
  try {
    const value: unknown = JSON.parse(line);
    const valid = typeof value === "object" && value !== null && "t" in value;
    return valid && typeof value.t === "string" ? (value as ControlMessage) : null;
  } catch {
    return null;
  }
}

/** A text field, or the empty string. */
export function textField(message: ControlMessage, name: string): string {
  const value = message[name];
  return typeof value === "string" ? value : "";
}

/** A number field, or -1. */
export function numberField(message: ControlMessage, name: string): number {
  const value = message[name];
  return typeof value === "number" ? value : -1;
}
