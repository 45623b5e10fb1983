/** The servers of WSGI apps: Waitress, uWSGI, bjoern, Cheroot, mod_wsgi-express, Tornado. */
import { existsSync, readFileSync } from "node:fs";
import { dirname, join } from "node:path";
import type { Setup } from "../types.ts";
import {
  address,
  asAsked,
  asked,
  BACKLOG,
  certificatePath,
  CONNECTIONS,
  isEqual,
  isSecure,
  KEEP_ALIVE,
  keyPath,
  launcher,
  oneProcess,
  program,
  THREADS,
  threads,
  when,
} from "./spec.ts";
import type { Listen, Resources, ServerSpec } from "./spec.ts";

const common = {
  kind: "server",
  interfaces: ["wsgi"],
  protocols: ["h1"],
  websocket: false,
} as const;

function splitApp(app: string): [module: string, attribute: string] {
  const [module = "", attribute = "application"] = app.split(":");
  return [module, attribute];
}

/** The launcher's command line. */
function launched(server: string, setup: Setup, listen: Listen, resources: Resources): string[] {
  return [
    ...[setup.python, launcher, server, setup.app, "--port", `${listen.port}`],
    ...["--workers", `${resources.workers}`, "--backlog", `${BACKLOG}`],
    ...(resources.threads === undefined ? [] : ["--threads", `${resources.threads}`]),
  ];
}

/** Its documentation leaves the default of 4 threads; `poll` because `select` ends at 1024 connections. */
const waitress: ServerSpec = {
  ...common,
  name: "waitress",
  family: "waitress",
  pip: ["waitress"],
  needs: { distributions: ["waitress"] },
  threaded: true,
  resources: (setup) => oneProcess(setup, { threads: (isEqual(setup) && setup.threads) || 4 }),
  command: (setup, listen) => ({
    argv: [
      ...[setup.python, "-m", "waitress", `--listen=${address(listen)}`],
      ...(isEqual(setup) && setup.threads !== undefined ? [`--threads=${setup.threads}`] : []),
      ...when(isEqual(setup), `--connection-limit=${CONNECTIONS}`, `--backlog=${BACKLOG}`),
      ...["--asyncore-use-poll", "--max-request-body-size=4294967296", setup.app],
    ],
  }),
};

/**
 * Its documentation ("Things to know") wants `--http` for whoever is asked by clients directly, a master, `need-app`, `die-on-term`,
 * `single-interpreter`, `vacuum`, and for several processes `thunder-lock`.
 */
function uwsgi(kind: "processes" | "threads"): ServerSpec {
  const resources = (setup: Setup): Resources =>
    kind === "threads"
      ? { workers: setup.workers, threads: setup.threads ?? THREADS }
      : { workers: setup.workers, threads: 1 };
  return {
    ...common,
    name: `uwsgi ${kind}`,
    family: "uwsgi",
    protocols: ["h1", "tls"],
    pip: ["pyuwsgi"],
    needs: { distributions: ["uWSGI|pyuwsgi"] },
    threaded: kind === "threads",
    resources,
    command: (setup, listen) => {
      const pair = `${certificatePath(listen)},${keyPath(listen)}`;
      const [module, attribute] = splitApp(setup.app);
      return {
        argv: [
          program(setup.python, "uwsgi", "pyuwsgi"),
          ...(isSecure(setup)
            ? ["--https", `${address(listen)},${pair}`]
            : ["--http", address(listen)]),
          ...[`--http-keepalive=${KEEP_ALIVE}`, "--http-auto-chunked"],
          ...["--module", module, "--callable", attribute, "--pythonpath", setup.directory],
          ...virtualEnvironment(setup.python),
          ...["--master", "--processes", `${setup.workers}`, "--need-app", "--die-on-term"],
          ...when(kind === "threads", "--threads", `${resources(setup).threads}`),
          ...["--listen", `${backlogMax()}`, "--disable-logging", "--auto-procname"],
          ...when(!isEqual(setup), "--single-interpreter", "--vacuum", "--thunder-lock"),
          ...asked("--harakiri", setup.timeoutSeconds),
        ],
      };
    },
  };
}

/** uWSGI does not start where more connections are to wait than the kernel lets. */
function backlogMax(): number {
  try {
    return Math.min(BACKLOG, Number(readFileSync("/proc/sys/net/core/somaxconn", "utf8")));
  } catch {
    return 100; // its default
  }
}

