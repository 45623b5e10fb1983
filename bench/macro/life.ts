/** Presets about the life of a server: reloads, deaths, and how soon it serves again. */
import { medianOf, valueBar } from "./bars.ts";
import type { Judge } from "./bars.ts";
import { disturbed, kills, reloads, respawn, RESPAWN_SECONDS } from "./disturb.ts";
import { calmBar, twoRuns } from "./life-steady.ts";
import { setupOf } from "./lab.ts";
import { measured } from "./preset.ts";
import type { Preset } from "./preset.ts";

/** What a client base looks like: most keep their connections. */
const STEADY = [
  { name: "kept", path: "/", connections: 32, rate: 750 },
  { name: "new", path: "/", connections: 0, rate: 250, fresh: true },
];
const ASGI_SERVERS = ["keelback", "granian", "uvicorn", "gunicorn asgi"];
const WSGI_SERVERS = ["keelback", "granian", "gunicorn sync", "gunicorn gthread"];
const RESPAWN_SERVERS = ["keelback preload", "keelback", "gunicorn preload", "granian"];

const RELOADS = {
  about: "A new release of the app while clients go on: who notices?",
  ranked: "figures.p99" as const,
  load: measured(disturbed(STEADY, reloads), { connections: 32, duration: twoRuns }),
  bars: [valueBar("failed", 0), calmBar],
};
const KILLS = {
  title: "The same, a worker killed (-9) every 1.7 s",
  about: "Workers die, by the kernel's hand or their own: does a client notice?",
  ranked: "figures.failed" as const,
  load: measured(disturbed(STEADY, kills), { connections: 32, duration: twoRuns }),
  bars: [valueBar("failed", 0)],
};
const RESPAWN = {
  about: "How long nobody is served when the only worker dies.",
  servers: RESPAWN_SERVERS,
  ranked: "figures.answer" as const,
  load: measured(respawn, { duration: () => RESPAWN_SECONDS }),
};

function preloadBar(key: string, most: number): Judge {
  return (rows) => {
    const ours = medianOf(rows, "keelback preload", key);
    const said = `${ours.toPrecision(3)} ms`;
    return { bar: `with preload at most ${most} ms`, measured: said, met: ours <= most };
  };
}

export const lifePresets: readonly Preset[] = [
  {
    ...RELOADS,
    name: "reloads",
    title: "ASGI hello at 1000/s, one in four on a new connection, reloaded every 1.7 s, 2 workers",
    setup: setupOf("asgi", "asgi_hello", { workers: 2 }),
    servers: ASGI_SERVERS,
  },
  {
    ...KILLS,
    name: "killed-workers",
    setup: setupOf("asgi", "asgi_hello", { workers: 2 }),
    servers: ASGI_SERVERS,
  },
  {
    ...RELOADS,
    name: "reloads-wsgi",
    title: "WSGI hello at 1000/s, one in four on a new connection, reloaded every 1.7 s, 2 workers",
    setup: setupOf("wsgi", "wsgi_hello", { workers: 2 }),
    servers: WSGI_SERVERS,
  },
  {
    ...KILLS,
    name: "killed-workers-wsgi",
    setup: setupOf("wsgi", "wsgi_hello", { workers: 2 }),
    servers: WSGI_SERVERS,
  },
  {
    ...RESPAWN,
    name: "respawn",
    title: "The only worker of a WSGI hello is killed",
    setup: setupOf("wsgi", "wsgi_hello"),
    bars: [preloadBar("answer", 30)],
  },
  {
    ...RESPAWN,
    name: "respawn-django",
    title: "The only worker of a Django app is killed",
    setup: setupOf("wsgi", "django_hello"),
    bars: [preloadBar("answer", 80)],
  },
];
