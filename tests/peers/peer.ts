/**
 * Starts the other servers, in the versions of tools/requirements/peers.txt, with the apps of tests/apps_life: what they do is
 * the reproduction of a complaint, to which Keelback's outcome is compared. `tools/setup.ts test` installs them.
 */
import { existsSync } from "node:fs";
import { Glob } from "bun";
import { descendants, gone } from "../apps_life/processes.ts";
import { appsDirectory, ask, eventually, type Place } from "../apps_life/serve.ts";
import { launch, repository } from "../support/server.ts";

const venv = `${repository}/.cache/peers-venv`;
const bin = `${venv}/bin`;

export interface Peer {
  readonly pid: number;
  /** A port, or the path of a unix socket: what a client connects to. */
  readonly address: number | string;
  output(): string;
  waitForLine(pattern: RegExp, timeoutMs?: number): Promise<string>;
  kill(signal: NodeJS.Signals): void;
  readonly exited: Promise<number>;
  [Symbol.asyncDispose](): Promise<void>;
}

const START_MS = 40_000;

type Name = "gunicorn" | "uvicorn" | "granian" | "hypercorn" | "uwsgi";

/** What makes each of them listen where nobody else does, and leave nothing in the home directory. */
const WHERE: Record<Name, (place: Place) => string[]> = {
  gunicorn: () => ["--bind", "127.0.0.1:0", "--no-control-socket"],
  uvicorn: () => ["--host", "127.0.0.1", "--port", "0"],
  // With port 0 each worker would have a port of its own.
  granian: (place) => ["--uds", place.of("granian.sock")],
  hypercorn: () => ["--bind", "127.0.0.1:0"],
  // At a reload it would take another port.
  uwsgi: (place) => ["--http-socket", place.of("uwsgi.sock"), "--master"],
};

export interface PeerOptions {
  place: Place;
  /** Where the app's module is; by default tests/apps_life. */
  cwd?: string;
  /** Whether `/pid` must be answered first; by default it must. */
  ready?: boolean;
}

/** Starts it; resolves when `/pid` is answered. `words` are its name, its options and the app. */
export async function startPeer(words: readonly string[], options: PeerOptions): Promise<Peer> {
  const [name = "", ...rest] = words;
  const { place, cwd = appsDirectory, ready = true } = options;
  const where = WHERE[name as Name](place);
  if (!existsSync(`${bin}/${name}`)) throw new Error(`${name} is missing: tools/setup.ts test`);
  const server = await launch([`${bin}/${name}`, ...where, ...rest], {
    cwd,
    env: {
      ...process.env,
      ...{ PYTHONDONTWRITEBYTECODE: "1", PYTHONPATH: pythonPath(), PLACE: place.path },
    },
  });
  const address = server.port === 0 ? place.of(`${name}.sock`) : server.port;
  const end = async (): Promise<void> => {
    // Stopped, it starts nobody anew while its children are ended.
    server.kill("SIGSTOP");
    const children = descendants(server.pid);
    for (const { pid } of children) killed(pid);
    server.kill("SIGKILL");
    await server.exited;
    await gone(children);
  };
  const peer = { ...server, address, [Symbol.asyncDispose]: end };
  try {
    await eventually(
      () => `an answer of ${name}; it said:\n${server.output()}`,
      () => !ready || answers(address),
      START_MS,
    );
  } catch (error) {
    await end();
    throw error;
  }
  return peer;
}

/** The apps, and what uWSGI would not find when it starts itself anew: its wheel forgets the environment it came from. */
function pythonPath(): string {
  const [packages] = [
    ...new Glob("lib/python*/site-packages").scanSync({ cwd: venv, onlyFiles: false }),
  ];
  return [appsDirectory, ...(packages === undefined ? [] : [`${venv}/${packages}`])].join(":");
}

function killed(pid: number): void {
  try {
    process.kill(pid, "SIGKILL");
  } catch {
    // It has ended by itself.
  }
}

async function answers(address: number | string): Promise<boolean> {
  try {
    return (await ask(address, "/pid")).status === 200;
  } catch {
    return false;
  }
}