/** uWSGI has the interpreter in it and has to be told of the environment whose packages it is to see. */
function virtualEnvironment(python: string): string[] {
  const directory = dirname(dirname(python));
  return existsSync(join(directory, "pyvenv.cfg")) ? ["--virtualenv", directory] : [];
}

/** Has no command; its documentation forks after the socket is made to have more processes. */
const bjoern: ServerSpec = {
  ...common,
  name: "bjoern",
  family: "bjoern",
  pip: ["bjoern"],
  needs: { distributions: ["bjoern"] },
  resources: ({ workers }) => ({ workers, threads: 1 }),
  command: (setup, listen) => ({
    argv: launched("bjoern", setup, listen, { workers: setup.workers }),
  }),
};

const CHEROOT_THREADS = 10;

const cheroot: ServerSpec = {
  ...common,
  name: "cheroot",
  family: "cheroot",
  pip: ["cheroot"],
  needs: { distributions: ["cheroot"] },
  threaded: true,
  resources: (setup) =>
    oneProcess(setup, { threads: (isEqual(setup) && setup.threads) || CHEROOT_THREADS }),
  command: (setup, listen) => ({
    argv: [
      ...[setup.python, "-m", "cheroot", setup.app, "--bind", address(listen)],
      ...(isEqual(setup) ? threads("--threads", setup) : []),
      ...when(isEqual(setup), "--request-queue-size", `${BACKLOG}`, "--timeout", `${KEEP_ALIVE}`),
    ],
  }),
};

/** Threads of Apache that hold a connection each. */
const APACHE_CLIENTS = 1000;
const APACHE_FILE = "equal.conf";

/**
 * Apache. It does not serve as root, and whom it could become instead can often not read the app or its interpreter: so root starts it in
 * a namespace where it is nobody, with root's files still readable.
 */
const modWsgi: ServerSpec = {
  ...common,
  name: "mod_wsgi-express",
  family: "mod_wsgi",
  // Brings an Apache of its own, which takes minutes to compile, but no package of the system.
  pip: ["mod_wsgi-standalone"],
  needs: { distributions: ["mod_wsgi|mod_wsgi-standalone"] },
  threaded: true,
  resources: (setup) => ({
    workers: setup.workers,
    threads: (isEqual(setup) && setup.threads) || 5,
  }),
  command: (setup, listen) => {
    const [module, attribute] = splitApp(setup.app);
    // Apache ends a connection after 100 requests by default, in the middle of a measurement.
    const equal = `MaxKeepAliveRequests 0\nListenBackLog ${BACKLOG}\n`;
    return {
      ...(isEqual(setup) ? { files: { [APACHE_FILE]: equal } } : {}),
      argv: [
        ...when(process.getuid?.() === 0, "unshare", "--user"),
        ...[program(setup.python, "mod_wsgi-express"), "start-server", module],
        ...["--application-type", "module", "--callable-object", attribute],
        ...["--host", "127.0.0.1", "--port", `${listen.port}`],
        ...["--working-directory", setup.directory, "--python-path", setup.directory],
        ...["--server-root", `${listen.directory}/apache`, "--log-to-terminal"],
        ...["--processes", `${setup.workers}`, ...threads("--threads", setup)],
        ...when(isEqual(setup), "--keep-alive-timeout", `${KEEP_ALIVE}`),
        ...when(isEqual(setup), "--include-file", `${listen.directory}/${APACHE_FILE}`),
        ...when(isEqual(setup), "--max-clients", `${APACHE_CLIENTS}`),
      ],
    };
  },
};

/** Its documentation gives the WSGI container an executor, else it serves one request at a time; and a process for each core. */
const tornado: ServerSpec = {
  ...common,
  name: "tornado",
  family: "tornado",
  pip: ["tornado"],
  needs: { distributions: ["tornado"] },
  threaded: true,
  resources: asAsked,
  command: (setup, listen) => ({
    argv: launched("tornado", setup, listen, asAsked(setup)),
  }),
};

export const wsgi: readonly ServerSpec[] = [
  waitress,
  uwsgi("processes"),
  uwsgi("threads"),
  bjoern,
  cheroot,
  modWsgi,
  tornado,
];
