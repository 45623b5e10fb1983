import { describe, expect, test } from "bun:test";
import { Place } from "../../apps_life/serve.ts";
import { examplesPython, runKeelback } from "../../support/server.ts";

interface Failed {
  /** What the file holds. */
  source: string;
  app?: string;
  cause: RegExp;
  /** The traceback's last line, where there is one. */
  traceback?: RegExp;
  remedy?: RegExp;
}

const HELLO = "def app(environ, start_response):\n    return []\n";

const failures: Record<string, Failed> = {
  "an import error": {
    source: "import does_not_exist_anywhere\n",
    cause: /does_not_exist_anywhere/,
    traceback: /ModuleNotFoundError: No module named 'does_not_exist_anywhere'/,
    remedy: /hint: .*install/,
  },
  "a module that is not there": {
    source: HELLO,
    app: "brokn:app",
    cause: /no module 'brokn'/,
    remedy: /hint: did you mean 'broken'/,
  },
  "an attribute that is not there": {
    source: HELLO,
    app: "broken:application",
    cause: /broken has no attribute 'application'/,
    remedy: /hint: there is broken:app/,
  },
  "a syntax error": {
    source: "def app(:\n    pass\n",
    cause: /SyntaxError/,
    traceback: /broken\.py", line 1/,
  },
  "an exception at import": {
    source: "def helper():\n    raise KeyError('DATABASE_URL')\n\n\nhelper()\n",
    cause: /KeyError/,
    traceback: /line 2, in helper/,
  },
  "something that is no app": {
    source: "app = 42\n",
    cause: /broken:app is not callable: it is an int/,
  },
  "a factory that fails": {
    source: "def make_app():\n    raise OSError('no settings')\n",
    app: "broken:make_app()",
    cause: /make_app\(\) failed: OSError: no settings/,
    traceback: /line 2, in make_app/,
  },
  "sys.exit at import": {
    source: "import sys\n\nsys.exit(3)\n",
    cause: /sys\.exit\(3\)/,
    remedy: /hint: .*__main__/,
  },
  "an interpreter that dies": {
    source: "import os\n\nos._exit(9)\n",
    cause: /ended (with status 9 )?before it (was ready|could start the app)/,
  },
};

async function start(place: Place, app: string, ...more: string[]) {
  const args = ["serve", app, "--bind", "127.0.0.1:0", "--workers", "2", ...more];
  const python = examplesPython();
  if (python !== undefined && !more.includes("--python")) args.push("--python", python);
  const env = { PYTHONDONTWRITEBYTECODE: "1" };
  const { code, stdout, stderr } = await runKeelback(args, { cwd: place.path, env });
  return { code, output: stdout + stderr };
}

describe("A broken app does not start", () => {
  test.each(Object.keys(failures))("%s: cause and remedy are shown, exit code 1", async (name) => {
    using place = new Place();
    const { source, app = "broken:app", cause, traceback, remedy } = failures[name]!;
    place.write("broken.py", source);
    for (const more of [[], ["--preload"]]) {
      const { code, output } = await start(place, app, ...more);
      expect(code).toBe(1);
      expect(output).toMatch(cause);
      if (traceback !== undefined) expect(output).toMatch(traceback);
      if (remedy !== undefined) expect(output).toMatch(remedy);
      // Ours is not the app's: none of our files is in the traceback.
      expect(output).not.toMatch(/File ".*keelback.(loader|zygote|worker)\.py"/);
      // Told once, not by each worker again.
      if (traceback !== undefined) {
        const told = output.match(new RegExp(traceback, "g"))?.length;
        expect(told).toBe(1);
      }
    }
  });

  test("an interpreter that is not there, or is no Python", async () => {
    using place = new Place();
    place.write("broken.py", HELLO);
    const missing = await start(place, "broken:app", "--python", place.of("nowhere"));
    expect(missing.code).not.toBe(0);
    expect(missing.output).toContain(place.of("nowhere"));
    const strange = await start(place, "broken:app", "--python", "/bin/true");
    expect(strange.code).not.toBe(0);
    expect(strange.output).toContain("/bin/true");
  });

  test("an app for another kind of worker", async () => {
    using place = new Place();
    place.write("broken.py", HELLO);
    const { code, output } = await start(place, "broken:app", "--worker", "asyncio");
    expect(code).toBe(1);
    expect(output).toMatch(/can't run on workers of the kind asyncio/);
    expect(output).toMatch(/hint: /);
  });

  test("nothing is served meanwhile, and nothing is left", async () => {
    using place = new Place();
    place.write("broken.py", "raise RuntimeError('at once')\n");
    const { output } = await start(place, "broken:app");
    expect(output).not.toMatch(/http:\/\/127\.0\.0\.1:\d+/);
  });
});
