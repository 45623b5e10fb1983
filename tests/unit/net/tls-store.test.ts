import { expect, test } from "bun:test";
import { makeTlsContext } from "../../../src/net/tls-context.ts";
import type { Identity } from "../../../src/net/tls-files.ts";
import { dateWarnings } from "../../../src/net/tls-store.ts";
import { selfSigned } from "../../../src/net/self-signed.ts";

const DAY_MS = 86_400_000;
const NOW = Date.UTC(2026, 0, 15);
const SETTINGS = {
  certfile: [],
  keyfile: [],
  keyfilePassword: null,
  certReqs: "none",
  caCerts: null,
  ciphers: null,
  tlsMin: "1.2",
} as const;

function identity(names: readonly string[], days: number = 365): Identity {
  const { certificate, key } = selfSigned(["localhost"], new Date(NOW));
  return {
    file: "c.pem",
    names,
    chain: certificate,
    leaf: certificate,
    key,
    notBefore: NOW - DAY_MS,
    notAfter: NOW + days * DAY_MS,
  };
}

test.each([
  [31, null],
  [30, null],
  [29.5, "expires in 29 days, on 2026-02-13"],
  [1.5, "expires in 1 day, on 2026-01-16"],
  [0.5, "expires within a day, on 2026-01-15"],
  [0, "has expired on 2026-01-15"],
  [-5, "has expired on 2026-01-10"],
])("%p days before its end", (days, text) => {
  const expected = text === null ? [] : [`the certificate in c.pem ${text}`];
  expect(dateWarnings([identity([], days)], NOW)).toEqual(expected);
});

test("before its time", () => {
  expect(dateWarnings([identity([])], NOW - 2 * DAY_MS)).toEqual([
    "the certificate in c.pem is not valid before 2026-01-14",
  ]);
});

test("a name belongs to the first certificate that has it, exactly or by its wildcard", () => {
  const identities = [["a.test"], ["*.b.test", "a.test"], ["x.b.test"]].map((names) =>
    identity(names),
  );
  const context = makeTlsContext({ identities, settings: SETTINGS, ca: null, alpn: ["h2"] });
  const chosen = (name: string | null): number => identities.indexOf(context.identity(name));
  expect(["a.test", "A.test.", "y.b.test", "x.b.test", "b.test", "z.y.b.test"].map(chosen)).toEqual(
    [0, 0, 1, 2, 0, 0],
  );
  expect(chosen(null)).toBe(0);
  expect(context.select?.("x.b.test")).not.toBe(context.select?.("y.b.test"));
  expect([...(context.options.ALPNProtocols as Buffer)]).toEqual([2, 104, 50]);
});
