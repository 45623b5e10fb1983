/** Streams that carry another protocol (RFC 9113 section 8.5, RFC 8441): each side ends its own direction. */
import { describe, expect, test } from "bun:test";
import {
  data,
  END,
  type Field,
  H2Probe,
  headers,
  KIB,
  reset,
} from "../../../support/h2-connection.ts";

const CONNECT: readonly Field[] = [
  [":method", "CONNECT"],
  [":protocol", "websocket"],
  [":scheme", "http"],
  [":authority", "example.com"],
  [":path", "/"],
];

function tunnelled(): H2Probe {
  const probe = H2Probe.greeted({ bodyBytesMax: KIB });
  probe.feed(headers(1, CONNECT, 0));
  probe.h2.tunnel(1);
  probe.head(1);
  probe.sent();
  return probe;
}

describe("a tunnel", () => {
  test("is not reset when we end first: the client's end comes", () => {
    const probe = tunnelled();
    probe.body(1, 5, true);
    expect(probe.sent()).toEqual(["DATA 1 END 5"]);
    expect(probe.feed(data(1, "more"), data(1, "", END))).toEqual(["END 1"]);
    expect(probe.bodies.get(1)).toBe("more");
    expect([probe.h2.openStreams, probe.sent()]).toEqual([0, []]);
  });

  test("is over when the client has ended first", () => {
    const probe = tunnelled();
    expect(probe.feed(data(1, "last", END))).toEqual(["END 1"]);
    expect(probe.h2.openStreams).toBe(1);
    probe.body(1, 5, true);
    expect([probe.h2.openStreams, probe.sent()]).toEqual([0, ["DATA 1 END 5"]]);
  });

  test("takes nothing more of us after our end, and can still be reset", () => {
    const probe = tunnelled();
    probe.body(1, 5, true);
    expect(probe.body(1, 5, true)).toBe(true);
    probe.head(1);
    expect(probe.sent()).toEqual(["DATA 1 END 5"]);
    probe.h2.reset(1, 0);
    expect([probe.h2.openStreams, probe.sent()]).toEqual([0, ["RST_STREAM 1 0"]]);
  });

  test("the client's reset after our end is told", () => {
    const probe = tunnelled();
    probe.body(1, 5, true);
    expect(probe.feed(reset(1, 8))).toEqual(["RESET 1 8"]);
    expect(probe.h2.openStreams).toBe(0);
  });

  test("has no limit of a body", () => {
    const probe = tunnelled();
    expect(probe.feed(data(1, "x".repeat(KIB)), data(1, "y"))).toEqual([]);
    expect(probe.bodies.get(1)?.length).toBe(KIB + 1);
    probe.feed(
      headers(3, [[":method", "POST"], ...CONNECT.filter(([n]) => /scheme|auth|path/.test(n))], 0),
    );
    expect(probe.feed(data(3, "x".repeat(KIB + 1)))).toEqual(["REFUSED 3 body-too-large"]);
  });
});
