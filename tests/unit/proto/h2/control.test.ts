/** SETTINGS, PING, GOAWAY and the way a connection leaves (RFC 9113 sections 6.5 to 6.8). */
import { describe, expect, test } from "bun:test";
import { FrameFlag, FrameType, H2Code, Setting } from "../../../../src/proto/h2/frames.ts";
import {
  afterHello,
  CONNECTION_WINDOW,
  data,
  END,
  frame,
  H2Probe,
  headers,
  ping,
  POST,
  settings,
  STREAM_WINDOW,
  u32,
} from "../../../support/h2-connection.ts";

describe("SETTINGS", () => {
  test("ours come first, with the connection's window", () => {
    const [ours, window] = new H2Probe().frames();
    const entries = Array.from({ length: ours!.payload.length / 6 }, (_, i) => [
      ours!.payload.readUInt16BE(6 * i),
      ours!.payload.readUInt32BE(6 * i + 2),
    ]);
    expect(entries).toEqual([
      [Setting.MAX_CONCURRENT_STREAMS, 16],
      [Setting.INITIAL_WINDOW_SIZE, STREAM_WINDOW],
      [Setting.MAX_HEADER_LIST_SIZE, 65_536 + 8190],
      [Setting.ENABLE_CONNECT_PROTOCOL, 1],
      [Setting.NO_RFC7540_PRIORITIES, 1],
    ]);
    expect(window!.payload.readUInt32BE(0)).toBe(CONNECTION_WINDOW - 65_535);
  });

  test("the client's are acknowledged, unknown ones too", () => {
    const { events, sent } = afterHello([settings([99, 5], [Setting.ENABLE_PUSH, 0])]);
    expect(events).toEqual([]);
    expect(sent).toEqual(["SETTINGS ACK"]);
  });

  const wrong: [string, Buffer, number][] = [
    ["ENABLE_PUSH 2", settings([Setting.ENABLE_PUSH, 2]), 1],
    ["ENABLE_CONNECT_PROTOCOL 2", settings([Setting.ENABLE_CONNECT_PROTOCOL, 2]), 1],
    ["INITIAL_WINDOW_SIZE 2^31", settings([Setting.INITIAL_WINDOW_SIZE, 2 ** 31]), 3],
    ["MAX_FRAME_SIZE 16383", settings([Setting.MAX_FRAME_SIZE, 16_383]), 1],
    ["MAX_FRAME_SIZE 2^24", settings([Setting.MAX_FRAME_SIZE, 2 ** 24]), 1],
    ["NO_RFC7540_PRIORITIES 2", settings([Setting.NO_RFC7540_PRIORITIES, 2]), 1],
    ["NO_RFC7540_PRIORITIES changed", settings([Setting.NO_RFC7540_PRIORITIES, 1]), 1],
    ["a wrong length", frame(FrameType.SETTINGS, 0, 0, Buffer.alloc(7)), 6],
    ["an acknowledgement with a payload", frame(FrameType.SETTINGS, 1, 0, Buffer.alloc(6)), 6],
    ["on a stream", frame(FrameType.SETTINGS, 0, 1), 1],
  ];
  test.each(wrong)("%s ends the connection", (_name, bytes, code) => {
    expect(afterHello([bytes]).events).toEqual([`ERROR ${code}`]);
  });

  test("the client's acknowledgement of ours is seen", () => {
    const probe = new H2Probe();
    expect(probe.h2.established).toBe(false);
    probe.feed(Buffer.from("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"), settings());
    expect([probe.h2.established, probe.h2.settingsAcked]).toEqual([true, false]);
    probe.feed(frame(FrameType.SETTINGS, FrameFlag.ACK, 0));
    expect(probe.h2.settingsAcked).toBe(true);
  });
});

describe("PING", () => {
  test("is answered with its bytes", () => {
    const probe = H2Probe.greeted();
    probe.feed(ping(0, "abcdefgh"));
    const [answer] = probe.frames();
    expect([answer!.type, answer!.flags, answer!.payload.toString()]).toEqual([
      "PING",
      1,
      "abcdefgh",
    ]);
  });

  test("an acknowledgement is not", () => {
    expect(afterHello([ping(FrameFlag.ACK)]).sent).toEqual([]);
  });

  test("of a wrong length or on a stream ends the connection", () => {
    expect(afterHello([frame(FrameType.PING, 0, 0)]).events).toEqual(["ERROR 6"]);
    expect(afterHello([frame(FrameType.PING, 0, 1, Buffer.alloc(8))]).events).toEqual(["ERROR 1"]);
  });
});

