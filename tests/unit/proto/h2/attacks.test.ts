/** Attacks on an HTTP/2 connection: each meets a named bound (src/proto/h2/limits.ts), and its honest look-alike does not. */
import { describe, expect, test } from "bun:test";
import { FrameFlag, FrameType, H2Code, Setting } from "../../../../src/proto/h2/frames.ts";
import {
  FLOOD_WINDOW_MS,
  FLOODS,
  type FloodName,
  HEADER_BLOCK_FRAMES_MAX,
  REPLIES_QUEUED_MAX,
} from "../../../../src/proto/h2/limits.ts";
import {
  data,
  frame,
  GET,
  H2Probe,
  headerBlock,
  headers,
  KIB,
  ping,
  POST,
  priorityUpdate,
  reset,
  settings,
  u32,
  windowUpdate,
} from "../../../support/h2-connection.ts";

const CALM = `ERROR ${H2Code.ENHANCE_YOUR_CALM}`;
/** More rounds than any bound. */
const ROUNDS = 5000;

/** Rounds of an attack until the connection is ended; the client reads all the while. */
function roundsUntilCalm(probe: H2Probe, round: (i: number) => Uint8Array[]): number {
  for (let i = 0; i < ROUNDS; i++) {
    probe.feed(...round(i));
    if (probe.events.at(-1) === CALM) {
      expect(probe.sent().at(-1)).toEndWith(` ${H2Code.ENHANCE_YOUR_CALM}`);
      expect(probe.h2.errorCode).toBe("h2-flood");
      return i + 1;
    }
    probe.sent();
    probe.events.length = 0;
  }
  return ROUNDS;
}

const odd = (i: number): number => 2 * i + 1;

describe("floods meet a named bound and are counted", () => {
  const attacks: [string, FloodName, (i: number) => Uint8Array[]][] = [
    ["rapid reset (CVE-2023-44487)", "aborts", (i) => [headers(odd(i)), reset(odd(i))]],
    [
      "MadeYouReset by window updates (CVE-2025-8671)",
      "aborts",
      (i) => [headers(odd(i)), windowUpdate(odd(i), 0)],
    ],
    ["MadeYouReset by DATA after the end", "aborts", (i) => [headers(odd(i)), data(odd(i), "x")]],
    [
      "MadeYouReset by windows too large",
      "aborts",
      (i) => [headers(odd(i)), windowUpdate(odd(i), 2 ** 31 - 1)],
    ],
    ["malformed requests", "aborts", (i) => [headers(odd(i), GET.slice(1))]],
    ["PING", "pings", () => [ping()]],
    ["SETTINGS", "settings", () => [settings([Setting.INITIAL_WINDOW_SIZE, 5])]],
    ["empty DATA", "emptyData", (i) => [...(i === 0 ? [headers(1, POST, 0)] : []), data(1, "")]],
    [
      "PRIORITY",
      "priorities",
      () => [frame(FrameType.PRIORITY, 0, 9, Buffer.concat([u32(3), Buffer.from([1])]))],
    ],
    ["PRIORITY_UPDATE", "priorities", (i) => [priorityUpdate(odd(i), "u=1")]],
    ["WINDOW_UPDATE", "windowUpdates", () => [windowUpdate(0, 1)]],
    ["frames of unknown types", "strays", () => [frame(99, 0, 0)]],
    ["acknowledgements of nothing", "strays", () => [ping(FrameFlag.ACK)]],
    ["GOAWAY", "strays", () => [frame(FrameType.GOAWAY, 0, 0, u32(0, 0))]],
    [
      "resets of a stream that is over",
      "strays",
      (i) => [...(i === 0 ? [headers(1), reset(1)] : []), reset(1)],
    ],
  ];
  test.each(attacks)("%s", (_name, bound, round) => {
    const probe = H2Probe.greeted();
    const before = probe.h2.counts[bound];
    const rounds = roundsUntilCalm(probe, round);
    expect(Math.abs(rounds - FLOODS[bound].base)).toBeLessThanOrEqual(2);
    expect(probe.h2.counts[bound] - before).toBeGreaterThanOrEqual(rounds - 1);
    expect(probe.h2.openStreams).toBeLessThanOrEqual(1);
  });

  test("the same over a long time is honest", () => {
    let now = 0;
    const probe = H2Probe.greeted({ now: () => now });
    const rounds = roundsUntilCalm(probe, (i) => {
      now += FLOOD_WINDOW_MS / FLOODS.aborts.base;
      return [headers(odd(i)), reset(odd(i)), ping()];
    });
    expect(rounds).toBe(ROUNDS);
  });

  test("cancelled requests between answered ones are honest", () => {
    const probe = H2Probe.greeted();
    let stream = 1;
    const rounds = roundsUntilCalm(probe, () => {
      probe.feed(headers(stream));
      probe.answer(stream);
      stream += 4;
      return [headers(stream - 2), reset(stream - 2)];
    });
    expect(rounds).toBe(ROUNDS);
  });

  test("window updates and pings that answer DATA are honest", () => {
    const probe = H2Probe.greeted();
    probe.feed(headers(1));
    probe.head(1);
    const rounds = roundsUntilCalm(probe, () => {
      probe.body(1, 1000);
      return [windowUpdate(1, 1000), windowUpdate(0, 1000), ping()];
    });
    expect(rounds).toBe(ROUNDS);
  });

  test("a refused stream counts as a reset", () => {
    const probe = H2Probe.greeted({ streamsMax: 1 });
    probe.feed(headers(1, POST, 0));
    expect(roundsUntilCalm(probe, (i) => [headers(odd(i + 1))])).toBe(FLOODS.aborts.base + 1);
  });
});

