/** Limits on requests, with small ones; and header names that could impersonate others. */
import { describe, expect, test } from "bun:test";
import { expectRefused, get, message, onBoth, post, postChunks, valuesOf } from "./support.ts";

const LIMITS = [
  ...["--request-line-max", "512", "--header-max", "1k", "--header-field-max", "512"],
  ...["--header-count-max", "10", "--body-max", "1000"],
];
const LINE = { status: 414, code: "request-line-too-long" };
const HEADER = { status: 431, code: "header-too-large" };
const COUNT = { status: 431, code: "header-count" };
const BODY = { status: 413, code: "body-too-large" };

function lineOf(bytes: number): string {
  const rest = "GET / HTTP/1.1".length;
  return message([`GET /${"a".repeat(bytes - rest)} HTTP/1.1`, "Host: test"]);
}

function fieldOf(bytes: number): string {
  return `X: ${"y".repeat(bytes - 3)}`;
}

onBoth(LIMITS, (probe) => {
  describe("Limits answer with their own status", () => {
    test("a request line of the limit is read, a longer one is 414", async () => {
      expect((await probe.answer(lineOf(512))).status).toBe(200);
      await expectRefused(probe, lineOf(513), LINE);
    });

    test("a request line that never ends is 414 as soon as it is too long", async () => {
      await using client = await probe.send(`GET /${"a".repeat(600)}`);
      expect((await client.readResponse()).status).toBe(414);
      expect(await client.readToEnd()).toBe("");
    });

    test("a header line of the limit is read, a longer one is 431", async () => {
      expect((await probe.answer(get("/", fieldOf(512)))).status).toBe(200);
      await expectRefused(probe, get("/", fieldOf(513)), HEADER);
    });

    test("a header line that never ends is 431 as soon as it is too long", async () => {
      await using client = await probe.send(
        `GET / HTTP/1.1\r\nHost: test\r\nX: ${"y".repeat(600)}`,
      );
      expect((await client.readResponse()).status).toBe(431);
      expect(await client.readToEnd()).toBe("");
    });

    test("a header section above the limit is 431", async () => {
      await expectRefused(probe, get("/", fieldOf(400), fieldOf(400), fieldOf(400)), HEADER);
    });

    test("as many header lines as the limit are read, one more is 431", async () => {
      const fields = Array.from({ length: 9 }, (_, index) => `X-${index}: y`);
      expect((await probe.answer(get("/", ...fields))).status).toBe(200);
      await expectRefused(probe, get("/", ...fields, "X-9: y"), COUNT);
    });

    test("an announced body above the limit is 413 before the app is called", async () => {
      const key = probe.key();
      await expectRefused(probe, post(`/dump?key=${key}`, "x".repeat(1001)), BODY);
      expect(await probe.words(key)).toEqual([]);
      expect((await probe.seen(post("/dump", "x".repeat(1000)))).body).toHaveLength(1000);
    });

    test("an announced body above the limit is 413 without 100 Continue", async () => {
      const head = [
        "POST /dump HTTP/1.1",
        "Host: test",
        "Content-Length: 1001",
        "Expect: 100-continue",
      ];
      await using client = await probe.send(message(head));
      expect((await client.readResponse()).status).toBe(413);
      expect(await client.readToEnd()).toBe("");
    });

    test("a chunked body is 413 as soon as it is above the limit", async () => {
      const chunks = `1f4\r\n${"x".repeat(500)}\r\n`;
      const whole = postChunks("/dump", `${chunks}${chunks}0\r\n\r\n`);
      expect((await probe.seen(whole)).body).toHaveLength(1000);
      await expectRefused(probe, postChunks("/dump", `${chunks}${chunks}1\r\n`), BODY);
    });
  });
});

const WIDE = ["--header-count-max", "10000", "--header-max", "1m"];

onBoth(WIDE, (probe) => {
  test("Thousands of repeated headers are joined, or kept apart, in order", async () => {
    const fields = Array.from({ length: 9000 }, (_, index) => `X-Many: ${index}`);
    const seen = await probe.seen(get("/dump", ...fields));
    const values = valuesOf(seen, "x-many").join(", ").split(", ");
    expect(values).toEqual(Array.from({ length: 9000 }, (_, index) => String(index)));
  });

  describe("Header names with an underscore are dropped", () => {
    test("they do not impersonate a name with a hyphen", async () => {
      const seen = await probe.seen(
        get("/dump", "X_Forwarded_For: evil", "X-Forwarded-For: good", "X_Forwarded-For: evil"),
      );
      expect(valuesOf(seen, "x-forwarded-for")).toEqual(["good"]);
      expect(JSON.stringify(seen.headers)).not.toContain("evil");
    });

    test("not when they come alone either", async () => {
      const seen = await probe.seen(get("/dump", "X_User: evil", "Content_Type: evil/evil"));
      expect(JSON.stringify(seen.headers)).not.toContain("evil");
    });

    test("they do not frame", async () => {
      const fields = ["Content_Length: 99", "Transfer_Encoding: chunked"];
      await using client = await probe.send(post("/dump", "hello", ...fields) + get("/"));
      expect(JSON.parse((await client.readResponse()).body)).toMatchObject({ body: "hello" });
      expect((await client.readResponse()).body).toBe("ok\n");
    });

    test("Proxy is dropped too", async () => {
      const seen = await probe.seen(get("/dump", "Proxy: evil:80", "pRoXy: evil:81"));
      expect(JSON.stringify(seen.headers)).not.toContain("evil");
    });
  });
});

onBoth(["--underscore-headers", "refuse"], (probe) => {
  test("With --underscore-headers refuse they are answered with 400", async () => {
    const refusal = { status: 400, code: "header-name-invalid" };
    await expectRefused(probe, get("/", "X_Forwarded_For: evil"), refusal);
    expect((await probe.answer(get("/", "X-Forwarded-For: good"))).status).toBe(200);
  });
});

onBoth(["--forwarded-allow-ips", "none"], (probe) => {
  test("forwarding headers of a client are not believed", async () => {
    const fields = [
      ...["X-Forwarded-For: 6.6.6.6", "X-Forwarded-Proto: https", "Forwarded: for=6.6.6.6"],
      ...["X-Real-IP: 6.6.6.6", "Script-Name: /evil", "Remote-Addr: 6.6.6.6"],
      ...["X-Script-Name: /evil", "X-Forwarded-Prefix: /evil", "Scheme: https"],
    ];
    const seen = await probe.seen(get("/dump", ...fields));
    expect(seen).toMatchObject({ client: "127.0.0.1", scheme: "http", root: "", path: "/dump" });
  });
});
