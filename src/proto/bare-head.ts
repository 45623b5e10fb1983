/** A request head of which only the block counts: for those who dispatch requests that no client has sent. */
import type { RequestHead } from "./events.ts";

/** `splitAt`: see RequestHead. */
export function bareHead(block: Uint8Array, splitAt: number): RequestHead {
  return {
    method: "GET",
    version: 11,
    block,
    splitAt,
    blockEnd: block.length,
    contentLength: 0,
    keepAlive: true,
    expectContinue: false,
    trailersOk: false,
    upgrade: false,
    dropped: 0,
    forwarded: null,
    target: () => "/",
    field: () => null,
  };
}
