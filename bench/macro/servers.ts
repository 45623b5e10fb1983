/**
 * The servers that are compared: how each is started for a setup. Every one gets the same workers and threads; options
 * beyond that are what its own documentation recommends for production.
 */
import { existsSync } from "node:fs";
import { certificatePath, keyPath } from "./certificate.ts";
import { root, venv } from "./paths.ts";
import type { Setup } from "./types.ts";

const bin = `${venv}/bin`;

export interface Server {
  command(setup: Setup, port: number): string[];
  /** Whether it can run here at all. */
  available(): boolean;
}

const installed = (name: string) => (): boolean => existsSync(`${bin}/${name}`);
/** gunicorn's own default of one thread would make `gthread` pointless. */
const GTHREADS = 4;
function threads(flag: string, setup: Setup): string[] {
  return setup.threads === undefined ? [] : [flag, `${setup.threads}`];
}

const bind = (port: number): string => `127.0.0.1:${port}`;

export function isSecure(setup: Setup): boolean {
  return setup.protocol !== undefined && setup.protocol !== "h1";
}

/** A flag with what the setup asks for, if it does. */
function asked(flag: string, value: string | number | undefined): string[] {
  return value === undefined ? [] : [flag, `${value}`];
}

/** The certificate and key under the server's names for them. */
function tls(setup: Setup, certificate: string, key: string): string[] {
  return isSecure(setup) ? [certificate, certificatePath, key, keyPath] : [];
}

function keelback(extra: readonly string[]): Server {
  return {
    available: () => existsSync(`${root}/keelback`),
    command: (setup, port) => [
      `${root}/keelback`,
      "serve",
      setup.app,
      ...["--interface", setup.interface, "--python", `${bin}/python`],
      ...["--bind", bind(port), "--workers", `${setup.workers}`, "--log-level", "warning"],
      ...threads("--threads", setup),
      ...tls(setup, "--certfile", "--keyfile"),
      ...(setup.protocol === "h3" ? ["--http3"] : []),
      ...asked("--pid", setup.pidFile),
      ...asked("--timeout", setup.timeoutSeconds),
      ...extra,
    ],
  };
}

function gunicorn(kind: string, extra: readonly string[] = []): Server {
  return {
    available: installed("gunicorn"),
    command: (setup, port) => [
      `${bin}/gunicorn`,
      setup.app,
      ...["-k", kind, "-w", `${setup.workers}`, "-b", bind(port), "--log-level", "warning"],
      ...["--worker-connections", "20000", "--keep-alive", "75"],
      ...(kind === "gthread" ? ["--threads", `${setup.threads ?? GTHREADS}`] : []),
      ...asked("--pid", setup.pidFile),
      ...asked("--timeout", setup.timeoutSeconds),
      ...extra,
    ],
  };
}

function uvicorn(websockets: string): Server {
  return {
    available: installed("uvicorn"),
    command: (setup, port) => [
      `${bin}/uvicorn`,
      setup.app,
      ...["--host", "127.0.0.1", "--port", `${port}`, "--workers", `${setup.workers}`],
      ...["--loop", "uvloop", "--http", "httptools", "--ws", websockets, "--no-access-log"],
      ...["--log-level", "warning", "--timeout-keep-alive", "75", "--backlog", "4096"],
      ...asked("--timeout-worker-healthcheck", setup.timeoutSeconds),
      ...tls(setup, "--ssl-certfile", "--ssl-keyfile"),
    ],
  };
}

function granian(extra: readonly string[] = []): Server {
  return {
    available: installed("granian"),
    command: (setup, port) => [
      `${bin}/granian`,
      setup.app,
      ...["--interface", setup.interface, "--host", "127.0.0.1", "--port", `${port}`],
      ...["--workers", `${setup.workers}`, "--backlog", "4096", "--log-level", "warning"],
      ...(setup.interface === "wsgi" ? threads("--blocking-threads", setup) : ["--loop", "uvloop"]),
      ...["--http", setup.protocol === "h2" ? "2" : "1", "--backpressure", "20000"],
      ...tls(setup, "--ssl-certificate", "--ssl-keyfile"),
      ...extra,
    ],
  };
}

/** With its HTTP router, which keeps connections: its processes alone would serve one connection each. */
const uwsgi: Server = {
  available: installed("uwsgi"),
  command: (setup, port) => [
    `${bin}/uwsgi`,
    ...["--master", "--http", bind(port), "--http-keepalive", "--module", setup.app],
    ...["--processes", `${setup.workers}`, "--listen", "4096", "--lazy-apps", "--need-app"],
    // It starts itself anew at a reload, and would take the interpreter that the environment was made from.
    ...[
      "--virtualenv",
      venv,
      "--binary-path",
      `${bin}/python`,
      "--disable-logging",
      "--die-on-term",
    ],
    ...threads("--threads", setup),
    ...asked("--harakiri", setup.timeoutSeconds),
  ],
};

export const servers: Record<string, Server> = {
  keelback: keelback([]),
  "keelback sync": keelback(["--worker", "sync"]),
  "keelback preload": keelback(["--preload"]),
  granian: granian(),
  "granian respawn": granian(["--respawn-failed-workers"]),
  uvicorn: uvicorn("websockets"),
  "uvicorn wsproto": uvicorn("wsproto"),
  "gunicorn sync": gunicorn("sync"),
  "gunicorn gthread": gunicorn("gthread"),
  "gunicorn asgi": gunicorn("asgi"),
  "gunicorn preload": gunicorn("gthread", ["--preload"]),
  hypercorn: {
    available: installed("hypercorn"),
    command: (setup, port) => [
      `${bin}/hypercorn`,
      setup.app,
      ...["--bind", bind(port), "--workers", `${setup.workers}`, "--worker-class", "uvloop"],
      ...["--log-level", "warning", "--backlog", "4096", "--keep-alive", "75"],
      ...tls(setup, "--certfile", "--keyfile"),
      ...(setup.protocol === "h3" ? ["--quic-bind", bind(port)] : []),
    ],
  },
  waitress: {
    available: installed("waitress-serve"),
    command: (setup, port) => [
      `${bin}/waitress-serve`,
      `--listen=${bind(port)}`,
      ...threads("--threads", setup),
      ...["--connection-limit=20000", "--backlog=4096", "--asyncore-use-poll"],
      "--max-request-body-size=4294967296",
      setup.app,
    ],
  },
  uwsgi,
  bjoern: {
    available: hasBjoern,
    command: (setup, port) => [`${bin}/python`, "bjoern_serve.py", setup.app, `${port}`],
  },
};

function hasBjoern(): boolean {
  return Bun.spawnSync([`${bin}/python`, "-c", "import bjoern"]).exitCode === 0;
}
