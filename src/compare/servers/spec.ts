/**
 * What is known of a server: what it can serve, where it comes from and the command line that runs it for a setup. A command line is data;
 * nothing here starts anything.
 */
import { existsSync } from "node:fs";
import { delimiter, dirname, join } from "node:path";
import type { Interface, Protocol, Row, Setup } from "../types.ts";

export interface Listen {
  /** On 127.0.0.1. */
  readonly port: number;
  /** Of this one start: `files` go there, and for TLS `certificatePath` and `keyPath` are there already. */
  readonly directory: string;
}

/** What is to be started, and what has to be there before. */
export interface Launch {
  readonly argv: readonly string[];
  /** Besides the environment of whoever starts it. */
  readonly env?: Record<string, string>;
  /** Left out: the app's directory. */
  readonly cwd?: string;
  /** Content by name, in the directory of the start. */
  readonly files?: Record<string, string | Uint8Array>;
}

/** What a server then really runs with: the table shows this, not what was asked for. */
export interface Resources {
  readonly workers: number;
  readonly threads?: number;
  /** Why it is another number than asked for. */
  readonly note?: string;
}

/** What must be there for a server to run. All of it. */
export interface Needs {
  /** Names of distributions; of several in one entry (`uWSGI|pyuwsgi`) any. The first entry's version is the server's. */
  readonly distributions: readonly string[];
  /** Modules that some versions of them lack, and what these are. */
  readonly modules?: Readonly<Record<string, string>>;
  /** What a protocol needs besides: HTTP/2 and 3 are extras of most. */
  readonly protocols?: Partial<Record<Protocol, readonly string[]>>;
  /** Versions of Python, the lowest. */
  readonly python?: string;
}

export interface ServerSpec {
  /** Unique: `gunicorn gthread`, `threading (pool)`. */
  readonly name: string;
  readonly kind: Row["kind"];
  /** The project: `gunicorn`. */
  readonly family: string;
  readonly interfaces: readonly Interface[];
  readonly protocols: readonly Protocol[];
  readonly websocket: boolean;
  /** What `--install` gives to pip. */
  readonly pip: readonly string[];
  readonly needs: Needs;
  /** For development only, or to learn from: the table says so. */
  readonly label?: string;
  /** `threads` of the setup changes something. */
  readonly threaded?: boolean;
  resources(setup: Setup): Resources;
  command(setup: Setup, listen: Listen): Launch;
}

/** As many connections as any server is told to hold, and seconds to keep an idle one: `equal` means these too. */
export const CONNECTIONS = 20_000;
export const KEEP_ALIVE = 75;
/** The kernel's own bound of connections that wait to be accepted, where nobody changed it. */
export const BACKLOG = 4096;
/** For servers of threads that have one by default, which would make them pointless. */
export const THREADS = 4;

/** The launcher of servers that have no command line of their own. */
export const launcher: string = new URL("launch.py", import.meta.url).pathname;

export const certificatePath = (listen: Listen): string => join(listen.directory, "cert.pem");
/** Beside it under the name that HAProxy looks for by itself. */
export const keyPath = (listen: Listen): string => `${certificatePath(listen)}.key`;

export function isSecure(setup: Setup): boolean {
  return setup.protocol !== undefined && setup.protocol !== "h1";
}

export function isEqual(setup: Setup): boolean {
  return setup.mode === "equal";
}

export const address = (listen: Listen): string => `127.0.0.1:${listen.port}`;

/** The certificate and key under the server's names for them; none without TLS. */
export function tls(setup: Setup, listen: Listen, certificate: string, key: string): string[] {
  return isSecure(setup) ? [certificate, certificatePath(listen), key, keyPath(listen)] : [];
}

/** `flag N`, where the setup says a number of threads. */
export function threads(flag: string, setup: Setup): string[] {
  return asked(flag, setup.threads);
}

/** `flag VALUE`, where the setup has one. */
export function asked(flag: string, value: string | number | undefined): string[] {
  return value === undefined ? [] : [flag, `${value}`];
}

/** A list of options that only some setups have. */
export function when(condition: boolean, ...options: string[]): string[] {
  return condition ? options : [];
}

/** The program of this name that belongs to an interpreter, else the one on PATH, else just the name. */
export function program(python: string, ...names: readonly string[]): string {
  const path = (process.env["PATH"] ?? "").split(delimiter);
  for (const directory of [dirname(python), ...path]) {
    for (const name of names) {
      if (directory !== "" && existsSync(join(directory, name))) return join(directory, name);
    }
  }
  return names[0] ?? "";
}

/** Asked workers and threads. */
export function asAsked(setup: Setup): Resources {
  const { workers } = setup;
  return setup.threads === undefined ? { workers } : { workers, threads: setup.threads };
}

/** Asked workers; an event loop each. */
export function loops(setup: Setup): Resources {
  return { workers: setup.workers };
}

/** One process, whatever is asked. */
export function oneProcess(setup: Setup, more: Omit<Resources, "workers"> = {}): Resources {
  const note = "has one process, whatever the number of workers";
  return { workers: 1, ...(setup.workers === 1 ? {} : { note }), ...more };
}
