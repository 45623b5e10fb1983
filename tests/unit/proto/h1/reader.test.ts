/** The contract of H1Reader apart from the grammar (which the corpus covers): who owns which bytes, when, and for how long. */
import { describe, expect, test } from "bun:test";
import { ReadEvent } from "../../../../src/proto/events.ts";
import { H1Reader } from "../../../../src/proto/h1/reader.ts";
import {
  accepted,
  options,
  randomOf,
  readEveryWay,
  refused,
  run,
  runOn,
  splitAtRandom,
} from "../../../support/h1-reader.ts";

const { NEED_DATA, HEAD, BODY, END, ERROR, PAUSED } = ReadEvent;
const GET = "GET /a HTTP/1.1\r\nHost: h\r\nX: 1\r\n\r\n";

function bytes(text: string): Uint8Array {
  return Uint8Array.from(Buffer.from(text, "latin1"));
}

function reader(changes: Parameters<typeof options>[1] = {}): H1Reader {
  return new H1Reader(options("cgi", changes));
}

function bodyOf(from: H1Reader): string {
  return Buffer.from(from.data.subarray(from.dataStart, from.dataEnd)).toString("latin1");
}

describe("pipelining", () => {
  test("the next request waits for resume", () => {
    const h1 = reader();
    h1.feed(bytes(GET + GET.replace("/a", "/b")));
    expect([h1.next(), h1.next(), h1.next(), h1.next()]).toEqual([HEAD, END, PAUSED, PAUSED]);
    expect(h1.head.target()).toBe("/a");
    h1.resume();
    expect(h1.next()).toBe(HEAD);
    expect(h1.head.target()).toBe("/b");
    expect([h1.next(), h1.next()]).toEqual([END, NEED_DATA]);
  });

  test("what is left after PAUSED survives the caller's buffer and joins later bytes", () => {
    const h1 = reader();
    const chunk = bytes(`${GET}POST /b HTTP/1.1\r\nHost: h\r\nContent-`);
    h1.feed(chunk);
    expect([h1.next(), h1.next(), h1.next()]).toEqual([HEAD, END, PAUSED]);
    chunk.fill(0);
    h1.feed(bytes("Length: 3\r\n\r\nxy"));
    h1.feed(bytes("z"));
    expect(h1.next()).toBe(PAUSED);
    h1.resume();
    expect([h1.next(), h1.next()]).toEqual([HEAD, BODY]);
    expect(bodyOf(h1)).toBe("xyz");
    expect(h1.next()).toBe(END);
  });

  test("resume before the end of the request lets the next one follow at once", () => {
    const h1 = reader();
    h1.feed(bytes(`POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 4\r\n\r\nab`));
    expect([h1.next(), h1.next()]).toEqual([HEAD, BODY]);
    h1.resume();
    h1.feed(bytes(`cd${GET}${GET}`));
    expect([h1.next(), h1.next(), h1.next(), h1.next()]).toEqual([BODY, END, HEAD, END]);
    expect(h1.next()).toBe(PAUSED);
  });

  test("nothing is read behind a request that closes", () => {
    const h1 = reader();
    h1.feed(bytes(`GET / HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n${GET}`));
    expect([h1.next(), h1.next(), h1.next()]).toEqual([HEAD, END, NEED_DATA]);
    h1.resume();
    h1.feed(bytes(GET));
    expect(h1.next()).toBe(NEED_DATA);
    expect(h1.buffered()).toBe(0);
  });
});

describe("ownership", () => {
  test("a body aliases the chunk, whatever is fed before the next call", () => {
    const h1 = reader();
    const chunk = bytes("POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 6\r\n\r\nabc");
    h1.feed(chunk);
    expect([h1.next(), h1.next()]).toEqual([HEAD, BODY]);
    expect(h1.data).toBe(chunk);
    h1.feed(bytes("def"));
    expect(bodyOf(h1)).toBe("abc");
    expect(h1.next()).toBe(BODY);
    expect(bodyOf(h1)).toBe("def");
  });

  test("a body in the reader's own buffer is not moved by a feed", () => {
    const h1 = reader();
    h1.feed(bytes("POST / HTTP/1.1\r\nHost: h\r\nContent-Le"));
    expect(h1.next()).toBe(NEED_DATA);
    h1.feed(bytes("ngth: 2000\r\n\r\nabc"));
    expect([h1.next(), h1.next()]).toEqual([HEAD, BODY]);
    h1.feed(bytes("x".repeat(1997)));
    expect(bodyOf(h1)).toBe("abc");
    expect(h1.next()).toBe(BODY);
    expect(bodyOf(h1)).toBe("x".repeat(1997));
  });

  test("buffered and headPending tell of a head that has begun", () => {
    const h1 = reader();
    expect([h1.headPending(), h1.buffered()]).toEqual([false, 0]);
    h1.feed(bytes("\r\n"));
    h1.next();
    expect([h1.headPending(), h1.buffered()]).toEqual([false, 0]);
    h1.feed(bytes("G"));
    h1.next();
    expect([h1.headPending(), h1.buffered()]).toEqual([true, 1]);
    h1.feed(bytes("ET / HTTP/1.1\r\nHost: h\r\n"));
    h1.next();
    expect([h1.headPending(), h1.buffered()]).toEqual([true, 25]);
    h1.feed(bytes("\r\n"));
    expect(h1.next()).toBe(HEAD);
    expect([h1.headPending(), h1.buffered()]).toEqual([false, 0]);
  });

  test("heads that arrive in pieces on many connections do not disturb each other", () => {
    const random = randomOf(7);
    const heads = Array.from({ length: 20 }, (_, i) => {
      const lines = Array.from(
        { length: 30 },
        (__, k) => `N${k % (i + 3)}: ${i} ${`${k}`.repeat(30)}`,
      );
      return `GET /${i} HTTP/1.1\r\nHost: h${i}\r\n${lines.join("\r\n")}\r\n\r\n`;
    });
    const wanted = heads.map((head) => run([bytes(head)], options("cgi")));
    const waiting = heads.map((head) => ({
      h1: new H1Reader(options("cgi")),
      pieces: splitAtRandom(bytes(head), random),
      seen: [] as unknown[],
    }));
    for (let left = waiting.length; left > 0;) {
      const one = waiting[Math.floor(random() * waiting.length)]!;
      const piece = one.pieces.shift();
      if (piece === undefined) continue;
      if (one.pieces.length === 0) left--;
      one.seen.push(...runOn(one.h1, [piece]).requests);
    }
    waiting.forEach((one, i) => expect(one.seen).toEqual(wanted[i]!.requests));
  });

  test("a block is not kept much larger than the head in it", () => {
    const h1 = new H1Reader(options("asgi"));
    const long = `GET / HTTP/1.1\r\nHost: h\r\nX: ${"v".repeat(12000)}\r\n\r\n`;
    for (const piece of [long.slice(0, 9000), long.slice(9000)]) {
      h1.feed(bytes(piece));
      h1.next();
    }
    expect(h1.head.blockEnd).toBeGreaterThan(12000);
    expect(h1.head.block.length).toBeLessThan(12600);
  });
});

