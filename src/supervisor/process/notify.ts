/**
 * What the service manager is told (sd_notify(3)): datagrams to NOTIFY_SOCKET. Without one, nothing
 * happens. A manager that does not read holds up nobody: what it cannot take yet waits, in order
 * and up to a bound.
 */
import { encodeAbstract, encodeUnix } from "../../net/address.ts";
import {
  connectDatagram,
  monotonicMicroseconds,
  sendDatagram,
  sendOn,
} from "../../net/this-process.ts";
import type { Logger } from "../../observe/log.ts";

const WAITING_MAX = 64;
const RETRY_MS = 50;

type Environment = Record<string, string | undefined>;

export interface NotifySettings {
  readonly socket: string;
  /** How long the manager waits for a sign of life, in microseconds; null: it does not. */
  readonly watchdogMicroseconds: number | null;
}

/** Takes the variables out of the environment: they are not the app's. */
export function takeNotifySettings(env: Environment, pid: number): NotifySettings | null {
  const { NOTIFY_SOCKET: socket, WATCHDOG_USEC: microseconds, WATCHDOG_PID: watched } = env;
  for (const name of ["NOTIFY_SOCKET", "WATCHDOG_USEC", "WATCHDOG_PID"]) delete env[name];
  if (socket === undefined || !/^[/@]./.test(socket)) return null;
  const forUs = watched === undefined || watched === "" || Number(watched) === pid;
  const period = /^\d+$/.test(microseconds ?? "") ? Number(microseconds) : 0;
  return { socket, watchdogMicroseconds: forUs && period > 0 ? period : null };
}

/** Before the root directory changes: a socket to the manager, whose path leads nowhere from inside; null: none, or none is needed. */
export function keepNotifySocket({ NOTIFY_SOCKET: socket }: Environment): number | null {
  return socket?.startsWith("/") === true ? connectDatagram(encodeUnix(socket)) : null;
}

/** The variables for a successor, which is another process. */
export function notifyVariables(settings: NotifySettings | null): Record<string, string> {
  if (settings === null) return {};
  const { socket, watchdogMicroseconds } = settings;
  const watchdog =
    watchdogMicroseconds === null ? {} : { WATCHDOG_USEC: String(watchdogMicroseconds) };
  return { NOTIFY_SOCKET: socket, ...watchdog };
}

export class Notifier {
  readonly settings: NotifySettings | null;
  /** From outside of this root directory. */
  readonly kept: number | null;
  readonly #address: Uint8Array;
  readonly #log: Logger;
  readonly #waiting: string[] = [];
  #retry: Timer | null = null;
  #watchdog: Timer | null = null;
  #closed = false;

  constructor(settings: NotifySettings | null, log: Logger, kept: number | null) {
    this.settings = settings;
    this.kept = kept;
    this.#log = log;
    const socket = settings?.socket ?? "";
    this.#address = socket.startsWith("@") ? encodeAbstract(socket.slice(1)) : encodeUnix(socket);
  }

  /** Signs of life from now on, twice as often as they are asked for. */
  start(): void {
    const microseconds = this.settings?.watchdogMicroseconds ?? null;
    if (microseconds === null || this.#watchdog !== null) return;
    const alive = (): void => this.#send(["WATCHDOG=1"]);
    alive();
    this.#watchdog = setInterval(alive, Math.max(1, Math.floor(microseconds / 2000)));
    this.#watchdog.unref();
  }

  /** It serves: after the start, and at the end of a reload that came to something or not. */
  ready(status: string): void {
    this.#send(["READY=1", `MAINPID=${process.pid}`, statusLine(status)]);
  }

  reloading(status: string): void {
    const now = `MONOTONIC_USEC=${monotonicMicroseconds()}`;
    this.#send(["RELOADING=1", now, statusLine(status)]);
  }

  stopping(status: string): void {
    this.#send(["STOPPING=1", statusLine(status)]);
  }

  status(status: string): void {
    this.#send([statusLine(status)]);
  }

  /** Another process is the server from now on; this one says nothing more. */
  handOver(pid: number, status: string): void {
    this.#send([`MAINPID=${pid}`, statusLine(status)]);
    this.close();
  }

  close(): void {
    this.#closed = true;
    if (this.#watchdog !== null) clearInterval(this.#watchdog);
  }

  #send(lines: readonly string[]): void {
    if (this.settings === null || this.#closed) return;
    if (this.#waiting.length >= WAITING_MAX) this.#waiting.shift();
    this.#waiting.push(lines.join("\n"));
    if (this.#retry === null) this.#flush();
  }

  #flush(): void {
    this.#retry = null;
    for (;;) {
      const [message] = this.#waiting;
      if (message === undefined) return;
      const failed =
        this.kept === null ? sendDatagram(this.#address, message) : sendOn(this.kept, message);
      if (failed === "EAGAIN" || failed === "ENOBUFS") {
        this.#retry = setTimeout(() => this.#flush(), RETRY_MS);
        return;
      }
      this.#waiting.shift();
      if (failed !== null) {
        const { socket } = this.settings ?? { socket: "" };
        this.#log.warning(`the service manager cannot be told at ${socket}: ${failed}`);
      }
    }
  }
}

function statusLine(status: string): string {
  return `STATUS=${status.replaceAll(/\s+/g, " ")}`;
}
