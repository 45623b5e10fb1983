/**
 * A real nginx or HAProxy in front of the server under test: in the foreground, from a directory of its own, listening on a unix socket
 * there, because neither can be asked which port it got. It is ready when that takes connections.
 */
import { existsSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { eventually } from "../apps_life/serve.ts";
import { RawClient } from "./raw-client.ts";

const NGINX = "/usr/sbin/nginx";
const STREAM_MODULE = "/usr/lib/nginx/modules/ngx_stream_module.so";
const HAPROXY = "/usr/sbin/haproxy";

export const nginxMissing: boolean = !existsSync(NGINX);
export const nginxStreamMissing: boolean = nginxMissing || !existsSync(STREAM_MODULE);
export const haproxyMissing: boolean = !existsSync(HAPROXY);

/** Parts of a configuration; `socket` is where it is to listen, `directory` for what else it needs. */
export type FrontConfig = (socket: string, directory: string) => string;

export class Front implements AsyncDisposable {
  /** Path of the socket it listens on. */
  readonly socket: string;
  readonly #directory: string = mkdtempSync(join(tmpdir(), "keelback-front-"));
  #child: Bun.Subprocess<"ignore", "ignore", "pipe"> | undefined;
  #said = "";

  private constructor() {
    this.socket = join(this.#directory, "front.sock");
  }

  /** `config`: what is in the http block. */
  static nginx(config: FrontConfig): Promise<Front> {
    return Front.#nginx("", (socket, directory) => {
      const temp = ["client_body", "proxy", "fastcgi", "uwsgi", "scgi"].map(
        (kind) => `${kind}_temp_path ${join(directory, kind)};`,
      );
      return `http { access_log off; ${temp.join(" ")}\n${config(socket, directory)}\n}`;
    });
  }

  /** `config`: what is in the stream block. */
  static nginxStream(config: FrontConfig): Promise<Front> {
    const module = `load_module ${STREAM_MODULE};`;
    return Front.#nginx(module, (...where) => `stream {\n${config(...where)}\n}`);
  }

  static async #nginx(before: string, config: FrontConfig): Promise<Front> {
    const front = new Front();
    const directory = front.#directory;
    // As root it would leave root for a user who cannot go into the directory.
    const user = process.getuid?.() === 0 ? "user root;" : "";
    const text = [
      before,
      user,
      "daemon off; worker_processes 1; error_log stderr;",
      `pid ${join(directory, "pid")};`,
      "events { worker_connections 64; }",
      config(front.socket, directory),
    ].join("\n");
    const file = join(directory, "nginx.conf");
    writeFileSync(file, text);
    await front.#start([NGINX, "-e", "stderr", "-p", directory, "-c", file]);
    return front;
  }

  /** `config`: frontends and backends. */
  static async haproxy(config: FrontConfig): Promise<Front> {
    const front = new Front();
    const defaults = "timeout connect 10s\n  timeout client 60s\n  timeout server 60s";
    const text = `global\ndefaults\n  ${defaults}\n${config(front.socket, front.#directory)}\n`;
    const file = join(front.#directory, "haproxy.cfg");
    writeFileSync(file, text);
    await front.#start([HAPROXY, "-db", "-f", file]);
    return front;
  }

  async #start(command: readonly string[]): Promise<void> {
    const child = Bun.spawn([...command], { stdin: "ignore", stdout: "ignore", stderr: "pipe" });
    this.#child = child;
    void this.#read(child.stderr);
    try {
      await eventually(
        () => `${command[0]} listens; it said:\n${this.#said}`,
        async () => {
          if (child.exitCode !== null) throw new Error(`${command[0]} ended:\n${this.#said}`);
          return listens(this.socket);
        },
      );
    } catch (error) {
      await this[Symbol.asyncDispose]();
      throw error;
    }
  }

  async #read(stderr: ReadableStream<Uint8Array>): Promise<void> {
    const decoder = new TextDecoder();
    for await (const chunk of stderr) this.#said += decoder.decode(chunk, { stream: true });
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#child?.kill("SIGTERM");
    await this.#child?.exited;
    rmSync(this.#directory, { recursive: true, force: true });
  }
}

async function listens(path: string): Promise<boolean> {
  try {
    await using client = await RawClient.connect(path);
    return !client.ended;
  } catch {
    return false;
  }
}
