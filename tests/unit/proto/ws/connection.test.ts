/** The rules of RFC 6455 section 5, each whole, byte by byte and at random splits; the chapters are those of the Autobahn test suite. */
import { describe, expect, test } from "bun:test";
import { WsEvent } from "../../../../src/proto/ws/connection.ts";
import {
  binary,
  close,
  codec,
  type FrameOptions,
  frame,
  more,
  ping,
  pong,
  read,
  runChunks,
  text,
  Transcript,
} from "../../../support/ws-frames.ts";

const part: FrameOptions = { fin: false };

function joined(...frames: readonly Uint8Array[]): Buffer {
  return Buffer.concat(frames);
}

describe("1: framing", () => {
  test.each([0, 1, 125, 126, 127, 128, 65_535, 65_536, 70_001])(
    "payloads of %d bytes",
    (length) => {
      const payload = "*".repeat(length);
      expect(read(joined(text(payload), binary(payload), text("end")))).toEqual([
        `text ${payload}`,
        `binary ${"2a".repeat(length)}`,
        "text end",
      ]);
    },
  );

  test("any mask, also none of zeros", () => {
    const masks: NonNullable<FrameOptions["mask"]>[] = [
      [0, 0, 0, 0],
      [255, 255, 255, 255],
      [1, 2, 3, 128],
    ];
    for (const mask of masks) {
      expect(read(text("hello, wörld", { mask }))).toEqual(["text hello, wörld"]);
      expect(read(binary(Buffer.alloc(1000, 7), { mask }))).toEqual([
        `binary ${"07".repeat(1000)}`,
      ]);
    }
  });
});

describe("2: pings and pongs", () => {
  test("payloads up to 125 bytes", () => {
    const longest = "x".repeat(125);
    expect(read(joined(ping(), ping("hi"), ping("\xfe"), ping(longest)))).toEqual([
      "ping ",
      "ping hi",
      "ping \xc3\xbe",
      `ping ${longest}`,
    ]);
  });

  test("126 bytes are too many", () => {
    expect(read(ping("x".repeat(126)))).toEqual(["error 1002"]);
    expect(read(frame(9, "", { lengthBits: 64, length: 65_536n }))).toEqual(["error 1002"]);
  });

  test("a pong that nobody asked for", () => {
    expect(read(joined(pong("x"), ping("y"), text("z")))).toEqual(["pong x", "ping y", "text z"]);
  });
});

describe("3: reserved bits", () => {
  test.each([0x10, 0x20, 0x30, 0x40, 0x50, 0x60, 0x70])("%d", (rsv) => {
    for (const opcode of [1, 2, 8, 9, 10]) {
      const bytes = joined(text("a"), frame(opcode, "b", { rsv }), ping());
      expect(read(bytes)).toEqual(["text a", "error 1002"]);
    }
  });
});

describe("4: opcodes", () => {
  test.each([3, 4, 5, 6, 7, 11, 12, 13, 14, 15])("%d", (opcode) => {
    for (const payload of ["", "hello"]) {
      const bytes = joined(text("a"), frame(opcode, payload), ping());
      expect(read(bytes)).toEqual(["text a", "error 1002"]);
    }
  });
});

