import { describe, expect, test } from "bun:test";
import { Stage } from "../../../src/exchange/exchange.ts";
import { RESPONSE_WINDOW_BYTES } from "../../../src/wire/spec.ts";
import { binary, close, DEFLATE, frame, ping, text } from "../../support/ws-frames.ts";
import { message, scene } from "../../support/ws-session.ts";

const hex = (content: string): string => Buffer.from(content).toString("hex");
/** A Close frame of the server. */
const closed = (code: number, reason = ""): string =>
  `88${(2 + reason.length).toString(16).padStart(2, "0")}${code.toString(16).padStart(4, "0")}${hex(reason)}`;

describe("messages", () => {
  test("from the client to the worker", () => {
    const { session, backend, x } = scene();
    session.receive(Buffer.concat([text("hello"), binary("\x01"), text("")]));
    expect(backend.take()).toEqual(["text hello", "binary 01", "text "]);
    expect(x.requestCredit).toBe(512 * 1024 - 6 - 3 * 64);
  });

  test("large ones are handed over as they arrive", () => {
    const { session, backend } = scene();
    const bytes = binary(Buffer.alloc(100_000));
    session.receive(bytes.subarray(0, 60_000));
    expect(backend.take()).toEqual(["+59986"]);
    session.receive(bytes.subarray(60_000));
    expect(backend.take()).toEqual(["binary 40014"]);
  });

  test("a part for which there is no room waits, and the client is not read", () => {
    const { session, backend, transport } = scene();
    backend.full = true;
    session.receive(Buffer.concat([binary(Buffer.alloc(100_000)), text("behind")]));
    expect(backend.take()).toEqual([]);
    expect(transport.paused).toBe(true);
    backend.full = false;
    session.onCredit();
    expect(backend.take()).toEqual(["binary 100000", "text behind"]);
    expect(transport.paused).toBe(false);
  });

  test("the memory of a large chunk is given back once it has been copied, and not before", () => {
    const { session, backend } = scene({ own: true });
    const chunk = (): Buffer => Buffer.from(new Uint8Array(binary(Buffer.alloc(100_000))).buffer);
    const copied = chunk();
    session.receive(copied);
    expect(copied.length).toBe(0);
    const waiting = chunk();
    backend.full = true;
    session.receive(waiting);
    expect(waiting.length).toBeGreaterThan(100_000);
    backend.full = false;
    session.onCredit();
    expect(waiting.length).toBe(0);
    const kept = chunk();
    backend.keeps = true;
    session.receive(kept);
    expect(kept.length).toBeGreaterThan(100_000);
    expect(backend.take()).toEqual(Array.from({ length: 3 }, () => "binary 100000"));
  });

  test("the memory of a chunk that is a part of another's stays", () => {
    const { session } = scene();
    const chunk = Buffer.from(new Uint8Array(binary(Buffer.alloc(100_000))).buffer);
    session.receive(chunk);
    expect(chunk.length).toBeGreaterThan(100_000);
  });

  test("from the worker to the client", () => {
    const all = scene();
    message(all, 1, "hello");
    message(all, 2, "\x01");
    message(all, 1, "");
    expect(all.transport.take()).toBe(`8105${hex("hello")}8201018100`);
  });

  test("parts of one message", () => {
    const all = scene();
    message(all, 2, "ab", false);
    message(all, 2, "", false);
    message(all, 2, "cd", false);
    message(all, 2, "");
    message(all, 1, "x", false);
    message(all, 1, "y");
    expect(all.transport.take()).toBe(`0202${hex("ab")}0002${hex("cd")}8000010178800179`);
  });

  test("a header goes into the spent bytes before its payload, where there are any", () => {
    const { session, transport } = scene();
    const bytes = Buffer.from("....hello");
    session.onMessage(1, bytes, 4, 9, false);
    expect(bytes.toString("hex")).toBe(`2e2e8105${hex("hello")}`);
    session.onMessage(1, Buffer.from("hello"), 0, 5, false);
    expect(transport.take()).toBe(`8105${hex("hello")}`.repeat(2));
  });

  test("compressed in both directions", () => {
    const all = scene({ deflate: DEFLATE });
    all.session.receive(text(Buffer.from("f248cdc9c90700", "hex"), { rsv: 0x40 }));
    expect(all.backend.take()).toEqual(["text Hello"]);
    message(all, 1, "a".repeat(1000));
    const frames = Buffer.from(all.transport.take(), "hex");
    expect(frames[0]).toBe(0xc1);
    expect(frames.length).toBeLessThan(40);
  });
});

