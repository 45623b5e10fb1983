/** Presets of TLS, HTTP/2, HTTP/3 and WebSocket. */
import { ratioBar } from "./bars.ts";
import { setupOf } from "./lab.ts";
import { throughput } from "./measures.ts";
import { measured } from "./preset.ts";
import type { Preset } from "./preset.ts";
import * as protocols from "./protocols.ts";

const HELLO_BYTES = 13;
const MESSAGE_BYTES = { small: 64, json: 1024, large: 1024 ** 2 };
const WEBSOCKET_SERVERS = ["keelback", "granian", "uvicorn", "uvicorn wsproto"];
const TLS_SERVERS = ["keelback", "granian", "uvicorn", "hypercorn"];

export const BROWSER_HEADERS: Readonly<Record<string, string>> = {
  "sec-ch-ua": '"Chromium";v="142", "Google Chrome";v="142", "Not_A Brand";v="99"',
  "sec-ch-ua-mobile": "?0",
  "sec-ch-ua-platform": '"Linux"',
  "upgrade-insecure-requests": "1",
  "user-agent":
    "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/142.0.0.0 Safari/537.36",
  accept: "text/html,application/xhtml+xml,application/xml;q=0.9,image/avif,image/webp,*/*;q=0.8",
  "sec-fetch-site": "none",
  "sec-fetch-mode": "navigate",
  "sec-fetch-user": "?1",
  "sec-fetch-dest": "document",
  "accept-encoding": "gzip, deflate, br, zstd",
  "accept-language": "en-GB,en-US;q=0.9,en;q=0.8",
  cookie: "csrftoken=Zk3bQ1nVw8sT5yXh; sessionid=h2v9k4m7p1q8r5t3w6y0z2x4c7b9n1m3",
};

const HTTP2 = {
  about: "Without a proxy in front: TLS and HTTP/2 by the server itself.",
  setup: setupOf("asgi", "asgi_hello", { protocol: "h2" }),
  servers: ["keelback", "granian", "hypercorn"],
  ranked: "figures.rate" as const,
};

const WEBSOCKET = {
  about: "Messages there and back, each connection sending when its echo has come.",
  setup: setupOf("asgi", "compare_asgi"),
  servers: WEBSOCKET_SERVERS,
  ranked: "figures.rate" as const,
  bars: [ratioBar("rate", "all", 1.2), ratioBar("p99", "all", 1)],
};

export const protocolPresets: readonly Preset[] = [
  {
    ...HTTP2,
    name: "h2-hello",
    title: "HTTP/2 hello over TLS, ASGI, h2load -c16 -m10",
    load: measured(protocols.http2({ connections: 16, streams: 10, bodyBytes: HELLO_BYTES }), {
      connections: 16,
    }),
    bars: [ratioBar("rate", ["granian"], 1.2)],
  },
  ...[1, 100].map((streams): Preset => ({
    ...HTTP2,
    name: `h2-browser-m${streams}`,
    title: `HTTP/2 hello with a browser's 14 headers over TLS, ASGI, h2load -c16 -m${streams}`,
    load: measured(
      protocols.http2({
        ...{ connections: 16, streams, bodyBytes: HELLO_BYTES },
        headers: BROWSER_HEADERS,
      }),
      { connections: 16 },
    ),
    bars: [ratioBar("rate", ["granian"], 1)],
  })),
  {
    name: "tls-hello",
    title: "HTTP/1.1 hello over TLS, keep-alive, ASGI, wrk -c64",
    about: "What encryption costs on connections that are kept.",
    setup: setupOf("asgi", "asgi_hello", { protocol: "tls" }),
    servers: TLS_SERVERS,
    ranked: "figures.rate",
    load: measured(throughput, { connections: 64 }),
    bars: [ratioBar("rate", "all", 1)],
  },
  ...(["full", "resumed"] as const).map((kind): Preset => ({
    name: `tls-connect-${kind}`,
    title: `A new TLS connection for each request, handshakes ${kind}, ASGI hello`,
    about: "Clients that come once, and those that come back.",
    setup: setupOf("asgi", "asgi_hello", { protocol: "tls" }),
    servers: TLS_SERVERS,
    ranked: "figures.rate",
    load: measured(
      protocols.load({
        ...{ command: "tls", label: "connections" },
        flags: { connections: 16, resume: kind === "resumed" },
      }),
      { connections: 16 },
    ),
    bars: [ratioBar("rate", "all", 1)],
  })),
  {
    name: "h3-hello",
    title: "HTTP/3 hello, ASGI, 16 connections with 10 requests each",
    about: "HTTP over QUIC by the server itself.",
    setup: setupOf("asgi", "asgi_hello", { protocol: "h3" }),
    servers: ["keelback", "hypercorn"],
    ranked: "figures.rate",
    load: measured(
      protocols.load({
        ...{ command: "h3", label: "requests" },
        flags: { connections: 16, streams: 10 },
      }),
      { connections: 16 },
    ),
    bars: [ratioBar("rate", ["hypercorn"], 10)],
  },
  {
    ...WEBSOCKET,
    name: "ws-echo",
    title: "WebSocket echo, 1000 connections, 64 B messages",
    load: measured(
      protocols.load({
        ...{ command: "ws", label: "messages" },
        flags: { connections: 1000, bytes: MESSAGE_BYTES.small, warmup: 2 },
      }),
      { connections: 1000, duration: (seconds) => seconds + 6 },
    ),
  },
  {
    ...WEBSOCKET,
    name: "ws-echo-large",
    title: "WebSocket echo, 16 connections, 1 MiB messages",
    load: measured(
      protocols.load({
        ...{ command: "ws", label: "messages" },
        flags: { connections: 16, bytes: MESSAGE_BYTES.large },
      }),
      { connections: 16 },
    ),
  },
  {
    ...WEBSOCKET,
    name: "ws-echo-deflate",
    title: "WebSocket echo with permessage-deflate, 1000 connections, 1 KiB of JSON",
    servers: ["keelback", "uvicorn", "uvicorn wsproto"],
    load: measured(
      protocols.load({
        ...{ command: "ws", label: "messages" },
        flags: { connections: 1000, bytes: MESSAGE_BYTES.json, deflate: true, warmup: 2 },
      }),
      { connections: 1000, duration: (seconds) => seconds + 6 },
    ),
  },
  {
    ...WEBSOCKET,
    name: "ws-idle",
    title: "10,000 idle WebSockets",
    about: "What a WebSocket costs that waits: memory of those who serve it.",
    servers: ["keelback", "uvicorn", "uvicorn wsproto", "granian"],
    ranked: "figures.serving",
    load: measured(protocols.idleWebSockets(10_000), {
      ...{ connections: 10_000, duration: () => 12 },
    }),
    bars: [ratioBar("serving", ["uvicorn"], 2)],
  },
];
