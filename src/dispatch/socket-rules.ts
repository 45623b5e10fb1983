/** What differs between the frames of a WebSocket and those of a response. */
import { Accepted, type Exchange } from "../exchange/exchange.ts";
import { Flag, FrameType, RESPONSE_WINDOW_BYTES, WS_WINDOW_BYTES } from "../wire/spec.ts";

/** What a worker may send on the stream before it gets credit. */
export function windowOf(x: Exchange): number {
  return x.accepted === Accepted.WEBSOCKET ? WS_WINDOW_BYTES : RESPONSE_WINDOW_BYTES;
}

export function isSharedMessage(type: number, flags: number): boolean {
  return type === FrameType.WORKER_MESSAGE && (flags & Flag.SHARED) !== 0;
}

/** A WebSocket ends by its close alone. */
export function endsWrongly(x: Exchange, flags: number): boolean {
  return x.accepted === Accepted.WEBSOCKET && (flags & Flag.END) !== 0;
}