describe("WebSocket backpressure goes both ways", () => {
  test("the client is not read while the worker has no credit", () => {
    const { session, transport, backend, x } = scene({ credit: 10_000 });
    session.receive(binary(Buffer.alloc(30_000)));
    expect(backend.take()).toEqual(["+10000"]);
    expect([x.requestCredit, transport.paused]).toEqual([0, true]);
    x.requestCredit = 5000;
    session.onCredit();
    expect([backend.take(), transport.paused]).toEqual([["+5000"], true]);
    x.requestCredit = 100_000;
    session.onCredit();
    expect([backend.take(), transport.paused]).toEqual([["binary 15000"], false]);
    session.receive(text("after"));
    expect(backend.take()).toEqual(["text after"]);
  });

  test("an empty message needs credit too", () => {
    const { session, backend, x } = scene({ credit: 100 });
    session.receive(Buffer.concat([text("a"), text(""), text("c")]));
    expect(backend.take()).toEqual(["text a"]);
    x.requestCredit = 200;
    session.onCredit();
    expect(backend.take()).toEqual(["text ", "text c"]);
  });

  test("a small message does not overtake one that waits", () => {
    const { session, backend, x } = scene({ credit: 100 });
    session.receive(Buffer.concat([text("a".repeat(37)), text("b")]));
    expect(backend.take()).toEqual([]);
    x.requestCredit = 1000;
    session.onCredit();
    expect(backend.take()).toEqual([`text ${"a".repeat(37)}`, "text b"]);
  });

  test("a ping and a close behind a message that waits are seen, the worker is told in order", () => {
    const { session, transport, backend, x } = scene({ credit: 0 });
    session.receive(Buffer.concat([text("held"), ping("p"), close(1000, "bye")]));
    expect(transport.take()).toBe(`8a01${hex("p")}${closed(1000)}`);
    expect([transport.ends, backend.take()]).toEqual([["finish"], []]);
    x.requestCredit = 1000;
    session.onCredit();
    expect(backend.take()).toEqual(["text held", "close 1000 bye"]);
  });

  test("what is read beyond the credit is bounded, also when it is compressed", () => {
    const { session, transport, backend, x } = scene({ deflate: DEFLATE, credit: 0 });
    const bomb = Bun.deflateSync(Buffer.alloc(4 * 1024 * 1024), { windowBits: -15 });
    const chunk = binary(Buffer.concat([bomb, Buffer.from([0])]), { rsv: 0x40 });
    session.receive(Buffer.concat([chunk, ping("later")]));
    expect(transport.take()).toBe("");
    x.requestCredit = 50_000;
    session.onCredit();
    expect(backend.bytes).toBe(50_000);
    for (let i = 0; i < 1000 && x.requestCredit < 50_000; i++) {
      x.requestCredit += 50_000;
      session.onCredit();
    }
    expect(backend.bytes).toBe(4 * 1024 * 1024);
    expect(transport.take()).toBe(`8a05${hex("later")}`);
  });

  test("credit is given for what has left", () => {
    const all = scene();
    const part = Buffer.alloc(200_000);
    for (let i = 0; i < 3; i++) {
      all.x.windowUsed += part.length + 64;
      message(all, 2, part);
    }
    expect(all.backend.take()).toEqual([`credit ${2 * 200_064}`]);
    all.transport.room = 0;
    for (let i = 0; i < 4; i++) {
      all.x.windowUsed += part.length + 64;
      message(all, 2, part);
    }
    // What was not credited before: one message and some of the headers.
    expect(all.x.windowUsed).toBeLessThan(RESPONSE_WINDOW_BYTES);
    expect(all.backend.take()).toEqual([]);
    all.flow(150_000);
    expect(all.backend.take()).toHaveLength(1);
    all.flow(10_000_000);
    expect(all.x.windowUsed).toBeLessThan(256 * 1024);
  });

  test("nothing is credited to a worker that has ended the stream", () => {
    const all = scene();
    all.x.windowUsed = 900_000;
    all.x.stage = Stage.OUT;
    all.flow(0);
    expect(all.backend.take()).toEqual([]);
  });

  test("pings are answered, of those that come while nothing leaves only the latest", () => {
    const all = scene();
    all.session.receive(Buffer.concat([ping("1"), ping("2")]));
    expect(all.transport.take()).toBe(`8a01${hex("1")}8a01${hex("2")}`);
    all.transport.room = 0;
    message(all, 1, "x");
    for (let i = 0; i < 1000; i++) all.session.receive(ping(`p${i}`));
    expect(all.transport.take()).toBe(`8101${hex("x")}`);
    all.flow(3);
    expect(all.transport.take()).toBe(`8a04${hex("p999")}`);
    all.flow(0);
    expect(all.transport.take()).toBe("");
  });
});

