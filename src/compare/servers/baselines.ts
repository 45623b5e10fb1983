/**
 * The designs of "Designing Python Web Servers" (src/compare/baselines): they call WSGI apps only. One that answered for an ASGI app
 * without calling it would compare nothing, so ASGI apps have no such rows.
 */
import type { Setup } from "../types.ts";
import { oneProcess } from "./spec.ts";
import type { Resources, ServerSpec } from "./spec.ts";

const serve = new URL("../baselines/serve.py", import.meta.url).pathname;
/** What Python's own executor takes at most. */
const POOL_THREADS = 32;

interface Design {
  readonly name: string;
  /** For serve.py. */
  readonly argument: string;
  /** Left out: one process, no threads to choose. */
  readonly scales?: "workers" | "threads";
}

const designs: readonly Design[] = [
  { name: "sequential (loop)", argument: "sequential-loop" },
  { name: "sequential (socketserver)", argument: "sequential-socketserver" },
  { name: "forking (each connection)", argument: "forking-each" },
  { name: "forking (socketserver)", argument: "forking-socketserver" },
  { name: "forking (pre-fork)", argument: "forking-prefork", scales: "workers" },
  { name: "threading (each connection)", argument: "threading-each" },
  { name: "threading (socketserver)", argument: "threading-socketserver" },
  { name: "threading (pool)", argument: "threading-pool", scales: "threads" },
  { name: "process pool", argument: "process-pool", scales: "workers" },
  { name: "select", argument: "select" },
  { name: "selectors (epoll)", argument: "selectors" },
  { name: "asyncio", argument: "asyncio" },
];

function resourcesOf({ scales }: Design, setup: Setup): Resources {
  if (scales === "workers") return { workers: setup.workers };
  return oneProcess(setup, scales === "threads" ? { threads: setup.threads ?? POOL_THREADS } : {});
}

function specOf(design: Design): ServerSpec {
  return {
    name: design.name,
    kind: "baseline",
    family: "baseline",
    interfaces: ["wsgi"],
    protocols: ["h1"],
    websocket: false,
    pip: [],
    needs: { distributions: [], python: "3.9" },
    label: "a teaching baseline",
    threaded: design.scales === "threads",
    resources: (setup) => resourcesOf(design, setup),
    command: (setup, { port }) => {
      const { workers, threads } = resourcesOf(design, setup);
      const command = [setup.python, serve, design.argument, setup.app, "--port", `${port}`];
      if (design.scales === "workers") command.push("--workers", `${workers}`);
      if (design.scales === "threads") command.push("--threads", `${threads}`);
      return { argv: command };
    },
  };
}

export const baselines: readonly ServerSpec[] = designs.map(specOf);
