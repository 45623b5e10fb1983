/**
 * Gunicorn with each of its workers. Its documentation advises (2 x cores) + 1 workers where one handles one request at a time,
 * 2 to 4 threads for each core, one worker for each core where it has an event loop, and a directory in memory for the workers'
 * sign of life.
 */
import { existsSync } from "node:fs";
import type { Protocol, Setup } from "../types.ts";
import {
  address,
  asked,
  BACKLOG,
  CONNECTIONS,
  isEqual,
  KEEP_ALIVE,
  loops,
  THREADS,
  tls,
  when,
} from "./spec.ts";
import type { Resources, ServerSpec } from "./spec.ts";

/** Linux has it. */
const MEMORY = "/dev/shm";

interface Kind {
  readonly name: string;
  /** The value of `--worker-class`, where it is not the name. */
  readonly worker?: string;
  readonly pip?: readonly string[];
  readonly distributions?: readonly string[];
  readonly modules?: Readonly<Record<string, string>>;
  readonly asgi?: boolean;
  readonly websocket?: boolean;
  readonly h2?: boolean;
  resources(setup: Setup): Resources;
}

/** As many threads as the setup says, else enough to be worth the name. */
function manyThreads(setup: Setup): Resources {
  const count = setup.threads ?? THREADS;
  return { workers: setup.workers, threads: isEqual(setup) ? count : 2 * setup.workers };
}

function moreWorkers(setup: Setup): Resources {
  if (isEqual(setup)) return { workers: setup.workers, threads: 1 };
  const note = "as its documentation advises: 2 x cores + 1";
  return { workers: 2 * setup.workers + 1, threads: 1, note };
}

const kinds: readonly Kind[] = [
  { name: "sync", resources: moreWorkers },
  { name: "gthread", h2: true, resources: manyThreads },
  {
    name: "gevent",
    // gunicorn does not always bring packaging, which this worker of its imports.
    pip: ["gevent", "packaging"],
    distributions: ["gevent"],
    h2: true,
    resources: loops,
  },
  {
    name: "eventlet",
    pip: ["eventlet"],
    distributions: ["eventlet"],
    modules: { "gunicorn.workers.geventlet": "eventlet worker" },
    resources: loops,
  },
  {
    name: "asgi",
    pip: ["uvloop"],
    modules: { "gunicorn.workers.gasgi": "asgi worker" },
    asgi: true,
    websocket: true,
    h2: true,
    resources: loops,
  },
  {
    name: "uvicorn",
    worker: "uvicorn_worker.UvicornWorker",
    pip: ["uvicorn-worker", "uvicorn[standard]"],
    distributions: ["uvicorn-worker", "uvicorn"],
    asgi: true,
    websocket: true,
    resources: loops,
  },
];

function specOf(kind: Kind): ServerSpec {
  const protocols: Protocol[] = ["h1", "tls"];
  if (kind.h2 === true) protocols.push("h2");
  return {
    name: `gunicorn ${kind.name}`,
    kind: "server",
    family: "gunicorn",
    interfaces: [kind.asgi === true ? "asgi" : "wsgi"],
    protocols,
    websocket: kind.websocket ?? false,
    pip: [...when(kind.h2 === true, "gunicorn[http2]"), ...(kind.pip ?? []), "gunicorn"],
    needs: {
      distributions: ["gunicorn", ...(kind.distributions ?? [])],
      ...(kind.modules === undefined ? {} : { modules: kind.modules }),
      ...(kind.h2 === true ? { protocols: { h2: ["h2"] } } : {}),
    },
    threaded: kind.name === "gthread",
    resources: (setup) => kind.resources(setup),
    command: (setup, listen) => {
      const { workers, threads } = kind.resources(setup);
      return {
        argv: [
          ...[setup.python, "-m", "gunicorn", setup.app, "-k", kind.worker ?? kind.name],
          ...["-w", `${workers}`, "-b", address(listen), "--log-level", "warning"],
          ...when(kind.name === "gthread", "--threads", `${threads ?? THREADS}`),
          ...(isEqual(setup)
            ? [
                ...["--worker-connections", `${CONNECTIONS}`, "--keep-alive", `${KEEP_ALIVE}`],
                ...["--backlog", `${BACKLOG}`],
              ]
            : when(existsSync(MEMORY), "--worker-tmp-dir", MEMORY)),
          ...tls(setup, listen, "--certfile", "--keyfile"),
          ...when(setup.protocol === "h2", "--http-protocols", "h2,h1"),
          ...asked("--pid", setup.pidFile),
          ...asked("--timeout", setup.timeoutSeconds),
        ],
      };
    },
  };
}

export const gunicorn: readonly ServerSpec[] = kinds.map(specOf);
