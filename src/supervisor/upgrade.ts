/**
 * The replacement of a running server by a new one, from the files and settings that are there now.
 * The new supervisor gets the listening sockets, starts its own edges and workers, and says when
 * they serve; then this one is to finish what runs. Until then nothing here changes: a new one that
 * ends, or does not come to serve in time, is given up, and the old one serves on.
 */
import type { Subprocess } from "bun";
import type { InheritedSocket } from "../net/succession.ts";

/** KEELBACK_UPGRADE, as JSON: what the predecessor leaves, by descriptors of the new process. */
export interface Inheritance {
  readonly sockets: readonly InheritedSocket[];
  readonly pidFile: { readonly path: string; readonly fd: number } | null;
  /** `keelback ctl drain` was said to it, and nothing else since. */
  readonly drained: boolean;
  /** A socket to the service manager, which is outside of this root directory. */
  readonly notifySocket: number | null;
}

/** From the new one: it serves, and whether it has made the PID file its own. */
export interface SuccessorReady {
  readonly t: "ready";
  readonly pidFile: boolean;
}
/** To the new one: it is the server now. */
export interface TakeOver {
  readonly t: "take-over";
  /** As it is by now. */
  readonly drained: boolean;
}

export const UPGRADE_VARIABLE = "KEELBACK_UPGRADE";
const FIRST_DESCRIPTOR = 3;

export interface UpgradeOptions {
  readonly command: readonly string[];
  /** Where this server was started; by name, as a release may be a symbolic link. */
  readonly directory: string;
  readonly env: Readonly<Record<string, string | undefined>>;
  /** By this process's descriptors. */
  readonly inheritance: Inheritance;
  /** For the new one to serve; Infinity: as long as it takes. */
  readonly withinMs: number;
  /** What it tells the new one. */
  succeeded(pid: number, ready: SuccessorReady): Omit<TakeOver, "t">;
  failed(why: string): void;
}

type Successor = Subprocess<"ignore", "inherit", "inherit">;

export class Upgrade {
  readonly #options: UpgradeOptions;
  readonly #process: Successor;
  readonly #timer: Timer | null;
  #settled = false;

  /** Throws when the program cannot be run. */
  constructor(options: UpgradeOptions) {
    this.#options = options;
    const { command, directory, env, inheritance } = options;
    const { descriptors, renumbered } = renumber(inheritance);
    this.#process = Bun.spawn([...command], {
      cwd: directory,
      env: { ...env, [UPGRADE_VARIABLE]: JSON.stringify(renumbered) },
      stdio: ["ignore", "inherit", "inherit", ...descriptors],
      // It outlives this one, and the terminal's signals are for the one that serves.
      detached: true,
      ipc: (message) => this.#ready(message as SuccessorReady),
      onExit: (_, status, signal) => this.#ended(status, signal),
    });
    const { withinMs } = options;
    this.#timer = withinMs === Infinity ? null : setTimeout(() => this.#late(), withinMs);
    this.#timer?.unref();
  }

  get pid(): number {
    return this.#process.pid;
  }

  get running(): boolean {
    return !this.#settled;
  }

  /** The server is to end: so is what would replace it. */
  cancel(): void {
    if (this.#settled) return;
    this.#settle();
    this.#process.kill("SIGTERM");
  }

  #ready(message: SuccessorReady): void {
    if (this.#settled || message.t !== "ready") return;
    this.#settle();
    const answer: TakeOver = { t: "take-over", ...this.#options.succeeded(this.pid, message) };
    this.#process.send(answer);
    this.#process.unref();
  }

  #ended(status: number | null, signal: number | string | null): void {
    if (this.#settled) return;
    this.#settle();
    const how = signal === null ? `ended with status ${status}` : `was killed by signal ${signal}`;
    this.#options.failed(`the new one (pid ${this.pid}) ${how}; its messages say why`);
  }

  #late(): void {
    if (this.#settled) return;
    this.#settle();
    this.#process.kill("SIGKILL");
    const seconds = this.#options.withinMs / 1000;
    this.#options.failed(`the new one (pid ${this.pid}) did not serve within ${seconds} s`);
  }

  #settle(): void {
    this.#settled = true;
    if (this.#timer !== null) clearTimeout(this.#timer);
  }
}

/**
 * A child's descriptors are numbered in the order in which they are passed. Those that the settings
 * may call by their number keep it.
 */
function renumber({ sockets, pidFile, notifySocket, ...rest }: Inheritance): {
  readonly descriptors: readonly (number | "ignore")[];
  readonly renumbered: Inheritance;
} {
  const slots: (number | undefined)[] = [];
  const place = (fd: number, kept: boolean): number => {
    const free = slots.findIndex((slot) => slot === undefined);
    const at = kept ? fd - FIRST_DESCRIPTOR : free < 0 ? slots.length : free;
    for (let gap = slots.length; gap < at; gap++) slots[gap] = undefined;
    slots[at] = fd;
    return at + FIRST_DESCRIPTOR;
  };
  const passed = sockets.filter(({ passedAs }) => passedAs !== null);
  const own = sockets.filter(({ passedAs }) => passedAs === null);
  const renumbered = [
    ...passed.map((socket) => ({ ...socket, fd: place(socket.fd, true) })),
    ...own.map((socket) => ({ ...socket, fd: place(socket.fd, false) })),
  ];
  const file = pidFile === null ? null : { ...pidFile, fd: place(pidFile.fd, false) };
  const notify = notifySocket === null ? null : place(notifySocket, false);
  const descriptors = slots.map((fd) => fd ?? ("ignore" as const));
  return {
    descriptors,
    renumbered: { ...rest, sockets: renumbered, pidFile: file, notifySocket: notify },
  };
}
