/**
 * Nanoseconds that H1Reader takes for a request head, for 2 and for a browser's 14 headers, in both forms:
 *   same      the same bytes again and again (a load generator)
 *   path      another path each time, the same header section (a browser, a proxy)
 *   distinct  another path and another cookie or accept value each time: nothing can be reused
 * Run: bun bench/micro/proto/h1/reader.bench.ts
 */
import { type HeadForm, ReadEvent } from "../../../../src/proto/events.ts";
import { H1Reader } from "../../../../src/proto/h1/reader.ts";

const ROUNDS = 7;
const REQUESTS = 200_000;
const VARIANTS = 64;

const BROWSER_HEADERS = [
  "Host: www.example.com",
  "Connection: keep-alive",
  'sec-ch-ua: "Chromium";v="126", "Not/A)Brand";v="8"',
  "sec-ch-ua-mobile: ?0",
  'sec-ch-ua-platform: "Linux"',
  "Upgrade-Insecure-Requests: 1",
  "User-Agent: Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/126.0.0.0 Safari/537.36",
  "Accept: text/html,application/xhtml+xml,application/xml;q=0.9,image/avif,image/webp,image/apng,*/*;q=0.8",
  "Sec-Fetch-Site: same-origin",
  "Sec-Fetch-Mode: navigate",
  "Referer: https://www.example.com/articles/",
  "Accept-Encoding: gzip, deflate, br, zstd",
  "Accept-Language: en-GB,en;q=0.9,de;q=0.8",
];

type Variation = "same" | "path" | "distinct";

function requests(headers: number, variation: Variation): Buffer[] {
  const made: Buffer[] = [];
  for (let i = 0; i < VARIANTS; i++) {
    const path = variation === "same" ? "/articles/1000" : `/articles/${1000 + i}`;
    const mark = variation === "distinct" ? 1000 + i : 1000;
    const lines =
      headers === 2
        ? ["Host: www.example.com", `Accept: */*;q=0.${mark}`]
        : [...BROWSER_HEADERS, `Cookie: sessionid=k3jd93kd02kd93kd0${mark}; csrftoken=9sk3kd93ks`];
    made.push(Buffer.from(`GET ${path} HTTP/1.1\r\n${lines.join("\r\n")}\r\n\r\n`, "latin1"));
  }
  return made;
}

function round(reader: H1Reader, heads: readonly Buffer[]): number {
  const start = Bun.nanoseconds();
  for (let i = 0; i < REQUESTS; i++) {
    reader.feed(heads[i % VARIANTS]!);
    if (reader.next() !== ReadEvent.HEAD || reader.next() !== ReadEvent.END) {
      throw new Error(`refused: ${reader.errorCode}`);
    }
    reader.resume();
    reader.next();
  }
  return (Bun.nanoseconds() - start) / REQUESTS;
}

for (const form of ["cgi", "asgi"] satisfies HeadForm[]) {
  for (const headers of [2, 14]) {
    for (const variation of ["distinct", "path", "same"] satisfies Variation[]) {
      const reader = new H1Reader({
        form,
        requestLineBytesMax: 8190,
        headerBytesMax: 65536,
        headerFieldBytesMax: 16384,
        headerCountMax: 100,
        bodyBytesMax: 0,
        underscoreHeaders: "drop",
      });
      const heads = requests(headers, variation);
      const times = Array.from({ length: ROUNDS }, () => round(reader, heads)).sort(
        (a, b) => a - b,
      );
      const bytes = heads[0]!.length;
      const median = times[ROUNDS >> 1]!.toFixed(0).padStart(5);
      process.stdout.write(
        `${form.padEnd(4)} ${String(headers).padStart(2)} headers, ${String(bytes).padStart(4)} bytes, ` +
          `${variation.padEnd(8)} ${median} ns a request (best ${times[0]!.toFixed(0)})\n`,
      );
    }
  }
}
