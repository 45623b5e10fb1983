/**
 * Servers released, killed and hung under 2000 requests a second. Each is meant to run for a minute (`--seconds 60 --rounds 1`);
 * a shorter run has as many fewer reloads and kills.
 */
import { medianOf, OURS, valueBar } from "./bars.ts";
import { disturbed, killsEachSecond } from "./disturb.ts";
import { HUNG_TIMEOUT_SECONDS, hungWorker } from "./hung.ts";
import { killedPosts } from "./killed-posts.ts";
import { clientLoad, releases, streamsLoad } from "./releases.ts";
import type { Scenario } from "./scenarios.ts";
import type { Interface, Row, Setup, Verdict } from "./types.ts";

/** What a client base looks like: most keep their connections. */
const STEADY = [
  { name: "kept", path: "/", connections: 64, rate: 1500 },
  { name: "new", path: "/", connections: 0, rate: 500, fresh: true },
];
/** A TLS handshake costs as much as many requests, for the client too. */
const HTTP2 = { rate: 2000, connections: 32, fresh: 0.05, http2: true };
const POSTS = { rate: 2000, connections: 64, fresh: 0.25, method: "POST" as const };
const RECOVERY_MS_MAX = (HUNG_TIMEOUT_SECONDS + 1) * 1000;

const ASGI_PEERS = ["keelback", "granian", "uvicorn", "gunicorn asgi"];
const WSGI_PEERS = ["keelback", "granian", "gunicorn gthread", "uwsgi"];

function two(app: string, kind: Interface, protocol?: Setup["protocol"]): Setup {
  return {
    interface: kind,
    app: `${app}:app`,
    workers: 2,
    ...(protocol === undefined ? {} : { protocol }),
  };
}

/** Of whatever disturbs. */
export function calmBar(rows: readonly Row[]): Verdict {
  const before = medianOf(rows, OURS, "before");
  const during = medianOf(rows, OURS, "p99");
  const measured = `${during.toPrecision(3)} of ${before.toPrecision(3)} ms`;
  return { bar: "P99 during <= 3x of before", measured, met: during <= 3 * before };
}

function released(name: string, title: string, setup: Setup, servers: string[]): Scenario {
  const load = setup.protocol === "h2" ? clientLoad(HTTP2) : streamsLoad(STEADY);
  return {
    name,
    title: `${title} at 2000/s, 20 reloads and 3 binary upgrades a minute, 2 workers`,
    setup,
    servers,
    measure: releases(load),
    bars: [valueBar("failed", 0), valueBar("unfinished", 0), calmBar],
  };
}

function hung(name: string, path: "spin" | "deadlock", kind: Interface): Scenario {
  const how = path === "spin" ? "while True: pass" : "waits in C with the GIL held";
  return {
    name,
    title: `${kind.toUpperCase()} at 500/s, one of 2 workers hangs (${how}), time limit ${HUNG_TIMEOUT_SECONDS} s`,
    setup: two(`${kind}_hanging`, kind),
    servers: kind === "asgi" ? ASGI_PEERS : WSGI_PEERS,
    measure: hungWorker(path),
    bars: [valueBar("failed", 0), valueBar("recovered", RECOVERY_MS_MAX), calmBar],
  };
}

export const steadyScenarios: Scenario[] = [
  released("releases", "ASGI hello", two("asgi_hello", "asgi"), ASGI_PEERS),
  released("releases-wsgi", "WSGI hello", two("wsgi_hello", "wsgi"), WSGI_PEERS),
  released("releases-h2", "ASGI hello over HTTP/2", two("asgi_hello", "asgi", "h2"), [
    ...["keelback", "granian", "hypercorn"],
  ]),
  {
    name: "killed-workers-2000",
    title:
      "ASGI hello at 2000/s, one in four on a new connection, a worker killed (-9) each second",
    setup: two("asgi_hello", "asgi"),
    servers: [...ASGI_PEERS, "granian respawn"],
    measure: disturbed(STEADY, killsEachSecond),
    bars: [valueBar("failed", 0)],
  },
  {
    name: "killed-workers-post",
    title: "ASGI at 2000 POST/s, one in four on a new connection, a worker killed (-9) each second",
    setup: two("asgi_record", "asgi"),
    servers: [...ASGI_PEERS, "granian respawn"],
    measure: killedPosts(POSTS, killsEachSecond),
    bars: [valueBar("twice", 0), valueBar("unbegun", 0), valueBar("others", 0)],
  },
  hung("hung-worker", "spin", "asgi"),
  hung("hung-worker-c", "deadlock", "asgi"),
  hung("hung-worker-wsgi", "spin", "wsgi"),
  hung("hung-worker-wsgi-c", "deadlock", "wsgi"),
];
