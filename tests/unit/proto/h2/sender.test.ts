/** Answers to frames: what goes out at once and what waits for windows; windows of requests (RFC 9113 section 6.9). */
import { describe, expect, test } from "bun:test";
import { H2Code, Setting } from "../../../../src/proto/h2/frames.ts";
import {
  data,
  END,
  H2Probe,
  headers,
  KIB,
  paddedData,
  POST,
  settings,
  windowUpdate,
} from "../../../support/h2-connection.ts";

describe("at once", () => {
  test("a small answer is in the output when it is sent, and nobody is told", () => {
    const probe = H2Probe.greeted();
    probe.feed(headers(1));
    probe.head(1);
    expect(probe.body(1, 100, true)).toBe(true);
    expect(probe.h2.openStreams).toBe(0);
    expect(probe.sent()).toEqual(["HEADERS 1", "DATA 1 END 100"]);
    expect(probe.told).toEqual([]);
  });

  test("a head alone may end the stream", () => {
    const probe = H2Probe.greeted();
    probe.feed(headers(1));
    probe.head(1, true);
    expect(probe.sent()).toEqual(["HEADERS 1 END"]);
    expect(probe.h2.openStreams).toBe(0);
  });

  test("interim responses come before the head, not after it", () => {
    const probe = H2Probe.greeted();
    probe.feed(headers(1));
    const lines = Buffer.from("link: </a.css>\r\n");
    probe.h2.sendInformational(1, 103, lines, 0, lines.length);
    probe.head(1);
    probe.h2.sendInformational(1, 103, lines, 0, lines.length);
    probe.head(1);
    expect(probe.sent()).toEqual(["HEADERS 1", "HEADERS 1"]);
  });

  test("trailers end the stream, behind what is queued", () => {
    const probe = H2Probe.greeted();
    const pairs = Buffer.from("grpc-status\x000");
    probe.feed(headers(1), headers(3));
    probe.head(1);
    expect(probe.body(1, 10)).toBe(true);
    expect(probe.h2.sendTrailers(1, pairs)).toBe(true);
    probe.head(3);
    expect(probe.body(3, 100_000)).toBe(false);
    expect(probe.h2.sendTrailers(3, pairs)).toBe(false);
    expect(probe.sent().slice(0, 4)).toEqual([
      "HEADERS 1",
      "DATA 1 10",
      "HEADERS 1 END",
      "HEADERS 3",
    ]);
    probe.feed(windowUpdate(0, 100_000), windowUpdate(3, 100_000));
    expect(probe.sent().slice(-1)).toEqual(["HEADERS 3 END"]);
    expect(probe.told.at(-1)).toEndWith(" END");
    expect(probe.h2.openStreams).toBe(0);
  });

  test("a head larger than a frame goes on in CONTINUATION", () => {
    const probe = H2Probe.greeted();
    probe.feed(headers(1));
    probe.head(1, false, `x-large: ${"~".repeat(40_000)}\r\n`);
    const [first, ...more] = probe.frames();
    expect(first!.flags & 4).toBe(0);
    expect(first!.payload.length).toBe(16_384);
    expect(more.map(({ type, flags }) => [type, flags])).toEqual([
      ["CONTINUATION", 0],
      ["CONTINUATION", 4],
    ]);
    expect(more[0]!.payload.length).toBe(16_384);
  });

  test("frames are as large as the client allows, up to 64 KiB", () => {
    const probe = H2Probe.roomy();
    probe.feed(settings([Setting.MAX_FRAME_SIZE, 2 ** 20]), headers(1));
    probe.sent();
    probe.head(1);
    probe.body(1, 150_000, true);
    expect(probe.sent()).toEqual(["HEADERS 1", "DATA 1 65536", "DATA 1 65536", "DATA 1 END 18928"]);
  });
});

