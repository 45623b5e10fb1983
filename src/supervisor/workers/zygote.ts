/**
 * A zygote process and what it is asked to do. Requests to fork wait until it has connected. Its
 * output goes to the log once it has; before, it is kept: should it end, its last lines say why.
 */
import type { Subprocess } from "bun";
import type { ControlPeer } from "./control.ts";
import type { Failure } from "../failure.ts";
import { readLines } from "./output.ts";

const KEPT_LINES_MAX = 40;

export interface ZygoteOptions {
  readonly interpreter: string;
  /** python/keelback/__main__.py */
  readonly entry: string;
  /** KEELBACK_ZYGOTE. */
  readonly settings: string;
  readonly generation: number;
  line(text: string): void;
  ended(zygote: Zygote): void;
}

export class Zygote {
  readonly generation: number;
  /** What it said before it ended, when it could not start. */
  failure: Failure | null = null;
  readonly #options: ZygoteOptions;
  readonly #process: Subprocess<"ignore", "pipe", "pipe">;
  #peer: ControlPeer | null = null;
  #waiting: object[] = [];
  #kept: string[] = [];
  #over = false;

  /** Throws when the interpreter cannot be run. */
  constructor(options: ZygoteOptions) {
    this.#options = options;
    this.generation = options.generation;
    const { interpreter, entry, settings } = options;
    this.#process = Bun.spawn([interpreter, entry], {
      stdin: "ignore",
      stdout: "pipe",
      stderr: "pipe",
      env: { ...process.env, KEELBACK_ZYGOTE: settings },
      // A session of its own: the terminal's Ctrl-C is for the supervisor.
      detached: true,
    });
    const line = (text: string): void => this.#line(text);
    const read = [readLines(this.#process.stdout, line), readLines(this.#process.stderr, line)];
    void this.#waitForEnd(read);
  }

  get pid(): number {
    return this.#process.pid;
  }

  get over(): boolean {
    return this.#over;
  }

  connected(peer: ControlPeer): void {
    this.#peer = peer;
    for (const text of this.#kept) this.#options.line(text);
    this.#kept = [];
    for (const message of this.#waiting) peer.send(message);
    this.#waiting = [];
  }

  fork(worker: number, slot: number): void {
    this.#send({ t: "fork", worker, slot, name: `worker-${worker}` });
  }

  /** It ends when its workers have. */
  stop(): void {
    this.#send({ t: "stop" });
  }

  abort(): void {
    if (!this.#over) this.#process.kill("SIGABRT");
  }

  kill(): void {
    if (!this.#over) this.#process.kill("SIGKILL");
  }

  get exited(): Promise<unknown> {
    return this.#process.exited;
  }

  #send(message: object): void {
    if (this.#peer === null) this.#waiting.push(message);
    else this.#peer.send(message);
  }

  #line(text: string): void {
    if (this.#peer !== null) {
      this.#options.line(text);
    } else {
      this.#kept.push(text);
      if (this.#kept.length > KEPT_LINES_MAX) this.#kept.shift();
    }
  }

  async #waitForEnd(read: readonly Promise<void>[]): Promise<void> {
    const status = await this.#process.exited;
    // Workers hold the pipes open when they outlive it: only a failed start is waited for.
    if (this.#peer === null) await Promise.all(read);
    this.#over = true;
    if (this.#peer === null || status !== 0) this.failure ??= this.#failure(status);
    this.#options.ended(this);
  }

  #failure(status: number): Failure {
    const { interpreter } = this.#options;
    const connected = this.#peer !== null;
    return {
      stage: "python",
      message: `${interpreter} ended with status ${status} before it could start the app`,
      traceback: this.#kept.join("\n"),
      hint: connected
        ? "its output above says why"
        : "keelback needs CPython 3.9 or newer; name another with --python",
    };
  }
}
