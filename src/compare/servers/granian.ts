/**
 * Granian with each of its interfaces. It advises a worker for each core, its automatic event loop, and leaves the rest to its defaults;
 * `equal` only says which HTTP is spoken and how many connections it may hold.
 */
import type { Interface } from "../types.ts";
import { asAsked, BACKLOG, CONNECTIONS, isEqual, loops, threads, tls, when } from "./spec.ts";
import type { ServerSpec } from "./spec.ts";

function granianOf(interface_: Interface): ServerSpec {
  const wsgi = interface_ === "wsgi";
  return {
    name: `granian ${interface_}`,
    kind: "server",
    family: "granian",
    interfaces: [interface_],
    protocols: ["h1", "tls", "h2"],
    websocket: !wsgi,
    pip: wsgi ? ["granian"] : ["granian", "uvloop"],
    needs: { distributions: ["granian"] },
    threaded: wsgi,
    resources: wsgi ? asAsked : loops,
    command: (setup, listen) => {
      // Without a number of threads it would start half as many as the connections that it may hold: so that stays its default.
      const bounded = !wsgi || setup.threads !== undefined;
      const argv = [
        ...[setup.python, "-m", "granian", setup.app, "--interface", interface_],
        ...["--host", "127.0.0.1", "--port", `${listen.port}`],
        ...["--workers", `${setup.workers}`, "--log-level", "warning"],
        ...(wsgi && isEqual(setup) ? threads("--blocking-threads", setup) : []),
        ...when(isEqual(setup), "--http", setup.protocol === "h2" ? "2" : "1"),
        ...when(isEqual(setup) && bounded, "--backlog", `${BACKLOG}`),
        ...when(isEqual(setup) && bounded, "--backpressure", `${CONNECTIONS}`),
        ...tls(setup, listen, "--ssl-certificate", "--ssl-keyfile"),
      ];
      return { argv };
    },
  };
}

export const granian: readonly ServerSpec[] = (["wsgi", "asgi", "rsgi"] as const).map(granianOf);
