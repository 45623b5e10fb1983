/**
 * Raw DEFLATE streams of the runtime for permessage-deflate (contract in proto/ws/deflate.ts).
 *
 * They are the native handles under the stream objects of node:zlib: only these work at once, into a given range, and say how much they
 * took and gave, so that decompression stays within a limit. `level` 1: with the window of a connection it reaches most of what
 * higher levels do, in a quarter of their time.
 */
import { createDeflateRaw, createInflateRaw } from "node:zlib";
import { type RawStream, StreamPool, type StreamPools } from "../proto/ws/deflate.ts";

const DEFLATE_LEVEL = 1;
/** Hash chains for small windows. */
const DEFLATE_MEM_LEVEL = 5;
/** Streams kept of each kind: a compressing one takes about 160 KB, a decompressing one 12 to 44 KB. */
const STREAMS_MAX = 256;
/** The smallest output buffer that the stream objects can be told to make; it is not used. */
const CHUNK_BYTES = 64;

/** The part of the native handle that is used. */
interface Handle {
  onerror: (message: string, errno: number, code: string) => void;
  /** Input, its offset and length, output, its offset and length. */
  writeSync(
    flush: number,
    input: Uint8Array,
    inputAt: number,
    inputBytes: number,
    output: Uint8Array,
    outputAt: number,
    outputBytes: number,
  ): void;
  reset(): void;
}

interface Owner {
  readonly _handle: Handle;
  /** Left of the output and of the input after a write. */
  readonly _writeState: Uint32Array;
  close(): void;
}

class ZlibStream implements RawStream {
  readonly #owner: Owner;
  readonly #handle: Handle;
  readonly #left: Uint32Array;
  #failed = false;

  constructor(owner: Owner) {
    this.#owner = owner;
    this.#handle = owner._handle;
    this.#left = owner._writeState;
    // oxlint-disable-next-line unicorn/prefer-add-event-listener -- a native handle is no event target
    this.#handle.onerror = () => {
      this.#failed = true;
    };
  }

  get inputLeft(): number {
    return this.#left[1]!;
  }

  get outputLeft(): number {
    return this.#left[0]!;
  }

  write(
    flush: number,
    input: Uint8Array,
    from: number,
    to: number,
    out: Uint8Array,
    start: number,
    end: number,
  ): boolean {
    this.#handle.writeSync(flush, input, from, to - from, out, start, end - start);
    return !this.#failed;
  }

  reset(): void {
    this.#failed = false;
    this.#handle.reset();
  }

  close(): void {
    this.#owner.close();
  }
}

function deflater(windowBits: number): RawStream {
  const options = {
    windowBits,
    level: DEFLATE_LEVEL,
    memLevel: DEFLATE_MEM_LEVEL,
    chunkSize: CHUNK_BYTES,
  };
  return new ZlibStream(createDeflateRaw(options) as unknown as Owner);
}

function inflater(windowBits: number): RawStream {
  const options = { windowBits, chunkSize: CHUNK_BYTES };
  return new ZlibStream(createInflateRaw(options) as unknown as Owner);
}

/** New pools; an edge has one pair. */
export function createStreamPools(streamsMax: number = STREAMS_MAX): StreamPools {
  return {
    deflate: new StreamPool(deflater, streamsMax),
    inflate: new StreamPool(inflater, streamsMax),
  };
}
