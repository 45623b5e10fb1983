/** The chunked coding of requests (RFC 9112 section 7.1). */
import { describe, expect, test } from "bun:test";
import { get, onBoth, postChunks, refusals, valuesOf } from "./support.ts";

const CHUNK = { status: 400, code: "chunk-invalid" };
const ENDING = { status: 400, code: "line-ending-invalid" };
const TRAILER = { status: 400, code: "trailer-invalid" };
const TRAILERS_LARGE = { status: 431, code: "trailer-too-large" };
const LAST = "0\r\n\r\n";

function body(chunks: string): string {
  return postChunks("/dump", chunks);
}

const LIMITS = ["--header-max", "1k", "--header-field-max", "512", "--header-count-max", "10"];

onBoth(LIMITS, (probe) => {
  describe("Chunked bodies are read strictly", () => {
    test("chunks of any size in any case are put together", async () => {
      const long = "y".repeat(0xabc);
      const chunks = `5\r\nhello\r\nABC\r\n${long}\r\nabc\r\n${long}\r\n0001\r\n!\r\n${LAST}`;
      expect((await probe.seen(body(chunks))).body).toBe(`hello${long}${long}!`);
    });

    test("a chunked body that arrives byte by byte is the same", async () => {
      await using client = await probe.connect();
      for (const byte of body(`5;a=b\r\nhello\r\n${LAST}`)) await client.send(byte);
      expect(JSON.parse((await client.readResponse()).body)).toMatchObject({ body: "hello" });
      await client.send(get("/"));
      expect((await client.readResponse()).body).toBe("ok\n");
    });

    test("well-formed extensions are skipped", async () => {
      const chunks = `5;a\r\nhello\r\n1 ; b=c;d="e;\\"f"\r\n!\r\n0;g\r\n\r\n`;
      expect((await probe.seen(body(chunks))).body).toBe("hello!");
    });

    refusals(probe, [
      ["a size with a plus", body(`+5\r\nhello\r\n${LAST}`), CHUNK],
      ["a size with a minus", body(`-5\r\nhello\r\n${LAST}`), CHUNK],
      ["a size with a prefix", body(`0x5\r\nhello\r\n${LAST}`), CHUNK],
      ["a space before the size", body(` 5\r\nhello\r\n${LAST}`), CHUNK],
      ["a space after the size", body(`5 \r\nhello\r\n${LAST}`), CHUNK],
      ["an underscore in the size", body(`0_5\r\nhello\r\n${LAST}`), CHUNK],
      ["no size", body(`\r\nhello\r\n${LAST}`), CHUNK],
      ["a size that is no number", body(`g\r\nhello\r\n${LAST}`), CHUNK],
      ["a size beyond 64 bits", body(`10000000000000005\r\nhello\r\n${LAST}`), CHUNK],
      ["a size that 32 bits would cut", body(`ffffffff00000005\r\nhello\r\n${LAST}`), CHUNK],
      ["a bare LF after the size", body(`5\nhello\r\n${LAST}`), ENDING],
      ["a bare CR after the size", body(`5\rhello\r\n${LAST}`), ENDING],
      ["data longer than the size", body(`3\r\nhello\r\n${LAST}`), CHUNK],
      ["data without its line end", body("5\r\nhelloXX0\r\n\r\n"), CHUNK],
      ["a bare LF after the data", body(`5\r\nhello\n${LAST}`), ENDING],
      ["a control character in an extension", body(`5;a\0b\r\nhello\r\n${LAST}`), CHUNK],
      ["a bare LF in an extension", body(`5;a\nb\r\nhello\r\n${LAST}`), ENDING],
      ["a bare CR in an extension", body(`5;a\rb\r\nhello\r\n${LAST}`), ENDING],
      ["an extension without a name", body(`5;\r\nhello\r\n${LAST}`), CHUNK],
      ["an extension that never ends", body(`5;${"a".repeat(2000)}`), CHUNK],
      ["many large extensions", body(`1;${"a".repeat(900)}\r\nx\r\n`.repeat(30)), CHUNK],
      ["something else after the last chunk", body("5\r\nhello\r\n0\r\nGET"), TRAILER],
      ["a trailer without a colon", body("0\r\nX\r\n\r\n"), TRAILER],
      ["a space in a trailer's name", body("0\r\nX : y\r\n\r\n"), TRAILER],
      ["a folded trailer", body("0\r\nX: y\r\n z\r\n\r\n"), TRAILER],
      ["a control character in a trailer", body("0\r\nX: a\0b\r\n\r\n"), TRAILER],
      ["a bare LF after a trailer", body("0\r\nX: y\n\r\n"), ENDING],
      ["a bare LF after the last chunk", body("0\n\r\n"), ENDING],
      ["a bare LF at the end of the body", body("0\r\n\n"), ENDING],
      ["a trailer that is too long", body(`0\r\nX: ${"y".repeat(600)}`), TRAILERS_LARGE],
      [
        "trailers that are too large",
        body(
          `0\r\nX: ${"y".repeat(400)}\r\nX: ${"y".repeat(400)}\r\nX: ${"y".repeat(400)}\r\n\r\n`,
        ),
        TRAILERS_LARGE,
      ],
      ["too many trailers", body(`0\r\n${"X: y\r\n".repeat(9)}\r\n`), TRAILERS_LARGE],
    ]);

    test("the limit counts headers and trailers together", async () => {
      const seen = await probe.seen(body(`0\r\n${"X: y\r\n".repeat(8)}\r\n`));
      expect(seen.body).toBe("");
    });

    test("trailers are never merged into the headers", async () => {
      const trailers = [
        ...["X-Late: 1", "Content-Length: 9", "Transfer-Encoding: gzip", "Host: evil"],
        "X-Forwarded-For: 6.6.6.6",
      ];
      const chunks = `5\r\nhello\r\n0\r\n${trailers.join("\r\n")}\r\n\r\n`;
      await using client = await probe.send(postChunks("/dump", chunks, "X-Early: 1") + get("/"));
      const seen = JSON.parse((await client.readResponse()).body);
      expect(seen.body).toBe("hello");
      expect(valuesOf(seen, "host")).toEqual(["test"]);
      expect(valuesOf(seen, "x-early")).toEqual(["1"]);
      expect(valuesOf(seen, "x-late")).toEqual([]);
      expect(valuesOf(seen, "x-forwarded-for")).toEqual([]);
      expect(valuesOf(seen, "content-length")).toEqual([]);
      expect((await client.readResponse()).body).toBe("ok\n");
    });
  });
});
