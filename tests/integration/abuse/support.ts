/** What abuse must not change: descriptors, memory and processor time of a process, as the kernel counts them. */
import { readdirSync, readFileSync } from "node:fs";
import { connect } from "node:net";
import { RawClient } from "../../support/raw-client.ts";

/** clock ticks of /proc: USER_HZ, the same on every Linux. */
const TICKS_PER_SECOND = 100;

export function descriptors(pid: number): number {
  return readdirSync(`/proc/${pid}/fd`).length;
}

export function residentBytes(pid: number): number {
  const status = readFileSync(`/proc/${pid}/status`, "utf8");
  return Number(/^VmRSS:\s+(\d+) kB$/m.exec(status)?.[1]) * 1024;
}

/** Processor time used so far, all threads. */
export function cpuSeconds(pid: number): number {
  const stat = readFileSync(`/proc/${pid}/stat`, "utf8");
  const fields = stat.slice(stat.lastIndexOf(")") + 2).split(" ");
  return (Number(fields[11]) + Number(fields[12])) / TICKS_PER_SECOND;
}

/** The same numbers for the same seed: a failure can be played again. */
export function randomFrom(seed: number): (below: number) => number {
  let state = seed;
  return (below) => {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0;
    return Math.floor((state / 2 ** 32) * below);
  };
}

export function connectAll(port: number, count: number): Promise<RawClient[]> {
  return Promise.all(Array.from({ length: count }, () => RawClient.connect(port)));
}

/** A client that takes nothing of its answer before `finish`, which resolves with the bytes that came, the head included. */
export class SlowReader {
  readonly #socket: ReturnType<typeof connect>;

  constructor(port: number, request: string) {
    this.#socket = connect({ port, host: "127.0.0.1" });
    this.#socket.pause();
    this.#socket.write(request);
  }

  async finish(): Promise<number> {
    const { promise, resolve, reject } = Promise.withResolvers<number>();
    let bytes = 0;
    this.#socket.on("data", (chunk) => {
      bytes += chunk.length;
    });
    this.#socket.on("error", reject);
    this.#socket.on("close", () => resolve(bytes));
    this.#socket.resume();
    return promise;
  }
}