describe("A WebSocket close is answered", () => {
  test("by the client: answered, told, finished", () => {
    const { session, transport, backend } = scene();
    session.receive(Buffer.concat([close(4000, "bye"), text("not read")]));
    expect(transport.take()).toBe(closed(4000));
    expect(backend.take()).toEqual(["close 4000 bye"]);
    expect([transport.ends, transport.deadline]).toEqual([["finish"], 0]);
    session.receive(text("nor this"));
    session.closed();
    expect([backend.take(), transport.ends]).toEqual([[], ["finish"]]);
  });

  test("by the client without a code", () => {
    const { session, transport, backend } = scene();
    session.receive(close());
    expect([transport.take(), backend.take()]).toEqual(["8800", ["close 1005 "]]);
  });

  test("by the app: the client's answer is awaited, then the server closes first", () => {
    const all = scene();
    all.session.onWsClose(3000, "done");
    expect(all.transport.take()).toBe(closed(3000, "done"));
    message(all, 1, "too late");
    all.session.receive(Buffer.concat([text("dropped"), ping("x")]));
    expect(all.transport.take()).toBe(`8a01${hex("x")}`);
    expect(all.transport.ends).toEqual([]);
    all.session.receive(close(3000));
    expect([all.transport.ends, all.transport.take()]).toEqual([["finish"], ""]);
    expect(all.backend.take()).toEqual([]);
  });

  test("by the app, and the client does not answer", () => {
    const all = scene();
    all.session.onWsClose(1005, "");
    expect(all.transport.take()).toBe("8800");
    all.pass(9000);
    expect(all.transport.ends).toEqual([]);
    all.pass(3000);
    expect([all.transport.ends, all.transport.deadline]).toEqual([["finish"], 0]);
  });

  test("by the app, and the client takes nothing more", () => {
    const all = scene();
    all.transport.room = 0;
    all.session.onWsClose(1000, "");
    all.pass(12_000);
    expect(all.transport.ends).toEqual(["abort"]);
  });

  test("by the app while the client was not read", () => {
    const { session, transport, backend } = scene({ credit: 0 });
    session.receive(Buffer.concat([text("held"), binary(Buffer.alloc(70_000)), close(1000)]));
    expect(transport.paused).toBe(true);
    session.onWsClose(1000, "");
    expect([transport.paused, transport.ends]).toEqual([false, ["finish"]]);
    expect(backend.take()).toEqual([]);
  });

  test("a code of the app that is not for the wire becomes 1011, a long reason is cut", () => {
    const first = scene();
    first.session.onWsClose(1006, "");
    expect(first.transport.take()).toBe(closed(1011));
    const second = scene();
    second.session.onWsClose(1000, "é".repeat(100));
    const bytes = Buffer.from(second.transport.take(), "hex");
    expect(bytes.length).toBe(2 + 2 + 122);
    expect(bytes.toString("utf8", 4)).toBe("é".repeat(61));
  });

  test.each([
    [1002, frame(3)],
    [1002, frame(1, "x", { mask: null })],
    [1007, text(Buffer.from("ff", "hex"))],
    [1009, binary("", { lengthBits: 64, length: 17n * 1024n * 1024n })],
  ])("A WebSocket client that breaks the protocol is told why: %d", (code, bytes) => {
    const all = scene();
    const { session, transport, backend } = all;
    session.receive(text("a"));
    message(all, 1, "answer");
    transport.take();
    session.receive(Buffer.concat([bytes, text("b")]));
    const frames = transport.take();
    expect(frames.slice(0, 2) + frames.slice(4, 8)).toBe(`88${code.toString(16).padStart(4, "0")}`);
    const [first, second] = backend.take();
    expect(first).toBe("text a");
    expect(second).toStartWith(`close ${code} `);
    expect(transport.ends).toEqual(["finish"]);
  });

  test("one that breaks the protocol still gets the answers to what came before", () => {
    const all = scene();
    const { session, transport, backend } = all;
    session.receive(Buffer.concat([text("a"), text("b"), frame(3), text("c")]));
    expect([transport.take(), backend.take()]).toEqual(["", ["text a", "text b"]]);
    message(all, 1, "A", false);
    message(all, 1, "");
    session.receive(text("d"));
    session.ended();
    message(all, 1, "B");
    const frames = transport.take();
    expect(frames).toStartWith(`0101${hex("A")}80008101${hex("B")}88`);
    expect(frames).toContain("03ea");
    expect([backend.take()[0], transport.ends]).toEqual([
      "close 1002 an opcode is unknown",
      ["finish"],
    ]);
  });

  test("but not for long, and not when the app has closed", () => {
    const slow = scene();
    slow.session.receive(Buffer.concat([text("a"), frame(3)]));
    slow.pass(3000);
    expect([slow.transport.ends, slow.backend.take().length]).toEqual([["finish"], 2]);
    const early = scene();
    early.session.receive(Buffer.concat([text("a"), frame(3)]));
    early.session.onWsClose(1000, "");
    expect(early.transport.take()).toContain("03ea");
    expect([early.transport.ends, early.backend.take()]).toEqual([["finish"], ["text a"]]);
  });

  test("the worker ends without a close", () => {
    const failed = scene();
    message(failed, 1, "x", false);
    failed.session.workerGone(false);
    expect(failed.transport.take()).toBe(`0101${hex("x")}${closed(1011)}`);
    const replaced = scene();
    replaced.session.workerGone(true);
    expect(replaced.transport.take()).toBe(closed(1012));
    replaced.session.receive(close(1012));
    expect([replaced.transport.ends, replaced.backend.take()]).toEqual([["finish"], []]);
  });

  test("the server stops: both sides hear 1012", () => {
    const { session, transport, backend } = scene();
    session.shutdown();
    expect([transport.take(), backend.take()]).toEqual([closed(1012), ["close 1012 "]]);
    session.receive(text("dropped"));
    session.shutdown();
    session.onWsClose(1000, "");
    session.receive(close(1012));
    expect([transport.take(), backend.take(), transport.ends]).toEqual(["", [], ["finish"]]);
  });
});

