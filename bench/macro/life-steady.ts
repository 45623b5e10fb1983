/**
 * Servers released, killed and hung under 2000 requests a second. Each is meant to run for a minute (`--seconds 60 --rounds 1`);
 * a shorter run has as many fewer reloads and kills.
 */
import type { Bar, Interface, Row, Setup } from "../../src/compare/types.ts";
import { medianOf, OURS, valueBar } from "./bars.ts";
import { disturbed, killsEachSecond } from "./disturb.ts";
import { HUNG_TIMEOUT_SECONDS, hungSeconds, hungWorker } from "./hung.ts";
import { killedPosts } from "./killed-posts.ts";
import { setupOf } from "./lab.ts";
import { measured } from "./preset.ts";
import type { Preset } from "./preset.ts";
import { clientLoad, releases, releaseSeconds, streamsLoad } from "./releases.ts";

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

/** Estimated seconds of two runs with their warm-ups, and a start. */
export function twoRuns(seconds: number): number {
  return 2 * (seconds + 1) + 3;
}

/** Of whatever disturbs. */
export function calmBar(rows: readonly Row[]): Bar {
  const before = medianOf(rows, OURS, "before");
  const during = medianOf(rows, OURS, "p99");
  const said = `${during.toPrecision(3)} of ${before.toPrecision(3)} ms`;
  return { bar: "P99 during <= 3x of before", measured: said, met: during <= 3 * before };
}

function released(name: string, title: string, setup: Setup, servers: readonly string[]): Preset {
  const load = setup.protocol === "h2" ? clientLoad(HTTP2) : streamsLoad(STEADY);
  const { connections } = setup.protocol === "h2" ? HTTP2 : { connections: 64 };
  return {
    name,
    title: `${title} at 2000/s, 20 reloads and 3 binary upgrades a minute, 2 workers`,
    about: "A day of releases in a minute: who notices?",
    ...{ setup, servers },
    ranked: "figures.failed",
    load: measured(releases(load), { connections, duration: releaseSeconds }),
    bars: [valueBar("failed", 0), valueBar("unfinished", 0), calmBar],
  };
}

function hung(
  name: string,
  path: "spin" | "deadlock",
  spoken: Interface,
  on: "one core" | "all cores" = "one core",
): Preset {
  const how = path === "spin" ? "while True: pass" : "waits in C with the GIL held";
  return {
    name,
    title: `${spoken.toUpperCase()} at 500/s, one of 2 workers hangs (${how}), time limit ${HUNG_TIMEOUT_SECONDS} s, server on ${on}`,
    about: "A view that never ends: how do the others fare, and when do both workers serve again?",
    setup: setupOf(spoken, `${spoken}_hanging`, { workers: 2 }),
    servers: spoken === "asgi" ? ASGI_PEERS : WSGI_PEERS,
    ranked: "figures.recovered",
    load: measured(hungWorker(path, on), { connections: 32, duration: hungSeconds }),
    bars: [valueBar("failed", 0), valueBar("recovered", RECOVERY_MS_MAX), calmBar],
  };
}

const two = { workers: 2 };

export const steadyPresets: readonly Preset[] = [
  released("releases", "ASGI hello", setupOf("asgi", "asgi_hello", two), ASGI_PEERS),
  released("releases-wsgi", "WSGI hello", setupOf("wsgi", "wsgi_hello", two), WSGI_PEERS),
  released(
    "releases-h2",
    "ASGI hello over HTTP/2",
    setupOf("asgi", "asgi_hello", { ...two, protocol: "h2" }),
    ["keelback", "granian", "hypercorn"],
  ),
  {
    name: "killed-workers-2000",
    title:
      "ASGI hello at 2000/s, one in four on a new connection, a worker killed (-9) each second",
    about: "Workers die, by the kernel's hand or their own: does a client notice?",
    setup: setupOf("asgi", "asgi_hello", two),
    servers: [...ASGI_PEERS, "granian respawn"],
    ranked: "figures.failed",
    load: measured(disturbed(STEADY, killsEachSecond), { connections: 64, duration: twoRuns }),
    bars: [valueBar("failed", 0)],
  },
  {
    name: "killed-workers-post",
    title: "ASGI at 2000 POST/s, one in four on a new connection, a worker killed (-9) each second",
    about: "Requests that must not be run twice: which of them were begun, and how often?",
    setup: setupOf("asgi", "asgi_record", two),
    servers: [...ASGI_PEERS, "granian respawn"],
    ranked: "figures.others",
    load: measured(killedPosts(POSTS, killsEachSecond), {
      ...{ connections: 64, duration: (seconds) => seconds + 4 },
    }),
    bars: [valueBar("twice", 0), valueBar("unbegun", 0), valueBar("others", 0)],
  },
  hung("hung-worker", "spin", "asgi"),
  hung("hung-worker-c", "deadlock", "asgi"),
  hung("hung-worker-wsgi", "spin", "wsgi"),
  hung("hung-worker-wsgi-c", "deadlock", "wsgi"),
  hung("hung-worker-cores", "spin", "asgi", "all cores"),
  hung("hung-worker-wsgi-cores", "spin", "wsgi", "all cores"),
];
