/** What an HTTP/3 client can do to a server, and how the server starts and ends with it. */
import { afterAll, beforeAll, describe, expect, setDefaultTimeout, test } from "bun:test";
import {
  copyFileSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  rmSync,
  statSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createSocket } from "node:dgram";
import { eventually, Place, serve } from "../../apps_life/serve.ts";
import { testCertificate } from "../../support/certificate.ts";
import { H3Client, missing, titled } from "../../support/h3-client.ts";
import { runKeelback } from "../../support/server.ts";
import { h3Args, H3Probe, TEST_TIMEOUT_MS } from "./support.ts";

/** Hundreds of megabytes go through programs that share two busy cores. */
const LARGE_TIMEOUT_MS = 180_000;
setDefaultTimeout(LARGE_TIMEOUT_MS);
const MIB = 1024 * 1024;

/** The edge process of this server, in /proc. */
function edgeOf(server: number): string {
  const found = readdirSync("/proc").find((entry) => {
    if (!/^\d+$/.test(entry) || !read(`/proc/${entry}/cmdline`).includes("__edge")) return false;
    return read(`/proc/${entry}/status`).includes(`\nPPid:\t${server}\n`);
  });
  if (found === undefined) throw new Error("there is no edge");
  return `/proc/${found}`;
}

function read(path: string): string {
  try {
    return readFileSync(path, "utf8");
  } catch {
    return "";
  }
}

/** Resident memory now, bytes. */
function memoryOf(edge: string): number {
  return Number(/VmRSS:\s+(\d+)/.exec(read(`${edge}/status`))?.[1]) * 1024;
}

/** Bytes of the unnamed files that it has open. */
function spoolOf(edge: string): number {
  const directory = `${edge}/fd`;
  return readdirSync(directory).reduce((sum, fd) => sum + spoolBytes(`${directory}/${fd}`), 0);
}

/** 0 also for a descriptor that has been closed since it was listed. */
function spoolBytes(path: string): number {
  try {
    return readlinkSync(path).includes("keelback-body-") ? statSync(path).size : 0;
  } catch {
    return 0;
  }
}

describe.skipIf(missing !== null)(titled("HTTP/3 keeps to the limits"), () => {
  let probe: H3Probe;

  beforeAll(async () => {
    const args = [
      ...["--request-line-max", "300", "--header-max", "2000", "--header-count-max", "20"],
      // Long enough for what the app does answer.
      ...["--body-max", "100k", "--timeout", "2s"],
    ];
    probe = await H3Probe.start("asgi", { args });
  }, TEST_TIMEOUT_MS);
  afterAll(() => probe[Symbol.asyncDispose]());

  const rows = [
    ["request-line-too-long", 414, `/${"a".repeat(300)}`, {}],
    ["header-too-large", 431, "/", { headers: [["x-long", "a".repeat(2000)]] }],
    [
      "header-count",
      431,
      "/",
      { headers: Array.from({ length: 20 }, (_, n): [string, string] => [`x-${n}`, ""]) },
    ],
    ["target-nul", 400, "/%00", {}],
    ["expectation-unknown", 417, "/", { headers: [["expect", "more"]] }],
    [
      "body-too-large",
      413,
      "/count",
      { method: "POST", bodyBytes: 200_000, headers: [["content-length", "200000"]] },
    ],
    ["body-too-large", 413, "/count", { method: "POST", bodyBytes: 1e12 }],
    ["worker-timeout", 504, "/hang", {}],
  ] as const;

  test.each(rows)("%s: %d", async (code, status, path, request) => {
    const response = await probe.fetch(path, request);
    expect(response).toMatchObject({ status, headers: { "Cache-Control": ["no-store"] } });
    await probe.server.waitForLine(new RegExp(`refused \\[${code}\\] ${status} 127\\.0\\.0\\.1`));
    expect(await probe.fetch("/")).toMatchObject({ status: 200 });
  });
});