describe("5: fragments", () => {
  test.each([8, 9, 10])("control frames cannot be fragmented: %d", (opcode) => {
    expect(read(joined(frame(opcode, "", part), more("x")))).toEqual(["error 1002"]);
  });

  test("two and three fragments, empty ones too", () => {
    expect(read(joined(text("frag1", part), more("frag2")))).toEqual(["text frag1frag2"]);
    expect(read(joined(text("", part), more("", part), more("")))).toEqual(["text "]);
    expect(read(joined(text("", part), more("middle", part), more("")))).toEqual(["text middle"]);
    expect(read(joined(binary("a", part), more("b", part), more("c")))).toEqual(["binary 616263"]);
  });

  test("control frames between fragments", () => {
    const bytes = joined(text("a", part), ping("1"), more("b", part), pong("2"), more("c"));
    expect(read(bytes)).toEqual(["ping 1", "pong 2", "text abc"]);
  });

  test("nothing to continue", () => {
    for (const options of [part, {}]) {
      expect(read(more("x", options))).toEqual(["error 1002"]);
      const after = joined(text("a", part), more("b"), more("x", options));
      expect(read(after)).toEqual(["text ab", "error 1002"]);
    }
  });

  test("a message within a message", () => {
    expect(read(joined(text("a", part), text("b")))).toEqual(["error 1002"]);
    expect(read(joined(binary("a", part), ping(), binary("b", part)))).toEqual([
      "ping ",
      "error 1002",
    ]);
  });

  test("many little fragments are given out in few pieces", () => {
    const transcript = codec();
    const payload = Buffer.alloc(100, 0x61);
    let pieces = 0;
    let bytes = 0;
    for (let i = 0; i <= 1000; i++) {
      transcript.feed(frame(i === 0 ? 2 : 0, payload, { fin: i === 1000 }));
      for (let event = transcript.next(); event !== WsEvent.NEED_DATA; event = transcript.next()) {
        pieces += 1;
        bytes += transcript.end - transcript.start;
      }
    }
    expect(bytes).toBe(100_100);
    expect(pieces).toBeLessThanOrEqual(7);
  });
});

describe("6: UTF-8", () => {
  test("characters may be cut by frames", () => {
    const bytes = Buffer.from("κόσμε 😀");
    for (let cut = 0; cut <= bytes.length; cut++) {
      const frames = joined(text(bytes.subarray(0, cut), part), more(bytes.subarray(cut)));
      expect(read(frames)).toEqual(["text κόσμε 😀"]);
    }
  });

  test.each(["80", "c0af", "eda080", "f4908080", "cebae1bdb9cf83cebcceb5eda080656469746564", "ff"])(
    "%s is refused in a text, not in a binary message",
    (hex) => {
      const payload = Buffer.from(hex, "hex");
      expect(read(joined(text(payload), ping()))).toEqual(["error 1007"]);
      expect(read(joined(text(payload, part), more("")))).toEqual(["error 1007"]);
      expect(read(binary(payload))).toEqual([`binary ${hex}`]);
    },
  );

  test("a message must not end within a character", () => {
    expect(read(text(Buffer.from("e282", "hex")))).toEqual(["error 1007"]);
    expect(read(joined(text(Buffer.from("e282", "hex"), part), more("")))).toEqual(["error 1007"]);
  });

  test("the first wrong byte ends it, though its frame goes on", () => {
    const transcript = new Transcript(codec());
    const whole = text(Buffer.from("cebae1bdb9cf83cebcceb5f4908080656469746564", "hex"));
    transcript.feed(whole.subarray(0, 6 + 12));
    expect(transcript.events).toEqual([]);
    transcript.feed(whole.subarray(6 + 12, 6 + 13));
    expect(transcript.events).toEqual(["error 1007"]);
  });

  test("the state does not go from one message to the next", () => {
    expect(read(joined(binary("\u00e9", part), more(Buffer.from("c3", "hex")), text("a")))).toEqual(
      ["binary c3a9c3", "text a"],
    );
  });
});

describe("7: the close", () => {
  test("nothing is read behind it", () => {
    expect(read(joined(text("a"), close(), text("b"), ping()))).toEqual(["text a", "close 1005 "]);
    expect(read(joined(close(1000), close(1001)))).toEqual(["close 1000 "]);
    expect(read(joined(text("a", part), close(1000, "bye")))).toEqual(["close 1000 bye"]);
    expect(read(joined(ping(""), close(), Buffer.from("garbage")))).toEqual([
      "ping ",
      "close 1005 ",
    ]);
  });

  test("the reason", () => {
    const longest = "é".repeat(61) + "x";
    expect(read(close(1000, longest))).toEqual([`close 1000 ${longest}`]);
    expect(read(close(1000, longest + "x"))).toEqual(["error 1002"]);
    expect(read(close(1000, Buffer.from("eda080", "hex")))).toEqual(["error 1007"]);
    expect(read(close(1000, Buffer.from("c3", "hex")))).toEqual(["error 1007"]);
  });

  test("half a code", () => {
    expect(read(frame(8, "a"))).toEqual(["error 1002"]);
  });

  test.each([1000, 1001, 1002, 1003, 1007, 1008, 1009, 1010, 1011, 1012, 1014, 3000, 3999, 4000])(
    "code %d",
    (code) => {
      expect(read(close(code))).toEqual([`close ${code} `]);
    },
  );

  test.each([0, 999, 1004, 1005, 1006, 1015, 1016, 1100, 2000, 2999, 5000, 65_535])(
    "code %d is not for the wire",
    (code) => {
      expect(read(close(code))).toEqual(["error 1002"]);
    },
  );
});

