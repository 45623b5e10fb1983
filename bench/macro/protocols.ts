/**
 * Measurements of TLS, HTTP/2, HTTP/3 and WebSocket: by h2load, and by the program of bench/macro/clients.
 */
import { existsSync } from "node:fs";
import { busyShare, runH2load } from "./h2load.ts";
import type { H2loadOptions } from "./h2load.ts";
import { growth, using } from "./measures.ts";
import type { Measure } from "./measures.ts";
import { LOAD_CORE } from "./process-tree.ts";
import type { RunningServer } from "./process-tree.ts";
import { root } from "./paths.ts";
import type { Measured } from "./types.ts";

type Figures = Measured["figures"];

/** What bench/macro/clients/main.go prints. */
interface LoadReport {
  done: number;
  /** With those of the warm-up. */
  total: number;
  errors: number;
  rate: number;
  p50Ms: number;
  p99Ms: number;
  resumed: number;
  problem?: string;
}

interface LoadOptions {
  command: "tls" | "h3" | "ws";
  /** What one of `rate` is. */
  label: string;
  /** Flags of the client, without dashes. */
  flags: Readonly<Record<string, number | boolean>>;
}

const client = `${root}/.cache/go/bin/load`;
const SHARE_OF_ERRORS_MAX = 0.01;

function clientCommand(command: string, server: RunningServer, flags: readonly string[]): string[] {
  if (!existsSync(client)) throw new Error("the load client is missing: tools/setup.ts bench");
  const url =
    command === "ws" || command === "hold" ? server.url.replace("http", "ws") : server.url;
  return ["taskset", "-c", `${LOAD_CORE}`, client, command, `-url=${url}`, ...flags];
}

/** Requests a second over HTTP/2. */
export function http2(options: H2loadOptions): Measure {
  return async (context) =>
    using(context, async (server) => {
      const result = await runH2load(server, options, context.seconds);
      const figures: Figures = {
        rate: { label: "requests", unit: "/s", better: "more", value: result.requestsPerSecond },
        mean: { label: "mean", unit: "ms", better: "less", value: result.meanMs },
        busy: { label: "client busy", unit: "%", better: "less", value: result.busy * 100 },
      };
      return { figures, errors: result.errors, load: result.command };
    });
}

/**
 * Rate and latency by the client of ours. Where the client is the limit (a handshake costs it more than the server), the
 * server's CPU for each answer says what the rate can't.
 */
export function load({ command, label, flags }: LoadOptions): Measure {
  return async (context) =>
    using(context, async (server) => {
      const given = Object.entries(flags).map(([name, value]) => `-${name}=${value}`);
      const timed = [...given, `-seconds=${context.seconds}`];
      const start = performance.now();
      const used = server.measureCpu();
      const child = Bun.spawn(clientCommand(command, server, timed), {
        stdio: ["ignore", "pipe", "inherit"],
      });
      const result: LoadReport = JSON.parse(await child.stdout.text());
      await child.exited;
      const cpuNs = used();
      const busy = busyShare(child, performance.now() - start);
      if (result.done === 0 || result.errors > result.done * SHARE_OF_ERRORS_MAX) {
        throw new Error(`${result.errors} errors, ${result.done} answers: ${result.problem}`);
      }
      const figures: Figures = {
        rate: { label, unit: "/s", better: "more", value: result.rate },
        p50: { label: "P50", unit: "ms", better: "less", value: result.p50Ms },
        p99: { label: "P99", unit: "ms", better: "less", value: result.p99Ms },
        cpu: {
          ...{ label: "server CPU, each", unit: "µs", better: "less" as const },
          value: cpuNs / 1000 / result.total,
        },
        busy: { label: "client busy", unit: "%", better: "less", value: busy * 100 },
      };
      return { figures, errors: result.errors, load: ["load", command, ...given].join(" ") };
    });
}

/** Memory of WebSockets that have exchanged one message and now wait. */
export function idleWebSockets(connections: number): Measure {
  return async (context) =>
    using(context, async (server) => {
      const few = await held(server, 1);
      await few.release();
      const before = server.pssKiB();
      const many = await held(server, connections);
      const after = server.pssKiB();
      const serving = server.servingPssKiB() / 1024;
      await many.release();
      const figures: Figures = {
        memory: { label: "memory", unit: "MiB", better: "less", value: after / 1024 },
        serving: { label: "edge and worker", unit: "MiB", better: "less", value: serving },
        each: growth("each WebSocket", before, after, connections),
      };
      return { figures, errors: many.errors, load: `load hold -connections=${connections}` };
    });
}

interface Held {
  errors: number;
  release(): Promise<void>;
}

async function held(server: RunningServer, connections: number): Promise<Held> {
  const child = Bun.spawn(clientCommand("hold", server, [`-connections=${connections}`]), {
    stdio: ["pipe", "pipe", "inherit"],
  });
  const { value } = await child.stdout.getReader().read();
  const said: { open: number; errors: number; problem?: string } = JSON.parse(
    new TextDecoder().decode(value ?? new Uint8Array()),
  );
  const release = async (): Promise<void> => {
    await child.stdin.end();
    await child.exited;
  };
  if (said.open === 0) {
    await release();
    throw new Error(`no WebSocket could be opened: ${said.problem}`);
  }
  return { errors: said.errors, release };
}
