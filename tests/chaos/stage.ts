/** The server under chaos: how it is started, found again after an upgrade, and ended. */
import { existsSync, mkdirSync, readFileSync, readdirSync } from "node:fs";
import { descendants, gone, isAlive, processOf } from "../apps_life/processes.ts";
import type { Place } from "../apps_life/serve.ts";
import { startServer, type TestServer } from "../support/server.ts";

export const WORKERS = 2;
/** A request of the app that takes longer is given up. */
export const TIMEOUT_SECONDS = 3;
const APP = new URL("app.py", import.meta.url).pathname;
export const ACCESS_LOG = "access.log";
const PID_FILE = "pid";
/** Where the server makes its private directory. */
const RUNTIME_DIRECTORY = "run";
const STOP_MS = 40_000;

export function startStage(
  place: Place,
  more: readonly string[] = [],
  env: Readonly<Record<string, string>> = {},
): Promise<TestServer> {
  mkdirSync(place.of(RUNTIME_DIRECTORY));
  // Under a name that no module of the tests has.
  place.write("chaos_app.py", readFileSync(APP));
  return startServer({
    app: "chaos_app:app",
    cwd: place.path,
    env: {
      PLACE: place.path,
      PYTHONDONTWRITEBYTECODE: "1",
      XDG_RUNTIME_DIR: place.of(RUNTIME_DIRECTORY),
      ...env,
    },
    args: [
      ...["--workers", String(WORKERS), "--timeout", String(TIMEOUT_SECONDS)],
      ...["--graceful-timeout", "20", "--max-worker-memory", "100m"],
      ...["--access-log", place.of(ACCESS_LOG), "--pid", place.of(PID_FILE), ...more],
    ],
  });
}

/** The process that leads the server now: an upgrade changes it. */
export class Supervisor {
  readonly #server: TestServer;
  readonly #file: string;

  constructor(server: TestServer, place: Place) {
    this.#server = server;
    this.#file = place.of(PID_FILE);
  }

  get pid(): number {
    if (!existsSync(this.#file)) return this.#server.pid;
    return Number(readFileSync(this.#file, "utf8")) || this.#server.pid;
  }
}

/** The server stops in peace, and takes all its processes and files with it. In words what it does not; empty: nothing. */
export async function ended(
  server: TestServer,
  { pid }: Supervisor,
  place: Place,
): Promise<string[]> {
  const own = processOf(pid);
  const all = [...(own === undefined ? [] : [own]), ...descendants(pid)];
  process.kill(pid, "SIGTERM");
  try {
    await gone(all, STOP_MS);
  } catch (error) {
    for (const one of all.filter(isAlive)) process.kill(one.pid, "SIGKILL");
    return [String(error)];
  }
  const code = pid === server.pid ? await server.exited : 0;
  const files = readdirSync(place.of(RUNTIME_DIRECTORY));
  return [
    ...(code === 0 ? [] : [`the server ended with status ${code}`]),
    ...files.map((name) => `${name} is left over in the runtime directory`),
  ];
}

/** Mulberry32: the same seed, the same chaos. */
export function randomOf(seed: number): () => number {
  let state = seed | 0;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let t = Math.imul(state ^ (state >>> 15), 1 | state);
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
    return ((t ^ (t >>> 14)) >>> 0) / 4_294_967_296;
  };
}