describe.skipIf(missing !== null)(titled("HTTP/3 bodies"), () => {
  test("an upload ahead of the app waits in a file over HTTP/3", async () => {
    await using probe = await H3Probe.start("wsgi");
    const edge = edgeOf(probe.server.pid);
    const before = memoryOf(edge);
    const key = probe.key();
    const size = 200 * MIB;
    const request = { method: "POST", bodyBytes: size };
    const { response } = probe.client.begin(`/read?key=${key}`, request);
    await probe.heard(key, "before");
    // Nobody can tell the client to wait: all of it leaves while the app reads nothing.
    while (spoolOf(edge) < 190 * MIB) await probe.fetch("/");
    expect(memoryOf(edge) - before).toBeLessThan(100 * MIB);
    await probe.say(key);
    const { bytes, sha256, error } = await response;
    expect({ bytes, error }).toEqual({ bytes: size, error: "" });
    expect(sha256).toBe(new Bun.CryptoHasher("sha256").update("x".repeat(size)).digest("hex"));
    // It is closed on another thread.
    await eventually("the file to be closed", () => spoolOf(edge) === 0);
  });

  test("a client that does not read holds up its own response only over HTTP/3", async () => {
    await using probe = await H3Probe.start("asgi", { args: ["--send-timeout", "1s"] });
    const edge = edgeOf(probe.server.pid);
    const before = memoryOf(edge);
    const key = probe.key();
    const { response, cancel } = probe.client.begin(`/big?size=1000000000&key=${key}`, {
      stall: true,
    });
    // What the app has sent is bounded: the rest waits for credit until the server gives up.
    await probe.server.waitForLine(/cut 127\.0\.0\.1 GET \/big\S+ the client took nothing in time/);
    expect(memoryOf(edge) - before).toBeLessThan(60 * MIB);
    await probe.heard(key, "closed");
    const sent = Number((await probe.fetch(`/progress?of=${key}`)).body);
    expect(sent).toBeLessThan(32 * MIB);
    cancel();
    expect((await response).error).not.toBe("");
  });

  test("a large download arrives whole, in little memory", async () => {
    await using probe = await H3Probe.start("wsgi");
    const { bytes, error } = await probe.fetch(`/big?size=${256 * MIB}`);
    expect({ bytes, error }).toEqual({ bytes: 256 * MIB, error: "" });
    expect(memoryOf(edgeOf(probe.server.pid))).toBeLessThan(200 * MIB);
  });
});

describe.skipIf(missing !== null)(titled("HTTP/3 clients and the server's life"), () => {
  test("a client that vanishes does not hold up others over HTTP/3", async () => {
    await using probe = await H3Probe.start("asgi");
    for (let i = 0; i < 10; i++) {
      const client = new H3Client(probe.server.url);
      expect((await client.fetch("/")).status).toBe(200);
      await client.kill();
      await using next = new H3Client(probe.server.url);
      expect((await next.fetch("/")).status).toBe(200);
    }
  });

  test("a stop finishes what runs over HTTP/3", async () => {
    using place = new Place();
    const args = ["--workers", "1", ...h3Args()];
    await using server = await serve("asgi_app:app", { place, args });
    await using client = new H3Client(server.url);
    const { response } = client.begin("/slow_reader/s", { method: "POST", body: "abc" });
    await place.noted("s.begun");
    const stopped = server.stop();
    await server.waitForLine(/stopping/);
    // The supervisor says so before its edge has heard it.
    await eventually("newcomers to be turned away", async () => {
      await using late = new H3Client(server.url);
      return (await late.fetch("/hello")).error !== "";
    });
    place.open("s");
    expect(await response).toMatchObject({ status: 200, body: "3", error: "" });
    expect(await stopped).toBe(0);
  });

  test("a new certificate is used for new clients over HTTP/3", async () => {
    const directory = mkdtempSync(join(tmpdir(), "keelback-h3-"));
    const [certfile, keyfile] = [join(directory, "c.pem"), join(directory, "k.pem")];
    const use = (kind: "ec" | "rsa"): void => {
      copyFileSync(testCertificate(kind).certificate, certfile);
      copyFileSync(testCertificate(kind).key, keyfile);
    };
    // Chosen by the name: the runtime keeps to the first one for clients that give none.
    use("ec");
    using place = new Place();
    const args = ["--workers", "1", "--http3", "--certfile", certfile, "--keyfile", keyfile];
    await using server = await serve("asgi_app:app", { place, args });
    await using old = new H3Client(`https://localhost:${server.port}`);
    const before = await old.fetch("/hello");
    use("rsa");
    server.kill("SIGHUP");
    await server.waitForLine(/the certificates are new/);
    await using fresh = new H3Client(`https://localhost:${server.port}`);
    const after = await fresh.fetch("/hello");
    expect(after).toMatchObject({ status: 200, error: "" });
    expect(after.certificate).not.toBe(before.certificate);
    expect((await old.fetch("/hello")).certificate).toBe(before.certificate);
    rmSync(directory, { recursive: true });
  });

  test("a UDP port in use is reported", async () => {
    let failed = await startAtTakenUdpPort();
    // The TCP port of the same number was somebody's.
    for (let i = 0; i < 5 && /is in use by/.test(failed.stderr); i++) {
      failed = await startAtTakenUdpPort();
    }
    const { code, stderr, port } = failed;
    expect(code).toBe(1);
    expect(stderr).toContain(
      `HTTP/3 cannot listen on 127.0.0.1:${port}: UDP port ${port} is in use`,
    );
    expect(stderr).toContain("hint: ");
  });
});

async function startAtTakenUdpPort(): Promise<{ code: number; stderr: string; port: number }> {
  const socket = createSocket("udp4");
  const { promise, resolve } = Promise.withResolvers<void>();
  socket.bind(0, "127.0.0.1", resolve);
  await promise;
  const { port } = socket.address();
  const { code, stderr } = await runKeelback([
    ...["serve", "probe_asgi:app", "--chdir", "tests/apps"],
    ...["--bind", `127.0.0.1:${port}`, ...h3Args()],
  ]);
  socket.close();
  return { code, stderr, port };
}
