/** What trusted proxies say: the client, and which of it is believed. */
import { describe, expect, test } from "bun:test";
import fc from "fast-check";
import { Networks } from "../../../src/core/networks.ts";
import { OPTIONS } from "../../../src/config/options.ts";
import {
  FORWARDING_FIELDS,
  type Forwarded,
  ForwardingPolicy,
  ForwardingReader,
} from "../../../src/proto/forwarded.ts";
import { isForwardingName } from "../../../src/proto/names.ts";

const PARAMETERS = { seed: 20261121, numRuns: 1000 };

function policy(proxies: readonly string[], fields: readonly string[] = FORWARDING_FIELDS) {
  const networks = new Networks(proxies);
  return new ForwardingPolicy(fields, (address) => networks.names(address));
}

const OURS = policy(["10.0.0.0/8", "::1"]);

type Lines = readonly (readonly [string, string])[];

function read(lines: Lines, trust: ForwardingPolicy): Forwarded | string | null {
  const reader = new ForwardingReader(() => trust);
  reader.begin();
  for (const [name, value] of lines) expect(reader.take(name, value)).toBe(true);
  return reader.conclude() ?? reader.result;
}

function said(...lines: Lines): Forwarded | string | null {
  return read(lines, OURS);
}

function clientOf(value: string, name = "x-forwarded-for", trust = OURS): string | null {
  const result = read([[name, value]], trust);
  return typeof result === "string" ? result : (result?.client ?? null);
}

describe("the client is the right-most address that is no proxy of ours", () => {
  test.each([
    ["192.0.2.1", "192.0.2.1"],
    ["6.6.6.6, 192.0.2.1", "192.0.2.1"],
    ["6.6.6.6, 192.0.2.1, 10.1.1.1", "192.0.2.1"],
    ["6.6.6.6, 192.0.2.1, 10.1.1.1, 10.2.2.2", "192.0.2.1"],
    ["10.3.3.3, 10.1.1.1", "10.3.3.3"],
    ["10.9.9.9, 192.0.2.1, 10.1.1.1", "192.0.2.1"],
    ["192.0.2.1:4711", "192.0.2.1"],
    ["[2001:db8::1]:4711", "2001:db8::1"],
    ["2001:db8::1", "2001:db8::1"],
    ["[2001:db8::1]", "2001:db8::1"],
    ["::ffff:192.0.2.1", "192.0.2.1"],
    [" 192.0.2.1 ,, 10.1.1.1 , ", "192.0.2.1"],
    ["192.0.2.1, unknown, 10.1.1.1", "10.1.1.1"],
    ["192.0.2.1, unknown", null],
    ["nonsense", null],
    ["'; DROP", null],
    ["", null],
    [" , ", null],
  ])("X-Forwarded-For: %s", (value, client) => {
    expect(clientOf(value)).toBe(client);
  });

  test.each([
    ["for=192.0.2.1", "192.0.2.1"],
    ["for=6.6.6.6, for=192.0.2.1, for=10.1.1.1", "192.0.2.1"],
    ['For="[2001:db8::1]:4711";proto=https', "2001:db8::1"],
    ['for="192.0.2.1:80";by=10.1.1.1', "192.0.2.1"],
    ["for=192.0.2.1, for=unknown", null],
    ["for=_hidden", null],
    ["proto=http, for=192.0.2.1;;, ", "192.0.2.1"],
  ])("Forwarded: %s", (value, client) => {
    expect(clientOf(value, "forwarded")).toBe(client);
  });

  test("with everybody trusted it is the right-most address", () => {
    expect(clientOf("6.6.6.6, 192.0.2.1", "x-forwarded-for", policy(["*"]))).toBe("192.0.2.1");
  });

  test("repeated lines are one list", () => {
    const lines: Lines = [
      ["x-forwarded-for", "6.6.6.6, 192.0.2.1"],
      ["x-forwarded-for", "10.1.1.1"],
    ];
    expect(said(...lines)).toMatchObject({ client: "192.0.2.1" });
  });

  test("whatever a client writes in front of what our proxies append", () => {
    const own = fc.ipV4().filter((text) => !text.startsWith("10.") && !/(^|\.)0\d/.test(text));
    const proxies = fc.array(fc.integer({ min: 0, max: 255 }), { maxLength: 4 });
    fc.assert(
      fc.property(fc.string({ unit: "binary-ascii" }), own, proxies, (forged, client, hops) => {
        const appended = [client, ...hops.map((hop) => `10.0.0.${hop}`)].join(", ");
        expect(clientOf(`${forged}, ${appended}`)).toBe(client);
        // On a line of its own it may be as malformed as it likes: then the request is refused, or it says nothing.
        const elements = [client, ...hops.map((hop) => `10.0.0.${hop}`)].map((a) => `for=${a}`);
        const result = said(["forwarded", forged], ["forwarded", elements.join(", ")]);
        if (typeof result === "string") expect(result).toBe("forwarding-invalid");
        else expect(result).toMatchObject({ client });
      }),
      PARAMETERS,
    );
  });
});

