/** Messages between clients and an ASGI app that echoes them. */
import { describe, expect, test } from "bun:test";
import { randomBytes } from "node:crypto";
import { deflateRawSync, inflateRawSync } from "node:zlib";
import {
  binary,
  close,
  frame,
  more,
  ping,
  pong,
  text,
  type FrameOptions,
} from "../../support/ws-frames.ts";
import { MIB, onEach } from "./asgi-site.ts";

const ENOUGH = ["--ws-max-size", String(16 * MIB)];
const DEFLATE = [["Sec-WebSocket-Extensions", "permessage-deflate"]] as const;
const RSV1 = 0x40;

describe("ASGI WebSocket messages arrive as they were sent", () => {
  onEach(ENOUGH, (site) => {
    test("text, binary, empty ones", async () => {
      await using client = await site.open("/echo");
      await client.send(text("grüß dich"), binary("\x00\xff"), text(""), binary(""));
      expect(await client.message()).toBe("grüß dich");
      expect(await client.message()).toEqual(Buffer.from("\x00\xff"));
      expect(await client.message()).toBe("");
      expect(await client.message()).toEqual(Buffer.alloc(0));
    });

    test.each([1, 16])("%d MiB of bytes and of text", async (size) => {
      await using client = await site.open("/echo");
      const bytes = randomBytes(size * MIB);
      await client.send(binary(bytes));
      // expect() would print megabytes.
      expect(bytes.equals((await client.message()) as Buffer)).toBe(true);
      const words = "ä".repeat((size * MIB) / 2);
      await client.send(text(words));
      expect((await client.message()) === words).toBe(true);
    });

    test("one byte more than --ws-max-size is refused with 1009", async () => {
      await using client = await site.open("/echo");
      // The server need not wait for the payload.
      await client.send(frame(2, "", { length: BigInt(16 * MIB + 1) }));
      expect(await client.ending()).toMatchObject({ code: 1009, cut: false });
    });

    test("one byte more in a later fragment as well", async () => {
      const name = site.name();
      await using client = await site.open(`/echo/${name}`);
      const half = Buffer.alloc(8 * MIB);
      await client.send(binary(half, { fin: false }), more(half, { fin: false }), more("x"));
      expect(await client.ending()).toMatchObject({ code: 1009, cut: false });
      expect(await site.noted(name, 2)).toEqual(["accepted", "disconnect 1009 message is too big"]);
    });

    test("fragments, with pings between them", async () => {
      await using client = await site.open("/echo");
      await client.send(text("one ", { fin: false }), ping("a"), more("two ", { fin: false }));
      expect(await client.frame()).toMatchObject({ opcode: 10, payload: Buffer.from("a") });
      await client.send(more("", { fin: false }), pong("unasked"), more("three"));
      expect(await client.message()).toBe("one two three");
    });

    test("bytes that come one by one", async () => {
      await using client = await site.open("/echo");
      for (const byte of text("slowly")) await client.send(Uint8Array.of(byte));
      expect(await client.message()).toBe("slowly");
    });

    test("thousands in a row, in their order", async () => {
      await using client = await site.open("/echo");
      const count = 5000;
      const sent = client.send(...Array.from({ length: count }, (_, i) => text(`message ${i}`)));
      for (let i = 0; i < count; i++) expect(await client.message()).toBe(`message ${i}`);
      await sent;
    });

    test("those that come with the handshake", async () => {
      const early = Buffer.concat([text("early"), binary("bird")]);
      await using client = await site.open("/echo", { early });
      expect(await client.message()).toBe("early");
      expect(await client.message()).toEqual(Buffer.from("bird"));
    });

    test("those that come before the app accepts", async () => {
      const name = site.name();
      const early = Buffer.concat([text("early"), binary(Buffer.alloc(100_000))]);
      const asked = site.open(`/echo_later/${name}`, { early });
      site.place.open(`${name}.accept`);
      await using client = await asked;
      expect(await client.message()).toBe("early");
      expect((await client.message()).length).toBe(100_000);
    });
  });
});

/** A client's compressed message; `window`: what it sent before, which it refers to. */
function deflated(payload: string, options: FrameOptions = {}, window: string = ""): Buffer {
  const dictionary = window === "" ? {} : { dictionary: Buffer.from(window) };
  const bytes = deflateRawSync(payload, { finishFlush: 2, ...dictionary });
  return text(bytes.subarray(0, -4), { rsv: RSV1, ...options });
}

/** The server's compressed text; `window`: what it sent before. */
function inflated(payload: Buffer, window: string = ""): string {
  const dictionary = window === "" ? {} : { dictionary: Buffer.from(window) };
  const bytes = Buffer.concat([payload, Buffer.from([0, 0, 255, 255])]);
  return inflateRawSync(bytes, { finishFlush: 2, ...dictionary }).toString();
}