describe("losing the client", () => {
  test("the transport is gone", () => {
    const { session, transport, backend } = scene();
    session.receive(text("half", { fin: false }));
    session.closed();
    session.closed();
    expect([backend.take(), transport.ends, transport.deadline]).toEqual([["close 1006 "], [], 0]);
  });

  test("the transport is found to be gone while something is written to it", () => {
    const { session, transport, backend } = scene();
    const write = transport.writeBorrowed.bind(transport);
    transport.writeBorrowed = (buf, start, end) => {
      write(buf, start, end);
      session.closed();
    };
    session.receive(close(1000));
    expect([backend.take(), transport.ends]).toEqual([["close 1000 "], []]);
  });

  test("a FIN without a close: what came before reaches the app", () => {
    const { session, transport, backend, x } = scene({ credit: 0 });
    session.receive(Buffer.concat([text("a"), binary(Buffer.alloc(70_000)), text("b")]));
    session.ended();
    expect([backend.take(), transport.ends]).toEqual([[], []]);
    x.requestCredit = 200_000;
    session.onCredit();
    expect(backend.take()).toEqual(["text a", "binary 70000", "text b", "close 1006 "]);
    expect(transport.ends).toEqual(["finish"]);
  });

  test("a FIN instead of an answer to our close", () => {
    const { session, transport, backend } = scene();
    session.onWsClose(1000, "");
    session.ended();
    expect([transport.ends, backend.take()]).toEqual([["finish"], []]);
  });
});
