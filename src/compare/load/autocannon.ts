/** Closed-loop load by autocannon, which comes with Keelback from npm and runs under the same Bun. */
import { existsSync, readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { probe } from "../probe.ts";
import type { ErrorCounts } from "../types.ts";
import { builtin } from "./builtin.ts";
import type { ClosedTool } from "./closed.ts";
import { headerFlags, isSimple, once, only, REQUEST_TIMEOUT_SECONDS } from "./tool.ts";
import { runProgram, shown, urlOf } from "./tool.ts";

interface Said {
  readonly requests: { readonly total: number };
  readonly duration: number;
  readonly errors: number;
  readonly timeouts: number;
  readonly resets: number;
  readonly non2xx: number;
  readonly "3xx": number;
}

export interface AutocannonFigures {
  readonly requestsPerSecond: number;
  readonly requests: number;
  readonly errors: ErrorCounts;
}

export function parseAutocannon(output: string): AutocannonFigures {
  const start = output.indexOf("{");
  if (start < 0) throw new Error(`autocannon said nothing usable:\n${output.slice(0, 600)}`);
  const said: Said = JSON.parse(output.slice(start));
  const status = Math.max(0, said.non2xx - said["3xx"]);
  return {
    requestsPerSecond: (said.requests.total - status) / said.duration,
    requests: said.requests.total,
    errors: {
      connection: Math.max(0, said.errors - said.timeouts) + said.resets,
      timeout: said.timeouts,
      ...{ status, body: 0 },
    },
  };
}

/** Where npm puts it: beside our own packages, or beside us. */
function find(): string | null {
  const places = ["../../../node_modules/autocannon/", "../../../../autocannon/"];
  for (const place of places) {
    const path = fileURLToPath(new URL(place, import.meta.url));
    if (existsSync(`${path}autocannon.js`)) return path;
  }
  return null;
}

function version(): string | null {
  const place = find();
  if (place === null) return null;
  const manifest: { version: string } = JSON.parse(readFileSync(`${place}package.json`, "utf8"));
  return manifest.version;
}

export const autocannon: ClosedTool = {
  name: "autocannon",
  version: once(version),
  can: (spec) => isSimple(spec) && spec.count === undefined && !spec.fresh,
  run: async (spec, host) => {
    const request = only(spec);
    // It sends the next request before it sees that the connection is closed, and then waits there for ever.
    const answer = await probe(
      { port: Number(new URL(spec.origin).port), protocol: "h1" },
      request,
    );
    if (answer?.keepsAlive === false) return builtin.run(spec, host);
    const options = [
      ...["-c", `${spec.connections}`, "-d", `${Math.max(1, Math.round(spec.seconds))}`],
      ...["-m", request.method, "-t", `${REQUEST_TIMEOUT_SECONDS}`, "-j"],
      ...(request.body === undefined ? [] : ["-b", request.body]),
      ...headerFlags(request, "-H"),
      urlOf(spec),
    ];
    const program = `${find() ?? ""}autocannon.js`;
    const { stdout, stderr } = await runProgram([process.execPath, program, ...options], host);
    const figures = parseAutocannon(stdout === "" ? stderr : stdout);
    return { ...figures, load: shown(["autocannon", ...options], spec.origin) };
  },
};
