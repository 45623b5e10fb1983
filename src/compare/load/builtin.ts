/** Our own closed loop: any mix of requests, every body checked, HTTP/2 too. */
import manifest from "../../../package.json" with { type: "json" };
import type { ClosedResult, ClosedSpec, ClosedTool } from "./closed.ts";
import type { LoadHost } from "./order.ts";
import { http2Load, httpLoad } from "./order.ts";

/** A count ends a run, not this. */
const COUNT_SECONDS_MAX = 60;

export const builtin: ClosedTool = {
  name: "keelback",
  version: () => manifest.version,
  can: () => true,
  run: async (spec, host) => (spec.streams === undefined ? http1(spec, host) : http2(spec, host)),
};

async function http1(spec: ClosedSpec, host: LoadHost): Promise<ClosedResult> {
  const { connections, requests, fresh, count } = spec;
  const durationMs = (count === undefined ? spec.seconds : COUNT_SECONDS_MAX) * 1000;
  const stream = {
    ...{ name: "closed", path: "/", requests, connections, rate: 0, fresh },
    ...(count === undefined ? {} : { count }),
  };
  const port = Number(new URL(spec.origin).port);
  const { closed } = await httpLoad({ port, warmupMs: 0, durationMs, streams: [stream] }, host);
  if (closed === undefined) throw new Error("the load generator gave no result");
  const { perSecond, answered, kinds, latency } = closed;
  const length = count === undefined ? `${spec.seconds} s` : `${count} requests`;
  const each = fresh ? ", each request on a new one" : "";
  return {
    ...{ requestsPerSecond: perSecond, requests: answered, errors: kinds },
    latency: latency ?? undefined,
    load: `keelback's own closed loop, ${connections} connections${each}, ${length}`,
  };
}

async function http2(spec: ClosedSpec, host: LoadHost): Promise<ClosedResult> {
  const { connections, requests, streams = 1 } = spec;
  const run = { connections, requests, streams, warmupMs: 0, rate: 0 };
  const port = Number(new URL(spec.origin).port);
  const done = await http2Load({ ...run, port, durationMs: spec.seconds * 1000 }, host);
  return {
    ...{ requestsPerSecond: done.perSecond, requests: done.answered, errors: done.kinds },
    load: `keelback's own HTTP/2 closed loop, ${connections} connections with ${streams} requests each`,
  };
}
