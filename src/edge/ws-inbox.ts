/**
 * What goes from a WebSocket client to its worker: messages and the close, in order and within the worker's credit. What exceeds it waits
 * here; the session stops reading before that becomes much.
 */
import { type Backend, type Exchange, Handed } from "../exchange/exchange.ts";
import type { MessageKind } from "../proto/ws/frame.ts";
import { WS_MESSAGE_COST_BYTES } from "../wire/spec.ts";

/** Less than this is not cut off a piece to use up the credit. */
const CUT_BYTES_MIN = 4096;

interface Held {
  piece: Buffer;
  readonly kind: MessageKind;
  readonly last: boolean;
}

export class WsInbox {
  /** What the waiting pieces cost; 0: nothing waits. */
  heldBytes = 0;
  /** The backend has kept a piece as it is. */
  keeps = false;
  /** The worker gets nothing more, apart from what waits. */
  over = false;
  readonly #backend: Backend;
  readonly #x: Exchange;
  #held: Held[] = NONE;
  #close: { readonly code: number; readonly reason: string } | null = null;

  constructor(backend: Backend, x: Exchange) {
    this.#backend = backend;
    this.#x = x;
  }

  /** A piece of a message; `last` ends it. The piece is kept. */
  send(piece: Buffer, kind: MessageKind, last: boolean): void {
    if (this.over) return;
    const rest = this.heldBytes > 0 ? piece : this.#hand(piece, kind, last);
    if (rest === null) return;
    if (this.heldBytes === 0) this.#held = [];
    this.#held.push({ piece: rest, kind, last });
    this.heldBytes += rest.length + WS_MESSAGE_COST_BYTES;
  }

  /** The client has closed, or is lost. */
  close(code: number, reason: string): void {
    if (this.over) return;
    this.over = true;
    if (this.heldBytes > 0) this.#close = { code, reason };
    else this.#backend.sendWsClose(this.#x, code, reason);
  }

  /** The worker has ended it: what waits is for nobody. */
  abandon(): void {
    this.over = true;
    this.heldBytes = 0;
    this.#held = NONE;
    this.#close = null;
  }

  /** There is credit again. */
  onCredit(): void {
    const held = this.#held;
    let done = 0;
    while (done < held.length) {
      const next = held[done]!;
      const rest = this.#hand(next.piece, next.kind, next.last);
      this.heldBytes -= next.piece.length - (rest?.length ?? 0);
      if (rest !== null) {
        next.piece = rest;
        break;
      }
      this.heldBytes -= WS_MESSAGE_COST_BYTES;
      done += 1;
    }
    if (done === 0) return;
    this.#held = done === held.length ? NONE : held.slice(done);
    if (this.heldBytes > 0 || this.#close === null) return;
    this.#backend.sendWsClose(this.#x, this.#close.code, this.#close.reason);
    this.#close = null;
  }

  /** Hands over what credit allows. Returns the rest, null: all is gone. */
  #hand(piece: Buffer, kind: MessageKind, last: boolean): Buffer | null {
    const credit = this.#x.requestCredit;
    if (piece.length + (last ? WS_MESSAGE_COST_BYTES : 0) <= credit) {
      return this.#give(piece, kind, last) ? null : piece;
    }
    const room = Math.min(credit, piece.length);
    if (room < CUT_BYTES_MIN) return piece;
    return this.#give(piece.subarray(0, room), kind, false) ? piece.subarray(room) : piece;
  }

  #give(piece: Buffer, kind: MessageKind, last: boolean): boolean {
    const handed = this.#backend.sendMessage(this.#x, kind, piece, last);
    if (handed === Handed.KEPT) this.keeps = true;
    return handed !== Handed.WAITS;
  }
}

const NONE: Held[] = [];
