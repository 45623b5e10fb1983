/** HEADERS and DATA to events: requests, their bodies and trailers, and what is wrong with them (RFC 9113 sections 5.1, 6 and 8.1). */
import { describe, expect, test } from "bun:test";
import { CLIENT_PREFACE, FrameFlag, FrameType, H2Code } from "../../../../src/proto/h2/frames.ts";
import {
  afterHello,
  data,
  END,
  frame,
  GET,
  H2Probe,
  headerBlock,
  headers,
  KIB,
  paddedData,
  POST,
  reset,
  settings,
  threeWays,
  u32,
  windowUpdate,
} from "../../../support/h2-connection.ts";

const BROKEN = `ERROR ${H2Code.PROTOCOL_ERROR}`;

function length(bytes: number): readonly (readonly [string, string])[] {
  return [...POST, ["content-length", String(bytes)]];
}

describe("requests", () => {
  test("a request without a body is a head and its end", () => {
    expect(afterHello([headers(1)]).events).toEqual(["HEAD 1 GET /", "END 1"]);
  });

  test("a body comes in parts, padding left out", () => {
    const { events, bodies } = afterHello([
      headers(1, POST, 0),
      data(1, "abc"),
      paddedData(1, "def", 200),
      paddedData(1, "", 9),
      data(1, "g", END),
    ]);
    expect(events).toEqual(["HEAD 1 POST /", "END 1"]);
    expect(bodies).toEqual([[1, "abcdefg"]]);
  });

  test("streams are told apart", () => {
    const { events, bodies } = afterHello([
      headers(1, POST, 0),
      headers(3, POST, 0),
      data(3, "three"),
      data(1, "one"),
      data(3, "", END),
      data(1, "!", END),
    ]);
    expect(events).toEqual(["HEAD 1 POST /", "HEAD 3 POST /", "END 3", "END 1"]);
    expect(bodies).toEqual([
      [3, "three"],
      [1, "one!"],
    ]);
  });

  test("trailers end a body", () => {
    const { events } = afterHello([
      headers(1, POST, 0),
      data(1, "abc"),
      headers(1, [["grpc-status", "0"]]),
    ]);
    expect(events).toEqual(["HEAD 1 POST /", "END 1 grpc-status 0"]);
  });

  test("a header block goes on in CONTINUATION, one byte in each", () => {
    const block = headerBlock([...GET, ["x-long", "y".repeat(30)]]);
    const frames = [
      frame(FrameType.HEADERS, END, 1, block.subarray(0, -40)),
      ...Array.from(block.subarray(-40, -1), (byte) =>
        frame(FrameType.CONTINUATION, 0, 1, Buffer.from([byte])),
      ),
      frame(FrameType.CONTINUATION, FrameFlag.END_HEADERS, 1, block.subarray(-1)),
    ];
    expect(afterHello(frames).events).toEqual(["HEAD 1 GET /", "END 1"]);
  });

  test("HEADERS may have padding and a priority of RFC 7540", () => {
    const payload = Buffer.concat([Buffer.from([3]), u32(0), Buffer.from([255]), headerBlock(GET)]);
    const flags = END | FrameFlag.END_HEADERS | FrameFlag.PADDED | FrameFlag.PRIORITY;
    const padded = frame(FrameType.HEADERS, flags, 1, Buffer.concat([payload, Buffer.alloc(3)]));
    expect(afterHello([padded]).events).toEqual(["HEAD 1 GET /", "END 1"]);
  });

  test("an answer given at the head leaves no END to be reported", () => {
    const probe = H2Probe.greeted();
    probe.h2.feed(headers(1));
    probe.h2.next();
    probe.answer(1);
    expect(probe.feed(headers(3))).toEqual(["HEAD 3 GET /", "END 3"]);
    expect(probe.sent()).toEqual(["HEADERS 1", "DATA 1 END 2"]);
  });
});

