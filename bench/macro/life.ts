/** Scenarios about the life of a server: reloads, deaths, and what workers cost. */
import { medianOf, valueBar } from "./bars.ts";
import { calmBar, steadyScenarios } from "./life-steady.ts";
import { disturbed, kills, reloads, respawn } from "./disturb.ts";
import { memory } from "./measures.ts";
import type { Scenario } from "./scenarios.ts";
import type { Row, Verdict } from "./types.ts";

/** What a client base looks like: most keep their connections. */
const STEADY = [
  { name: "kept", path: "/", connections: 32, rate: 750 },
  { name: "new", path: "/", connections: 0, rate: 250, fresh: true },
];

function preloadBar(key: string, most: number): (rows: readonly Row[]) => Verdict {
  return (rows) => {
    const ours = medianOf(rows, "keelback preload", key);
    const measured = `${ours.toPrecision(3)} ms`;
    return { bar: `with preload at most ${most} ms`, measured, met: ours <= most };
  };
}

export const lifeScenarios: Scenario[] = [
  ...steadyScenarios,
  {
    name: "reloads",
    title: "ASGI hello at 1000/s, one in four on a new connection, reloaded every 1.7 s, 2 workers",
    setup: { interface: "asgi", app: "asgi_hello:app", workers: 2 },
    servers: ["keelback", "granian", "uvicorn", "gunicorn asgi"],
    measure: disturbed(STEADY, reloads),
    bars: [valueBar("failed", 0), calmBar],
  },
  {
    name: "killed-workers",
    title: "The same, a worker killed (-9) every 1.7 s",
    setup: { interface: "asgi", app: "asgi_hello:app", workers: 2 },
    servers: ["keelback", "granian", "uvicorn", "gunicorn asgi"],
    measure: disturbed(STEADY, kills),
    bars: [valueBar("failed", 0)],
  },
  {
    name: "reloads-wsgi",
    title: "WSGI hello at 1000/s, one in four on a new connection, reloaded every 1.7 s, 2 workers",
    setup: { interface: "wsgi", app: "wsgi_hello:app", workers: 2 },
    servers: ["keelback", "granian", "gunicorn sync", "gunicorn gthread"],
    measure: disturbed(STEADY, reloads),
    bars: [valueBar("failed", 0), calmBar],
  },
  {
    name: "killed-workers-wsgi",
    title: "The same, a worker killed (-9) every 1.7 s",
    setup: { interface: "wsgi", app: "wsgi_hello:app", workers: 2 },
    servers: ["keelback", "granian", "gunicorn sync", "gunicorn gthread"],
    measure: disturbed(STEADY, kills),
    bars: [valueBar("failed", 0)],
  },
  {
    name: "respawn",
    title: "The only worker of a WSGI hello is killed",
    setup: { interface: "wsgi", app: "wsgi_hello:app", workers: 1 },
    servers: ["keelback preload", "keelback", "gunicorn preload", "granian"],
    measure: respawn,
    bars: [preloadBar("answer", 30)],
  },
  {
    name: "respawn-django",
    title: "The only worker of a Django app is killed",
    setup: { interface: "wsgi", app: "django_hello:app", workers: 1 },
    servers: ["keelback preload", "keelback", "gunicorn preload", "granian"],
    measure: respawn,
    bars: [preloadBar("answer", 80)],
  },
  {
    name: "memory-django",
    title: "Memory of Django workers, with and without preload",
    setup: { interface: "wsgi", app: "django_hello:app", workers: 1 },
    servers: ["keelback preload", "keelback", "gunicorn preload", "gunicorn gthread", "granian"],
    measure: memory,
    bars: [
      (rows) => {
        const ours = medianOf(rows, "keelback preload", "worker");
        const without = medianOf(rows, "keelback", "worker");
        const theirs = medianOf(rows, "gunicorn preload", "worker");
        const figures = [ours, without, theirs].map((value) => value.toPrecision(3));
        return {
          bar: "a further worker: at most half of without preload, at most gunicorn's",
          measured: `${figures.join(", ")} MiB (preload, without, gunicorn)`,
          met: ours <= without / 2 && ours <= theirs,
        };
      },
    ],
  },
];
