/**
 * Runs the clients that are programs: each tries what it can on tests/apps/protocols.py and gives what it saw.
 */
import { createHash } from "node:crypto";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { repository } from "../../support/server.ts";

export interface Tried {
  url: string;
  /** A file to send. */
  upload: string;
  /** Pieces of 64 KiB to download. */
  pieces: number;
  /** A directory to write into. */
  directory: string;
}

export interface Seen {
  version?: string;
  get?: unknown;
  upload?: unknown;
  /** SHA-256 of the body. */
  download?: string;
  websocket?: unknown;
  webSocketOverHttp1?: unknown;
}

const TIMEOUT_MS = 40_000;

async function output(command: readonly string[], input?: string): Promise<string> {
  const child = Bun.spawn([...command], {
    stdin: input === undefined ? "ignore" : new Blob([input]),
    stdout: "pipe",
    stderr: "pipe",
    env: { ...process.env, NODE_TLS_REJECT_UNAUTHORIZED: "0", NODE_NO_WARNINGS: "1" },
    timeout: TIMEOUT_MS,
    killSignal: "SIGKILL",
  });
  const [text, errors] = await Promise.all([child.stdout.text(), child.stderr.text()]);
  const code = await child.exited;
  if (code !== 0) throw new Error(`${command[0]} ended with ${code}: ${errors}${text}`);
  return text;
}

/** `flag` chooses the version, such as --http2. */
export async function curl(flag: string, tried: Tried): Promise<Seen> {
  const { url, upload, pieces, directory } = tried;
  const ask = async (...args: string[]): Promise<string> =>
    output(["curl", "-sSfk", flag, ...args]);
  const got = await ask(`${url}/`, "-w", "\nHTTP/%{http_version}");
  const file = join(directory, "download");
  await ask(`${url}/download?pieces=${pieces}`, "-o", file);
  const [text = "", version = ""] = got.split("\n");
  return {
    version,
    get: JSON.parse(text),
    upload: JSON.parse(await ask(`${url}/upload`, "--data-binary", `@${upload}`)),
    download: createHash("sha256").update(readFileSync(file)).digest("hex"),
  };
}

export async function nghttp(tried: Tried): Promise<Seen> {
  const { url, upload, pieces } = tried;
  const child = Bun.spawn(["nghttp", "--no-verify-peer", `${url}/download?pieces=${pieces}`], {
    stdio: ["ignore", "pipe", "inherit"],
    timeout: TIMEOUT_MS,
  });
  const hash = createHash("sha256");
  for await (const chunk of child.stdout) hash.update(chunk);
  return {
    get: JSON.parse(await output(["nghttp", "--no-verify-peer", `${url}/`])),
    upload: JSON.parse(
      await output(["nghttp", "--no-verify-peer", `--data=${upload}`, `${url}/upload`]),
    ),
    download: hash.digest("hex"),
  };
}

/** The status codes of 400 requests over 4 connections, 10 at once on each. */
export async function h2load(url: string): Promise<string> {
  const said = await output(["h2load", "-n400", "-c4", "-m10", "-t1", `${url}/`]);
  return /^status codes: .*$/m.exec(said)?.[0] ?? said;
}

export async function python(kind: "httpx" | "h2" | "websockets", tried: Tried): Promise<Seen> {
  const interpreter = `${repository}/.cache/interop-venv/bin/python`;
  const program = `${repository}/tests/interop/clients/python_clients.py`;
  const { url, upload, pieces } = tried;
  return JSON.parse(await output([interpreter, program, kind, url, upload, `${pieces}`]));
}

export async function go(version: "h2" | "h3", tried: Tried): Promise<Seen> {
  const program = `${repository}/.cache/go/bin/protocol-client`;
  return JSON.parse(await output([program, version, tried.url, tried.upload, `${tried.pieces}`]));
}

export async function node(tried: Tried): Promise<Seen> {
  const built = await Bun.build({
    entrypoints: [`${repository}/tests/interop/clients/node-client.ts`],
    target: "node",
  });
  const code = await built.outputs[0]?.text();
  // Node 20 has the global WebSocket behind the flag; later ones take the flag and have it anyway.
  const flags = ["--experimental-websocket", "--input-type=module", "-"];
  return JSON.parse(
    await output(["node", ...flags, tried.url, tried.upload, `${tried.pieces}`], code),
  );
}