describe("one bad request resets its stream, not the connection", () => {
  const cases: [string, Buffer[], number][] = [
    ["malformed head", [headers(1, GET.slice(1))], H2Code.PROTOCOL_ERROR],
    ["less DATA than Content-Length", [headers(1, length(4), 0), data(1, "abc", END)], 1],
    ["more DATA than Content-Length", [headers(1, length(2), 0), data(1, "abc")], 1],
    [
      "more DATA than Content-Length, in two frames",
      [headers(1, length(3), 0), data(1, "abc"), data(1, "d")],
      1,
    ],
    [
      "trailers before Content-Length is there",
      [headers(1, length(3), 0), headers(1, [["a", "b"]])],
      1,
    ],
    ["trailers that do not end the stream", [headers(1, POST, 0), headers(1, [["a", "b"]], 0)], 1],
    ["pseudo-header fields in trailers", [headers(1, POST, 0), headers(1, [[":path", "/"]])], 1],
    ["DATA after END_STREAM", [headers(1), data(1, "a")], H2Code.STREAM_CLOSED],
    ["HEADERS after END_STREAM", [headers(1), headers(1)], H2Code.STREAM_CLOSED],
    ["WINDOW_UPDATE of nothing", [headers(1), windowUpdate(1, 0)], H2Code.PROTOCOL_ERROR],
    ["a window too large", [headers(1), windowUpdate(1, 2 ** 31 - 1)], H2Code.FLOW_CONTROL_ERROR],
    [
      "a stream that depends on itself",
      [
        frame(
          FrameType.HEADERS,
          37,
          1,
          Buffer.concat([u32(1), Buffer.from([9]), headerBlock(GET)]),
        ),
      ],
      H2Code.PROTOCOL_ERROR,
    ],
    [
      "PRIORITY of an open stream on itself",
      [headers(1), frame(FrameType.PRIORITY, 0, 1, Buffer.concat([u32(1), Buffer.from([9])]))],
      H2Code.PROTOCOL_ERROR,
    ],
    [
      "PRIORITY of a wrong length on an open stream",
      [headers(1), frame(FrameType.PRIORITY, 0, 1, u32(3))],
      H2Code.FRAME_SIZE_ERROR,
    ],
    [
      "DATA beyond the stream's window",
      [headers(1, POST, 0), ...Array.from({ length: 9 }, () => data(1, Buffer.alloc(16 * KIB)))],
      H2Code.FLOW_CONTROL_ERROR,
    ],
  ];
  test.each(cases)("%s", (_name, frames, code) => {
    const probe = H2Probe.greeted({ streamWindowBytes: 128 * KIB });
    probe.consumes = false;
    probe.feed(...frames);
    expect(probe.sent()).toContain(`RST_STREAM 1 ${code}`);
    const known = probe.events.includes("HEAD 1 GET /") || probe.events.includes("HEAD 1 POST /");
    expect(probe.events.includes(`RESET 1 ${code}`)).toBe(known);
    expect(probe.feed(headers(3))).toEqual(["HEAD 3 GET /", "END 3"]);
  });

  test("what breaks it is found however the bytes are split", () => {
    const { events } = afterHello([headers(1, length(2), 0), data(1, "abc"), headers(3)]);
    expect(events).toEqual(["HEAD 1 POST /", "RESET 1 1", "HEAD 3 GET /", "END 3"]);
  });

  test("frames that were on their way to a reset stream are ignored, and their windows given back", () => {
    const probe = H2Probe.greeted();
    probe.feed(headers(1, POST, 0));
    probe.h2.reset(1, H2Code.CANCEL);
    probe.sent();
    const bytes = Buffer.alloc(16 * KIB);
    for (let i = 0; i < 40; i++) probe.feed(data(1, bytes));
    probe.feed(windowUpdate(1, 5), reset(1), headers(1, [["a", "b"]]));
    expect(probe.events).toEqual(["HEAD 1 POST /"]);
    expect(new Set(probe.sent())).toEqual(new Set([`WINDOW_UPDATE ${64 * KIB}`]));
    expect(probe.feed(headers(3))).toEqual(["HEAD 3 GET /", "END 3"]);
  });
});

