/** The loads of one round, by kind of scenario, and what the server used meanwhile. */
import { toolFor } from "./load/closed.ts";
import { builtin } from "./load/builtin.ts";
import type { ClosedResult, ClosedSpec, ClosedTool } from "./load/closed.ts";
import type { StreamSpec } from "./load/http-load.ts";
import { http2Load, httpLoad, transferLoad, webSocketLoad } from "./load/order.ts";
import { NO_ERRORS } from "./load/tool.ts";
import type { Lab, Trial } from "./measure.ts";
import { measureCpu, pssKiB } from "./process-tree.ts";
import type { Beside, HttpLoad, Scenario } from "./scenarios.ts";
import type { RunningServer } from "./server-process.ts";
import type { ErrorCounts, Latency, Round, SweepPoint } from "./types.ts";

export interface Loaded {
  readonly round: Round;
  readonly points: readonly SweepPoint[];
  readonly load: string;
  readonly memoryLoadedKiB: number;
  /** What the reader must know. */
  readonly warning?: string;
}

const WARMUP_SHARE = 1 / 3;
const WARMUP_SECONDS_MIN = 0.5;
const OPEN_WARMUP_MS = 300;
const BYTES_A_MIB = 1024 ** 2;
/** When in a load the memory is weighed. */
const WEIGH_AT = 0.8;

export async function loadOnce(trial: Trial, server: RunningServer, lab: Lab): Promise<Loaded> {
  const { load } = trial.scenario;
  switch (load.kind) {
    case "http":
      if (trial.scenario.sweepOf === "connections")
        return sweepConnections(trial, load, server, lab);
      return loadHttp(trial, load, server, lab);
    case "transfer":
    case "websocket":
      return loadOther(trial, server, lab);
    case "measured":
      throw new Error("a measurement makes its own load");
  }
}

/** Runs a load; says also what the server used meanwhile. */
async function watched<T>(
  server: RunningServer,
  seconds: number,
  run: () => Promise<T>,
): Promise<{ readonly value: T; readonly cpuSeconds: number; readonly memoryKiB: number }> {
  const used = measureCpu(() => server.tree());
  let memoryKiB = Number.NaN;
  const weigh = (): void => {
    memoryKiB = pssKiB(server.tree());
  };
  const timer = setTimeout(weigh, seconds * WEIGH_AT * 1000);
  const value = await run();
  clearTimeout(timer);
  const cpuSeconds = used();
  if (Number.isNaN(memoryKiB)) weigh();
  return { value, cpuSeconds, memoryKiB };
}

function closedSpec(trial: Trial, load: HttpLoad, server: RunningServer): ClosedSpec {
  const { streams, count, connections } = load;
  const { origin } = server;
  return {
    ...{ origin, connections, requests: trial.requests, seconds: trial.seconds },
    fresh: load.fresh === true,
    ...(streams === undefined ? {} : { streams }),
    ...(count === undefined ? {} : { count }),
  };
}

/** Who makes the closed loop of a scenario. */
export function toolOf({ load }: Scenario, tools: readonly ClosedTool[]): ClosedTool {
  if (load.kind !== "http") return builtin;
  const { connections, streams, count, fresh } = load;
  const secure = streams !== undefined;
  return toolFor(
    {
      ...{ origin: secure ? "https://127.0.0.1:1" : "http://127.0.0.1:1", connections },
      requests: load.requests.map((request) => ({ ...request, check: {} })),
      ...{ seconds: 1, fresh: fresh === true },
      ...(streams === undefined ? {} : { streams }),
      ...(count === undefined ? {} : { count }),
    },
    tools,
  );
}

async function closedLoop(
  spec: ClosedSpec,
  server: RunningServer,
  lab: Lab,
): Promise<{
  readonly result: ClosedResult;
  readonly cpuSeconds: number;
  readonly memoryKiB: number;
}> {
  const tool = toolFor(spec, lab.tools);
  const run = async (): Promise<ClosedResult> => tool.run(spec, lab.load);
  const { value, cpuSeconds, memoryKiB } = await watched(server, spec.seconds, run);
  return { result: value, cpuSeconds, memoryKiB };
}

/** By who measures then: a slower generator leaves a server half warm. */
async function warmUp(spec: ClosedSpec, lab: Lab): Promise<void> {
  const seconds = Math.max(WARMUP_SECONDS_MIN, spec.seconds * WARMUP_SHARE);
  const { count: _, ...rest } = spec;
  await toolFor(rest, lab.tools).run({ ...rest, seconds }, lab.load);
}

