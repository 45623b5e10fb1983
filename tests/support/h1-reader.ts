/**
 * Runs H1Reader over bytes split in given ways and writes down what it said, so that two runs can be compared. The
 * caller's rights are used to the full: a chunk is overwritten as soon as the reader asked for more.
 */
import { expect } from "bun:test";
import { type HeadForm, ReadEvent } from "../../src/proto/events.ts";
import { ForwardingPolicy } from "../../src/proto/forwarded.ts";
import { H1Reader, type H1ReaderOptions } from "../../src/proto/h1/reader.ts";

export interface SeenRequest {
  method: string;
  target: string;
  version: number;
  /** The block's strings before and after the connection's constants, latin-1. */
  prefix: string[];
  fields: [string, string][];
  contentLength: number;
  keepAlive: boolean;
  expectContinue: boolean;
  trailersOk: boolean;
  upgrade: boolean;
  dropped: number;
  host: string | null;
  body: string;
  complete: boolean;
  trailers: string | null;
}

export interface Transcript {
  requests: SeenRequest[];
  error: string | null;
  /** A request has begun and its head is not complete. */
  headPending: boolean;
}

const NOTHING_USED = new ForwardingPolicy([], () => false);

export const DEFAULTS: Omit<H1ReaderOptions, "form"> = {
  requestLineBytesMax: 8190,
  headerBytesMax: 65536,
  headerFieldBytesMax: 16384,
  headerCountMax: 100,
  bodyBytesMax: 0,
  underscoreHeaders: "drop",
  // A proxy of ours, of which nothing is used: its fields stay.
  forwarding: () => NOTHING_USED,
};

export function options(form: HeadForm, changes: Partial<H1ReaderOptions> = {}): H1ReaderOptions {
  return { ...DEFAULTS, form, ...changes };
}

/** The strings of a block, whose joints must be as the contract says. */
function readBlock(reader: H1Reader): Pick<SeenRequest, "prefix" | "fields"> {
  const { block, splitAt, blockEnd } = reader.head;
  const text = Buffer.from(block.subarray(0, blockEnd)).toString("latin1");
  expect(text[splitAt - 1]).toBe("\0");
  const prefix = text.slice(0, splitAt - 1).split("\0");
  const rest = text.slice(splitAt);
  const fields: [string, string][] = [];
  if (rest !== "") {
    expect(rest[0]).toBe("\0");
    const strings = rest.slice(1).split("\0");
    expect(strings.length % 2).toBe(0);
    for (let i = 0; i < strings.length; i += 2) fields.push([strings[i]!, strings[i + 1]!]);
  }
  return { prefix, fields };
}

function readRequest(reader: H1Reader): SeenRequest {
  const { method, version, contentLength, keepAlive, expectContinue } = reader.head;
  const { trailersOk, upgrade, dropped } = reader.head;
  return {
    method,
    target: reader.head.target(),
    version,
    ...readBlock(reader),
    ...{ contentLength, keepAlive, expectContinue, trailersOk, upgrade, dropped },
    host: reader.head.field("host"),
    body: "",
    complete: false,
    trailers: null,
  };
}

/** Feeds the chunks one by one; answers each request at once. */
export function run(chunks: readonly Uint8Array[], settings: H1ReaderOptions): Transcript {
  return runOn(new H1Reader(settings), chunks);
}

export function runOn(reader: H1Reader, chunks: readonly Uint8Array[]): Transcript {
  const seen: Transcript = { requests: [], error: null, headPending: false };
  for (const original of chunks) {
    const chunk = Uint8Array.from(original);
    reader.feed(chunk);
    while (step(reader, seen));
    chunk.fill(0xaa);
  }
  if (seen.error !== null) {
    expect(reader.next()).toBe(ReadEvent.ERROR);
    expect(reader.errorCode as string).toBe(seen.error);
  }
  seen.headPending = reader.headPending();
  return seen;
}