describe("connection errors", () => {
  const cases: [string, Buffer[], number][] = [
    ["DATA on an idle stream", [data(1, "a")], 1],
    ["DATA on no stream", [data(0, "a")], 1],
    ["DATA on an even stream", [headers(3), data(2, "a")], 1],
    ["HEADERS on an even stream", [headers(2)], 1],
    ["HEADERS on no stream", [headers(0)], 1],
    ["a number below the last one", [headers(5), headers(3)], 1],
    ["RST_STREAM on an idle stream", [reset(1)], 1],
    ["RST_STREAM on no stream", [reset(0)], 1],
    ["RST_STREAM of a wrong length", [headers(1), frame(FrameType.RST_STREAM, 0, 1)], 6],
    ["WINDOW_UPDATE on an idle stream", [windowUpdate(1, 1)], 1],
    ["WINDOW_UPDATE of nothing", [windowUpdate(0, 0)], 1],
    ["WINDOW_UPDATE of a wrong length", [frame(FrameType.WINDOW_UPDATE, 0, 0)], 6],
    ["the connection's window too large", [windowUpdate(0, 2 ** 31 - 1)], 3],
    ["CONTINUATION of nothing", [frame(FrameType.CONTINUATION, 4, 1)], 1],
    ["CONTINUATION after END_HEADERS", [headers(1), frame(FrameType.CONTINUATION, 4, 1)], 1],
    ["a frame inside a header block", [frame(FrameType.HEADERS, 0, 1), settings()], 1],
    ["DATA inside a header block", [frame(FrameType.HEADERS, 0, 1), data(1, "a")], 1],
    [
      "an unknown frame inside a header block",
      [frame(FrameType.HEADERS, 0, 1), frame(99, 0, 0)],
      1,
    ],
    [
      "CONTINUATION of another stream",
      [frame(FrameType.HEADERS, 0, 1), frame(FrameType.CONTINUATION, 4, 3)],
      1,
    ],
    ["more padding than bytes in DATA", [headers(1, POST, 0), frame(0, 8, 1, Buffer.from([1]))], 1],
    ["padding without its length in DATA", [headers(1, POST, 0), frame(0, 8, 1)], 1],
    ["more padding than bytes in HEADERS", [frame(1, 12, 1, Buffer.from([1]))], 1],
    ["HEADERS too short for what its flags say", [frame(1, 36, 1, Buffer.alloc(4))], 6],
    ["PRIORITY on no stream", [frame(FrameType.PRIORITY, 0, 0, Buffer.alloc(5))], 1],
    ["PUSH_PROMISE", [frame(FrameType.PUSH_PROMISE, 4, 1, Buffer.alloc(4))], 1],
    ["a frame that is too large", [frame(FrameType.PING, 0, 0, Buffer.alloc(16_385))], 6],
    ["DATA after both have ended", [headers(1), data(1, "a")], 5],
    ["HEADERS after both have ended", [headers(1), headers(1)], 5],
    ["a header block that cannot be decoded", [frame(1, 5, 1, Buffer.from([0x80]))], 9],
  ];
  test.each(cases)("%s", (name, frames, code) => {
    const probe = H2Probe.greeted();
    const [first = Buffer.alloc(0), ...rest] = frames;
    probe.feed(first);
    if (name.endsWith("both have ended")) probe.answer(1);
    probe.feed(...rest);
    expect(probe.events.at(-1)).toBe(`ERROR ${code}`);
    expect(probe.sent().at(-1)).toStartWith("GOAWAY ");
    expect(probe.feed(headers(9))).toEqual([`ERROR ${code}`]);
    expect(probe.sent()).toEqual([]);
  });

  test("the connection's window is a bound of its own", () => {
    const probe = H2Probe.greeted({ streamWindowBytes: 512 * KIB });
    probe.consumes = false;
    probe.feed(headers(1, POST, 0));
    for (let i = 0; i < 17; i++) probe.feed(data(1, Buffer.alloc(16 * KIB)));
    expect(probe.events.at(-1)).toBe(`ERROR ${H2Code.FLOW_CONTROL_ERROR}`);
  });

  test("the preface must be that of HTTP/2", () => {
    const wrong = Buffer.from(CLIENT_PREFACE);
    wrong[20] = 0;
    const { events, sent } = threeWays(wrong);
    expect(events).toEqual([BROKEN]);
    expect(sent.at(-1)).toBe(`GOAWAY 0 ${H2Code.PROTOCOL_ERROR}`);
    expect(threeWays(CLIENT_PREFACE.subarray(0, 23)).events).toEqual([]);
  });

  test("the first frame must be SETTINGS", () => {
    for (const first of [headers(1), data(1, ""), frame(FrameType.SETTINGS, FrameFlag.ACK, 0)]) {
      expect(threeWays(Buffer.concat([CLIENT_PREFACE, first])).events).toEqual([BROKEN]);
    }
  });

  test("GOAWAY names the last stream and the reason", () => {
    const probe = H2Probe.greeted();
    probe.feed(headers(5), headers(7), frame(FrameType.PING, 0, 0));
    expect(probe.h2.errorCode).toBe("h2-broken");
    const goaway = probe.frames().at(-1)!;
    expect(goaway.payload.readUInt32BE(0)).toBe(7);
    expect(goaway.payload.subarray(8).toString()).toBe(probe.h2.detail);
  });
});