describe("windows", () => {
  test("a stream sends what its window allows, the rest when it grows", () => {
    const probe = H2Probe.greeted();
    probe.feed(settings([Setting.INITIAL_WINDOW_SIZE, 10]), headers(1));
    probe.sent();
    probe.head(1);
    expect(probe.body(1, 25, true)).toBe(false);
    expect(probe.h2.pending(1)).toBe(25);
    expect(probe.sent()).toEqual(["HEADERS 1", "DATA 1 10"]);
    probe.feed(windowUpdate(1, 14));
    expect(probe.sent()).toEqual(["DATA 1 14"]);
    expect(probe.h2.pending(1)).toBe(1);
    probe.feed(windowUpdate(1, 1));
    expect(probe.sent()).toEqual(["DATA 1 END 1"]);
    expect(probe.told).toEqual(["1 10", "1 14", "1 1 END"]);
    expect(probe.h2.queuedBytes).toBe(0);
  });

  test("SETTINGS change the windows of open streams, which may become negative", () => {
    const probe = H2Probe.greeted();
    probe.feed(settings([Setting.INITIAL_WINDOW_SIZE, 20]), headers(1));
    probe.sent();
    probe.head(1);
    probe.body(1, 100);
    expect(probe.sent()).toEqual(["HEADERS 1", "DATA 1 20"]);
    probe.feed(settings([Setting.INITIAL_WINDOW_SIZE, 5]));
    probe.feed(windowUpdate(1, 15));
    expect(probe.sent()).toEqual(["SETTINGS ACK"]);
    probe.feed(windowUpdate(1, 3));
    expect(probe.sent()).toEqual(["DATA 1 3"]);
    probe.feed(settings([Setting.INITIAL_WINDOW_SIZE, 9]));
    expect(probe.sent()).toEqual(["SETTINGS ACK", "DATA 1 4"]);
  });

  test("SETTINGS that make a stream's window too large end the connection", () => {
    const probe = H2Probe.greeted();
    probe.feed(headers(1), windowUpdate(1, 2 ** 31 - 1 - 65_535));
    expect(probe.feed(settings([Setting.INITIAL_WINDOW_SIZE, 65_536]))).toEqual(["ERROR 3"]);
  });

  test("an end without bytes needs no window", () => {
    const probe = H2Probe.greeted();
    probe.feed(settings([Setting.INITIAL_WINDOW_SIZE, 0]), headers(1));
    probe.sent();
    probe.head(1);
    expect(probe.h2.sendData(1, Buffer.alloc(0), 0, 0, true)).toBe(true);
    expect(probe.sent()).toEqual(["HEADERS 1", "DATA 1 END 0"]);
  });

  test("an end that comes later goes with the last queued bytes", () => {
    const probe = H2Probe.greeted();
    probe.feed(settings([Setting.INITIAL_WINDOW_SIZE, 0]), headers(1));
    probe.head(1);
    probe.body(1, 3);
    expect(probe.h2.sendData(1, Buffer.alloc(0), 0, 0, true)).toBe(false);
    probe.feed(windowUpdate(1, 10));
    expect(probe.sent().at(-1)).toBe("DATA 1 END 3");
    expect(probe.told).toEqual(["1 3 END"]);
  });

  test("the connection's window bounds all streams together", () => {
    const probe = H2Probe.greeted();
    probe.feed(headers(1), headers(3));
    probe.head(1);
    probe.body(1, 60_000, true);
    probe.head(3);
    probe.body(3, 60_000, true);
    const sent = (): number =>
      probe
        .frames()
        .reduce((sum, { type, payload }) => sum + (type === "DATA" ? payload.length : 0), 0);
    expect(sent()).toBe(65_535);
    probe.feed(windowUpdate(0, 54_465));
    expect(sent()).toBe(54_465);
    expect(probe.h2.openStreams).toBe(0);
  });

  test("lent bytes that have to wait are copied", () => {
    const probe = H2Probe.greeted();
    probe.feed(settings([Setting.INITIAL_WINDOW_SIZE, 0]), headers(1));
    probe.head(1);
    const lent = Buffer.from("abc");
    probe.h2.sendData(1, lent, 0, 3, true, true);
    lent.fill("x");
    probe.feed(windowUpdate(1, 3));
    expect(probe.frames().at(-1)!.payload.toString()).toBe("abc");
  });

  test("the driver may reset a stream when it is told of its bytes", () => {
    const probe = H2Probe.roomy(1024 * KIB);
    probe.feed(headers(1), headers(3));
    probe.h2.onSent = (stream) => probe.h2.reset(stream, H2Code.CANCEL);
    probe.head(1);
    expect(probe.body(1, 2000 * KIB, true)).toBe(false);
    probe.head(3);
    probe.body(3, 100, true);
    const sent = probe.sent();
    expect(sent[0]).toBe("HEADERS 1");
    expect(sent.slice(-3)).toEqual([
      `RST_STREAM 1 ${H2Code.CANCEL}`,
      "HEADERS 3",
      "DATA 3 END 100",
    ]);
    expect([probe.h2.queuedBytes, probe.h2.openStreams]).toEqual([0, 0]);
  });

  test("a body of many pieces comes out as it went in", () => {
    const probe = H2Probe.roomy(100_000);
    probe.feed(headers(1));
    probe.head(1);
    const whole = Buffer.from(Array.from({ length: 300_000 }, (_, i) => (i * 7 + (i >> 8)) & 255));
    for (let at = 0; at < whole.length; at += 7001) {
      const end = Math.min(at + 7001, whole.length);
      probe.h2.sendData(1, whole, at, end, end === whole.length);
    }
    const bytes: Buffer[] = [];
    for (let i = 0; i < 4; i++) {
      const frames = probe.frames(10_000).filter(({ type }) => type === "DATA");
      bytes.push(...frames.map(({ payload }) => payload));
      probe.feed(windowUpdate(1, 100_000));
    }
    expect(Buffer.concat(bytes).equals(whole)).toBe(true);
  });
});

