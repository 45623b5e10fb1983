/**
 * Nanoseconds for the head of an HTTP/3 request, for 2 and for a browser's 10 headers, and for that of a response:
 *   same      the same fields again and again (a load generator)
 *   path      another path each time, the other fields as before (a browser)
 *   distinct  another path and another cookie each time: every field is read
 * Run: bun bench/micro/proto/h3/heads.bench.ts
 */
import { type FieldTable, H3RequestHead } from "../../../../src/proto/h3/request-head.ts";
import { ResponseHeads } from "../../../../src/proto/h3/response-fields.ts";
import { report, timed } from "../../timing.ts";

const REQUESTS = 100_000;
const VARIANTS = 64;

const PLAIN: FieldTable = { accept: "*/*" };
const BROWSER: FieldTable = {
  "sec-ch-ua": '"Chromium";v="126", "Not/A)Brand";v="8"',
  "sec-ch-ua-mobile": "?0",
  "sec-ch-ua-platform": '"Linux"',
  "user-agent":
    "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/126.0.0.0 Safari/537.36",
  accept: "text/html,application/xhtml+xml,application/xml;q=0.9,image/avif,image/webp,*/*;q=0.8",
  "sec-fetch-site": "same-origin",
  referer: "https://www.example.com/articles/",
  "accept-encoding": "gzip, deflate, br, zstd",
  "accept-language": "en-GB,en;q=0.9,de;q=0.8",
};

type Variation = "same" | "path" | "distinct";

/** As the runtime makes them: each table and each string its own. */
function tables(fields: FieldTable, variation: Variation): FieldTable[] {
  return Array.from({ length: VARIANTS }, (_, i) =>
    structuredClone({
      ...{ ":method": "GET", ":scheme": "https", ":authority": "www.example.com" },
      ":path": variation === "same" ? "/articles/1000" : `/articles/${1000 + i}`,
      ...fields,
      cookie: `sessionid=k3jd93kd02kd93kd0${variation === "distinct" ? 1000 + i : 1000}`,
    }),
  );
}

for (const fields of [PLAIN, BROWSER]) {
  for (const variation of ["distinct", "path", "same"] satisfies Variation[]) {
    const made = tables(fields, variation);
    const head = new H3RequestHead({
      ...{ form: "asgi", requestLineBytesMax: 8190, headerBytesMax: 65536 },
      ...{ headerFieldBytesMax: 16384, headerCountMax: 100, bodyBytesMax: 0 },
      underscoreHeaders: "drop",
    });
    const count = Object.keys(fields).length + 1;
    report(`request, ${count} headers, ${variation}`, () =>
      timed(REQUESTS, (i) => {
        const refused = head.read(made[i % VARIANTS]!);
        if (refused !== null) throw new Error(refused);
      }),
    );
  }
}

for (const variation of ["distinct", "same"] satisfies Variation[]) {
  const heads = Array.from({ length: VARIANTS }, (_, i) => {
    const length = variation === "same" ? 1000 : 1000 + i;
    const lines = `content-type: text/html\r\nserver: keelback\r\ndate: Sun, 22 Nov 2026 08:00:00 GMT`;
    return Buffer.from(`HTTP/1.1 200 OK\r\ncontent-length: ${length}\r\n${lines}\r\n\r\n`);
  });
  const reader = new ResponseHeads();
  report(`response, 4 headers, ${variation}`, () =>
    timed(REQUESTS, (i) => {
      const head = heads[i % VARIANTS]!;
      reader.read(200, head, 0, head.length);
    }),
  );
}
