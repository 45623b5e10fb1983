import { describe, expect, test } from "bun:test";
import { ask, begin, Place, serve } from "../../apps_life/serve.ts";

const BODY = "first line\nsecond\n\nlast without end";

interface Seen {
  parts: string[];
  length: string | null;
  terminated: boolean;
}

/** What each way of reading must give. */
const ways: Record<string, string[]> = {
  read: [BODY, "", ""],
  pieces: BODY.match(/[\s\S]{1,5}/g) ?? [],
  negative: [BODY, ""],
  none: ["", BODY],
  readline: ["first line\n", "second\n", "\n", "last without end"],
  "readline-3": [
    ...["fir", "st ", "lin", "e\n", "sec", "ond", "\n", "\n"],
    ...["las", "t w", "ith", "out", " en", "d"],
  ],
  readlines: ["first line\n", "second\n", "\n", "last without end"],
  "readlines-hint": ["first line\n", "|", "second\n", "\n", "last without end"],
  iterate: ["first line\n", "second\n", "\n", "last without end"],
  mixed: ["first line\n", "se", "cond\n", "\nlast without end"],
};

describe("wsgi.input reads exactly the body", () => {
  test("by read, readline, readlines and iteration, with a length", async () => {
    await using server = await serve("wsgi_gateway:app", { args: ["--workers", "1"] });
    for (const [how, parts] of Object.entries(ways)) {
      const { body } = await ask(server, `/read_input/${how}`, { method: "POST", body: BODY });
      const seen = JSON.parse(body) as Seen;
      expect({ how, ...seen }).toEqual({
        how,
        parts,
        length: String(BODY.length),
        terminated: true,
      });
    }
  });

  test("chunked, in pieces that come one after the other", async () => {
    await using server = await serve("wsgi_gateway:app", { args: ["--workers", "1"] });
    const headers = ["Transfer-Encoding: chunked"];
    for (const [how, parts] of Object.entries(ways)) {
      await using client = await begin(server, `/read_input/${how}`, { method: "POST", headers });
      for (const piece of BODY.match(/[\s\S]{1,7}/g) ?? []) {
        await client.send(`${piece.length.toString(16)}\r\n${piece}\r\n`);
      }
      await client.send("0\r\n\r\n");
      const seen = JSON.parse((await client.readResponse()).body) as Seen;
      expect({ how, parts: seen.parts, terminated: seen.terminated }).toEqual({
        how,
        parts,
        terminated: true,
      });
    }
  });

  test("nothing when there is no body, nor anything of the next request", async () => {
    await using server = await serve("wsgi_gateway:app", { args: ["--workers", "1"] });
    await using client = await begin(server, "/read_input/read");
    await client.send("POST /read_input/read HTTP/1.1\r\nHost: t\r\nContent-Length: 2\r\n\r\nok");
    const first = JSON.parse((await client.readResponse()).body) as Seen;
    const second = JSON.parse((await client.readResponse()).body) as Seen;
    expect(first.parts).toEqual(["", "", ""]);
    expect(second.parts).toEqual(["ok", "", ""]);
  });

  test("a large body needs no memory of its size", async () => {
    await using server = await serve("wsgi_gateway:app", { args: ["--workers", "1"] });
    const total = 64 * 1024 * 1024;
    const headers = [`Content-Length: ${total}`];
    await using client = await begin(server, "/count_input", { method: "POST", headers });
    const piece = new Uint8Array(1024 * 1024);
    for (let sent = 0; sent < total; sent += piece.length) await client.send(piece);
    const { status, body } = await client.readResponse();
    expect({ status, body }).toMatchObject({ status: 200 });
    const seen = JSON.parse(body) as Record<string, number>;
    expect(seen["total"]).toBe(total);
    expect(seen["grown"]).toBeLessThan(16 * 1024);
  });

  test("reading fails when the client leaves in the middle, and the worker goes on", async () => {
    using place = new Place();
    const args = ["--workers", "1", "--worker", "sync"];
    await using server = await serve("wsgi_app:app", { place, args });
    const headers = ["Content-Length: 1000"];
    const client = await begin(server, "/count/lost", { method: "POST", headers });
    await client.send("only a part");
    client.reset();
    expect((await ask(server, "/hello")).body).toBe("hello");
    expect(place.lines("lost")).toEqual([]);
  });
});