describe("what else is refused", () => {
  test("a frame that is not masked, at its second byte", () => {
    for (const opcode of [1, 2, 8, 9]) {
      expect(read(frame(opcode, "abc", { mask: null }))).toEqual(["error 1002"]);
    }
    expect(runChunks([Uint8Array.of(0x81, 0x05)])).toEqual(["error 1002"]);
  });

  test("a length that is longer than needed", () => {
    expect(read(text("abc", { lengthBits: 16 }))).toEqual(["error 1002"]);
    expect(read(text("abc", { lengthBits: 64 }))).toEqual(["error 1002"]);
    expect(read(binary("", { lengthBits: 64, length: 65_535n }))).toEqual(["error 1002"]);
  });

  test("a length whose highest bit is set", () => {
    expect(read(binary("", { lengthBits: 64, length: 1n << 63n }))).toEqual(["error 1002"]);
  });

  test("nothing is read behind it", () => {
    const transcript = new Transcript(codec());
    transcript.feed(frame(3));
    transcript.feed(text("a"));
    expect(transcript.events).toEqual(["error 1002"]);
  });
});

describe("the limit of a message", () => {
  const limit = { messageBytesMax: 1000 };

  test("exactly as large is allowed", () => {
    const payload = "a".repeat(1000);
    expect(read(joined(text(payload), binary(payload)), limit)).toEqual([
      `text ${payload}`,
      `binary ${"61".repeat(1000)}`,
    ]);
  });

  test("a larger frame is refused by its header", () => {
    const header = binary("", { lengthBits: 16, length: 1001n });
    expect(runChunks([header], limit)).toEqual(["error 1009"]);
    const huge = binary("", { lengthBits: 64, length: (1n << 63n) - 1n });
    expect(runChunks([huge], limit)).toEqual(["error 1009"]);
  });

  test("fragments count together, each message for itself", () => {
    const half = "a".repeat(500);
    const whole = joined(text(half, part), more(half));
    expect(read(joined(whole, whole), limit)).toEqual([
      `text ${half}${half}`,
      `text ${half}${half}`,
    ]);
    const over = joined(text(half, part), more(half, part), more("b"));
    expect(read(over, limit)).toEqual(["error 1009"]);
  });
});

describe("who owns which bytes", () => {
  test("a message in one chunk is given out where it lies", () => {
    const connection = codec();
    const chunk = binary(Buffer.alloc(20_000, 1));
    connection.feed(chunk);
    expect(connection.next()).toBe(WsEvent.MESSAGE);
    expect(connection.data).toBe(chunk);
    expect(connection.next()).toBe(WsEvent.NEED_DATA);
  });

  test("large parts are given out as they come", () => {
    const connection = codec();
    const bytes = binary(Buffer.alloc(100_000, 1));
    const sizes: number[] = [];
    for (let at = 0; at < bytes.length; at += 30_000) {
      connection.feed(bytes.subarray(at, at + 30_000));
      while (connection.next() !== WsEvent.NEED_DATA) sizes.push(connection.end - connection.start);
    }
    expect(sizes).toEqual([30_000 - 14, 30_000, 30_000, 10_014]);
  });

  test("what is fed while there is more to read waits its turn", () => {
    const transcript = new Transcript(codec());
    for (const chunk of [text("a"), text("b", part), ping(), more("c")]) {
      transcript.connection.feed(chunk);
    }
    // The first chunk is used up, the others are not: what comes now is still behind them.
    expect(transcript.connection.next()).toBe(WsEvent.MESSAGE);
    transcript.connection.feed(text("d"));
    transcript.take();
    expect(transcript.events).toEqual(["ping ", "text bc", "text d"]);
  });
});
