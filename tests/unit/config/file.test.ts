/** The configuration file: both places, lines in messages, unknown keys. */
import { describe, expect, test } from "bun:test";
import type { ConfigFile } from "../../../src/config/file.ts";
import { readConfigFile } from "../../../src/config/file.ts";
import { bad, good, toml } from "./support.ts";

function pyproject(text: string): { file: ConfigFile } {
  return { file: { name: "pyproject.toml", text, pyproject: true } };
}

describe("file", () => {
  test("pyproject.toml: only its table counts", () => {
    const text = "[project]\nworkers = 9\n[tool.keelback]\nworkers = 3\n[tool.ruff]\nline = 1\n";
    const { config, sources } = good([], pyproject(text));
    expect(config.workers).toBe(3);
    expect(sources.workers.name).toBe("pyproject.toml line 4");
    expect(readConfigFile(pyproject("[project]\nname = 'x'").file).present).toBe(false);
    expect(bad([], pyproject("[tool]\nkeelback = 3"))).toEqual([
      "pyproject.toml: tool.keelback is not a table",
    ]);
  });

  test("a broken pyproject.toml is our business only when it speaks of us", () => {
    expect(readConfigFile(pyproject("[project\n").file)).toMatchObject({
      present: false,
      problems: [],
    });
    expect(bad([], pyproject("[tool.keelback]\nworkers =\n"))[0]).toStartWith(
      "pyproject.toml line 2: ",
    );
  });

  test("a syntax error names its line", () => {
    expect(bad([], toml('workers = 2\nbind = [\n  ":1",\n]\n\nthreads = \napp = "a"\n'))).toEqual([
      "keelback.toml line 6: Missing value after '='; values must be on the same line",
    ]);
    expect(bad([], toml("a = 1\na = 2"))[0]).toStartWith("keelback.toml line 2: ");
  });

  test("an unknown setting names the nearest one", () => {
    expect(bad([], toml("worker_s = 3"))).toEqual([
      'keelback.toml line 1: unknown setting "worker_s"; did you mean workers?',
    ]);
    expect(bad([], toml("keep_alive = 3"))[0]).toContain("did you mean keep-alive?");
    expect(bad([], toml("[server]\nworkers = 1"))[0]).toContain('unknown setting "server"');
    expect(bad([], toml("print-config = true"))[0]).toContain('unknown setting "print-config"');
  });

  test("tables and lists", () => {
    const { config } = good([], toml('bind = 9000\n[env]\nA = "1"\nB = 2\n'));
    expect(config.env).toEqual({ A: "1", B: "2" });
    expect(config.bind).toEqual([{ kind: "tcp", host: "127.0.0.1", port: 9000 }]);
    expect(bad([], toml("[env]\nA = true"))).toEqual([
      "env: is a table (from keelback.toml line 1); " +
        'allowed: a table of strings, such as { NAME = "value" }',
    ]);
    expect(bad([], toml("reload-dir = [1.5, true]"))[0]).toContain("is a list of something else");
    expect(bad([], toml("app = 3"))[0]).toContain("app: is the number 3");
  });
});