describe("request windows", () => {
  test("are given back in steps as the app takes the bytes", () => {
    const probe = H2Probe.greeted();
    probe.consumes = false;
    probe.feed(headers(1, POST, 0));
    for (let i = 0; i < 8; i++) probe.feed(data(1, Buffer.alloc(16 * KIB)));
    expect(probe.sent()).toEqual([]);
    probe.h2.handedOver(1, 128 * KIB);
    expect(probe.sent()).toEqual([`WINDOW_UPDATE ${128 * KIB}`]);
    for (let i = 0; i < 4; i++) probe.h2.consumed(1, 16 * KIB);
    expect(probe.sent()).toEqual([`WINDOW_UPDATE 1 ${32 * KIB}`, `WINDOW_UPDATE 1 ${32 * KIB}`]);
    // More than was received is not believed.
    probe.h2.consumed(1, 1024 * KIB);
    expect(probe.sent()).toEqual([`WINDOW_UPDATE 1 ${64 * KIB}`]);
  });

  test("a stream that nobody reads leaves the connection's window to the others", () => {
    const probe = H2Probe.greeted();
    probe.consumes = false;
    for (let stream = 1; stream < 20; stream += 2) {
      probe.feed(headers(stream, POST, 0));
      for (let i = 0; i < 8; i++) {
        probe.feed(data(stream, Buffer.alloc(16 * KIB)));
        probe.h2.handedOver(stream, 16 * KIB);
      }
    }
    expect(probe.events.filter((event) => !event.startsWith("HEAD"))).toEqual([]);
  });

  test("of a stream that is over are given back whole", () => {
    const probe = H2Probe.greeted();
    probe.consumes = false;
    probe.feed(
      headers(1, POST, 0),
      ...Array.from({ length: 7 }, () => data(1, Buffer.alloc(10_000))),
    );
    probe.h2.reset(1, 8);
    expect(probe.sent()).toEqual(["RST_STREAM 1 8", "WINDOW_UPDATE 70000"]);
  });

  test("padding is given back at once", () => {
    const probe = H2Probe.greeted({ streamWindowBytes: 65_535, connectionWindowBytes: 65_535 });
    probe.consumes = false;
    probe.feed(headers(1, POST, 0));
    for (let i = 0; i < 500; i++) {
      probe.feed(paddedData(1, "", 255));
      probe.sent();
    }
    expect(probe.events).toEqual(["HEAD 1 POST /"]);
    probe.feed(data(1, "", END));
    expect(probe.events.at(-1)).toBe("END 1");
  });
});
