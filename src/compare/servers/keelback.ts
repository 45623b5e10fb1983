/** Keelback itself. Its defaults are what it recommends; the number of workers is the comparison's in both modes. */
import { existsSync } from "node:fs";
import { address, asAsked, asked, isEqual, threads, tls } from "./spec.ts";
import type { ServerSpec } from "./spec.ts";

const launcher = new URL("../../../keelback", import.meta.url).pathname;
const main = new URL("../../main.ts", import.meta.url).pathname;
/** The command that people type, where it is beside the sources. */
const command = existsSync(launcher) ? [launcher] : [process.execPath, main];

export const keelback: ServerSpec = {
  name: "keelback",
  kind: "server",
  family: "keelback",
  interfaces: ["wsgi", "asgi"],
  protocols: ["h1", "tls", "h2", "h3"],
  websocket: true,
  pip: [],
  needs: { distributions: [] },
  threaded: true,
  resources: asAsked,
  command: (setup, listen) => ({
    argv: [
      ...[...command, "serve", setup.app, "--interface", setup.interface],
      ...["--python", setup.python, "--bind", address(listen)],
      ...["--workers", `${setup.workers}`, "--log-level", "warning"],
      ...(isEqual(setup) ? threads("--threads", setup) : []),
      ...tls(setup, listen, "--certfile", "--keyfile"),
      ...(setup.protocol === "h3" ? ["--http3"] : []),
      ...asked("--pid", setup.pidFile),
      ...asked("--timeout", setup.timeoutSeconds),
    ],
  }),
};
