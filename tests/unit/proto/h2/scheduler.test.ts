/** In which order queued DATA leaves (RFC 9218), and which streams are stalled. */
import { describe, expect, test } from "bun:test";
import { Setting } from "../../../../src/proto/h2/frames.ts";
import {
  type Field,
  GET,
  H2Probe,
  headers,
  KIB,
  parseFrames,
  priorityUpdate,
  settings,
  windowUpdate,
} from "../../../support/h2-connection.ts";

function prioritized(stream: number, value: string | null): Buffer {
  const fields: readonly Field[] = value === null ? GET : [...GET, ["priority", value]];
  return headers(stream, fields);
}

/** The streams of the DATA frames that leave one pull at a time, after what is in the output already. */
function order(probe: H2Probe, max: number): number[] {
  probe.h2.pull(1);
  return probe
    .frames(max)
    .filter(({ type }) => type === "DATA")
    .map(({ stream }) => stream);
}

describe("streams that are urgent go first", () => {
  /** Streams 1, 3, 5 ... with these priorities, each with three frames to send, none of them sent yet. */
  function streams(...values: (string | null)[]): H2Probe {
    const probe = H2Probe.roomy(0);
    for (const [index, value] of values.entries()) {
      const stream = 2 * index + 1;
      probe.feed(prioritized(stream, value));
      probe.head(stream);
      probe.body(stream, 3 * 16_384, true);
    }
    probe.feed(settings([Setting.INITIAL_WINDOW_SIZE, 1024 * KIB]));
    return probe;
  }
  const ONE = 16_384;

  test("a lower urgency number goes first", () => {
    expect(order(streams("u=5", "u=0", "u=2"), ONE)).toEqual([3, 3, 3, 5, 5, 5, 1, 1, 1]);
  });

  test("streams that are not incremental go one after another", () => {
    expect(order(streams("u=3", "u=3"), ONE)).toEqual([1, 1, 1, 3, 3, 3]);
  });

  test("incremental streams take turns", () => {
    expect(order(streams("u=3, i", "i", "u=3,i"), ONE)).toEqual([1, 3, 5, 1, 3, 5, 1, 3, 5]);
  });

  test("the two kinds alternate", () => {
    expect(order(streams("i", "u=3", "i", "u=3"), ONE).slice(0, 9)).toEqual([
      3, 1, 3, 5, 3, 1, 7, 5, 7,
    ]);
  });

  test("a client that says nothing of priorities has its streams served in turn", () => {
    expect(order(streams(null, null), ONE)).toEqual([1, 3, 1, 3, 1, 3]);
    expect(order(streams("u=3", null, null), ONE)).toEqual([1, 1, 1, 3, 3, 3, 5, 5, 5]);
  });

  test("PRIORITY_UPDATE changes a stream that waits", () => {
    const probe = streams("u=1", "u=2", "u=3");
    probe.feed(priorityUpdate(5, "u=0"));
    expect(order(probe, ONE)).toEqual([5, 5, 5, 1, 1, 1, 3, 3, 3]);
  });

  test("PRIORITY_UPDATE that comes before its stream holds, whatever the field says", () => {
    const probe = H2Probe.roomy(0);
    probe.feed(priorityUpdate(3, "u=0"));
    for (const stream of [1, 3]) {
      probe.feed(prioritized(stream, "u=2"));
      probe.head(stream);
      probe.body(stream, 40_000, true);
    }
    probe.feed(settings([Setting.INITIAL_WINDOW_SIZE, 1024 * KIB]));
    expect(order(probe, ONE)).toEqual([3, 3, 3, 1, 1, 1]);
  });

  test("PRIORITY_UPDATE on a stream, of none or too short ends the connection", () => {
    for (const [bytes, code] of [
      [priorityUpdate(0, "u=1"), 1],
      [priorityUpdate(2, "u=1"), 1],
    ] as const) {
      expect(H2Probe.greeted().feed(bytes)).toEqual([`ERROR ${code}`]);
    }
  });

  test("a stream whose window is shut lets the next ones pass", () => {
    const probe = streams("u=0", "u=7");
    probe.feed(settings([Setting.INITIAL_WINDOW_SIZE, ONE]));
    expect(order(probe, ONE)).toEqual([1, 3]);
  });

  test("a small answer is not held up by a large one", () => {
    const probe = streams("u=0");
    probe.feed(prioritized(3, "u=7"));
    probe.head(3);
    expect(probe.body(3, 100, true)).toBe(true);
    const last = parseFrames(probe.h2.pull(1)!).at(-1)!;
    expect([last.type, last.stream]).toEqual(["DATA", 3]);
    expect(order(probe, ONE)).toEqual([1, 1, 1]);
  });

  test("pull gives about as much as it was asked for", () => {
    const probe = streams("i", "i", "i");
    probe.h2.pull(1);
    for (let piece = probe.h2.pull(40_000); piece !== null; piece = probe.h2.pull(40_000)) {
      expect(piece.length).toBeLessThan(41_000);
    }
  });
});

describe("stalled", () => {
  test("tells a stream whose window stays shut", () => {
    const probe = H2Probe.greeted();
    probe.feed(settings([Setting.INITIAL_WINDOW_SIZE, 10]), headers(1), headers(3));
    probe.head(1);
    probe.body(1, 100);
    probe.sent();
    expect(probe.h2.stalled(0, 1000)).toBe(0);
    expect(probe.h2.stalled(900, 1000)).toBe(0);
    probe.feed(windowUpdate(1, 1));
    probe.sent();
    expect(probe.h2.stalled(1100, 1000)).toBe(0);
    expect(probe.h2.stalled(2000, 1000)).toBe(0);
    expect(probe.h2.stalled(2100, 1000)).toBe(1);
  });

  test("does not tell streams that wait while others use the connection's window", () => {
    const probe = H2Probe.greeted();
    probe.feed(settings([Setting.INITIAL_WINDOW_SIZE, 1024 * KIB]));
    probe.feed(prioritized(1, "u=0"), prioritized(3, "u=7"));
    for (const stream of [1, 3]) {
      probe.head(stream);
      probe.body(stream, 900 * KIB);
    }
    for (let now = 0; now < 5000; now += 500) {
      probe.sent();
      expect(probe.h2.stalled(now, 1000)).toBe(0);
      probe.feed(windowUpdate(0, 1000));
    }
    probe.sent();
    expect(probe.h2.stalled(5000, 1000)).toBe(0);
    expect(probe.h2.stalled(6000, 1000)).not.toBe(0);
  });
});
