/** Toxiproxy: a proxy that delays, throttles, slices and cuts connections. `tools/setup.ts chaos` builds it. */
import { existsSync, readFileSync, readdirSync, readlinkSync } from "node:fs";
import { eventually } from "../apps_life/serve.ts";
import { repository } from "../support/server.ts";

const PROGRAM = `${repository}/.cache/go/bin/toxiproxy`;
const LISTENS = "0A";

export interface Toxic {
  readonly type: string;
  readonly attributes: Readonly<Record<string, number>>;
  /** To the server (`upstream`) or to the client (`downstream`). */
  readonly streams: readonly ("upstream" | "downstream")[];
}

export class Toxiproxy implements AsyncDisposable {
  readonly #process: Bun.Subprocess<"ignore", "ignore", "ignore">;
  readonly #api: string;
  #count = 0;

  private constructor(child: Bun.Subprocess<"ignore", "ignore", "ignore">, api: string) {
    this.#process = child;
    this.#api = api;
  }

  /** Without it a part of the faults would be left out, which must not pass for a run. */
  static async start(seed: number): Promise<Toxiproxy> {
    if (!existsSync(PROGRAM)) {
      throw new Error("toxiproxy is missing: `bun tools/setup.ts chaos` builds it (it needs go)");
    }
    const command = [PROGRAM, "-host", "127.0.0.1", "-port", "0", "-seed", `${seed}`];
    const child = Bun.spawn(command, { stdin: "ignore", stdout: "ignore", stderr: "ignore" });
    const port = await eventually("toxiproxy to listen", () => listeningPort(child.pid));
    return new Toxiproxy(child, `http://127.0.0.1:${port}`);
  }

  /** Runs `work` with a port behind which the server is reached with this toxic. */
  async with(port: number, toxic: Toxic, work: (port: number) => Promise<void>): Promise<void> {
    this.#count += 1;
    const name = `chaos${this.#count}`;
    const upstream = `127.0.0.1:${port}`;
    const made = await this.#ask("POST", "/proxies", { name, listen: "127.0.0.1:0", upstream });
    const { type, attributes, streams } = toxic;
    for (const stream of streams) {
      const body = { name: stream, type, attributes, stream };
      await this.#ask("POST", `/proxies/${name}/toxics`, body);
    }
    try {
      await work(Number(/:(\d+)$/.exec(made.listen ?? "")?.[1]));
    } finally {
      await this.#ask("DELETE", `/proxies/${name}`);
    }
  }

  async #ask(method: string, path: string, body?: object): Promise<{ readonly listen?: string }> {
    const options = body === undefined ? {} : { body: JSON.stringify(body) };
    const response = await fetch(this.#api + path, { method, ...options });
    const text = await response.text();
    if (!response.ok) throw new Error(`toxiproxy: ${method} ${path}: ${text}`);
    return text === "" ? {} : (JSON.parse(text) as { listen?: string });
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#process.kill("SIGKILL");
    await this.#process.exited;
  }
}

/** It does not say which port the kernel gave it. */
function listeningPort(pid: number): number | undefined {
  const own = new Set(
    readdirSync(`/proc/${pid}/fd`).flatMap((fd) => {
      try {
        return /^socket:\[(\d+)\]$/.exec(readlinkSync(`/proc/${pid}/fd/${fd}`))?.[1] ?? [];
      } catch {
        return [];
      }
    }),
  );
  for (const line of readFileSync("/proc/net/tcp", "utf8").split("\n")) {
    const fields = line.trim().split(/\s+/);
    if (fields[3] !== LISTENS || !own.has(fields[9] ?? "")) continue;
    return parseInt(fields[1]!.split(":")[1]!, 16);
  }
  return undefined;
}
