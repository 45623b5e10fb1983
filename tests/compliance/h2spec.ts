/**
 * Runs h2spec, all groups, against a server over TLS or over a plain port (prior knowledge), and reads its JUnit report.
 */
import { existsSync, mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { testCertificate } from "../support/certificate.ts";
import { repository } from "../support/server.ts";
import { startTarget } from "../support/target.ts";
import type { TargetName } from "../support/target.ts";
import type { Finding } from "./results.ts";

export const h2spec: string = `${repository}/.cache/go/bin/h2spec`;

const TIMEOUT_MS = 5 * 60_000;
/** For each step of a test; by default it is 2, and a busy machine may pause a server for as long. */
const STEP_SECONDS = 10;

interface Case {
  name: string;
  failure: string | undefined;
  skipped: boolean;
}

function attribute(tag: string, name: string): string {
  return new RegExp(` ${name}="([^"]*)"`).exec(tag)?.[1] ?? "";
}

function casesOf(xml: string): Case[] {
  const found = xml.matchAll(/<testcase([^>]*)>([\s\S]*?)<\/testcase>/g);
  return [...found].map(([, tag = "", content = ""]) => ({
    name: `${attribute(tag, "package")}: ${attribute(tag, "classname")}`,
    failure: /<(?:failure|error)[^>]*>([\s\S]*?)<\/(?:failure|error)>/.exec(content)?.[1],
    skipped: content.includes("<skipped"),
  }));
}

function summarise(cases: readonly Case[]): Finding {
  const failed = cases.filter((one) => one.failure !== undefined);
  const skipped = cases.filter((one) => one.skipped);
  const passed = cases.length - failed.length - skipped.length;
  const remarks = failed.map(
    ({ name, failure = "" }) => `${name}: ${failure.replaceAll(/\s+/g, " ").trim().slice(0, 200)}`,
  );
  const figures = { passed, failed: failed.length, skipped: skipped.length };
  return { figures, remarks };
}

export async function runH2spec(server: TargetName, overTls: boolean): Promise<Finding> {
  await using target = await startTarget(server, {
    app: "echo_websocket:app",
    http2Only: true,
    ...(overTls ? { certificate: testCertificate() } : {}),
  });
  const directory = mkdtempSync(join(tmpdir(), "keelback-h2spec-"));
  try {
    const report = join(directory, "report.xml");
    const tls = overTls ? ["--tls", "--insecure"] : [];
    const timeout = ["--timeout", `${STEP_SECONDS}`];
    const child = Bun.spawn(
      [h2spec, "--port", `${target.port}`, ...tls, ...timeout, "--junit-report", report],
      {
        stdio: ["ignore", "pipe", "pipe"],
        timeout: TIMEOUT_MS,
        killSignal: "SIGKILL",
      },
    );
    const output = await Promise.all([child.stdout.text(), child.stderr.text()]);
    await child.exited; // 1 when a test failed
    if (!existsSync(report)) throw new Error(`h2spec failed: ${output.join("").slice(-2000)}`);
    return summarise(casesOf(readFileSync(report, "utf8")));
  } finally {
    rmSync(directory, { recursive: true, force: true });
  }
}
