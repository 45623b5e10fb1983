/** Message framing (RFC 9112 section 6) and the ends of lines (section 2.2): what could be read in two ways is refused. */
import { describe, expect, test } from "bun:test";
import {
  expectRefused,
  get,
  message,
  onBoth,
  onOne,
  post,
  postChunks,
  refusals,
} from "./support.ts";

const START = ["POST /dump HTTP/1.1", "Host: test"];
const CHUNKS = "5\r\nhello\r\n0\r\n\r\n";

function framed(...fields: string[]): string {
  return message([...START, ...fields], CHUNKS);
}

const INVALID = { status: 400, code: "transfer-encoding-invalid" };
const BOTH = { status: 400, code: "transfer-encoding-with-length" };
const LENGTH = { status: 400, code: "content-length-invalid" };
const TWICE = { status: 400, code: "content-length-duplicate" };
const UNKNOWN = { status: 501, code: "transfer-encoding-unsupported" };
const ENDING = { status: 400, code: "line-ending-invalid" };
const NAME = { status: 400, code: "header-name-invalid" };
const FOLDED = { status: 400, code: "header-folded" };

onBoth([], (probe) => {
  describe("Conflicting message framing is refused", () => {
    refusals(probe, [
      ["length and coding", framed("Content-Length: 5", "Transfer-Encoding: chunked"), BOTH],
      ["coding and length", framed("Transfer-Encoding: chunked", "Content-Length: 5"), BOTH],
      ["chunked twice in a line", framed("Transfer-Encoding: chunked, chunked"), INVALID],
      [
        "chunked twice in two lines",
        framed("Transfer-Encoding: chunked", "Transfer-Encoding: chunked"),
        INVALID,
      ],
      ["chunked not last", framed("Transfer-Encoding: chunked, gzip"), INVALID],
      ["gzip without chunked", framed("Transfer-Encoding: gzip"), INVALID],
      ["identity", framed("Transfer-Encoding: identity"), INVALID],
      ["an empty coding", framed("Transfer-Encoding:"), INVALID],
      ["parameters on chunked", framed("Transfer-Encoding: chunked;q=1"), INVALID],
      ["a quoted coding", framed('Transfer-Encoding: "chunked"'), INVALID],
      ["an empty list member", framed("Transfer-Encoding: , chunked"), INVALID],
      ["gzip before chunked", framed("Transfer-Encoding: gzip, chunked"), UNKNOWN],
      ["identity before chunked", framed("Transfer-Encoding: identity, chunked"), UNKNOWN],
      [
        "another coding in a line of its own",
        framed("Transfer-Encoding: x", "Transfer-Encoding: chunked"),
        UNKNOWN,
      ],
      [
        "chunked with HTTP/1.0",
        message(["POST /dump HTTP/1.0", "Transfer-Encoding: chunked"], CHUNKS),
        { status: 400, code: "transfer-encoding-http10" },
      ],
      ["two equal lengths", framed("Content-Length: 5", "Content-Length: 5"), TWICE],
      ["two lengths", framed("Content-Length: 5", "Content-Length: 15"), TWICE],
      ["a list of lengths", framed("Content-Length: 5, 5"), LENGTH],
      ["a length with a sign", framed("Content-Length: +5"), LENGTH],
      ["a negative length", framed("Content-Length: -5"), LENGTH],
      ["a hexadecimal length", framed("Content-Length: 0x5"), LENGTH],
      ["an empty length", framed("Content-Length:"), LENGTH],
      ["a length with a space inside", framed("Content-Length: 1 5"), LENGTH],
      ["a length that overflows", framed(`Content-Length: ${"9".repeat(20)}`), LENGTH],
      ["a length of 2^64", framed("Content-Length: 18446744073709551616"), LENGTH],
      ["digits of another script", framed("Content-Length: \xb2"), LENGTH],
      ["a length with an underscore", framed("Content-Length: 1_0"), LENGTH],
    ]);

    test("one length, or chunked alone in any case, is read", async () => {
      expect((await probe.seen(post("/dump", "hello"))).body).toBe("hello");
      expect((await probe.seen(framed("Transfer-Encoding: CHUNKED"))).body).toBe("hello");
      expect((await probe.seen(framed("Transfer-Encoding: \t chunked \t"))).body).toBe("hello");
      expect((await probe.seen(message([...START, "Content-Length: 005"], "hello"))).body).toBe(
        "hello",
      );
    });

    test("a request without either has no body", async () => {
      await using client = await probe.send(message(START) + get("/"));
      expect(JSON.parse((await client.readResponse()).body)).toMatchObject({ body: "" });
      expect((await client.readResponse()).body).toBe("ok\n");
    });

    test("a header that only looks like one of framing does not frame", async () => {
      const fields = ["X-Transfer-Encoding: chunked", "Content-Lengths: 3"];
      const seen = await probe.seen(post("/dump", "hello", ...fields));
      expect(seen.body).toBe("hello");
    });
  });

  describe("Line endings are strict", () => {
    refusals(probe, [
      ["a bare LF after the request line", "GET / HTTP/1.1\nHost: test\r\n\r\n", ENDING],
      ["a bare LF after a header", "GET / HTTP/1.1\r\nHost: test\nX: y\r\n\r\n", ENDING],
      ["a bare LF in place of the empty line", "GET / HTTP/1.1\r\nHost: test\r\n\n", ENDING],
      ["a bare CR within a header", "GET / HTTP/1.1\r\nHost: test\r\nX: a\rb\r\n\r\n", ENDING],
      ["a bare CR after the request line", "GET / HTTP/1.1\rHost: test\r\n\r\n", ENDING],
      ["CR CR LF", "GET / HTTP/1.1\r\r\nHost: test\r\n\r\n", ENDING],
      ["a folded line", get("/", "X: a", " b"), FOLDED],
      ["a line folded with a tab", get("/", "X: a", "\tb"), FOLDED],
      ["a fold right after the request line", "GET / HTTP/1.1\r\n Host: test\r\n\r\n", FOLDED],
      ["a space before the colon", get("/", "X : a"), NAME],
      ["a tab before the colon", get("/", "X\t: a"), NAME],
      ["a space before the colon of a length", get("/", "Content-Length : 5"), NAME],
      ["a line without a colon", get("/", "X"), NAME],
      ["a line without a name", get("/", ": x"), NAME],
      ["a bare LF before the request", `\n${get("/")}`, ENDING],
      [
        "two empty lines before a request",
        `\r\n\r\n${get("/")}`,
        { status: 400, code: "request-line-invalid" },
      ],
    ]);

    test("a bare LF is refused at once, before the head is complete", async () => {
      for (const start of ["GET / HTTP/1.1\n", "GET / HTTP/1.1\r\nHost: test\n"]) {
        await using client = await probe.send(start);
        expect((await client.readResponse()).status).toBe(400);
        expect(await client.readToEnd()).toBe("");
      }
    });

    test("one empty line before a request is ignored", async () => {
      await using client = await probe.send(`\r\n${get("/")}\r\n${get("/")}`);
      expect((await client.readResponse()).body).toBe("ok\n");
      expect((await client.readResponse()).body).toBe("ok\n");
    });
  });

  test("After a framing error nothing that follows is parsed, also when it comes later", async () => {
    const key = probe.key();
    await using client = await probe.send(framed("Content-Length: x"));
    expect((await client.readResponse()).status).toBe(400);
    await client.send(get(`/say?key=${key}&word=smuggled`));
    client.halfClose();
    expect(await client.readToEnd()).toBe("");
    expect(await probe.words(key)).toEqual([]);
  });

  test("A framing error in a later request leaves the answers before it whole", async () => {
    const bad = framed("Transfer-Encoding: chunked", "Content-Length: 5");
    await using client = await probe.send(get("/") + get("/") + bad + get("/"));
    expect((await client.readResponse()).status).toBe(200);
    expect((await client.readResponse()).status).toBe(200);
    expect((await client.readResponse()).status).toBe(400);
    expect(await client.readToEnd()).toBe("");
  });

  test("A body that breaks off in a framing error is refused while the app reads it", async () => {
    const bad = { status: 400, code: "chunk-invalid" };
    await expectRefused(probe, postChunks("/dump", "5\r\nhello\r\nnonsense\r\n"), bad);
    expect(await probe.ask("/")).toBe("ok\n");
  });
});

onOne("wsgi", [], (probe) => {
  test("A WSGI app may read past the end of a body in any framing", async () => {
    const ended = { terminated: true, past: "" };
    expect(await probe.seen(post("/dump", "hello"))).toMatchObject({ body: "hello", ...ended });
    expect(await probe.seen(postChunks("/dump", CHUNKS))).toMatchObject({
      body: "hello",
      ...ended,
    });
    expect(await probe.seen(get("/dump"))).toMatchObject({ body: "", ...ended });
  });
});
