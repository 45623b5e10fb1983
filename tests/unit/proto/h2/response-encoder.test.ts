/** Heads of responses as header blocks: what goes into the table and what does not, and that a kept block is never wrong. */
import { describe, expect, test } from "bun:test";
import { FieldCode, HpackDecoder } from "../../../../src/proto/h2/hpack-decoder.ts";
import { OutputBuffer } from "../../../../src/proto/h2/output-buffer.ts";
import { ResponseEncoder } from "../../../../src/proto/h2/response-encoder.ts";

/** An encoder and its peer. */
class Pair {
  readonly encoder = new ResponseEncoder();
  readonly #decoder = new HpackDecoder("asgi", 1_000_000);
  readonly #out = new OutputBuffer();

  /** The fields that the peer reads, and the block. */
  response(status: number, lines: readonly string[]): { fields: string[]; block: string } {
    const text = `HTTP/1.1 ${status} Reason\r\n${lines.map((line) => `${line}\r\n`).join("")}\r\n`;
    // What lies around the head must not be read.
    const bytes = Buffer.from(`: x${text}a: b\r\n`, "latin1");
    this.encoder.response(this.#out, status, bytes, 3, bytes.length - 6);
    return this.#read();
  }

  informational(status: number, lines: string): string[] {
    const bytes = Buffer.from(lines);
    this.encoder.informational(this.#out, status, bytes, 0, bytes.length);
    return this.#read().fields;
  }

  trailers(pairs: string): string[] {
    this.encoder.trailers(this.#out, Buffer.from(pairs, "latin1"));
    return this.#read().fields;
  }

  #read(): { fields: string[]; block: string } {
    const block = this.#out.take();
    const decoder = this.#decoder;
    expect(decoder.begin(block, 0, block.length)).toBe(true);
    const fields: string[] = [];
    let code = decoder.next();
    for (; code === FieldCode.FIELD; code = decoder.next()) {
      const { source, from, valueAt, to } = decoder;
      expect(decoder.valueInvalid).toBe(false);
      const name = Buffer.from(source.subarray(from + 1, valueAt - 1)).toString("latin1");
      fields.push(`${name}: ${Buffer.from(source.subarray(valueAt, to)).toString("latin1")}`);
    }
    expect(code).toBe(FieldCode.END);
    return { fields, block: block.toString("hex") };
  }
}

const DATE = "date: Sun, 06 Nov 2026 08:49:37 GMT";
const LINES = ["content-type: text/plain", "server: keelback", DATE, "content-length: 13"];

describe("a response", () => {
  test("is its status and its fields, names in lower case", () => {
    const lines = ["Content-Type: text/html", "X-A:  b \t", "x-y: \xe9", "empty:", "a: b: c"];
    expect(new Pair().response(200, lines).fields).toEqual([
      ": 200",
      ...["content-type: text/html", "x-a: b", "x-y: \xe9", "empty: ", "a: b: c"],
    ]);
  });

  test.each([200, 204, 206, 304, 400, 404, 500, 201, 301, 599])("with the status %d", (status) => {
    const pair = new Pair();
    for (let i = 0; i < 3; i++) expect(pair.response(status, []).fields).toEqual([`: ${status}`]);
    expect(pair.response(status, []).block).toHaveLength(2);
  });

  test("loses the fields of an HTTP/1.1 connection", () => {
    const lines = [
      ...["connection: close", "Keep-Alive: 1", "transfer-encoding: chunked", "upgrade: x"],
      ...["proxy-connection: close", "a: 1"],
    ];
    expect(new Pair().response(200, lines).fields).toEqual([": 200", "a: 1"]);
  });

  test("is indices once its fields have come before", () => {
    const pair = new Pair();
    pair.response(200, LINES);
    const { fields, block } = pair.response(200, LINES);
    expect(fields).toEqual([": 200", ...LINES]);
    // Status, type, server and date a byte each; the length is a literal with an indexed name.
    expect(block).toBe(`88c0bfbe0f0d02${Buffer.from("13").toString("hex")}`);
  });

  test("interim responses and trailers share the table", () => {
    const pair = new Pair();
    expect(pair.informational(103, "link: </a>; rel=preload\r\nx: 1\r\n")).toEqual([
      ...[": 103", "link: </a>; rel=preload", "x: 1"],
    ]);
    expect(pair.informational(100, "")).toEqual([": 100"]);
    expect(pair.response(200, LINES).fields).toEqual([": 200", ...LINES]);
    expect(pair.trailers("grpc-status\x000\0grpc-message\0")).toEqual([
      ...["grpc-status: 0", "grpc-message: "],
    ]);
    expect(pair.trailers("")).toEqual([]);
  });
});

describe("the dynamic table", () => {
  test("takes a field the second time it comes", () => {
    const pair = new Pair();
    const sizes = [1, 2, 3, 4].map(() => pair.response(200, ["x-name: a value"]).block.length);
    expect(sizes[0]).toBe(sizes[1]);
    expect(sizes.slice(2)).toEqual([4, 4]);
  });

  test("is not filled by values that do not come again", () => {
    const pair = new Pair();
    pair.response(200, LINES);
    for (let i = 0; i < 500; i++) {
      const own = [`x-id: ${i}`, `etag: "${i}"`, `set-cookie: a=${i}`, `content-length: ${i}`];
      expect(pair.response(200, own).fields).toEqual([": 200", ...own]);
    }
    expect(pair.response(200, LINES.slice(0, 3)).block).toBe("88c0bfbe");
  });

  test("never holds secrets, which are marked", () => {
    const pair = new Pair();
    for (let i = 0; i < 3; i++) {
      // 0x10 and the index 55 behind the prefix: never indexed.
      expect(pair.response(200, ["set-cookie: a=1"]).block).toStartWith("881f28");
    }
  });

  test("holds no large fields", () => {
    const pair = new Pair();
    const line = `x-large: ${"v".repeat(600)}`;
    for (let i = 0; i < 3; i++) {
      const { fields, block } = pair.response(200, [line]);
      expect(fields).toEqual([": 200", line]);
      expect(block.length).toBeGreaterThan(600);
    }
  });

  test("holds over many evictions", () => {
    const pair = new Pair();
    for (let i = 0; i < 3000; i++) {
      const lines = [`content-type: x/${i % 150}`, `server: s${i % 7}`, `date: ${i >> 2}`];
      expect(pair.response(200, lines).fields).toEqual([": 200", ...lines]);
    }
  });

  test("follows the peer's limit", () => {
    const pair = new Pair();
    pair.response(200, LINES);
    pair.encoder.setPeerTableSizeMax(0);
    const { fields, block } = pair.response(200, LINES);
    expect(fields).toEqual([": 200", ...LINES]);
    expect(block).toStartWith("2088");
    expect(pair.response(200, LINES).block).toBe(block.slice(2));
    // Up again before the next block: no update for what did not happen in between.
    pair.encoder.setPeerTableSizeMax(4096);
    expect(pair.response(200, LINES).block).toStartWith("3fe11f88");
    expect(pair.response(200, LINES).block).toStartWith("88c0bfbe");
    // Down and up: the least size is said too (RFC 7541 section 4.2).
    pair.encoder.setPeerTableSizeMax(100);
    pair.encoder.setPeerTableSizeMax(65536);
    expect(pair.response(200, LINES).block).toStartWith("3f453fe11f88");
    expect(pair.response(200, LINES).fields).toEqual([": 200", ...LINES]);
  });

  test("a limit that is set again changes nothing", () => {
    const pair = new Pair();
    pair.response(200, LINES);
    pair.encoder.setPeerTableSizeMax(4096);
    pair.encoder.setPeerTableSizeMax(100_000);
    expect(pair.response(200, LINES).block).toStartWith("88c0bfbe");
  });
});

describe("kept blocks", () => {
  test("are right whatever came in between", () => {
    const pair = new Pair();
    const heads = [
      LINES,
      LINES.with(3, "content-length: 14"),
      LINES.with(2, DATE.replace("37", "38")),
      LINES.with(0, "content-type: text/html"),
      [...LINES, "x-a: 1"],
      [...LINES, "x-a: 2"],
      [],
    ];
    for (let i = 0; i < 400; i++) {
      const lines = heads[(i * i + (i >> 3)) % heads.length]!;
      const status = i % 5 === 0 ? 404 : 200;
      expect(pair.response(status, lines).fields).toEqual([`: ${status}`, ...lines]);
    }
  });

  test("are not those of another status or of a longer head", () => {
    const pair = new Pair();
    for (let i = 0; i < 3; i++) pair.response(200, LINES);
    expect(pair.response(404, LINES).fields[0]).toBe(": 404");
    const longer = [...LINES, "a: b"];
    for (let i = 0; i < 3; i++) {
      expect(pair.response(200, longer).fields).toEqual([": 200", ...longer]);
      expect(pair.response(200, LINES).fields).toEqual([": 200", ...LINES]);
    }
  });
});

test("a head larger than the buffer", () => {
  const pair = new Pair();
  const lines = Array.from({ length: 400 }, (_, i) => `x-${i}: ${"\xff".repeat(i)}`);
  expect(pair.response(200, lines).fields).toEqual([": 200", ...lines]);
});
