/** Servers that follow one another by SIGUSR2, and clients that connect anew all the time. */
import { readdirSync, readlinkSync } from "node:fs";
import { RawClient } from "../support/raw-client.ts";
import type { TestServer } from "../support/server.ts";
import { gone, type Process, processOf } from "./processes.ts";
import { eventually, requestText } from "./serve.ts";

/** The servers that have followed the one of the test; they end with it. */
export class Line implements AsyncDisposable {
  readonly #server: TestServer;
  readonly #output: string;

  constructor(server: TestServer) {
    this.#server = server;
    this.#output = outputOf(server.pid);
  }

  /** Sends SIGUSR2 to the newest server; resolves with the one that has taken over. */
  async upgrade(): Promise<Process> {
    const before = this.newest;
    process.kill(before.pid, "SIGUSR2");
    await eventually("another server", () => this.newest.pid !== before.pid);
    return this.newest;
  }

  get newest(): Process {
    const lines = this.#server.output().matchAll(/this is the server now pid=(\d+)/g);
    const pids = [this.#server.pid, ...[...lines].map(([, pid]) => Number(pid))];
    return (
      processOf(pids.at(-1)!) ?? {
        pid: pids.at(-1)!,
        parent: 0,
        started: "",
        state: "X",
        command: "",
      }
    );
  }

  async [Symbol.asyncDispose](): Promise<void> {
    const successors = this.#everyServer().filter(({ pid }) => pid !== this.#server.pid);
    for (const { pid } of successors) terminate(pid);
    await gone(successors);
  }

  /** Those that say what they do where the first one does. */
  #everyServer(): Process[] {
    return readdirSync("/proc")
      .filter((name) => /^\d+$/.test(name) && outputOf(Number(name)) === this.#output)
      .flatMap((name) => processOf(Number(name)) ?? [])
      .filter(({ command }) => command.includes("main.ts serve"));
  }
}

function terminate(pid: number): void {
  try {
    process.kill(pid, "SIGTERM");
  } catch {
    // One that another has followed has just ended by itself.
  }
}

/** What its stderr is. */
function outputOf(pid: number): string {
  try {
    return readlinkSync(`/proc/${pid}/fd/2`);
  } catch {
    return "";
  }
}

/** Clients that make a connection for each request. */
export class Newcomers implements AsyncDisposable {
  answered = 0;
  readonly failures: string[] = [];
  readonly #port: number;
  readonly #clients: Promise<void>[];
  #stopping = false;

  constructor(port: number, count: number) {
    this.#port = port;
    this.#clients = Array.from({ length: count }, () => this.#run());
  }

  async goesOn(count: number): Promise<void> {
    const wanted = this.answered + count;
    const seen = (): string => `${wanted} answers; failures: ${this.failures.join("; ")}`;
    await eventually(seen, () => this.answered >= wanted);
  }

  async stop(): Promise<void> {
    this.#stopping = true;
    await Promise.all(this.#clients);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.stop();
  }

  async #run(): Promise<void> {
    while (!this.#stopping) {
      try {
        await using client = await RawClient.connect(this.#port);
        await client.send(requestText("/", { headers: ["Connection: close"] }));
        const { status } = await client.readResponse();
        if (status !== 200) throw new Error(String(status));
        this.answered += 1;
      } catch (error) {
        this.failures.push(String(error));
      }
    }
  }
}