describe("scheme, host, port and prefix", () => {
  const all: Lines = [
    ["x-forwarded-for", "192.0.2.1"],
    ["x-forwarded-proto", "HTTPS"],
    ["x-forwarded-host", "shop.example"],
    ["x-forwarded-port", "8443"],
    ["x-forwarded-prefix", "/shop/"],
  ];

  test("all at once", () => {
    expect(said(...all)).toEqual({
      client: "192.0.2.1",
      clientPort: 0,
      scheme: "https",
      host: "shop.example:8443",
      port: 8443,
      prefix: "/shop",
      constant: null,
    });
  });

  test.each([
    ["shop.example", "443", "shop.example"],
    ["shop.example", "8443", "shop.example:8443"],
    ["shop.example:9000", "8443", "shop.example:9000"],
    ["[::1]", "8443", "[::1]:8443"],
    ["[::1]:9000", "8443", "[::1]:9000"],
  ])("the port belongs to the host: %s and %s", (host, port, expected) => {
    const lines: Lines = [
      ["x-forwarded-proto", "https"],
      ["x-forwarded-host", host],
      ["x-forwarded-port", port],
    ];
    expect(said(...lines)).toMatchObject({ host: expected, port: Number(port) });
  });

  test("of several values the one counts that is as far from the right as the client", () => {
    const lines = (addresses: string, protos: string): Lines => [
      ["x-forwarded-for", addresses],
      ["x-forwarded-proto", protos],
    ];
    expect(said(...lines("192.0.2.1", "https, http"))).toMatchObject({ scheme: "http" });
    const two = "6.6.6.6, 192.0.2.1, 10.1.1.1";
    expect(said(...lines(two, "http, https, http"))).toMatchObject({ scheme: "https" });
    expect(said(...lines(two, "https"))).toMatchObject({ scheme: "https" });
  });

  test("Forwarded: those of the client's own element", () => {
    const value = "for=6.6.6.6;host=evil;proto=http, for=192.0.2.1;proto=wss;host=a, for=10.1.1.1";
    const expected = { client: "192.0.2.1", scheme: "https", host: "a", port: 0, prefix: null };
    expect(said(["forwarded", value])).toMatchObject(expected);
  });

  test.each([
    ["x-forwarded-proto", "gopher"],
    ["x-forwarded-proto", "constructor"],
    ["x-forwarded-host", "a b"],
    ["x-forwarded-host", "a/b"],
    ["x-forwarded-host", "user@a"],
    ["x-forwarded-host", ":80"],
    ["x-forwarded-port", "0"],
    ["x-forwarded-port", "65536"],
    ["x-forwarded-port", "8e1"],
    ["x-forwarded-prefix", "shop"],
    ["x-forwarded-prefix", "//evil.example"],
    ["x-forwarded-prefix", "/a/../b"],
    ["x-forwarded-prefix", "/.."],
    ["x-forwarded-prefix", "/a%2fb"],
    ["x-forwarded-prefix", "/a?b"],
    ["x-forwarded-prefix", "/a b"],
    ["forwarded", 'for="192.0.2.1'],
    ["forwarded", "for=192.0.2.1:80"],
    ["forwarded", "for=1.1.1.1;for=2.2.2.2"],
    ["forwarded", "for"],
    ["forwarded", "for = 1.1.1.1"],
    ["forwarded", 'for="1.1.1.1"x'],
    ["forwarded", "for=1.1.1.1;proto=gopher"],
    ["forwarded", 'for=1.1.1.1;host="a b"'],
  ])("refused: %s: %s", (name, value) => {
    expect(said([name, value])).toBe("forwarding-invalid");
  });

  test("no quote reaches from one line into the next", () => {
    expect(said(["forwarded", 'for="'], ["forwarded", 'for=192.0.2.1;by="x"'])).toBe(
      "forwarding-invalid",
    );
  });
});

describe("Forwarded and X-Forwarded-* together", () => {
  const legacy: Lines = [
    ["x-forwarded-for", "192.0.2.1"],
    ["x-forwarded-proto", "https"],
  ];

  test("agreeing", () => {
    expect(said(...legacy, ["forwarded", 'for="192.0.2.1:99";proto=https'])).toMatchObject({
      client: "192.0.2.1",
      clientPort: 99,
      scheme: "https",
    });
  });

  test.each(["for=6.6.6.6;proto=https", "for=192.0.2.1", "for=192.0.2.1;proto=https;host=evil"])(
    "refused where they do not say the same: %s",
    (value) => {
      expect(said(...legacy, ["forwarded", value])).toBe("forwarding-conflict");
    },
  );
});

describe("the reader of a connection", () => {
  test("takes nothing of a peer that is not trusted, and asks once", () => {
    let asked = 0;
    const reader = new ForwardingReader(() => {
      asked += 1;
      return null;
    });
    for (let i = 0; i < 3; i++) {
      reader.begin();
      expect(reader.take("x-forwarded-for", "192.0.2.1")).toBe(false);
      expect(reader.take("x-forwarded-user", "admin")).toBe(false);
      expect([reader.conclude(), reader.result]).toEqual([null, null]);
    }
    expect(asked).toBe(1);
    expect(new ForwardingReader(undefined).take("forwarded", "for=1.1.1.1")).toBe(false);
  });

  test("uses what it is told to, keeps the rest", () => {
    const reader = new ForwardingReader(() => policy(["10.0.0.0/8"], ["x-forwarded-for"]));
    reader.begin();
    expect(reader.take("x-forwarded-host", "evil")).toBe(true);
    expect(reader.take("x-real-ip", "6.6.6.6")).toBe(true);
    expect([reader.conclude(), reader.result]).toEqual([null, null]);
    reader.begin();
    reader.take("x-forwarded-for", "192.0.2.1");
    expect([reader.conclude(), reader.result?.client]).toEqual([null, "192.0.2.1"]);
    reader.begin();
    expect([reader.conclude(), reader.result]).toEqual([null, null]);
  });

  test("the names that the settings know are those that can be read", () => {
    for (const name of FORWARDING_FIELDS) {
      expect([name, OPTIONS.forwardedHeaders.check(name)]).toEqual([name, null]);
      expect(isForwardingName(name)).toBe(true);
    }
  });
});
