/**
 * Prepares the machine for one purpose: `serve` (the examples' environment), `test` (that, an environment for each
 * Python version, the load tools, other servers and the compliance suites), `bench` (the environment of the peers and the load clients),
 * `chaos` (the examples' environment and toxiproxy) or `compliance` (the suites and the peers). Quick when nothing is to be done.
 */
import { aptInstall } from "./apt.ts";
import { fail, run, say } from "./process.ts";
import {
  ensureAutobahn,
  ensureGoProgram,
  ensureH2spec,
  ensureH3Client,
  ensureToxiproxy,
} from "./programs.ts";
import { findPythons, preferredPython } from "./pythons.ts";
import { ensureVenv } from "./venv.ts";

const LOAD_TOOLS = [
  { package: "curl", sign: "curl" },
  { package: "wrk", sign: "wrk" },
  { package: "nghttp2-client", sign: "nghttp" },
];

/** Web servers and balancers to be put in front. */
const FRONTS = [
  { package: "nginx-light", sign: "/usr/sbin/nginx" },
  { package: "libnginx-mod-stream", sign: "/usr/lib/nginx/modules/ngx_stream_module.so" },
  { package: "haproxy", sign: "/usr/sbin/haproxy" },
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
  aptInstall(FRONTS);
  aptInstall([...LOAD_TOOLS, { package: "chromium", sign: "/usr/bin/chromium" }]);
  for (const python of findPythons()) {
    const directory = `.cache/python-${python.minor}`;
    ensureVenv({ directory, python, requirements: "test.txt" });
  }
  const python = preferredPython();
  ensureVenv({ directory: ".cache/interop-venv", python, requirements: "interop.txt" });
  ensureVenv({ directory: ".cache/peers-venv", python, requirements: "peers.txt" });
  ensureGoProgram("protocol-client", "tests/interop/clients/go");
  ensureH3Client();
  ensureToxiproxy();
  suites();
}

function chaos(): void {
  serve();
  ensureToxiproxy();
}

/** The public test suites. */
function suites(): void {
  ensureH2spec();
  ensureAutobahn();
  const python = preferredPython();
  ensureVenv({ directory: ".cache/sslyze", python, requirements: "sslyze.txt" });
}

function bench(): void {
  aptInstall(LOAD_TOOLS);
  peers();
  ensureGoProgram("load", "bench/macro/clients");
}

function peers(): void {
  aptInstall([{ package: "libev-dev", sign: "/usr/include/ev.h" }]);
  const python = preferredPython();
  ensureVenv({
    directory: ".cache/bench-venv",
    python,
    requirements: "bench.txt",
    optional: ["bjoern==3.2.2"],
  });
}

function compliance(): void {
  serve();
  suites();
  peers();
}

const purposes: Record<string, () => void> = { serve, test, bench, chaos, compliance };
const purpose = process.argv[2] ?? "";
const prepare = purposes[purpose];
if (prepare === undefined) fail(`usage: setup.ts ${Object.keys(purposes).join("|")}`);
prepare();
say(`ready to ${purpose}`);
