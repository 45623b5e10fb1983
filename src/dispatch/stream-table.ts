/** The streams of one link that the worker has not ended, and how many there are of each kind. */
import { Accepted, type Exchange } from "../exchange/exchange.ts";

/** Stands for a stream that no longer reaches an exchange. */
const LEFT = null;
/** The same, of a WebSocket. */
const LEFT_SOCKET = false;
/** So many responses that go on for long may stand before the one that is looked for. */
const LOOKS_MAX = 64;

type Entry = Exchange | typeof LEFT | typeof LEFT_SOCKET;

export class StreamTable {
  /** All, those that have been left included. */
  open = 0;
  /** Accepted WebSockets: they mostly wait, and keep no request from being begun. Tunnels are not counted: each holds a thread. */
  sockets = 0;
  readonly #entries: Map<number, Entry> = new Map();

  has(stream: number): boolean {
    return this.#entries.has(stream);
  }

  /** Undefined: not open. Null: nobody wants it any more. */
  get(stream: number): Exchange | null | undefined {
    const entry = this.#entries.get(stream);
    return entry === LEFT_SOCKET ? null : entry;
  }

  /** It is open and its response has not begun. */
  awaitsAnswer(stream: number): boolean {
    const entry = this.#entries.get(stream);
    return (
      entry === LEFT || (entry !== undefined && entry !== LEFT_SOCKET && entry.headBuf !== null)
    );
  }

  /** 0: there is none among the first ones. */
  oldestUnanswered(): number {
    let looks = LOOKS_MAX;
    for (const stream of this.#entries.keys()) {
      if (this.awaitsAnswer(stream)) return stream;
      looks -= 1;
      if (looks === 0) break;
    }
    return 0;
  }

  add(x: Exchange): void {
    this.#entries.set(x.stream, x);
    this.open += 1;
  }

  /** The exchange wants nothing more of its stream, which the worker has yet to end. */
  leave(x: Exchange): void {
    this.#entries.set(x.stream, x.accepted === Accepted.WEBSOCKET ? LEFT_SOCKET : LEFT);
  }

  /** The worker has ended it. */
  end(stream: number): void {
    const entry = this.#entries.get(stream);
    this.#entries.delete(stream);
    this.open -= 1;
    if (entry === LEFT_SOCKET || (entry && entry.accepted === Accepted.WEBSOCKET)) {
      this.sockets -= 1;
    }
  }

  /** Those that have not been left, oldest first. */
  exchanges(): Exchange[] {
    const all: Exchange[] = [];
    for (const entry of this.#entries.values()) if (entry) all.push(entry);
    return all;
  }

  clear(): void {
    this.#entries.clear();
    this.open = 0;
    this.sockets = 0;
  }
}