describe("header blocks", () => {
  test("a CONTINUATION flood ends after a bounded number of frames, empty ones too", () => {
    const probe = H2Probe.greeted();
    probe.feed(frame(FrameType.HEADERS, 1, 1, headerBlock(GET)));
    const flood = frame(FrameType.CONTINUATION, 0, 1);
    expect(roundsUntilCalm(probe, () => [flood])).toBe(HEADER_BLOCK_FRAMES_MAX);
  });

  test("a CONTINUATION flood ends after a bounded number of bytes", () => {
    const probe = H2Probe.greeted();
    probe.feed(frame(FrameType.HEADERS, 1, 1, headerBlock(GET)));
    const flood = frame(FrameType.CONTINUATION, 0, 1, Buffer.alloc(16 * KIB));
    expect(roundsUntilCalm(probe, () => [flood])).toBe(8);
  });

  test("an HPACK bomb decodes to a refusal, a large one ends the connection", () => {
    const probe = H2Probe.greeted();
    // One entry of 4000 bytes in the table, then references to it: a byte each.
    const value = Buffer.alloc(4000, 0x61);
    const entry = [Buffer.from([0x40, 1, 0x78, 127, 0xa1, 0x1e]), value];
    const known = Buffer.from([0x82, 0x86, 0x84, 0x41, 1, 0x68]);
    const bomb = Buffer.concat([known, ...entry, Buffer.alloc(40, 0xbe)]);
    const events = probe.feed(frame(FrameType.HEADERS, 5, 1, bomb));
    expect(events).toEqual(["REFUSED 1 header-too-large"]);
    expect(probe.feed(headers(3))).toEqual(["HEAD 3 GET /", "END 3"]);
    const large = Buffer.concat([known, Buffer.alloc(12_000, 0xbe)]);
    expect(probe.feed(frame(FrameType.HEADERS, 5, 5, large))).toEqual([CALM]);
  });
});

describe("a client that does not read", () => {
  test("cannot pile up answers to PING and SETTINGS", () => {
    const probe = H2Probe.greeted();
    probe.feed(headers(1));
    probe.head(1);
    // So many DATA frames earn as many pings.
    for (let i = 0; i < 300; i++) probe.body(1, 100);
    probe.sent();
    for (let i = 0; i <= REPLIES_QUEUED_MAX; i++) probe.feed(ping());
    expect(probe.events.at(-1)).toBe(CALM);
    const out = probe.h2.pull(1)!;
    expect(out.length).toBeLessThan(17 * (REPLIES_QUEUED_MAX + 10));
  });

  test("cannot pile up window updates", () => {
    const probe = H2Probe.greeted({ streamWindowBytes: 65_535, connectionWindowBytes: 65_535 });
    probe.feed(headers(1, POST, 0));
    const upload = data(1, Buffer.alloc(16_384));
    let frames = 0;
    while (probe.events.at(-1) !== CALM && frames < ROUNDS) {
      probe.feed(upload);
      frames++;
    }
    expect(frames).toBeLessThan(REPLIES_QUEUED_MAX + 10);
  });

  test("has its answers wait in the queues, where the driver sees them", () => {
    const probe = H2Probe.greeted({ streamsMax: 100 });
    probe.feed(windowUpdate(0, 2 ** 30));
    let queued = 0;
    for (let stream = 1; stream < 200; stream += 2) {
      probe.feed(headers(stream));
      probe.head(stream);
      probe.body(stream, 60 * KIB);
      queued += probe.h2.pending(stream);
    }
    expect(probe.h2.queuedBytes).toBe(queued);
    expect(queued).toBeGreaterThan(90 * 60 * KIB);
    expect(probe.h2.pull(1)!.length).toBeLessThan(300 * KIB);
  });

  test("cannot have a body sent in dribbles (CVE-2019-9511)", () => {
    const probe = H2Probe.greeted();
    probe.feed(settings([Setting.INITIAL_WINDOW_SIZE, 0]), headers(1));
    probe.head(1);
    probe.body(1, 100_000);
    const rounds = roundsUntilCalm(probe, () => [windowUpdate(1, 1)]);
    expect(rounds).toBeLessThanOrEqual(FLOODS.dribbles.base + 2);
  });
});

test("priorities of streams that never come are remembered in a bounded number", () => {
  const probe = H2Probe.greeted({ streamsMax: 4 });
  for (let stream = 1; stream < 1000; stream += 2) probe.feed(priorityUpdate(stream, "u=0"));
  probe.feed(headers(1001));
  // The old ones make room for new ones once their streams are passed.
  probe.feed(priorityUpdate(1003, "u=0"), headers(1003));
  expect(probe.events).toEqual(["HEAD 1001 GET /", "END 1001", "HEAD 1003 GET /", "END 1003"]);
});
