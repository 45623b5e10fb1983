/** The public protocol suites against Keelback, as far as CI has time for them. docs/compliance.md has the whole of it. */
import { describe, expect, test } from "bun:test";
import { existsSync, readFileSync } from "node:fs";
import { targetName } from "../support/target.ts";
import { CI_PLAN, fuzzingClient, runAutobahn } from "./autobahn.ts";
import { h2spec, runH2spec } from "./h2spec.ts";
import { pagePath, readResults, renderPage } from "./results.ts";
import { scanTls, sslyze } from "./tls.ts";

const AUTOBAHN_TIMEOUT_MS = 5 * 60_000;
const server = targetName();

describe.skipIf(!existsSync(fuzzingClient))("Autobahn fuzzing client", () => {
  test.each(["h1", "h2"] as const)(
    "the protocol chapters and a sample of compression over %s",
    async (transport) => {
      const { figures, remarks } = await runAutobahn(server, transport, CI_PLAN);
      expect(remarks).toEqual([]);
      expect(figures.OK).toBeGreaterThan(240);
    },
    AUTOBAHN_TIMEOUT_MS,
  );
});

describe.skipIf(!existsSync(h2spec))("h2spec", () => {
  test("every test passes over TLS", async () => {
    const { figures, remarks } = await runH2spec(server, true);
    expect(remarks).toEqual([]);
    expect(figures).toEqual({ passed: 145, failed: 0, skipped: 0 });
  });

  test("all but one pass by prior knowledge on a plain port, where other bytes are HTTP/1.1", async () => {
    const { figures, remarks } = await runH2spec(server, false);
    expect(remarks).toEqual([expect.stringContaining("Sends invalid connection preface")]);
    expect(figures).toEqual({ passed: 144, failed: 1, skipped: 0 });
  });
});

describe.skipIf(!existsSync(sslyze))("sslyze", () => {
  test("the default settings have grade A: no old version, renegotiation or compression", async () => {
    const { figures, remarks } = await scanTls(server);
    expect(remarks).toEqual([]);
    expect(figures).toMatchObject({
      grade: "A",
      versions: "TLS 1.2, TLS 1.3",
      "renegotiation by the client": "no",
      compression: "no",
      vulnerabilities: "none",
    });
  });
});

describe("docs/compliance.md", () => {
  test("says what results.json holds", () => {
    const page = readFileSync(pagePath, "utf8");
    expect(page).toBe(renderPage(page, readResults()));
  });
});
