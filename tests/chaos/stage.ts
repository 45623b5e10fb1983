/** The server under chaos: how it is started, what it must not leave behind, and how it ends. */
import { existsSync, lstatSync, mkdirSync, readFileSync, readdirSync, statSync } from "node:fs";
import { isHeld } from "../../src/net/lifeline.ts";
import { gone, isAlive } from "../apps_life/processes.ts";
import type { Place } from "../apps_life/serve.ts";
import { testCertificate } from "../support/certificate.ts";
import { examplesPython, repository } from "../support/server.ts";
import { Door } from "./door.ts";
import { Service } from "./service.ts";
import type { Shape } from "./shape.ts";

export const WORKERS = 2;
/** A request of the app that takes longer is given up. */
export const TIMEOUT_SECONDS = 3;
/** An app that goes on all the same is killed. */
export const INTERRUPT_SECONDS = 2;
const HERE = new URL(".", import.meta.url).pathname;
export const ACCESS_LOG = "access.log";
/** Another name of the control socket: a link. */
export const CONTROL = "control";
const PID_FILE = "pid";
const UNIX_SOCKET = "socket";
/** Where the server makes its private directory. */
const RUNTIME_DIRECTORY = "run";
const STOP_MS = 40_000;
/** A start leaves alone what is younger: it may be in the making (src/supervisor/directory.ts). */
const YOUNG_MS = 10_000;

export interface Stage {
  readonly server: Service;
  readonly door: Door;
}

export function startStage(
  place: Place,
  shape: Shape,
  more: readonly string[] = [],
  env: Readonly<Record<string, string>> = {},
): Stage {
  mkdirSync(place.of(RUNTIME_DIRECTORY));
  // Under names that no module of the tests has.
  for (const name of ["app.py", "wsgi_app.py", "websocket.py"]) {
    place.write(`chaos_${name}`, readFileSync(HERE + name));
  }
  const unix = shape.unix ? place.of(UNIX_SOCKET) : null;
  const { certificate, key } = testCertificate();
  const command = [
    ...[`${repository}/keelback`, "serve"],
    shape.app === "asgi" ? "chaos_app:app" : "chaos_wsgi_app:app",
    ...["--python", examplesPython() ?? "python3", "--bind", "fd://3"],
    ...(unix === null ? [] : ["--bind", `unix:${unix}`]),
    ...(shape.tls ? ["--certfile", certificate, "--keyfile", key] : []),
    ...["--edges", String(shape.edges), "--workers", String(WORKERS)],
    ...["--timeout", `${TIMEOUT_SECONDS}`, "--interrupt", `${INTERRUPT_SECONDS}`],
    ...["--graceful-timeout", "20", "--max-worker-memory", "100m"],
    ...["--access-log", place.of(ACCESS_LOG), "--pid", place.of(PID_FILE)],
    ...["--control", place.of(CONTROL), ...more],
  ];
  const mark = { PLACE: place.path };
  const runtime = { XDG_RUNTIME_DIR: place.of(RUNTIME_DIRECTORY) };
  const server = new Service({
    command,
    cwd: place.path,
    env: { PYTHONDONTWRITEBYTECODE: "1", ...mark, ...runtime, ...env },
    mark: `PLACE=${place.path}`,
    pidFile: place.of(PID_FILE),
  });
  server.start();
  return { server, door: new Door(server.port, shape.tls, unix) };
}

/** Directories of servers that were killed, which the last start should have removed. */
export function leftBehind({ startedAt }: Service, place: Place): string[] {
  const base = place.of(RUNTIME_DIRECTORY);
  return readdirSync(base).filter((name) => {
    const lifeline = `${base}/${name}/lifeline`;
    if (!existsSync(lifeline)) return true;
    return statSync(lifeline).ctimeMs < startedAt - YOUNG_MS && !isHeld(lifeline);
  });
}

/** The server stops in peace, and takes all its processes and files with it. In words what it does not; empty: nothing. */
export async function ended(server: Service, place: Place): Promise<string[]> {
  const all = server.processes();
  const before = leftBehind(server, place);
  const { pid, leads } = server;
  if (!all.some((one) => one.pid === pid)) return ["the server does not run any more"];
  const own = runtimeDirectory(place);
  process.kill(pid, "SIGTERM");
  try {
    await gone(all, STOP_MS);
  } catch (error) {
    for (const one of all.filter(isAlive)) process.kill(one.pid, "SIGKILL");
    return [String(error)];
  }
  server.reap(all);
  const code = leads ? await server.exited : 0;
  const later = server.processes().filter(isAlive);
  return [
    ...(code === 0 ? [] : [`the server ended with status ${code}`]),
    ...later.map(({ pid: one, command }) => `${one} ${command} is left over`),
    ...before.map((name) => `${name} of a killed server is left over`),
    ...(own !== null && existsSync(own) ? [`the server has left ${own}`] : []),
    ...[PID_FILE, CONTROL, UNIX_SOCKET]
      .filter((name) => lstatSync(place.of(name), { throwIfNoEntry: false }) !== undefined)
      .map((name) => `the server has left its ${name}`),
  ];
}

/** Of the server that runs; null: there is none. */
function runtimeDirectory(place: Place): string | null {
  const base = place.of(RUNTIME_DIRECTORY);
  const held = readdirSync(base).find((name) => {
    return existsSync(`${base}/${name}/lifeline`) && isHeld(`${base}/${name}/lifeline`);
  });
  return held === undefined ? null : `${base}/${held}`;
}