const verse = "the quick brown fox jumps over the lazy dog. ".repeat(4);

describe("WebSocket messages are compressed when the client offers it", () => {
  onEach([], (site) => {
    test("with one window for all messages", async () => {
      await using client = await site.open("/echo", { fields: DEFLATE });
      expect(client.headers["sec-websocket-extensions"]).toContain("permessage-deflate");
      await client.send(deflated(verse), deflated(verse, {}, verse));
      const one = await client.frame();
      const two = await client.frame();
      expect([one.first, two.first]).toEqual([0xc0, 0xc0]);
      expect(inflated(one.payload)).toBe(verse);
      expect(inflated(two.payload, verse)).toBe(verse);
      expect(two.payload.length).toBeLessThan(one.payload.length);
    });

    test("with a new window for each message when the client wants that", async () => {
      const offer =
        "permessage-deflate; server_no_context_takeover; client_no_context_takeover; server_max_window_bits=9";
      const fields = [["Sec-WebSocket-Extensions", offer]] as const;
      await using client = await site.open("/echo", { fields });
      const agreed = client.headers["sec-websocket-extensions"];
      expect(agreed).toContain("server_no_context_takeover");
      expect(agreed).toContain("server_max_window_bits=9");
      await client.send(deflated(verse), deflated(verse));
      for (let i = 0; i < 2; i++) expect(inflated((await client.frame()).payload)).toBe(verse);
    });

    test("a message in fragments, and one that is not compressed", async () => {
      await using client = await site.open("/echo", { fields: DEFLATE });
      const whole = deflateRawSync(verse, { finishFlush: 2 }).subarray(0, -4);
      await client.send(
        text(whole.subarray(0, 10), { rsv: RSV1, fin: false }),
        more(whole.subarray(10)),
        text("plain"),
      );
      expect(inflated((await client.frame()).payload)).toBe(verse);
      expect(await client.message()).toBe("plain");
    });

    test("one that grows beyond --ws-max-size is refused with 1009", async () => {
      await using client = await site.open("/echo", { fields: DEFLATE });
      await client.send(deflated("a".repeat(16 * MIB + 1)));
      expect(await client.ending()).toMatchObject({ code: 1009, cut: false });
    });

    test("damaged data are refused with 1007", async () => {
      await using client = await site.open("/echo", { fields: DEFLATE });
      await client.send(text(Buffer.from([0xff, 0xff, 0xff]), { rsv: RSV1 }));
      expect(await client.ending()).toMatchObject({ code: 1007, cut: false });
    });
  });
});

const WRONG: readonly [string, Buffer, number][] = [
  ["text that is not UTF-8", text(Buffer.from([0x66, 0xc3, 0x28])), 1007],
  ["text that breaks off", text(Buffer.from([0xe2, 0x82])), 1007],
  [
    "text whose fragment is not UTF-8, before it is whole",
    text(Buffer.from([0xff]), { fin: false }),
    1007,
  ],
  ["a frame that is not masked", text("bare", { mask: null }), 1002],
  ["a reserved bit", text("x", { rsv: 0x20 }), 1002],
  ["a compressed frame that was not agreed on", text("x", { rsv: RSV1 }), 1002],
  ["an unknown opcode", frame(3, "x"), 1002],
  ["a continuation of nothing", more("x"), 1002],
  ["a ping in fragments", frame(9, "x", { fin: false }), 1002],
  ["a ping that is too long", frame(9, Buffer.alloc(126)), 1002],
  ["a length that is not the shortest", text("x", { lengthBits: 16 }), 1002],
  ["a close with half a code", frame(8, "x"), 1002],
  ["a close with a code that is not for the wire", close(1006), 1002],
];

describe("A WebSocket client that breaks the protocol is told why", () => {
  onEach([], (site) => {
    test.each(WRONG)("%s", async (_, bytes, code) => {
      const name = site.name();
      await using client = await site.open(`/echo/${name}`);
      await client.send(bytes, text("behind"));
      expect(await client.ending()).toMatchObject({ code, cut: false });
      expect((await site.noted(name, 2))[1]).toStartWith(`disconnect ${code}`);
      expect(site.place.lines(name).length).toBe(2);
    });

    test("the answers to what came before arrive first", async () => {
      await using client = await site.open("/echo");
      await client.send(text("good"), frame(5, "bad"));
      expect(await client.message()).toBe("good");
      expect(await client.ending()).toMatchObject({ code: 1002 });
    });
  });
});
