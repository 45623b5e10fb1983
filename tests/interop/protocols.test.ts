/**
 * Clients that people use, each over every protocol it speaks: a GET, an upload, a streamed download, a WebSocket where
 * it has one. PROTOCOL_PEER=hypercorn (or another of tests/support/target.ts) runs them against a peer.
 */
import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { createHash } from "node:crypto";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { testCertificate } from "../support/certificate.ts";
import { startTarget, targetName } from "../support/target.ts";
import type { Target } from "../support/target.ts";
import * as clients from "./clients/command-line.ts";
import type { Seen } from "./clients/command-line.ts";
import { payload } from "./support.ts";

const UPLOAD_BYTES = 3_000_017;
const PIECES = 80;
const PIECE_BYTES = 65_536;

const sent = payload(UPLOAD_BYTES);
const uploaded = { bytes: UPLOAD_BYTES, sha256: sent.sha256 };
const downloaded = expectedDownload();
const directory = mkdtempSync(join(tmpdir(), "keelback-protocols-"));
const upload = join(directory, "upload");

/** What GET /download of tests/apps/protocols.py sends. */
function expectedDownload(): string {
  const piece = Buffer.alloc(PIECE_BYTES, Buffer.from(Array.from({ length: 256 }, (_, i) => i)));
  const hash = createHash("sha256");
  for (let number = 0; number < PIECES; number += 1) {
    piece.writeBigUInt64BE(BigInt(number));
    hash.update(piece);
  }
  return hash.digest("hex");
}

let plain: Target;
let secure: Target;

beforeAll(async () => {
  writeFileSync(upload, sent.bytes);
  const app = "protocols:app";
  plain = await startTarget(targetName(), { app });
  secure = await startTarget(targetName(), { app, certificate: testCertificate() });
});
afterAll(async () => {
  await Promise.all([plain, secure].map(async (target) => target[Symbol.asyncDispose]()));
  rmSync(directory, { recursive: true, force: true });
});

function tried(target: Target): clients.Tried {
  return { url: target.url, upload, pieces: PIECES, directory };
}

function sawHttp(seen: Seen, version: string, scheme: string): void {
  expect(seen.get).toEqual({ http_version: version, scheme, method: "GET", path: "/" });
  expect(seen.upload).toEqual(uploaded);
  expect(seen.download).toBe(downloaded);
}

const echoed = { text: "hello", binary: true, protocol: "first", code: 1000 };

describe("curl", () => {
  test("HTTP/2 over TLS", async () => {
    const seen = await clients.curl("--http2", tried(secure));
    expect(seen.version).toBe("HTTP/2");
    sawHttp(seen, "2", "https");
  });

  test("HTTP/1.1 over TLS", async () => {
    const seen = await clients.curl("--http1.1", tried(secure));
    expect(seen.version).toBe("HTTP/1.1");
    sawHttp(seen, "1.1", "https");
  });

  test("HTTP/2 by prior knowledge", async () => {
    const seen = await clients.curl("--http2-prior-knowledge", tried(plain));
    expect(seen.version).toBe("HTTP/2");
    sawHttp(seen, "2", "http");
  });
});

describe("nghttp2's tools", () => {
  test("nghttp over TLS", async () => {
    sawHttp(await clients.nghttp(tried(secure)), "2", "https");
  });

  test("nghttp on a plain port", async () => {
    sawHttp(await clients.nghttp(tried(plain)), "2", "http");
  });

  test("h2load: every request of 400 gets its 200", async () => {
    const all = "status codes: 400 2xx, 0 3xx, 0 4xx, 0 5xx";
    expect(await clients.h2load(secure.url)).toBe(all);
    expect(await clients.h2load(plain.url)).toBe(all);
  });
});

describe("Python's clients", () => {
  test("httpx over TLS", async () => {
    const seen = await clients.python("httpx", tried(secure));
    expect(seen.version).toBe("HTTP/2");
    sawHttp(seen, "2", "https");
  });

  test("httpx by prior knowledge", async () => {
    sawHttp(await clients.python("httpx", tried(plain)), "2", "http");
  });

  test("hyper-h2 over TLS, with a WebSocket on a stream", async () => {
    const seen = await clients.python("h2", tried(secure));
    sawHttp(seen, "2", "https");
    expect(seen.websocket).toEqual(echoed);
  });

  test("hyper-h2 by prior knowledge, with a WebSocket on a stream", async () => {
    const seen = await clients.python("h2", tried(plain));
    sawHttp(seen, "2", "http");
    expect(seen.websocket).toEqual(echoed);
  });

  test.each(["plain", "secure"])("websockets, %s", async (kind) => {
    const seen = await clients.python("websockets", tried(kind === "plain" ? plain : secure));
    const more = { fragmented: true, pong: true, compressed: true };
    expect(seen.websocket).toEqual({ ...echoed, ...more });
  });
});

describe("Go's clients", () => {
  test("net/http over TLS and a WebSocket", async () => {
    const seen = await clients.go("h2", tried(secure));
    expect(seen.version).toBe("HTTP/2.0");
    sawHttp(seen, "2", "https");
    expect(seen.webSocketOverHttp1).toEqual(echoed);
  });

  test("net/http by prior knowledge and a WebSocket", async () => {
    const seen = await clients.go("h2", tried(plain));
    expect(seen.version).toBe("HTTP/2.0");
    sawHttp(seen, "2", "http");
    expect(seen.webSocketOverHttp1).toEqual(echoed);
  });
});

describe("HTTP/3", () => {
  test("Go's quic-go", async () => {
    await using target = await startTarget(targetName(), {
      ...{ app: "protocols:app", certificate: testCertificate(), http3: true },
    });
    const seen = await clients.go("h3", tried(target));
    expect(seen.version).toBe("HTTP/3.0");
    sawHttp(seen, "3", "https");
  });
});

describe("Node's clients", () => {
  test("node:http2 over TLS, WebSockets over both versions", async () => {
    const seen = await clients.node(tried(secure));
    sawHttp(seen, "2", "https");
    expect(seen.websocket).toEqual(echoed);
    expect(seen.webSocketOverHttp1).toEqual(echoed);
  });

  test("node:http2 by prior knowledge, WebSockets over both versions", async () => {
    const seen = await clients.node(tried(plain));
    sawHttp(seen, "2", "http");
    expect(seen.websocket).toEqual(echoed);
    expect(seen.webSocketOverHttp1).toEqual(echoed);
  });
});
