/** Caddy with Python workers. Its command knows TLS only with a public name, so it is compared over plain HTTP/1.1. */
import type { Interface } from "../types.ts";
import { address, loops, program, when } from "./spec.ts";
import type { ServerSpec } from "./spec.ts";

function caddysnakeOf(interface_: Interface): ServerSpec {
  return {
    name: `caddysnake ${interface_}`,
    kind: "server",
    family: "caddysnake",
    interfaces: [interface_],
    protocols: ["h1"],
    websocket: interface_ === "asgi",
    pip: ["caddysnake"],
    needs: { distributions: ["caddysnake"], python: "3.12" },
    resources: loops,
    command: (setup, listen) => ({
      argv: [
        ...[program(setup.python, "caddysnake"), "--server-type", interface_],
        ...["--app", setup.app, "--listen", address(listen), "--workers", `${setup.workers}`],
        ...["--python-path", setup.python, "--working-dir", setup.directory],
        // Off by default; an app that has none then does not start, but one that needs it would answer wrongly.
        ...when(interface_ === "asgi", "--lifespan", "on"),
      ],
      // Caddy writes its state under the home directory otherwise.
      env: {
        XDG_DATA_HOME: `${listen.directory}/data`,
        XDG_CONFIG_HOME: `${listen.directory}/config`,
      },
    }),
  };
}

export const caddysnake: readonly ServerSpec[] = (["wsgi", "asgi"] as const).map(caddysnakeOf);