describe("refused requests", () => {
  test("a head beyond the limits is answered, and its body thrown away", () => {
    const probe = H2Probe.greeted({ headerFieldBytesMax: 100 });
    const large = [...POST, ["x-large", "y".repeat(200)]] as const;
    probe.feed(headers(1, large, 0), data(1, Buffer.alloc(10_000)));
    expect(probe.events).toEqual(["REFUSED 1 header-too-large"]);
    expect(probe.bodies.size).toBe(0);
    probe.answer(1);
    expect(probe.sent()).toEqual(["HEADERS 1", "DATA 1 END 2", "RST_STREAM 1 0"]);
  });

  test("a body beyond the limit is refused when it gets there", () => {
    const probe = H2Probe.greeted({ bodyBytesMax: 5 });
    probe.feed(headers(1, POST, 0), data(1, "abc"), data(1, "def"), data(1, "ghi", END));
    expect(probe.events).toEqual(["HEAD 1 POST /", "REFUSED 1 body-too-large"]);
    expect(probe.bodies.get(1)).toBe("abc");
    probe.answer(1);
    expect(probe.sent()).toEqual(["HEADERS 1", "DATA 1 END 2"]);
  });

  test("streams beyond the limit are reset with REFUSED_STREAM and leave the others alone", () => {
    const probe = H2Probe.greeted({ streamsMax: 2 });
    const long = [...POST, ["x-a", "b"]] as const;
    probe.feed(headers(1, POST, 0), headers(3, POST, 0), headers(5, long, 0), data(5, "lost"));
    expect(probe.events).toEqual(["HEAD 1 POST /", "HEAD 3 POST /"]);
    expect(probe.sent()).toEqual([`RST_STREAM 5 ${H2Code.REFUSED_STREAM}`]);
    probe.feed(data(1, "a", END));
    probe.answer(1);
    expect(probe.feed(headers(7))).toEqual(["HEAD 7 GET /", "END 7"]);
  });
});

describe("resets", () => {
  test("the client's reset is reported once and ends all of the stream", () => {
    const probe = H2Probe.greeted();
    probe.feed(headers(1));
    probe.head(1);
    probe.body(1, 100_000);
    expect(probe.feed(reset(1, H2Code.CANCEL), reset(1, H2Code.CANCEL))).toEqual([
      `RESET 1 ${H2Code.CANCEL}`,
    ]);
    probe.sent();
    expect(probe.h2.queuedBytes).toBe(0);
    expect(probe.h2.openStreams).toBe(0);
    probe.head(1);
    expect(probe.body(1, 10, true)).toBe(true);
    expect(probe.sent()).toEqual([]);
  });

  test("frames on a stream that the client has reset are an error of that stream", () => {
    for (const late of [data(1, "a"), headers(1, [["a", "b"]])]) {
      const probe = H2Probe.greeted();
      probe.feed(headers(1, POST, 0), reset(1), late);
      expect(probe.sent()).toEqual([`RST_STREAM 1 ${H2Code.STREAM_CLOSED}`]);
      expect(probe.feed(headers(3))).toEqual(["HEAD 3 GET /", "END 3"]);
    }
  });

  test("a request that is not read to its end is reset when its answer is complete", () => {
    const probe = H2Probe.greeted();
    probe.feed(headers(1, POST, 0), data(1, "abc"));
    probe.answer(1);
    expect(probe.sent()).toEqual(["HEADERS 1", "DATA 1 END 2", "RST_STREAM 1 0"]);
    expect(probe.feed(data(1, "def"), data(1, "", END))).toEqual([]);
    expect(probe.h2.openStreams).toBe(0);
  });
});