describe("leaving", () => {
  test("the final GOAWAY follows when the client has heard the first, and no request is lost", () => {
    const probe = H2Probe.greeted();
    probe.feed(headers(1, POST, 0));
    probe.h2.goaway(false);
    probe.h2.goaway(false);
    const [first, question, ...none] = probe.frames();
    expect(none).toEqual([]);
    expect(first!.payload.readUInt32BE(0)).toBe(2 ** 31 - 1);
    // This one was on its way.
    expect(probe.feed(headers(3))).toEqual(["HEAD 3 GET /", "END 3"]);
    probe.feed(frame(FrameType.PING, FrameFlag.ACK, 0, question!.payload));
    expect(probe.sent()).toEqual(["GOAWAY 3 0"]);
    // This one was opened by a client that has been told not to.
    expect(probe.feed(headers(5, POST, 0), data(5, "a", END))).toEqual([]);
    expect(probe.h2.drained).toBe(false);
    probe.answer(3);
    probe.feed(data(1, "b", END));
    expect(probe.h2.drained).toBe(false);
    probe.answer(1);
    expect(probe.h2.drained).toBe(true);
    expect(probe.bodies.get(1)).toBe("b");
  });

  test("without the first it is the last", () => {
    const probe = H2Probe.greeted();
    probe.feed(headers(1));
    probe.h2.goaway(true);
    probe.h2.goaway(true);
    expect(probe.sent()).toEqual(["GOAWAY 1 0"]);
    expect(probe.feed(headers(3))).toEqual([]);
  });

  test("HPACK's table stays right over streams that are ignored", () => {
    const probe = H2Probe.greeted();
    probe.h2.goaway(true);
    // Literal with incremental indexing, then that entry by its number (62) in an ignored stream's trailers' place.
    const indexed = Buffer.concat([Buffer.from([0x40, 1]), Buffer.from("a"), Buffer.from([1, 98])]);
    const wellKnown = Buffer.from([0x82, 0x86, 0x84]);
    const block = Buffer.concat([wellKnown, indexed]);
    probe.feed(frame(FrameType.HEADERS, 5, 1, block));
    expect(
      probe.feed(frame(FrameType.HEADERS, 5, 3, Buffer.from([0x82, 0x86, 0x84, 0xbe]))),
    ).toEqual([]);
    expect(probe.feed(frame(FrameType.HEADERS, 5, 5, Buffer.from([0xbf])))).toEqual(["ERROR 9"]);
  });

  test("the client's GOAWAY is reported and what runs goes on", () => {
    const probe = H2Probe.greeted();
    probe.feed(headers(1));
    expect(probe.feed(frame(FrameType.GOAWAY, 0, 0, u32(0, 99)))).toEqual(["GOAWAY 99"]);
    probe.answer(1);
    expect(probe.sent()).toEqual(["HEADERS 1", "DATA 1 END 2"]);
    expect(probe.feed(frame(FrameType.GOAWAY, 0, 0, u32(0)))).toEqual(["ERROR 6"]);
  });

  test("the driver may end it with a code of its own", () => {
    const probe = H2Probe.greeted();
    probe.h2.fail(H2Code.SETTINGS_TIMEOUT, "SETTINGS are not acknowledged");
    expect(probe.sent()).toEqual([`GOAWAY 0 ${H2Code.SETTINGS_TIMEOUT}`]);
    expect(probe.feed(headers(1))).toEqual([`ERROR ${H2Code.SETTINGS_TIMEOUT}`]);
  });
});

test("frames of unknown types and unknown flags are ignored", () => {
  const { events, sent } = afterHello([
    frame(99, 255, 7, Buffer.from("whatever")),
    frame(FrameType.PING, 0xfe, 0, Buffer.alloc(8)),
    headers(1),
  ]);
  expect(events).toEqual(["HEAD 1 GET /", "END 1"]);
  expect(sent).toEqual(["PING ACK"]);
});

test("old PRIORITY frames are read and ignored, on idle streams too", () => {
  const old = frame(FrameType.PRIORITY, 0, 9, Buffer.concat([u32(3), Buffer.from([200])]));
  expect(afterHello([old, headers(1)]).events).toEqual(["HEAD 1 GET /", "END 1"]);
});
