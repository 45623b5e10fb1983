/** The servers that speak ASGI first: Uvicorn, Hypercorn and Daphne. */
import type { Setup } from "../types.ts";
import {
  address,
  asked,
  BACKLOG,
  certificatePath,
  isEqual,
  isSecure,
  KEEP_ALIVE,
  keyPath,
  launcher,
  loops,
  tls,
  when,
} from "./spec.ts";
import type { Listen, ServerSpec } from "./spec.ts";

/** Its documentation advises `uvicorn[standard]`, whose uvloop and httptools it then takes by itself, and a worker for each core. */
const uvicorn: ServerSpec = {
  name: "uvicorn",
  kind: "server",
  family: "uvicorn",
  // Its own bridge to WSGI is deprecated.
  interfaces: ["asgi"],
  protocols: ["h1", "tls"],
  websocket: true,
  pip: ["uvicorn[standard]"],
  needs: { distributions: ["uvicorn"] },
  resources: loops,
  command: (setup, listen) => ({
    argv: [
      ...[setup.python, "-m", "uvicorn", setup.app, "--host", "127.0.0.1"],
      ...["--port", `${listen.port}`, "--workers", `${setup.workers}`],
      ...["--no-access-log", "--log-level", "warning"],
      ...when(isEqual(setup), "--timeout-keep-alive", `${KEEP_ALIVE}`, "--backlog", `${BACKLOG}`),
      ...tls(setup, listen, "--ssl-certfile", "--ssl-keyfile"),
      ...asked("--timeout-worker-healthcheck", setup.timeoutSeconds),
    ],
  }),
};

/** Calls WSGI apps from threads of its event loop. HTTP/2 is agreed on by ALPN, HTTP/3 has an address of its own. */
function hypercorn(worker: "asyncio" | "uvloop" | "trio"): ServerSpec {
  return {
    name: `hypercorn ${worker}`,
    kind: "server",
    family: "hypercorn",
    // With trio the bridge to WSGI does not start: it has left the lifespan before it is sent (0.18).
    interfaces: worker === "trio" ? ["asgi"] : ["wsgi", "asgi"],
    protocols: worker === "trio" ? ["h1", "tls", "h2"] : ["h1", "tls", "h2", "h3"],
    websocket: true,
    pip: [worker === "asyncio" ? "hypercorn[h3]" : `hypercorn[h3,${worker}]`],
    needs: {
      distributions: worker === "asyncio" ? ["hypercorn"] : ["hypercorn", worker],
      protocols: { h3: ["aioquic"] },
    },
    resources: loops,
    command: (setup, listen) => ({
      argv: [
        ...[setup.python, "-m", "hypercorn", `${setup.interface}:${setup.app}`],
        ...["--bind", address(listen), "--workers", `${setup.workers}`],
        ...["--worker-class", worker, "--log-level", "warning"],
        ...when(isEqual(setup), "--keep-alive", `${KEEP_ALIVE}`, "--backlog", `${BACKLOG}`),
        ...tls(setup, listen, "--certfile", "--keyfile"),
        ...when(setup.protocol === "h3", "--quic-bind", address(listen)),
      ],
    }),
  };
}

/**
 * One process; for more its documentation starts several that share a socket (`--fd`), which is what the launcher does. TLS is a
 * Twisted endpoint, and HTTP/2 comes with it where Twisted has its extras.
 */
const daphne: ServerSpec = {
  name: "daphne",
  kind: "server",
  family: "daphne",
  interfaces: ["asgi"],
  protocols: ["h1", "tls", "h2"],
  websocket: true,
  pip: ["daphne", "twisted[tls,http2]"],
  needs: {
    distributions: ["daphne"],
    protocols: { tls: ["pyOpenSSL"], h2: ["pyOpenSSL", "h2", "priority"] },
  },
  resources: (setup) =>
    isSecure(setup) && setup.workers > 1
      ? { workers: 1, note: "shares a socket between processes only without TLS" }
      : loops(setup),
  command: (setup, listen) => ({ argv: daphneArgv(setup, listen) }),
};

function daphneArgv(setup: Setup, listen: Listen): string[] {
  const daphneItself = [setup.python, "-m", "daphne", "--verbosity", "0"];
  if (isSecure(setup)) {
    const key = `privateKey=${keyPath(listen)}:certKey=${certificatePath(listen)}`;
    const endpoint = `ssl:${listen.port}:interface=127.0.0.1:${key}`;
    return [...daphneItself, "--endpoint", endpoint, setup.app];
  }
  if (setup.workers === 1) {
    return [...daphneItself, "--bind", "127.0.0.1", "--port", `${listen.port}`, setup.app];
  }
  return [
    ...[setup.python, launcher, "daphne", setup.app, "--port", `${listen.port}`],
    ...["--workers", `${setup.workers}`, "--backlog", `${BACKLOG}`],
  ];
}

export const asgi: readonly ServerSpec[] = [
  uvicorn,
  hypercorn("asyncio"),
  hypercorn("uvloop"),
  hypercorn("trio"),
  daphne,
];
