/** Addresses and networks as operators write them, and as bytes. */
import { describe, expect, test } from "bun:test";
import fc from "fast-check";
import {
  addressOf,
  isAddress,
  networkComplaint,
  Networks,
  plainAddress,
} from "../../../src/core/networks.ts";

const PARAMETERS = { seed: 20261121, numRuns: 500 };

describe("addresses", () => {
  const right = ["0.0.0.0", "255.255.255.255", "192.0.2.1", "::", "::1", "2001:db8::1"];
  const more = ["1:2:3:4:5:6:7:8", "1::8", "::ffff:192.0.2.1", "64:ff9b::192.0.2.33", "FE80::1"];
  test.each([...right, ...more])("%p is one", (text) => {
    expect(isAddress(text)).toBe(true);
  });

  const wrong = ["", "1.2.3", "1.2.3.4.5", "256.1.1.1", "01.2.3.4", "1.2.3.4 ", "1.2.3.-4", "a"];
  const others = [":", ":::", "1::2::3", "1:2:3:4:5:6:7", "1:2:3:4:5:6:7:8:9", "12345::", "::g"];
  const odd = ["fe80::1%eth0", "[::1]", "1.2.3.4:80", "::1.2.3", "1.2.3.4::", "0x7f.1"];
  test.each([...wrong, ...others, ...odd])("%p is none", (text) => {
    expect(isAddress(text)).toBe(false);
  });

  test("what only an IPv6 socket adds to an IPv4 address is taken off", () => {
    expect(plainAddress("::ffff:192.0.2.1")).toBe("192.0.2.1");
    expect(plainAddress("::FFFF:192.0.2.1")).toBe("192.0.2.1");
    expect(plainAddress("::ffff:1")).toBe("::ffff:1");
  });

  test("bytes become the text that is read back", () => {
    expect(addressOf(Uint8Array.of(192, 0, 2, 1))).toBe("192.0.2.1");
    const six = fc.uint8Array({ minLength: 16, maxLength: 16 });
    const sparse = fc.array(fc.constantFrom(0, 0, 0, 1), { minLength: 16, maxLength: 16 });
    fc.assert(
      fc.property(fc.oneof(six, sparse), (bytes) => {
        const text = addressOf(Uint8Array.from(bytes));
        // The runtime's own notion of the address, which writes it in one way.
        const known = new URL(`http://[${text}]/`).hostname.slice(1, -1);
        expect(text).toBe(known);
        expect(new Networks([text]).names(text)).toBe(true);
      }),
      PARAMETERS,
    );
  });
});

describe("networks", () => {
  test("complaints say what is wrong", () => {
    for (const right of ["10.0.0.0/8", "::/0", "2001:db8::/32", "::1", "unix", "*", "none"]) {
      expect([right, networkComplaint(right)]).toEqual([right, null]);
    }
    expect(networkComplaint("10.0.0")).toBe("is no IP address");
    expect(networkComplaint("10.0.0.0/33")).toContain("no length between 0 and 32");
    expect(networkComplaint("::/129")).toContain("no length between 0 and 128");
    expect(networkComplaint("10.0.0.0/")).toContain("no length");
    expect(networkComplaint("10.0.0.1/8")).toBe("has bits set behind its length");
    expect(networkComplaint("localhost")).toBe("is no IP address");
  });

  test("an address is in a network exactly when its first bits are the network's", () => {
    const address = fc.bigInt({ min: 0n, max: 2n ** 128n - 1n });
    fc.assert(
      fc.property(address, address, fc.integer({ min: 0, max: 128 }), (base, other, length) => {
        const shift = BigInt(128 - length);
        const network = `${textOf((base >> shift) << shift)}/${length}`;
        expect(networkComplaint(network)).toBeNull();
        for (const one of [base, other, base ^ 1n]) {
          expect(new Networks([network]).names(textOf(one))).toBe(one >> shift === base >> shift);
        }
      }),
      PARAMETERS,
    );
  });

  test("IPv4 and IPv6 are not mixed up, except for mapped addresses", () => {
    expect(new Networks(["0.0.0.0/0"]).names("::1")).toBe(false);
    expect(new Networks(["::/0"]).names("1.2.3.4")).toBe(false);
    expect(new Networks(["192.0.2.0/24"]).names("::ffff:192.0.2.9")).toBe(true);
    expect(new Networks(["192.0.2.0/24"]).names("::ffff:c000:209")).toBe(true);
  });

  test("unix, everybody and nobody", () => {
    expect(new Networks(["unix"]).includes("", true)).toBe(true);
    expect(new Networks(["unix"]).includes("", false)).toBe(false);
    expect(new Networks(["*"]).includes("192.0.2.1", false)).toBe(true);
    expect(new Networks(["*"]).names("192.0.2.1")).toBe(false);
    expect(new Networks(["none"]).includes("127.0.0.1", false)).toBe(false);
    // What a client may have said of a unix socket's ends is no address.
    expect(new Networks(["127.0.0.1"]).includes("127.0.0.1", true)).toBe(false);
  });
});

/** Eight groups, nothing left out. */
function textOf(address: bigint): string {
  const hex = address.toString(16).padStart(32, "0");
  return (hex.match(/.{4}/g) ?? []).join(":");
}
