/**
 * How long messages of a client are read. What the runtime has read of them is given back at once: until the next collection it would fill
 * the memory many times over. What follows goes from the kernel straight into the worker's memory: the runtime's own reads, which copy and
 * allocate, then find little or nothing. Made for the first large chunk, which most connections never see.
 */
import { release } from "../core/bytes.ts";
import { type Backend, type Exchange, PART_LAST, type PartReader } from "../exchange/exchange.ts";
import { type WsConnection, WsEvent } from "../proto/ws/connection.ts";
import type { WsInbox } from "./ws-inbox.ts";

/** Smaller chunks are left to the collector, and so much of a message to the runtime's reads. */
export const LARGE_BYTES = 64 * 1024;

export class WsLarge implements PartReader {
  /** Messages that ended in what was read last. */
  ended = 0;
  /** The client broke the protocol there. */
  wrong = false;
  readonly #codec: WsConnection;
  readonly #inbox: WsInbox;
  /** What the runtime has read last. */
  #chunk: Buffer | null = null;

  constructor(codec: WsConnection, inbox: WsInbox) {
    this.#codec = codec;
    this.#inbox = inbox;
  }

  /** A chunk that the codec is being fed. */
  hold(chunk: Buffer): void {
    this.#chunk = chunk;
  }

  /** Gives the chunk back if all of it has been handed on, as copies. */
  settle(): void {
    const chunk = this.#chunk;
    const inbox = this.#inbox;
    if (chunk === null || !this.#codec.empty || inbox.heldBytes > 0) return;
    this.#chunk = null;
    if (!inbox.keeps) release(chunk);
    inbox.keeps = false;
  }

  /** Reads on in a message. Returns the number of bytes. */
  readOn(backend: Backend, x: Exchange, fd: number): number {
    this.ended = 0;
    const left = this.#codec.directBytes;
    if (left < LARGE_BYTES || x.requestCredit < LARGE_BYTES) return 0;
    return backend.receiveBody(x, fd, left, this);
  }

  readPart(bytes: Buffer): number {
    const codec = this.#codec;
    codec.feed(bytes);
    const event = codec.next();
    this.wrong = event === WsEvent.ERROR;
    if (event !== WsEvent.PART && event !== WsEvent.MESSAGE) return 0;
    const last = event === WsEvent.MESSAGE;
    if (last) this.ended = 1;
    if (codec.data === bytes) return last ? codec.kind | PART_LAST : codec.kind;
    this.#inbox.send(codec.data.subarray(codec.start, codec.end), codec.kind, last);
    return 0;
  }
}
