/** A service manager as systemd is one: a unix datagram socket that NOTIFY_SOCKET names, and what came to it. */
import { closeSync } from "node:fs";
import { encodeAbstract, encodeUnix } from "../../src/net/address.ts";
import { addressOf, AF_UNIX, bindTo, datagramSocket, receiveInto } from "../../src/net/libc.ts";

const MESSAGE_BYTES_MAX = 4096;
/** The kernel keeps few messages that nobody has read (ten, with Linux's default): whoever has more to say has to wait. */
const READ_MS = 20;

export class ServiceManager implements Disposable {
  /** For NOTIFY_SOCKET: a path, or `@name`. */
  readonly name: string;
  readonly #fd: number;
  readonly #buffer = new Uint8Array(MESSAGE_BYTES_MAX);
  readonly #messages: string[] = [];
  readonly #reading: Timer;

  constructor(name: string) {
    this.name = name;
    this.#fd = datagramSocket(AF_UNIX);
    const address = name.startsWith("@") ? encodeAbstract(name.slice(1)) : encodeUnix(name);
    if (!bindTo(this.#fd, address)) throw new Error(`no datagram socket at ${name}`);
    this.#reading = setInterval(() => this.#read(), READ_MS);
    this.#reading.unref();
  }

  /** All that came so far, in order, a message an item. */
  get messages(): readonly string[] {
    this.#read();
    return this.#messages;
  }

  /** Without the signs of life. */
  get news(): readonly string[] {
    return this.messages.filter((message) => message !== "WATCHDOG=1");
  }

  #read(): void {
    for (;;) {
      const count = receiveInto(this.#fd, addressOf(this.#buffer), this.#buffer.length);
      if (count <= 0) return;
      this.#messages.push(Buffer.from(this.#buffer.subarray(0, count)).toString());
    }
  }

  [Symbol.dispose](): void {
    clearInterval(this.#reading);
    closeSync(this.#fd);
  }
}