describe("an equal header section", () => {
  for (const form of ["cgi", "asgi"] as const) {
    test(`is right behind a request line of any length (${form})`, () => {
      const paths = [1, 3000, 2, 700, 3000, 1].map((length) => `/${"p".repeat(length)}`);
      const heads = paths.map((path) => bytes(GET.replace("/a", path)));
      const seen = runOn(new H1Reader(options(form)), heads).requests;
      const wanted = heads.map((head) => run([head], options(form)).requests[0]!);
      expect(seen).toEqual(wanted);
    });
  }
});

describe("errors", () => {
  test("nothing is parsed after one", () => {
    const h1 = reader();
    h1.feed(bytes("GET\n"));
    expect(h1.next()).toBe(ERROR);
    h1.feed(bytes(GET));
    h1.resume();
    expect([h1.next(), h1.next()]).toEqual([ERROR, ERROR]);
    expect(h1.errorCode).toBe("line-ending-invalid");
    expect(h1.buffered()).toBe(0);
  });

  test("a refused head shows its request line, never the one before", () => {
    const h1 = reader();
    h1.feed(bytes(GET));
    expect([h1.next(), h1.next()]).toEqual([HEAD, END]);
    h1.resume();
    h1.feed(bytes("PUT /refused HTTP/1.1\r\nHost: h\r\nbad header\r\n\r\n"));
    expect(h1.next()).toBe(ERROR);
    expect([h1.head.method, h1.head.target(), h1.head.field("x")]).toEqual([
      "PUT",
      "/refused",
      null,
    ]);
    const other = reader();
    other.feed(bytes(GET));
    expect([other.next(), other.next()]).toEqual([HEAD, END]);
    other.resume();
    other.feed(bytes("garbage\r\n"));
    expect(other.next()).toBe(ERROR);
    expect([other.head.method, other.head.target(), other.head.field("x")]).toEqual(["", "", null]);
  });

  test("a body over the limit is refused with its head, or as its chunks are announced", () => {
    const length = `POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 9\r\n\r\n`;
    expect(refused(length, { bodyBytesMax: 8 })).toBe("body-too-large");
    expect(readEveryWay(length, options("cgi", { bodyBytesMax: 9 })).error).toBeNull();
  });
});

describe("fields for the log", () => {
  test("are as received, found in any case, joined when repeated", () => {
    const h1 = reader();
    const chunk = bytes("GET /%41 HTTP/1.1\r\nHost:  h\r\nuser_agent: u\r\nA: 1\r\na:  2 \r\n\r\n");
    h1.feed(chunk);
    expect([h1.next(), h1.next(), h1.next()]).toEqual([HEAD, END, NEED_DATA]);
    chunk.fill(0);
    const { head } = h1;
    expect([head.target(), head.field("HOST"), head.field("a")]).toEqual(["/%41", "h", "1, 2"]);
    expect([head.field("user_agent"), head.field("b")]).toEqual(["u", null]);
  });
});

describe("repeated names", () => {
  test("are joined in linear time and in order, whatever their number", () => {
    const lines = Array.from({ length: 3000 }, (_, i) => `A${i % 7}: ${i}`);
    const head = `GET / HTTP/1.1\r\nHost: h\r\n${lines.join("\r\n")}\r\n\r\n`;
    const seen = run([bytes(head)], options("cgi", { headerCountMax: 4000 })).requests[0]!;
    const wanted = Array.from({ length: 7 }, (_, k) => {
      const values = Array.from({ length: 3000 }, (__, i) => i).filter((i) => i % 7 === k);
      return [`HTTP_A${k}`, values.join(", ")];
    });
    expect(seen.fields.slice(1) as string[][]).toEqual(wanted);
  });

  test("names with equal hashes are told apart", () => {
    // Same length and same first, middle and last byte: the same slot of the set.
    const names = ["abxcdyefz", "aqxcdyefz", "abqcdyefz", "abxcdyqfz", "abxcdqefz"];
    const lines = [...names, ...names].map((name, i) => `${name}: ${i}`);
    const seen = accepted(
      `GET / HTTP/1.1\r\nHost: h\r\n${lines.join("\r\n")}\r\n\r\n`,
      options("cgi"),
    );
    expect(seen.fields.slice(1)).toEqual(
      names.map((name, i) => [`HTTP_${name.toUpperCase()}`, `${i}, ${i + 5}`]),
    );
  });
});
