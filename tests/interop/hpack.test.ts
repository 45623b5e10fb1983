/** HPACK against an independent implementation, hyper's `hpack`: what it encodes is read here, what is encoded here is read by it. */
import { describe, expect, test } from "bun:test";
import { FieldCode, HpackDecoder } from "../../src/proto/h2/hpack-decoder.ts";
import { OutputBuffer } from "../../src/proto/h2/output-buffer.ts";
import { ResponseEncoder } from "../../src/proto/h2/response-encoder.ts";
import { randomOf } from "../support/h1-reader.ts";
import { repository } from "../support/server.ts";

const python = `${repository}/.cache/interop-venv/bin/python`;

type Pairs = [string, string][];

/** Runs lines of Python with `blocks` read from JSON; gives the JSON that it prints. */
function run(code: string, input: unknown): unknown {
  const done = Bun.spawnSync([python, "-c", code], { stdin: Buffer.from(JSON.stringify(input)) });
  expect(done.stderr.toString()).toBe("");
  return JSON.parse(done.stdout.toString());
}

const ENCODE = `
import json, sys
from hpack import Encoder, NeverIndexedHeaderTuple
encoder = Encoder()
out = []
for size, huffman, fields in json.load(sys.stdin):
    if size >= 0:
        encoder.header_table_size = size
    pairs = [(n.encode("latin-1"), v.encode("latin-1")) for n, v in fields]
    out.append(encoder.encode(pairs, huffman=huffman).hex())
print(json.dumps(out))
`;

const DECODE = `
import json, sys
from hpack import Decoder
decoder = Decoder(max_header_list_size=1 << 20)
out = []
for block in json.load(sys.stdin):
    fields = decoder.decode(bytes.fromhex(block), raw=True)
    out.append([[n.decode("latin-1"), v.decode("latin-1")] for n, v in fields])
print(json.dumps(out))
`;

const NAMES = ["accept", "cookie", "date", "etag", "x-a", "x-request-id", "set-cookie", "server"];

function text(random: () => number, characters: string): string {
  const length = Math.floor(random() ** 4 * 300);
  const at = (): string => characters[Math.floor(random() * characters.length)]!;
  return Array.from({ length }, at).join("").trim();
}

const PRINTABLE = Array.from({ length: 95 }, (_, i) => String.fromCharCode(32 + i)).join("");
const ANY =
  PRINTABLE + Array.from({ length: 128 }, (_, i) => String.fromCharCode(128 + i)).join("");

function fields(random: () => number): Pairs {
  return Array.from({ length: 1 + Math.floor(random() * 12) }, () => {
    const name = NAMES[Math.floor(random() * NAMES.length)]!;
    if (random() < 0.5) return [name, `value-${Math.floor(random() * 20)}`];
    return [name, text(random, random() < 0.5 ? PRINTABLE : ANY)];
  });
}

describe("hpack of Python", () => {
  test("its blocks are read as it meant them", () => {
    const random = randomOf(7541);
    const blocks = Array.from({ length: 400 }, (_, i): [number, boolean, Pairs] => {
      const size = i % 40 === 39 ? [0, 100, 4096, 1000][Math.floor(random() * 4)]! : -1;
      return [size, random() < 0.7, fields(random)];
    });
    const encoded = run(ENCODE, blocks) as string[];
    const decoder = new HpackDecoder("asgi", 1_000_000);
    encoded.forEach((hex, i) => {
      const block = Buffer.from(hex, "hex");
      expect(decoder.begin(block, 0, block.length)).toBe(true);
      const seen: Pairs = [];
      for (let code = decoder.next(); code !== FieldCode.END; code = decoder.next()) {
        expect(code).toBe(FieldCode.FIELD);
        const bytes = Buffer.from(decoder.source.subarray(decoder.from, decoder.to));
        const strings = bytes.toString("latin1").split("\0");
        seen.push([strings[1]!, strings[2]!]);
      }
      expect(seen).toEqual(blocks[i]![2]);
    });
  });

  test("it reads our blocks as we meant them", () => {
    const random = randomOf(9113);
    const encoder = new ResponseEncoder();
    const out = new OutputBuffer();
    const blocks: string[] = [];
    const wanted: Pairs[] = [];
    for (let i = 0; i < 400; i++) {
      if (i % 40 === 39) encoder.setPeerTableSizeMax([0, 4096, 300, 4096][(i / 40) & 3]!);
      if (random() < 0.3 && i > 0) {
        // The last one again, which may be a kept block.
        wanted.push(wanted.at(-1)!);
      } else {
        const status = [200, 404, 201, 503][Math.floor(random() * 4)]!;
        wanted.push([[":status", String(status)], ...fields(random)]);
      }
      const [[, status] = ["", ""], ...rest] = wanted.at(-1)!;
      const lines = rest.map(([name, value]) => `${name}: ${value}\r\n`).join("");
      const head = Buffer.from(`HTTP/1.1 ${status} Any\r\n${lines}\r\n`, "latin1");
      encoder.response(out, Number(status), head, 0, head.length);
      blocks.push(out.take().toString("hex"));
    }
    expect(run(DECODE, blocks)).toEqual(wanted);
  });
});