async function loadHttp(
  trial: Trial,
  load: HttpLoad,
  server: RunningServer,
  lab: Lab,
): Promise<Loaded> {
  const spec = closedSpec(trial, load, server);
  if (load.openOnly !== true) await warmUp(spec, lab);
  const counted = load.count !== undefined;
  if (trial.scenario.sweepOf !== undefined || counted || load.closedOnly === true) {
    const closed = await closedLoop(spec, server, lab);
    const latency = counted ? closed.result.latency : undefined;
    const round = closedRound(closed.result, closed.cpuSeconds, latency);
    const said = { points: [], load: closed.result.load };
    return { round, memoryLoadedKiB: closed.memoryKiB, ...said };
  }
  const closed = load.openOnly === true ? null : await closedLoop(spec, server, lab);
  const opened = await watched(server, trial.seconds, async () =>
    openLoop(trial, load, server, lab),
  );
  const { figures: open, unsent } = opened.value;
  const slow = unsent === 0 ? {} : { warning: tooSlow(trial.openRate) };
  const half = { ...open, openRate: trial.openRate };
  const how = `open loop at ${trial.openRate}/s${besideText(load)}`;
  if (closed === null) {
    const round: Round = { ...half, errors: open.errors };
    return { round, points: [], load: how, memoryLoadedKiB: opened.memoryKiB, ...slow };
  }
  const base = closedRound(closed.result, closed.cpuSeconds, undefined);
  const round: Round = {
    ...base,
    ...half,
    requests: base.requests + open.requests,
    errors: sum(base.errors, open.errors),
  };
  const loads = `${closed.result.load}; ${how}`;
  return { round, points: [], load: loads, memoryLoadedKiB: closed.memoryKiB, ...slow };
}

function tooSlow(rate: number): string {
  return `could not keep up with ${rate} requests a second: its latencies grew to the end`;
}

function closedRound(
  { requestsPerSecond, requests, errors }: ClosedResult,
  cpuSeconds: number,
  latency: Latency | undefined,
): Round {
  const cpuPer1000 = Number(((cpuSeconds / requests) * 1000).toPrecision(4));
  return {
    ...{ requestsPerSecond: Number(requestsPerSecond.toPrecision(6)), requests, errors },
    ...(Number.isFinite(cpuPer1000) ? { cpuPer1000 } : {}),
    ...(latency === undefined ? {} : { latency }),
  };
}

export function sum(a: ErrorCounts, b: ErrorCounts): ErrorCounts {
  return {
    connection: a.connection + b.connection,
    timeout: a.timeout + b.timeout,
    status: a.status + b.status,
    body: a.body + b.body,
  };
}

interface OpenFigures {
  readonly figures: Pick<Round, "latency" | "histogram" | "timeline" | "requests" | "errors">;
  /** Requests that were never sent, as the server was too slow for the rate. */
  readonly unsent: number;
}

async function openLoop(
  trial: Trial,
  load: HttpLoad,
  server: RunningServer,
  lab: Lab,
): Promise<OpenFigures> {
  const durationMs = trial.seconds * 1000;
  const { requests, openRate: rate } = trial;
  const { port } = server;
  if (load.streams !== undefined) {
    const { connections, streams } = load;
    const spec = {
      port,
      requests,
      connections,
      streams,
      warmupMs: OPEN_WARMUP_MS,
      durationMs,
      rate,
    };
    const done = await http2Load(spec, lab.load);
    const { latency, histogram, timeline, kinds, answered } = done;
    const figures = { ...shape(latency), histogram, timeline, requests: answered, errors: kinds };
    return { figures, unsent: 0 };
  }
  const measured: StreamSpec = {
    ...{ name: "measured", path: "/", requests, connections: load.connections, rate },
    fresh: load.fresh === true || trial.closes,
  };
  const streams = [measured, ...(load.beside ?? []).map(besideStream)];
  const spec = { port, warmupMs: OPEN_WARMUP_MS, durationMs, streams, spin: lab.spin };
  const { measured: done } = await httpLoad(spec, lab.load);
  if (done === undefined) throw new Error("the load generator gave no result");
  const { latency, histogram, timeline, kinds, answered, unsent } = done;
  const sent = answered + kinds.connection + kinds.timeout;
  const figures = { ...shape(latency), histogram, timeline, requests: sent, errors: kinds };
  return { figures, unsent };
}

