/** Measurements of TLS, HTTP/2, HTTP/3 and WebSocket: by h2load, and by the program of bench/macro/clients. */
import { runH2load } from "../../src/compare/load/h2load.ts";
import type { Measurement, Subject } from "../../src/compare/measurement.ts";
import { using } from "../../src/compare/measurement.ts";
import { leavesOf, measureThreads, pssKiB } from "../../src/compare/process-tree.ts";
import type { RunningServer } from "../../src/compare/server-process.ts";
import { less, more, unsorted } from "./figures.ts";
import { clientProgram } from "./lab.ts";
import { growth, memoryKiB } from "./measures.ts";

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

interface Http2Options {
  connections: number;
  /** Requests under way on each connection. */
  streams: number;
  headers?: Readonly<Record<string, string>>;
  /** Length of each answer's body. */
  bodyBytes: number;
}

const SHARE_OF_ERRORS_MAX = 0.01;

function clientCommand(
  command: string,
  { origin }: RunningServer,
  flags: readonly string[],
  { lab }: Subject,
): string[] {
  const spoken = command === "ws" || command === "hold" ? origin.replace("http", "ws") : origin;
  return [...lab.load.pin, clientProgram(), command, `-url=${spoken}/`, ...flags];
}

/** Requests a second over HTTP/2. */
export function http2({
  connections,
  streams,
  headers = {},
  bodyBytes,
}: Http2Options): Measurement {
  return async (subject) =>
    using(subject, async (server) => {
      const given = Object.entries(headers);
      const asked = { url: `${server.origin}/`, connections, streams, bodyBytes };
      const flags = given.map(([name, value]) => `--header=${name}: ${value}`);
      const options = { ...asked, seconds: subject.seconds, headers: flags };
      const done = await runH2load(options, subject.lab.load);
      const figures = {
        rate: more("requests", "/s", done.requestsPerSecond),
        mean: less("mean", "ms", done.meanMs),
        busy: less("client busy", "%", done.busy * 100),
      };
      const suffix = given.length > 0 ? ` with ${given.length} headers` : "";
      const how = `h2load -t1 -c${connections} -m${streams}${suffix}`;
      return { figures, requests: done.requests, errors: done.errors, load: how };
    });
}

/**
 * Rate and latency by the client of ours. Where the client is the limit (a handshake costs it more than the server), the
 * server's CPU for each answer says what the rate can't.
 */
export function load({ command, label, flags }: LoadOptions): Measurement {
  return async (subject) =>
    using(subject, async (server) => {
      const given = Object.entries(flags).map(([name, value]) => `-${name}=${value}`);
      const timed = [...given, `-seconds=${subject.seconds}`];
      const start = performance.now();
      const used = measureThreads(() => server.tree());
      const child = Bun.spawn(clientCommand(command, server, timed, subject), {
        stdio: ["ignore", "pipe", "inherit"],
      });
      const result: LoadReport = JSON.parse(await child.stdout.text());
      await child.exited;
      const cpuNs = used();
      const wallMs = performance.now() - start;
      const busy = Number(child.resourceUsage()?.cpuTime.total ?? Number.NaN) / 1000 / wallMs;
      if (result.done === 0 || result.errors > result.done * SHARE_OF_ERRORS_MAX) {
        throw new Error(`${result.errors} errors, ${result.done} answers: ${result.problem}`);
      }
      const figures = {
        rate: more(label, "/s", result.rate),
        p50: less("P50", "ms", result.p50Ms),
        p99: less("P99", "ms", result.p99Ms),
        cpu: less("server CPU, each", "µs", cpuNs / 1000 / result.total),
        busy: less("client busy", "%", busy * 100),
      };
      const errors = unsorted(result.errors);
      const how = ["load", command, ...given].join(" ");
      return { figures, requests: result.done + result.errors, errors, load: how };
    });
}

/** So long they have been idle when memory is looked at. */
const IDLE_MS = 3000;

/** Memory of WebSockets that have exchanged one message and now wait. */
export function idleWebSockets(connections: number): Measurement {
  return async (subject) =>
    using(subject, async (server) => {
      const few = await held(server, 1, subject);
      await few.release();
      const before = memoryKiB(server);
      const many = await held(server, connections, subject);
      await Bun.sleep(IDLE_MS);
      const after = memoryKiB(server);
      // Those have no children, as supervisors and zygotes have.
      const serving = pssKiB(leavesOf(server.tree())) / 1024;
      await many.release();
      const figures = {
        memory: less("memory", "MiB", after / 1024),
        serving: less("edge and worker", "MiB", serving),
        each: growth("each WebSocket", before, after, connections),
      };
      const errors = unsorted(many.errors);
      return {
        ...{ figures, requests: connections, errors },
        load: `load hold -connections=${connections}`,
      };
    });
}

interface Held {
  errors: number;
  release(): Promise<void>;
}

async function held(server: RunningServer, connections: number, subject: Subject): Promise<Held> {
  const command = clientCommand("hold", server, [`-connections=${connections}`], subject);
  const child = Bun.spawn(command, { stdio: ["pipe", "pipe", "inherit"] });
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
