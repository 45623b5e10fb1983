/**
 * The table of scenarios: what is measured, on whom, and the bar that Keelback has to clear. Every figure that the project
 * claims comes from a row of this table.
 */
import * as measure from "./measures.ts";
import type { Measure } from "./measures.ts";
import { lifeScenarios } from "./life.ts";
import * as protocols from "./protocols.ts";
import type { Protocol, Row, Setup, Verdict } from "./types.ts";
import { best, medianOf, ratioBar, valueBar } from "./bars.ts";

export interface Scenario {
  name: string;
  title: string;
  setup: Setup;
  servers: string[];
  measure: Measure;
  bars: readonly ((rows: readonly Row[]) => Verdict)[];
}

const GIB = 1024 ** 3;
const WSGI_SERVERS = [
  "keelback",
  "granian",
  "gunicorn sync",
  "gunicorn gthread",
  "waitress",
  "bjoern",
];
const ASGI_SERVERS = ["keelback", "granian", "uvicorn", "gunicorn asgi", "hypercorn"];

const BROWSER_HEADERS: Record<string, string> = {
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

function wsgi(app: string, workers = 1): Setup {
  return { interface: "wsgi", app: `${app}:app`, workers };
}

function asgi(app: string, workers = 1): Setup {
  return { interface: "asgi", app: `${app}:app`, workers };
}

function over(protocol: Protocol, app: string): Setup {
  return { ...asgi(app), protocol };
}

const HELLO_BYTES = 13;
const MESSAGE_BYTES = { small: 64, json: 1024, large: 1024 ** 2 };
const WEBSOCKET_SERVERS = ["keelback", "granian", "uvicorn", "uvicorn wsproto"];

const browser = { connections: 64, headers: BROWSER_HEADERS };

export const scenarios: Scenario[] = [
  {
    name: "wsgi-hello",
    title: "WSGI hello, wrk -c64",
    setup: wsgi("wsgi_hello"),
    servers: WSGI_SERVERS,
    measure: measure.throughput(),
    bars: [ratioBar("rate", ["granian"], 1.1)],
  },
  {
    name: "asgi-hello",
    title: "ASGI hello, wrk -c64",
    setup: asgi("asgi_hello"),
    servers: ASGI_SERVERS,
    measure: measure.throughput(),
    bars: [ratioBar("rate", ["granian", "uvicorn"], 1.4)],
  },
  {
    name: "wsgi-browser",
    title: "WSGI hello with a browser's 14 headers, wrk -c64",
    setup: wsgi("wsgi_hello"),
    servers: ["keelback", "granian", "bjoern"],
    measure: measure.throughput(browser),
    bars: [ratioBar("rate", ["granian"], 1.1)],
  },
  {
    name: "asgi-browser",
    title: "ASGI hello with a browser's 14 headers, wrk -c64",
    setup: asgi("asgi_hello"),
    servers: ["keelback", "granian", "uvicorn"],
    measure: measure.throughput(browser),
    bars: [ratioBar("rate", ["granian"], 1.05)],
  },
  {
    name: "flask-json",
    title: "Flask JSON, wrk -c64",
    setup: wsgi("flask_json"),
    servers: WSGI_SERVERS,
    measure: measure.throughput(),
    bars: [ratioBar("rate", "all", 1)],
  },
  {
    name: "fastapi-json",
    title: "FastAPI JSON, wrk -c64",
    setup: asgi("fastapi_json"),
    servers: ASGI_SERVERS,
    measure: measure.throughput(),
    bars: [ratioBar("rate", "all", 1)],
  },
  {
    name: "asgi-blocking",
    title: "Fast ASGI route at 1000/s while a view blocks 50 ms at 20/s, 4 workers",
    setup: asgi("asgi_blocking", 4),
    servers: ["keelback", "granian", "uvicorn", "gunicorn asgi", "hypercorn"],
    measure: measure.latency([
      { name: "fast", path: "/", connections: 64, rate: 1000 },
      { name: "block", path: "/block", connections: 16, rate: 20 },
    ]),
    bars: [
      valueBar("p99", 3),
      (rows) => {
        const ours = medianOf(rows, "keelback", "p99");
        const theirs = best(rows, ["granian", "uvicorn"], "p99");
        const measured = `1/${(theirs / ours).toFixed(1)}`;
        return {
          bar: "P99 <= 1/10 of uvicorn's and granian's",
          measured,
          met: ours <= theirs / 10,
        };
      },
    ],
  },
  {
    name: "wsgi-sleeping",
    title:
      "Fast WSGI route at 500/s while 8 connections sit in a 50 ms sleep, 2 workers of 16 threads",
    setup: { ...wsgi("wsgi_sleeping", 2), threads: 16 },
    servers: ["keelback", "granian", "gunicorn gthread", "gunicorn sync", "bjoern"],
    measure: measure.latency([
      { name: "fast", path: "/", connections: 32, rate: 500 },
      { name: "sleep", path: "/sleep", connections: 8, rate: 0 },
    ]),
    bars: [valueBar("p99", 5)],
  },
  {
    name: "busy-connections",
    title: "8000 busy keep-alive connections, ASGI hello",
    setup: asgi("asgi_hello"),
    servers: ["keelback", "granian", "uvicorn"],
    measure: measure.busyConnections(8000),
    bars: [
      (rows) => {
        const errors = rows.find((row) => row.server === "keelback")?.errors ?? Number.NaN;
        return { bar: "errors and timeouts: 0", measured: `${errors}`, met: errors === 0 };
      },
      ratioBar("p99", ["granian", "uvicorn"], 1),
      valueBar("edge", 12),
    ],
  },
  {
    name: "idle-connections",
    title: "10,000 idle keep-alive connections, ASGI hello",
    setup: asgi("asgi_hello"),
    servers: ["keelback", "granian", "uvicorn"],
    measure: measure.idleConnections(10_000),
    bars: [valueBar("each", 8)],
  },
  ...(["upload", "download"] as const).flatMap((direction): Scenario[] => [
    {
      name: `${direction}-asgi`,
      title: `1 GiB ${direction} through an ASGI app`,
      setup: asgi("asgi_transfer"),
      servers: ["keelback", "granian", "uvicorn", "hypercorn"],
      measure: measure.transfer(direction, GIB),
      bars: [ratioBar("speed", "all", 1), valueBar("growth", 64)],
    },
    {
      name: `${direction}-wsgi`,
      title: `1 GiB ${direction} through a WSGI app`,
      setup: wsgi("wsgi_transfer"),
      servers: ["keelback", "granian", "gunicorn gthread", "waitress"],
      measure: measure.transfer(direction, GIB),
      bars: [ratioBar("speed", "all", 1), valueBar("growth", 64)],
    },
  ]),
  {
    name: "memory",
    title: "Memory (PSS), WSGI hello",
    setup: wsgi("wsgi_hello"),
    servers: ["keelback", "granian", "gunicorn sync", "gunicorn gthread"],
    measure: measure.memory,
    bars: [valueBar("worker", 6), valueBar("rest", 80)],
  },
  {
    name: "memory-asgi",
    title: "Memory (PSS), ASGI hello",
    setup: asgi("asgi_hello"),
    servers: ["keelback", "granian", "uvicorn"],
    measure: measure.memory,
    bars: [valueBar("worker", 6), valueBar("rest", 80)],
  },
  {
    name: "idle-cpu",
    title: "CPU of the whole tree while idle, 2 workers",
    setup: asgi("asgi_hello", 2),
    servers: ["keelback", "granian", "uvicorn", "gunicorn asgi"],
    measure: measure.idleCpu,
    bars: [valueBar("cpu", 0.3)],
  },
  {
    name: "h2-hello",
    title: "HTTP/2 hello over TLS, ASGI, h2load -c16 -m10",
    setup: over("h2", "asgi_hello"),
    servers: ["keelback", "granian", "hypercorn"],
    measure: protocols.http2({ connections: 16, streams: 10, bodyBytes: HELLO_BYTES }),
    bars: [ratioBar("rate", ["granian"], 1.2)],
  },
  ...[1, 100].map((streams): Scenario => ({
    name: `h2-browser-m${streams}`,
    title: `HTTP/2 hello with a browser's 14 headers over TLS, ASGI, h2load -c16 -m${streams}`,
    setup: over("h2", "asgi_hello"),
    servers: ["keelback", "granian", "hypercorn"],
    measure: protocols.http2({
      ...{ connections: 16, streams, bodyBytes: HELLO_BYTES },
      headers: BROWSER_HEADERS,
    }),
    bars: [ratioBar("rate", ["granian"], 1)],
  })),
  {
    name: "tls-hello",
    title: "HTTP/1.1 hello over TLS, keep-alive, ASGI, wrk -c64",
    setup: over("tls", "asgi_hello"),
    servers: ["keelback", "granian", "uvicorn", "hypercorn"],
    measure: measure.throughput(),
    bars: [ratioBar("rate", "all", 1)],
  },
  ...(["full", "resumed"] as const).map((kind): Scenario => ({
    name: `tls-connect-${kind}`,
    title: `A new TLS connection for each request, handshakes ${kind}, ASGI hello`,
    setup: over("tls", "asgi_hello"),
    servers: ["keelback", "granian", "uvicorn", "hypercorn"],
    measure: protocols.load({
      ...{ command: "tls", label: "connections" },
      flags: { connections: 16, resume: kind === "resumed" },
    }),
    bars: [ratioBar("rate", "all", 1)],
  })),
  {
    name: "h3-hello",
    title: "HTTP/3 hello, ASGI, 16 connections with 10 requests each",
    setup: over("h3", "asgi_hello"),
    servers: ["keelback", "hypercorn"],
    measure: protocols.load({
      ...{ command: "h3", label: "requests" },
      flags: { connections: 16, streams: 10 },
    }),
    bars: [ratioBar("rate", ["hypercorn"], 10)],
  },
  {
    name: "ws-echo",
    title: "WebSocket echo, 1000 connections, 64 B messages",
    setup: asgi("asgi_echo"),
    servers: WEBSOCKET_SERVERS,
    measure: protocols.load({
      ...{ command: "ws", label: "messages" },
      flags: { connections: 1000, bytes: MESSAGE_BYTES.small, warmup: 2 },
    }),
    bars: [ratioBar("rate", "all", 1.2), ratioBar("p99", "all", 1)],
  },
  {
    name: "ws-echo-large",
    title: "WebSocket echo, 16 connections, 1 MiB messages",
    setup: asgi("asgi_echo"),
    servers: WEBSOCKET_SERVERS,
    measure: protocols.load({
      ...{ command: "ws", label: "messages" },
      flags: { connections: 16, bytes: MESSAGE_BYTES.large },
    }),
    bars: [ratioBar("rate", "all", 1.2), ratioBar("p99", "all", 1)],
  },
  {
    name: "ws-echo-deflate",
    title: "WebSocket echo with permessage-deflate, 1000 connections, 1 KiB of JSON",
    setup: asgi("asgi_echo"),
    servers: ["keelback", "uvicorn", "uvicorn wsproto"],
    measure: protocols.load({
      ...{ command: "ws", label: "messages" },
      flags: { connections: 1000, bytes: MESSAGE_BYTES.json, deflate: true, warmup: 2 },
    }),
    bars: [ratioBar("rate", "all", 1.2), ratioBar("p99", "all", 1)],
  },
  {
    name: "ws-idle",
    title: "10,000 idle WebSockets",
    setup: asgi("asgi_echo"),
    servers: ["keelback", "uvicorn", "uvicorn wsproto", "granian"],
    measure: protocols.idleWebSockets(10_000),
    bars: [ratioBar("serving", ["uvicorn"], 2)],
  },
  ...(["upload", "download"] as const).map((direction): Scenario => ({
    name: `h2-${direction}`,
    title: `1 GiB ${direction} over HTTP/2 (TLS) through an ASGI app`,
    setup: over("h2", "asgi_transfer"),
    servers: ["keelback", "granian", "hypercorn"],
    measure: measure.transfer(direction, GIB),
    bars: [ratioBar("speed", ["granian"], 1), valueBar("growth", 64)],
  })),
  ...lifeScenarios,
];
