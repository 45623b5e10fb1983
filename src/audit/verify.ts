/**
 * The proof: both settings served beside each other, without probe and log, and loaded in turns. Throughput from a closed loop, latencies
 * from an open one at a rate that both can take, counted from when a request was due. A difference is one where its 95 % interval says so.
 */
import { mkdirSync } from "node:fs";
import { join } from "node:path";
import type { LoadRequest } from "../compare/load/http-load.ts";
import { median, ratioOfMedians } from "../compare/statistics.ts";
import { drive } from "./drive.ts";
import type { AuditedServer } from "./server.ts";
import { startServer } from "./server.ts";
import type { Settings, Side, Verification } from "./types.ts";
import { number, time } from "./words.ts";

export interface VerifyOrder {
  readonly command: readonly string[];
  readonly folder: string;
  /** The settings file of each side. */
  readonly settings: (changes: Settings) => string;
  readonly changes: Settings;
  readonly requests: readonly LoadRequest[];
  readonly clients: number;
  readonly rounds: number;
  readonly seconds: number;
  readonly signal: AbortSignal;
  readonly progress: (text: string, share: number) => void;
}

/** Of what the slower side can do: neither is full. */
const RATE_SHARE = 0.5;
/** Of the open loop: a request that is due does not wait for a connection. */
const CONNECTIONS_MIN = 64;
const WARMUP_SECONDS = 0.5;

interface Running {
  readonly name: Side["name"];
  readonly server: AuditedServer;
  readonly settings: Settings;
  readonly requestsPerSecond: number[];
  readonly p50: number[];
  readonly p99: number[];
  errors: number;
}

export async function verify(order: VerifyOrder): Promise<Verification> {
  const sides: Running[] = [];
  try {
    for (const [name, changes] of [
      ["current", {}],
      ["recommended", order.changes],
    ] as const) {
      sides.push(await start(order, name, changes));
    }
    const rate = await run(order, sides);
    const done = sides.map((side) => sideOf(side));
    const [current, recommended] = done;
    if (current === undefined || recommended === undefined) throw new Error("a side is missing");
    const verdict = verdictOf(current, recommended);
    return { rounds: order.rounds, rate, sides: [current, recommended], verdict };
  } finally {
    await Promise.all(sides.map(async ({ server }) => server.stop()));
  }
}

async function start(order: VerifyOrder, name: Side["name"], settings: Settings): Promise<Running> {
  const folder = join(order.folder, name);
  mkdirSync(folder, { recursive: true });
  const { command, signal } = order;
  try {
    const server = await startServer({
      ...{
        command,
        folder,
        signal,
        probe: false,
        shown: false,
        settings: order.settings(settings),
      },
    });
    return { name, server, settings, requestsPerSecond: [], p50: [], p99: [], errors: 0 };
  } catch (error) {
    const why = error instanceof Error ? error.message : String(error);
    throw new Error(`--verify: the server does not start with the ${name} settings:\n${why}`, {
      cause: error,
    });
  }
}

/** Returns the rate of the open loop. */
async function run(order: VerifyOrder, sides: readonly Running[]): Promise<number> {
  const steps = order.rounds * sides.length * 2;
  let step = 0;
  const load = async (side: Running, rate: number): ReturnType<typeof drive> => {
    order.progress(`verify: ${side.name} settings`, step++ / steps);
    const { requests, seconds, signal } = order;
    const clients = rate === 0 ? order.clients : Math.max(CONNECTIONS_MIN, order.clients);
    const { port } = side.server;
    const warmupSeconds = WARMUP_SECONDS;
    const result = await drive({ port, requests, clients, rate, warmupSeconds, seconds, signal });
    const { connection, status, body } = result.kinds;
    side.errors += connection + status + body;
    return result;
  };
  let rate = 0;
  for (let round = 0; round < order.rounds; round += 1) {
    // Who begins takes turns too.
    const turn = round % 2 === 0 ? sides : sides.toReversed();
    for (const side of turn) side.requestsPerSecond.push((await load(side, 0)).perSecond);
    if (round === 0) {
      rate = Math.min(...sides.map(({ requestsPerSecond: [first = 0] }) => first)) * RATE_SHARE;
      rate = Math.max(1, rate);
    }
    for (const side of turn) {
      const { latency } = await load(side, rate);
      if (latency === null) continue;
      side.p50.push(latency.p50);
      side.p99.push(latency.p99);
    }
  }
  return rate;
}

function sideOf({ name, server, settings, requestsPerSecond, p50, p99, errors }: Running): Side {
  const used = server.memoryMib();
  const memoryMib = Number.isNaN(used) ? null : used;
  return { name, settings, requestsPerSecond, p50, p99, errors, memoryMib };
}

/** In words: what differs beyond noise, and what does not. */
function verdictOf(current: Side, recommended: Side): string {
  const parts = [
    compared("throughput", current.requestsPerSecond, recommended.requestsPerSecond, number),
    compared("P50", current.p50, recommended.p50, time),
    compared("P99", current.p99, recommended.p99, time),
  ];
  const [before, after] = [current.memoryMib, recommended.memoryMib];
  if (before !== null && after !== null && Math.abs(after - before) > before * 0.05) {
    parts.push(`memory ${number(before)} to ${number(after)} MiB`);
  }
  if (recommended.errors > current.errors) {
    parts.push(`errors ${current.errors} to ${recommended.errors}: do not use these settings`);
  }
  return parts.join("; ");
}

function compared(
  what: string,
  before: readonly number[],
  after: readonly number[],
  say: (value: number) => string,
): string {
  if (before.length === 0 || after.length === 0) return `${what}: no answers`;
  const { low, middle, high } = ratioOfMedians(before, after);
  const figures = `${say(median(before))} to ${say(median(after))}`;
  if (low <= 1 && high >= 1) return `${what} ${figures}: no difference beyond noise`;
  const range = Number.isFinite(high) ? `, 95 %: ${low.toFixed(2)} to ${high.toFixed(2)}` : "";
  return `${what} ${figures} (${middle.toFixed(2)} times${range})`;
}