function step(reader: H1Reader, seen: Transcript): boolean {
  const request = seen.requests.at(-1);
  switch (reader.next()) {
    case ReadEvent.NEED_DATA:
      if (request?.complete === true) reader.resume();
      return false;
    case ReadEvent.HEAD:
      seen.requests.push(readRequest(reader));
      return true;
    case ReadEvent.BODY:
      expect(reader.dataEnd).toBeGreaterThan(reader.dataStart);
      request!.body += Buffer.from(reader.data.subarray(reader.dataStart, reader.dataEnd)).toString(
        "latin1",
      );
      return true;
    case ReadEvent.END: {
      request!.complete = true;
      const { trailers } = reader;
      request!.trailers = trailers === null ? null : Buffer.from(trailers).toString("latin1");
      // The head is valid until the next one.
      const { body, complete, trailers: seenTrailers } = request!;
      expect(request!).toEqual({ ...readRequest(reader), body, complete, trailers: seenTrailers });
      return true;
    }
    case ReadEvent.PAUSED:
      reader.resume();
      return true;
    case ReadEvent.ERROR:
      seen.error = reader.errorCode;
      return false;
  }
}

/** A small seeded generator (mulberry32). */
export function randomOf(seed: number): () => number {
  let state = seed;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 4294967296;
  };
}

export function splitAtRandom(bytes: Uint8Array, random: () => number): Uint8Array[] {
  const pieces: Uint8Array[] = [];
  const average = 1 + Math.floor(random() * Math.max(1, bytes.length / 2));
  let at = 0;
  while (at < bytes.length) {
    const size = 1 + Math.floor(random() * 2 * average);
    pieces.push(bytes.subarray(at, at + size));
    at += size;
  }
  return pieces;
}

export function bytewise(bytes: Uint8Array): Uint8Array[] {
  return Array.from({ length: bytes.length }, (_, i) => bytes.subarray(i, i + 1));
}

const SUCCESSOR = Buffer.from("GET /s HTTP/1.1\r\nHost: t\r\n\r\n");
const RANDOM_SPLITS = 12;

/**
 * Reads the input whole, byte by byte, at random splits, and with another request behind it; all must agree. Gives what
 * was seen.
 */
export function readEveryWay(
  input: string | Uint8Array,
  settings: H1ReaderOptions = options("asgi"),
): Transcript {
  const bytes = typeof input === "string" ? Buffer.from(input, "latin1") : input;
  const whole = run([bytes], settings);
  expect(run(bytewise(bytes), settings)).toEqual(whole);
  const random = randomOf(bytes.length);
  for (let i = 0; i < RANDOM_SPLITS; i++) {
    expect(run(splitAtRandom(bytes, random), settings)).toEqual(whole);
  }
  if (whole.error !== null) {
    expect(run([Buffer.concat([bytes, SUCCESSOR])], settings)).toEqual(whole);
  } else if (!whole.headPending && whole.requests.every((request) => request.complete)) {
    const extended = run([Buffer.concat([bytes, SUCCESSOR])], settings);
    const next = whole.requests.at(-1)?.keepAlive === false ? [] : ["/s"];
    expect(extended.requests.slice(0, whole.requests.length)).toEqual(whole.requests);
    expect(extended.requests.slice(whole.requests.length).map((seen) => seen.target)).toEqual(next);
    expect(extended.error).toBeNull();
  }
  return whole;
}

/** The only request of an accepted input. */
export function accepted(input: string, settings: H1ReaderOptions = options("asgi")): SeenRequest {
  const seen = readEveryWay(input, settings);
  expect(seen.error).toBeNull();
  expect(seen.requests.length).toBe(1);
  expect(seen.requests[0]!.complete).toBe(true);
  return seen.requests[0]!;
}

/** The error code of a refused input, which must be the same for both forms. */
export function refused(input: string, changes: Partial<H1ReaderOptions> = {}): string | null {
  const { error } = readEveryWay(input, options("asgi", changes));
  expect(readEveryWay(input, options("cgi", changes)).error).toBe(error);
  return error;
}
