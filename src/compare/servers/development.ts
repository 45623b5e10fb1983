/** What frameworks start during development. Nobody deploys them, and everybody wonders how slow they are. */
import type { Setup } from "../types.ts";
import { launcher, oneProcess, tls } from "./spec.ts";
import type { Listen, ServerSpec } from "./spec.ts";

const common = {
  kind: "server",
  interfaces: ["wsgi"],
  protocols: ["h1"],
  websocket: false,
  label: "for development",
} as const;

function launched(server: string, setup: Setup, listen: Listen): string[] {
  return [setup.python, launcher, server, setup.app, "--port", `${listen.port}`];
}

/** A thread for each connection. */
const runserver: ServerSpec = {
  ...common,
  name: "django runserver",
  family: "django",
  pip: ["django"],
  needs: { distributions: ["Django"] },
  resources: oneProcess,
  command: (setup, listen) => ({ argv: launched("runserver", setup, listen) }),
};

/** Werkzeug's, a thread for each connection; it prints each request and cannot be told not to. */
const flask: ServerSpec = {
  ...common,
  name: "flask run",
  family: "flask",
  protocols: ["h1", "tls"],
  pip: ["flask"],
  needs: { distributions: ["Flask"] },
  resources: oneProcess,
  command: (setup, listen) => ({
    argv: [
      ...[setup.python, "-m", "flask", "--app", setup.app, "run", "--host", "127.0.0.1"],
      ...["--port", `${listen.port}`, "--no-reload", "--no-debugger"],
      ...tls(setup, listen, "--cert", "--key"),
    ],
  }),
};

const wsgiref: ServerSpec = {
  ...common,
  name: "wsgiref",
  family: "python",
  pip: [],
  needs: { distributions: [] },
  resources: oneProcess,
  command: (setup, listen) => ({ argv: launched("wsgiref", setup, listen) }),
};

export const development: readonly ServerSpec[] = [runserver, flask, wsgiref];
