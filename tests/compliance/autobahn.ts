/**
 * Runs the Autobahn fuzzing client against a server that echoes, over HTTP/1.1 or, through the tunnel, over HTTP/2, and
 * reads its report. Groups of cases run as processes beside each other: most cases wait, they do not compute.
 */
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { testCertificate } from "../support/certificate.ts";
import { repository } from "../support/server.ts";
import { startTarget } from "../support/target.ts";
import type { TargetName } from "../support/target.ts";
import { startTunnel } from "./h2-tunnel.ts";
import type { Finding } from "./results.ts";

type Transport = "h1" | "h2";

export const fuzzingClient: string = `${repository}/.cache/autobahn/bin/wstest`;

/** Chapters 1 to 7 and 10: the protocol itself. */
const PROTOCOL_GROUPS = [["1.*", "2.*", "3.*", "4.*", "5.*"], ["6.*"], ["7.*", "10.*"]];
/** Chapters 12 and 13: compression with every parameter. */
const COMPRESSION_GROUPS = [
  ["13.1.*", "13.2.*"],
  ["13.3.*", "13.4.*"],
  ["13.5.*", "13.6.*", "13.7.*"],
  ["12.1.*", "12.2.*"],
  ["12.3.*", "12.4.*", "12.5.*"],
];

export interface Plan {
  /** Groups of cases that run beside each other. */
  beside: readonly string[][];
  /** Cases that run after them, alone: they have deadlines. */
  alone: readonly string[];
}

/** What CI runs: the protocol, and a sample of compression. */
export const CI_PLAN: Plan = {
  beside: [
    ...PROTOCOL_GROUPS,
    ["12.1.1", "12.1.5", "12.1.12", "12.4.9", "13.1.3", "13.4.5", "13.7.9"],
  ],
  alone: [],
};
/** Everything; chapter 9 are the large messages. */
export const FULL_PLAN: Plan = {
  beside: [...COMPRESSION_GROUPS, ...PROTOCOL_GROUPS],
  alone: ["9.*"],
};
const GROUPS_AT_ONCE = 3;
/** Most cases give a server one second, and a busy machine may pause it for as long: so many that failed have a second try. */
const AGAIN_MAX = 12;
const GROUP_TIMEOUT_MS = 60 * 60_000;
/** The fuzzing client sends messages of up to 16 MiB, and takes a ping of the server's for a wrong answer. */
const KEELBACK_ARGS = ["--ws-max-size", "16777216", "--ws-ping-interval", "300"];

interface CaseReport {
  behavior: string;
  behaviorClose: string;
}

type Reports = Record<string, CaseReport>;

async function runGroup(url: string, cases: readonly string[]): Promise<Reports> {
  const directory = mkdtempSync(join(tmpdir(), "keelback-autobahn-"));
  try {
    const spec = {
      outdir: join(directory, "reports"),
      servers: [{ agent: "tested", url }],
      ...{ cases, "exclude-cases": [], "exclude-agent-cases": {} },
    };
    writeFileSync(join(directory, "spec.json"), JSON.stringify(spec));
    const child = Bun.spawn([fuzzingClient, "-m", "fuzzingclient", "-s", "spec.json"], {
      cwd: directory,
      stdio: ["ignore", "pipe", "pipe"],
      timeout: GROUP_TIMEOUT_MS,
      killSignal: "SIGKILL",
    });
    const output = await Promise.all([child.stdout.text(), child.stderr.text()]);
    const code = await child.exited;
    if (code !== 0) throw new Error(`the fuzzing client failed: ${output.join("").slice(-2000)}`);
    const index: Record<string, Reports> = JSON.parse(
      readFileSync(join(directory, "reports/index.json"), "utf8"),
    );
    return index.tested ?? {};
  } finally {
    rmSync(directory, { recursive: true, force: true });
  }
}

async function runPlan(url: string, { beside, alone }: Plan): Promise<Reports> {
  const waiting = [...beside];
  const reports: Reports = {};
  const work = async (): Promise<void> => {
    for (let group = waiting.shift(); group !== undefined; group = waiting.shift()) {
      Object.assign(reports, await runGroup(url, group));
    }
  };
  await Promise.all(Array.from({ length: GROUPS_AT_ONCE }, work));
  if (alone.length > 0) Object.assign(reports, await runGroup(url, alone));
  const again = Object.keys(reports).filter((name) => !WELL.includes(kindOf(reports[name]!)));
  if (again.length > 0 && again.length <= AGAIN_MAX) {
    Object.assign(reports, await runGroup(url, again));
  }
  return reports;
}

const WELL = ["OK", "INFORMATIONAL"];

function byNumber([a]: readonly [string, unknown], [b]: readonly [string, unknown]): number {
  return a.localeCompare(b, "en", { numeric: true });
}

/** A case counts by its behaviour; one that is right but closes wrongly counts as failed. */
function kindOf({ behavior, behaviorClose }: CaseReport): string {
  return behavior !== "FAILED" && WELL.includes(behaviorClose) ? behavior : "FAILED";
}

function summarise(reports: Reports): Finding {
  const figures: Record<string, number> = {
    cases: Object.keys(reports).length,
    OK: 0,
    INFORMATIONAL: 0,
    "NON-STRICT": 0,
    FAILED: 0,
  };
  const remarks: string[] = [];
  for (const [name, report] of Object.entries(reports).sort(byNumber)) {
    const kind = kindOf(report);
    figures[kind] = (figures[kind] ?? 0) + 1;
    if (WELL.includes(kind)) continue;
    const { behavior, behaviorClose } = report;
    remarks.push(`${name}: ${behavior}${kind === "FAILED" ? `, close ${behaviorClose}` : ""}`);
  }
  return { figures, remarks };
}

export async function runAutobahn(
  server: TargetName,
  transport: Transport,
  plan: Plan,
): Promise<Finding> {
  await using target = await startTarget(server, {
    app: "echo_websocket:app",
    args: KEELBACK_ARGS,
    ...(transport === "h2" ? { certificate: testCertificate() } : {}),
  });
  if (transport === "h1") {
    return summarise(await runPlan(target.url.replace("http", "ws"), plan));
  }
  await using tunnel = await startTunnel(target.url);
  return summarise(await runPlan(tunnel.url, plan));
}
