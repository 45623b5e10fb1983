/** The servers of the bars: those of `keelback compare`, and variants of them that only the bars ask for. */
import { named, variant } from "../../src/compare/servers/catalogue.ts";
import type { ServerSpec, Variant } from "../../src/compare/servers/catalogue.ts";
import { program } from "../../src/compare/servers/spec.ts";
import type { Interface, Setup } from "../../src/compare/types.ts";

/** `python -m gunicorn` does not survive a binary upgrade: what it starts finds Gunicorn's `http` before Python's. */
function asProgram([, , , ...rest]: readonly string[], { python }: Setup): readonly string[] {
  return [program(python, "gunicorn"), ...rest];
}

function gunicorn(kind: string, extra: readonly string[] = [], name = kind): Variant {
  return variant(`gunicorn ${kind}`, { name: `gunicorn ${name}`, extra, change: asProgram });
}

export const variants: readonly Variant[] = [
  variant("keelback", { name: "keelback sync", extra: ["--worker", "sync"] }),
  variant("keelback", { name: "keelback preload", extra: ["--preload"] }),
  gunicorn("sync"),
  gunicorn("gthread"),
  gunicorn("asgi"),
  gunicorn("gthread", ["--preload"], "preload"),
  variant("uvicorn", { name: "uvicorn", extra: ["--ws", "websockets"] }),
  variant("uvicorn", { name: "uvicorn wsproto", extra: ["--ws", "wsproto"] }),
  variant("granian wsgi", { name: "granian" }),
  variant("granian asgi", { name: "granian" }),
  variant("granian asgi", { name: "granian respawn", extra: ["--respawn-failed-workers"] }),
  variant("hypercorn uvloop", { name: "hypercorn" }),
  variant("uwsgi processes", {
    name: "uwsgi",
    // It starts itself anew at a reload, and would take the interpreter that the environment was made from.
    change: (argv, { python }) => [...argv, "--lazy-apps", "--binary-path", python],
  }),
];

/** A server by the name of its variant, in the catalogue, or of its family; the one that speaks this interface. */
export function serverOf(name: string, spoken: Interface): ServerSpec {
  const speaks = ({ interfaces }: ServerSpec): boolean => interfaces.includes(spoken);
  const called = variants.filter((each) => each.name === name);
  const found = [...called, ...named(name)];
  const spec = found.find(speaks) ?? found[0];
  if (spec === undefined) throw new Error(`no server is called ${name}`);
  return spec;
}