function shape(latency: Latency | null): { readonly latency?: Latency } {
  return latency === null ? {} : { latency };
}

function besideStream(beside: Beside, index: number): StreamSpec {
  const { path, connections, rate, trickleMs } = beside;
  return {
    ...{ name: `beside ${index}`, path, connections, rate },
    ...(trickleMs === undefined ? {} : { trickleMs }),
  };
}

function besideText({ beside = [] }: HttpLoad): string {
  const titles = beside.map(({ title, rate }) => (rate === 0 ? title : `${title} at ${rate}/s`));
  return titles.length === 0 ? "" : `, beside it ${titles.join(", ")}`;
}

/** One start, one point after the other. */
async function sweepConnections(
  trial: Trial,
  load: HttpLoad,
  server: RunningServer,
  lab: Lab,
): Promise<Loaded> {
  const base = closedSpec(trial, load, server);
  await warmUp(base, lab);
  const points: SweepPoint[] = [];
  let memoryLoadedKiB = 0;
  let best: { readonly round: Round; readonly load: string } | null = null;
  for (const value of trial.scenario.values ?? []) {
    if (lab.signal?.aborted === true) break;
    const done = await closedLoop({ ...base, connections: value }, server, lab);
    const round = closedRound(done.result, done.cpuSeconds, undefined);
    points.push({ value, rounds: [round] });
    memoryLoadedKiB = Math.max(memoryLoadedKiB, done.memoryKiB);
    const rate = best?.round.requestsPerSecond ?? -1;
    if ((round.requestsPerSecond ?? 0) > rate) best = { round, load: done.result.load };
  }
  const round = best?.round ?? { requests: 0, errors: NO_ERRORS };
  return { round, points, load: best?.load ?? "", memoryLoadedKiB };
}

async function loadOther(trial: Trial, server: RunningServer, lab: Lab): Promise<Loaded> {
  const { load } = trial.scenario;
  const { seconds } = trial;
  const durationMs = seconds * 1000;
  if (load.kind === "transfer") {
    const { direction, bytes, connections } = load;
    const url = `${server.origin}/${direction}`;
    const spec = { url, direction, bytes, connections, durationMs };
    const done = await watched(server, seconds, async () => transferLoad(spec, lab.load));
    const { bytesPerSecond, transfers, kinds } = done.value;
    const mib = bytesPerSecond / BYTES_A_MIB;
    const cpuPer1000 = Number(((done.cpuSeconds / transfers) * 1000).toPrecision(4));
    const round: Round = {
      ...{ throughput: Number(mib.toPrecision(5)), errors: kinds },
      requests: transfers + total(kinds),
      ...(Number.isFinite(cpuPer1000) ? { cpuPer1000 } : {}),
    };
    const how = `keelback's own client, ${direction}s of ${bytes / BYTES_A_MIB} MiB`;
    return { round, points: [], load: how, memoryLoadedKiB: done.memoryKiB };
  }
  if (load.kind !== "websocket") throw new Error(`no load is called ${load.kind}`);
  const { connections, bytes } = load;
  const url = `${server.origin.replace("http", "ws")}/`;
  const spec = { url, connections, bytes, warmupMs: OPEN_WARMUP_MS, durationMs };
  const closed = await watched(server, seconds, async () =>
    webSocketLoad({ ...spec, rate: 0 }, lab.load),
  );
  const open = await webSocketLoad({ ...spec, rate: trial.openRate }, lab.load);
  const { perSecond, messages, kinds } = closed.value;
  const cpuPer1000 = Number(((closed.cpuSeconds / messages) * 1000).toPrecision(4));
  const round: Round = {
    messagesPerSecond: Number(perSecond.toPrecision(6)),
    requests: messages + open.messages,
    errors: sum(kinds, open.kinds),
    ...(Number.isFinite(cpuPer1000) ? { cpuPer1000 } : {}),
    ...shape(open.latency),
    ...{ histogram: open.histogram, timeline: open.timeline, openRate: trial.openRate },
  };
  const how = `keelback's own WebSocket client; open loop at ${trial.openRate} messages/s`;
  return { round, points: [], load: how, memoryLoadedKiB: closed.memoryKiB };
}

function total({ connection, timeout, status, body }: ErrorCounts): number {
  return connection + timeout + status + body;
}
