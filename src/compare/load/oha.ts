/** Closed-loop load by oha, and its JSON read into numbers. */
import type { ErrorCounts } from "../types.ts";
import type { ClosedTool } from "./closed.ts";
import { headerFlags, isSimple, once, only, programVersion } from "./tool.ts";
import { REQUEST_TIMEOUT_SECONDS, runProgram, shown, urlOf } from "./tool.ts";

interface Said {
  readonly summary: { readonly total: number };
  readonly statusCodeDistribution: Readonly<Record<string, number>>;
  readonly errorDistribution: Readonly<Record<string, number>>;
}

export interface OhaFigures {
  readonly requestsPerSecond: number;
  readonly requests: number;
  readonly errors: ErrorCounts;
}

/** What oha cuts off at its end is no fault of the server. */
const OWN_END = "aborted due to deadline";

export function parseOha(output: string): OhaFigures {
  const start = output.indexOf("{");
  if (start < 0) throw new Error(`oha said nothing usable:\n${output.slice(0, 600)}`);
  const said: Said = JSON.parse(output.slice(start));
  let requests = 0;
  let status = 0;
  for (const [code, count] of Object.entries(said.statusCodeDistribution)) {
    requests += count;
    if (Number(code) >= 400) status += count;
  }
  let timeout = 0;
  let connection = 0;
  for (const [reason, count] of Object.entries(said.errorDistribution)) {
    if (reason === OWN_END) continue;
    if (/time[ds]? ?out/i.test(reason)) timeout += count;
    else connection += count;
  }
  return {
    requestsPerSecond: (requests - status) / said.summary.total,
    requests,
    errors: { connection, timeout, status, body: 0 },
  };
}

const version = once(() => programVersion(["oha", "--version"]));

/** `--json` became `--output-format json` with 1.9. */
function jsonFlags(): string[] {
  const [major = 0, minor = 0] = (version() ?? "").split(".").map(Number);
  return major > 1 || (major === 1 && minor >= 9) ? ["--output-format", "json"] : ["--json"];
}

export const oha: ClosedTool = {
  name: "oha",
  version,
  // A number of requests is for a table with their latencies, of which it tells percentiles only.
  can: (spec) => spec.count === undefined && isSimple(spec),
  run: async (spec, host) => {
    const request = only(spec);
    const command = [
      "oha",
      ...["--no-tui", ...jsonFlags(), "-c", `${spec.connections}`],
      ...["-z", `${spec.seconds}s`, "-m", request.method, "-t", `${REQUEST_TIMEOUT_SECONDS}s`],
      ...["--redirect", "0"],
      ...(spec.fresh ? ["--disable-keepalive"] : []),
      ...(request.body === undefined ? [] : ["-d", request.body]),
      ...headerFlags(request, "-H"),
      urlOf(spec),
    ];
    const { stdout, stderr } = await runProgram(command, host);
    return { ...parseOha(stdout === "" ? stderr : stdout), load: shown(command, spec.origin) };
  },
};
