/**
 * The server that a protocol test talks to: Keelback, or a peer of the benchmark environment that answers the same app.
 * A test written against peers shows that the test is right, not only that Keelback agrees with it.
 */
import { existsSync } from "node:fs";
import { createServer } from "node:net";
import type { AddressInfo } from "node:net";
import type { Certificate } from "./certificate.ts";
import { repository, startServer } from "./server.ts";

export const TARGETS = ["keelback", "uvicorn", "uvicorn wsproto", "granian", "hypercorn"] as const;
export type TargetName = (typeof TARGETS)[number];

export interface TargetOptions {
  /** `module:attribute`, in tests/apps. */
  app: string;
  /** Given: the server speaks TLS. */
  certificate?: Certificate;
  /** QUIC on the port's UDP side too; needs a certificate. */
  http3?: boolean;
  /** Nothing but HTTP/2, for servers that can be told so. */
  http2Only?: boolean;
  /** Further arguments for Keelback. */
  args?: readonly string[];
}

export interface Target extends AsyncDisposable {
  /** Ends without a slash. */
  url: string;
  port: number;
  output(): string;
}

const apps = `${repository}/tests/apps`;
const bin = `${repository}/.cache/bench-venv/bin`;
const START_TIMEOUT_MS = 20_000;
const STOP_TIMEOUT_MS = 5000;
const MESSAGE_BYTES_MAX = 16 * 1024 * 1024;

/** Peers print no address for port 0, so one has to be chosen. */
async function freePort(): Promise<number> {
  const probe = createServer();
  const { promise, resolve } = Promise.withResolvers<number>();
  probe.listen(0, "127.0.0.1", () => {
    // listen() with a host and a port gives an AddressInfo
    const { port } = probe.address() as AddressInfo;
    probe.close(() => resolve(port));
  });
  return promise;
}

function tls(options: TargetOptions, flags: readonly [string, string]): string[] {
  const { certificate } = options;
  return certificate === undefined
    ? []
    : [flags[0], certificate.certificate, flags[1], certificate.key];
}

function uvicorn(websockets: string) {
  return (options: TargetOptions, port: number): string[] => [
    ...["uvicorn", options.app, "--host", "127.0.0.1", "--port", `${port}`, "--no-access-log"],
    ...["--ws", websockets, "--ws-max-size", `${MESSAGE_BYTES_MAX}`, "--ws-ping-interval", "300"],
    ...tls(options, ["--ssl-certfile", "--ssl-keyfile"]),
  ];
}

/** What a peer prints once it listens. */
const LISTENING = /running on|started worker/i;

const peers: Record<string, (options: TargetOptions, port: number) => string[]> = {
  uvicorn: uvicorn("websockets"),
  "uvicorn wsproto": uvicorn("wsproto"),
  granian: (options, port) => [
    ...["granian", options.app, "--interface", "asgi", "--host", "127.0.0.1"],
    ...["--port", `${port}`, "--http", options.http2Only === true ? "2" : "auto"],
    ...["--ssl-protocol-min", "tls1.2"],
    ...tls(options, ["--ssl-certificate", "--ssl-keyfile"]),
  ],
  hypercorn: (options, port) => [
    ...["hypercorn", options.app, "--bind", `127.0.0.1:${port}`],
    ...tls(options, ["--certfile", "--keyfile"]),
    ...(options.http3 === true ? ["--quic-bind", `127.0.0.1:${port}`] : []),
  ],
};

async function startKeelback(options: TargetOptions): Promise<Target> {
  const scheme = options.certificate === undefined ? "http" : "https";
  const server = await startServer({
    app: options.app,
    cwd: apps,
    args: [
      ...["--interface", "asgi", "--workers", "1", ...tls(options, ["--certfile", "--keyfile"])],
      ...(options.http3 === true ? ["--http3"] : []),
      ...(options.args ?? []),
    ],
  });
  return {
    url: `${scheme}://127.0.0.1:${server.port}`,
    port: server.port,
    output: () => server.output(),
    [Symbol.asyncDispose]: async () => {
      await server.stop();
    },
  };
}

async function startPeer(name: TargetName, options: TargetOptions): Promise<Target> {
  const command = peers[name];
  if (command === undefined) throw new Error(`no server is called ${name}`);
  const port = await freePort();
  const [program = "", ...args] = command(options, port);
  if (!existsSync(`${bin}/${program}`)) throw new Error(`${program} is not installed here`);
  const child = Bun.spawn([`${bin}/${program}`, ...args], {
    cwd: apps,
    env: { ...process.env, PYTHONPATH: "." },
    stdio: ["ignore", "pipe", "pipe"],
  });
  let text = "";
  const listening = Promise.withResolvers<void>();
  const read = async (stream: ReadableStream<Uint8Array>): Promise<void> => {
    const decoder = new TextDecoder();
    for await (const chunk of stream) {
      text += decoder.decode(chunk, { stream: true });
      if (LISTENING.test(text)) listening.resolve();
    }
  };
  void Promise.all([read(child.stdout), read(child.stderr)]).then(() =>
    listening.reject(new Error(`${name} ended:\n${text}`)),
  );
  const stop = async (): Promise<void> => {
    child.kill("SIGTERM");
    const timer = setTimeout(() => child.kill("SIGKILL"), STOP_TIMEOUT_MS);
    await child.exited;
    clearTimeout(timer);
  };
  const timer = setTimeout(() => {
    listening.reject(new Error(`${name} does not listen:\n${text}`));
    child.kill("SIGKILL");
  }, START_TIMEOUT_MS);
  await listening.promise.finally(() => clearTimeout(timer));
  const scheme = options.certificate === undefined ? "http" : "https";
  return {
    url: `${scheme}://127.0.0.1:${port}`,
    port,
    output: () => text,
    [Symbol.asyncDispose]: stop,
  };
}

/** Starts the server and waits until it listens; rejects with what it printed when it does not. */
export async function startTarget(name: TargetName, options: TargetOptions): Promise<Target> {
  return name === "keelback" ? startKeelback(options) : startPeer(name, options);
}

/** The server that PROTOCOL_PEER names, else Keelback. */
export function targetName(): TargetName {
  const asked = process.env.PROTOCOL_PEER ?? "keelback";
  const name = TARGETS.find((known) => known === asked);
  if (name === undefined) throw new Error(`PROTOCOL_PEER=${asked}: one of ${TARGETS.join(", ")}`);
  return name;
}
