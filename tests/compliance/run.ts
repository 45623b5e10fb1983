/**
 * `make compliance`: runs the suites and writes docs/compliance.md.
 *
 *     bun tests/compliance/run.ts autobahn|h2spec|tls|all [--server NAME]... [--transport h1|h2|tls|h2c] [--quick] [--no-write]
 *
 * Without --server: Keelback and the peers each suite is worth comparing with. --quick: the part of Autobahn that CI runs;
 * it is not written to the page.
 */
import { parseArgs } from "node:util";
import { repository } from "../support/server.ts";
import { TARGETS } from "../support/target.ts";
import type { TargetName } from "../support/target.ts";
import { CI_PLAN, FULL_PLAN, runAutobahn } from "./autobahn.ts";
import { runH2spec } from "./h2spec.ts";
import { record } from "./results.ts";
import type { Finding, Suite } from "./results.ts";
import { scanTls } from "./tls.ts";

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    server: { type: "string", multiple: true, default: [] },
    transport: { type: "string" },
    quick: { type: "boolean", default: false },
    "no-write": { type: "boolean", default: false },
  },
});

interface Run {
  /** What the command line calls it. */
  tool: string;
  transport: string;
  suite: Suite;
  /** Who is worth comparing with: the peers that have the protocol at all. */
  peers: readonly TargetName[];
  work(server: TargetName): Promise<Finding>;
}

const plan = values.quick ? CI_PLAN : FULL_PLAN;
const RUNS: readonly Run[] = [
  {
    ...{ tool: "h2spec", transport: "tls", suite: "h2spec-tls", peers: ["granian", "hypercorn"] },
    work: async (server) => runH2spec(server, true),
  },
  {
    ...{ tool: "h2spec", transport: "h2c", suite: "h2spec-h2c", peers: ["granian", "hypercorn"] },
    work: async (server) => runH2spec(server, false),
  },
  {
    ...{ tool: "tls", transport: "tls", suite: "tls" },
    peers: ["uvicorn", "granian", "hypercorn"],
    work: scanTls,
  },
  {
    ...{ tool: "autobahn", transport: "h1", suite: "autobahn-h1", peers: ["uvicorn"] },
    work: async (server) => runAutobahn(server, "h1", plan),
  },
  {
    ...{ tool: "autobahn", transport: "h2", suite: "autobahn-h2", peers: [] },
    work: async (server) => runAutobahn(server, "h2", plan),
  },
];

const VERSION_OF_PEER = "import sys, importlib.metadata as m; print(m.version(sys.argv[1]))";

function versionOf(server: TargetName): string {
  const [program = ""] = server.split(" ");
  const python = `${repository}/.cache/bench-venv/bin/python`;
  const ask =
    server === "keelback"
      ? [`${repository}/keelback`, "--version"]
      : [python, "-c", VERSION_OF_PEER, program];
  const said = Bun.spawnSync(ask, { stderr: "ignore" }).stdout.toString();
  return `${server} ${/\d+\.\d+[\w.]*/.exec(said)?.[0] ?? ""}`.trim();
}

function asked(): TargetName[] {
  return values.server.map((name) => {
    const known = TARGETS.find((target) => target === name);
    if (known === undefined) throw new Error(`--server ${name}: one of ${TARGETS.join(", ")}`);
    return known;
  });
}

async function runOne(run: Run, server: TargetName): Promise<boolean> {
  const start = performance.now();
  const finding = await run.work(server);
  const seconds = Math.round((performance.now() - start) / 1000);
  const figures = Object.entries(finding.figures).map(([name, value]) => `${name} ${value}`);
  process.stdout.write(`${run.suite} ${server}: ${figures.join("; ")} (${seconds} s)\n`);
  for (const remark of finding.remarks) process.stdout.write(`  ${remark}\n`);
  const partial = run.tool === "autobahn" && values.quick;
  if (!values["no-write"] && !partial) {
    const date = new Date().toISOString().slice(0, 10);
    record(run.suite, server, { server: versionOf(server), date, ...finding });
  }
  return finding.remarks.length === 0;
}

async function main(): Promise<number> {
  const wanted = RUNS.filter(({ tool, transport }) => {
    const named = positionals.includes(tool) || positionals.includes("all");
    return named && (values.transport === undefined || values.transport === transport);
  });
  if (wanted.length === 0) {
    process.stderr.write("usage: run.ts autobahn|h2spec|tls|all [--server NAME] (see its head)\n");
    return 2;
  }
  const servers = asked();
  let clean = true;
  for (const run of wanted) {
    for (const server of servers.length > 0 ? servers : ["keelback" as const, ...run.peers]) {
      try {
        const right = await runOne(run, server);
        if (server === "keelback" && !right) clean = false;
      } catch (error) {
        process.stderr.write(`${run.suite} ${server}: ${String(error)}\n`);
        clean = false;
      }
    }
  }
  return clean ? 0 : 1;
}

process.exit(await main());
