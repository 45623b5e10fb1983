/**
 * Nanoseconds for the head of an HTTP/2 request (decode, in both forms) and of a response (encode), for 2 and for a browser's 14 headers:
 *   same      the same block again and again (a load generator): the memo knows it
 *   path      another path each time, the other fields indexed (a browser): only the request line is written
 *   distinct  another path and another accept or cookie value each time: every field is read
 *   first     the first request of a connection: everything is a literal and goes into the table
 * and for the response's: the same head; another Content-Length each time; the first one of a connection.
 * Run: bun bench/micro/proto/h2/hpack.bench.ts
 */
import type { HeadForm } from "../../../../src/proto/events.ts";
import { OutputBuffer } from "../../../../src/proto/h2/output-buffer.ts";
import { DecodeCode, RequestDecoder } from "../../../../src/proto/h2/request-decoder.ts";
import { ResponseEncoder } from "../../../../src/proto/h2/response-encoder.ts";
import { BlockMaker, type Field } from "../../../../tests/support/header-block.ts";
import { report, timed } from "../../timing.ts";

const REQUESTS = 200_000;
const VARIANTS = 64;
const FIRST_REQUESTS = 10_000;

const BROWSER_FIELDS: readonly Field[] = [
  ["cache-control", "max-age=0"],
  ["sec-ch-ua", '"Chromium";v="126", "Not/A)Brand";v="8"'],
  ["sec-ch-ua-mobile", "?0"],
  ["sec-ch-ua-platform", '"Linux"'],
  ["upgrade-insecure-requests", "1"],
  [
    "user-agent",
    "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/126.0.0.0 Safari/537.36",
  ],
  [
    "accept",
    "text/html,application/xhtml+xml,application/xml;q=0.9,image/avif,image/webp,image/apng,*/*;q=0.8",
  ],
  ["sec-fetch-site", "same-origin"],
  ["sec-fetch-mode", "navigate"],
  ["referer", "https://www.example.com/articles/"],
  ["accept-encoding", "gzip, deflate, br, zstd"],
  ["accept-language", "en-GB,en;q=0.9,de;q=0.8"],
];

type Variation = "same" | "path" | "distinct" | "first";

function blocks(headers: number, variation: Variation): Buffer[] {
  let maker = new BlockMaker();
  const made: Buffer[] = [];
  for (let i = 0; i < VARIANTS + 2; i++) {
    const path = variation === "same" ? "/articles/1000" : `/articles/${1000 + i}`;
    const mark = variation === "distinct" ? 1000 + i : 1000;
    const mode = variation === "distinct" ? "plain" : "index";
    const own: Field[] =
      headers === 2
        ? [["accept", `*/*;q=0.${mark}`, mode]]
        : [
            ...BROWSER_FIELDS,
            ["cookie", `sessionid=k3jd93kd02kd93kd0${mark}; csrftoken=9sk3kd93ks`, mode],
          ];
    if (variation === "first") maker = new BlockMaker();
    const block = maker.block([
      [":method", "GET"],
      [":authority", "www.example.com"],
      [":scheme", "https"],
      [":path", path, "plain"],
      ...own,
    ]);
    made.push(block);
  }
  return made;
}

function decoderOf(form: HeadForm): RequestDecoder {
  return new RequestDecoder({
    form,
    requestLineBytesMax: 8190,
    headerBytesMax: 65536,
    headerFieldBytesMax: 16384,
    headerCountMax: 100,
    bodyBytesMax: 0,
    underscoreHeaders: "drop",
    connectProtocol: true,
  });
}

function decode(decoder: RequestDecoder, block: Buffer): void {
  if (decoder.decodeRequest(block, 0, block.length, true) !== DecodeCode.OK) {
    throw new Error(`refused: ${decoder.errorCode}`);
  }
}

function withBytes(label: string, bytes: Buffer): string {
  return `${label.padEnd(34)} ${String(bytes.length).padStart(4)} bytes`;
}

for (const form of ["cgi", "asgi"] satisfies HeadForm[]) {
  for (const headers of [2, 14]) {
    for (const variation of ["first", "distinct", "path", "same"] satisfies Variation[]) {
      const made = blocks(headers, variation);
      const first = variation === "first";
      const later = first ? made : made.slice(2);
      const decoder = decoderOf(form);
      if (!first) for (const block of made.slice(0, 2)) decode(decoder, block);
      const label = `decode ${form} ${headers} headers, ${variation}`;
      report(withBytes(label, later[0]!), () => {
        if (!first) return timed(REQUESTS, (i) => decode(decoder, later[i % VARIANTS]!));
        // As many that are not timed: what a new decoder itself costs is not to be counted.
        const decoders = Array.from({ length: FIRST_REQUESTS }, () => decoderOf(form));
        return timed(FIRST_REQUESTS, (i) => decode(decoders[i]!, later[i % VARIANTS]!));
      });
    }
  }
}

const RESPONSE_FIELDS = [
  "cache-control: max-age=0, private, must-revalidate",
  "vary: Accept-Encoding, Cookie",
  "x-frame-options: DENY",
  "x-content-type-options: nosniff",
  "referrer-policy: same-origin",
  "cross-origin-opener-policy: same-origin",
  "strict-transport-security: max-age=31536000; includeSubDomains",
  "content-language: en",
  "x-request-time: 12",
  "content-encoding: gzip",
];

function responses(headers: number, variation: Variation): Buffer[] {
  return Array.from({ length: VARIANTS }, (_, i) => {
    const length = variation === "same" ? 1000 : 1000 + i;
    const own = headers === 4 ? [] : RESPONSE_FIELDS;
    const lines = [
      "content-type: text/plain; charset=utf-8",
      ...own,
      "server: keelback",
      "date: Sun, 06 Nov 2026 08:49:37 GMT",
      `content-length: ${length}`,
    ];
    return Buffer.from(`HTTP/1.1 200 OK\r\n${lines.join("\r\n")}\r\n\r\n`);
  });
}

for (const headers of [4, 14]) {
  for (const variation of ["first", "distinct", "same"] satisfies Variation[]) {
    const heads = responses(headers, variation);
    const out = new OutputBuffer();
    const encoder = new ResponseEncoder();
    const encode = (by: ResponseEncoder, head: Buffer): void => {
      by.response(out, 200, head, 0, head.length);
      if (out.length > 4096) out.take();
    };
    // Content-Length changes: many more than the table holds come in turn, so that it is a literal each time.
    report(withBytes(`encode ${headers} headers, ${variation}`, heads[0]!), () => {
      if (variation !== "first") {
        return timed(REQUESTS, (i) => encode(encoder, heads[i % VARIANTS]!));
      }
      const encoders = Array.from({ length: FIRST_REQUESTS }, () => new ResponseEncoder());
      return timed(FIRST_REQUESTS, (i) => encode(encoders[i]!, heads[i % VARIANTS]!));
    });
  }
}
