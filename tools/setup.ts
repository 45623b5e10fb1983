/**
 * Prepares the machine for one purpose: `serve` (the examples' environment), `test` (that, an environment for each
 * Python version and the load tools) or `bench` (the environment of the peers). Quick when nothing is to be done.
 */
import { aptInstall } from "./apt.ts";
import { fail, run, say } from "./process.ts";
import { findPythons, preferredPython } from "./pythons.ts";
import { ensureVenv } from "./venv.ts";

const LOAD_TOOLS = [
  { package: "curl", sign: "curl" },
  { package: "wrk", sign: "wrk" },
];

function serve(): void {
  const python = preferredPython();
  const venv = ensureVenv({ directory: ".venv", python, requirements: "dev.txt" });
  const django = "examples/django_site";
  const done = run([`${venv}/bin/python`, "manage.py", "prepare"], { cwd: django });
  if (done.code !== 0) fail(`${django}: manage.py prepare failed:`, done.output);
}

function test(): void {
  serve();
  aptInstall([
    ...LOAD_TOOLS,
    { package: "nghttp2-client", sign: "nghttp" },
    { package: "chromium", sign: "/usr/bin/chromium" },
  ]);
  for (const python of findPythons()) {
    const directory = `.cache/python-${python.minor}`;
    ensureVenv({ directory, python, requirements: "test.txt" });
  }
}

function bench(): void {
  aptInstall([...LOAD_TOOLS, { package: "libev-dev", sign: "/usr/include/ev.h" }]);
  const python = preferredPython();
  ensureVenv({
    directory: ".cache/bench-venv",
    python,
    requirements: "bench.txt",
    optional: ["bjoern==3.2.2"],
  });
}

const purposes: Record<string, () => void> = { serve, test, bench };
const purpose = process.argv[2] ?? "";
const prepare = purposes[purpose];
if (prepare === undefined) fail(`usage: setup.ts ${Object.keys(purposes).join("|")}`);
prepare();
say(`ready to ${purpose}`);
