/** The public protocol suites against Keelback, as far as CI has time for them. docs/compliance.md has the whole of it. */
import { describe, expect, test } from "bun:test";
import { existsSync, readFileSync } from "node:fs";
import { targetName } from "../support/target.ts";
import { CI_PLAN, fuzzingClient, runAutobahn } from "./autobahn.ts";
import { h2spec, runH2spec } from "./h2spec.ts";
import { pagePath, readResults, renderPage } from "./results.ts";
import { completeScan, scanTls, sslyze } from "./tls.ts";

const AUTOBAHN_TIMEOUT_MS = 5 * 60_000;
/** Two scans, if need be. */
const SSLYZE_TIMEOUT_MS = 2 * 60_000;
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
  test(
    "the default settings have grade A: no old version, renegotiation or compression",
    async () => {
      const { figures, remarks } = await scanTls(server);
      expect(remarks).toEqual([]);
      expect(figures).toMatchObject({
        grade: "A",
        versions: "TLS 1.2, TLS 1.3",
        "renegotiation by the client": "no",
        compression: "no",
        vulnerabilities: "none",
      });
    },
    SSLYZE_TIMEOUT_MS,
  );
});

describe("a scan by sslyze", () => {
  const completed = { status: "COMPLETED", error_trace: null, result: {} };
  const failed = { status: "ERROR", error_trace: "timed out", result: null };
  const report = (heartbleed: object): string => {
    const scan_result = { heartbleed, tls_1_2_cipher_suites: completed };
    return JSON.stringify({
      server_scan_results: [{ connectivity_error_trace: null, scan_result }],
    });
  };
  const unreachable = JSON.stringify({
    server_scan_results: [{ connectivity_error_trace: "refused", scan_result: null }],
  });
  /** What comes of these reports, one for each run; and those that were not asked for. */
  const scan = async (...reports: string[]) => {
    const said = await completeScan(async () => reports.shift() ?? "").catch(String);
    return { said, left: reports.length };
  };

  test("that completes is not repeated", async () => {
    expect(await scan(report(completed), report(failed))).toMatchObject({
      said: { heartbleed: {} },
      left: 1,
    });
  });

  test.each([
    ["ends in an error", report(failed)],
    ["cannot connect", unreachable],
  ])("that %s is tried once more", async (_, first) => {
    expect(await scan(first, report(completed))).toMatchObject({
      said: { heartbleed: {} },
      left: 0,
    });
  });

  test("fails at the second error", async () => {
    expect(await scan(report(failed), report(failed), report(completed))).toEqual({
      said: "Error: sslyze: heartbleed failed: timed out",
      left: 1,
    });
  });
});

describe("docs/compliance.md", () => {
  test("says what results.json holds", () => {
    const page = readFileSync(pagePath, "utf8");
    expect(page).toBe(renderPage(page, readResults()));
  });
});
