/** Which command a command line is, and which file it reads. */
import { describe, expect, test } from "bun:test";
import type { Command } from "../../../src/cli/command.ts";
import { cgroupCores, parseCommand, problemText, realHost } from "../../../src/cli/command.ts";

type Files = Readonly<Record<string, string | Error>>;

function command(
  argv: readonly string[],
  files: Files = {},
  env: Record<string, string> = {},
): Command {
  const readText = (path: string): string | null => {
    const text = files[path] ?? null;
    if (text instanceof Error) throw text;
    return text;
  };
  return parseCommand(argv, { env, cwd: "/srv/shop", cores: 2, readText });
}

function complaint(...args: Parameters<typeof command>): string {
  const result = command(...args);
  if (result.name !== "usage") throw new Error(`accepted as ${result.name}`);
  expect(result.exitCode).toBe(2);
  return problemText(result.problems);
}

function served(...args: Parameters<typeof command>): Extract<Command, { name: "serve" }> {
  const result = command(...args);
  if (result.name !== "serve") throw new Error(JSON.stringify(result));
  return result;
}

describe("command", () => {
  test("serve is what is done without another word", () => {
    expect(served([]).config.app).toBeNull();
    expect(served(["serve", "a:b", "-w3"]).config).toMatchObject({ app: "a:b", workers: 3 });
    expect(served([]).file).toBeNull();
  });

  test("help and version win over everything, wrong options included", () => {
    expect(command(["--nope", "-h"]).name).toBe("help");
    expect(command(["--help", "all"])).toMatchObject({ name: "help" });
    expect(command(["--help", "workers"])).toMatchObject({
      text: expect.stringContaining("WEB_CONCURRENCY"),
    });
    expect(command(["main:app", "--help"]).name).toBe("help");
    expect(complaint(["--help=wokers"])).toContain("did you mean workers?");
    for (const flag of ["-V", "-v", "--version"]) expect(command([flag]).name).toBe("version");
  });

  test("check-config and print-config", () => {
    expect(command(["a:b", "--check-config"])).toMatchObject({
      name: "check-config",
      config: { app: "a:b" },
    });
    expect(command(["--print-config"])).toMatchObject({ name: "print-config", json: false });
    expect(command(["--print-config", "--json"])).toMatchObject({
      name: "print-config",
      json: true,
    });
    expect(complaint(["--check-config=false"])).toContain("--check-config takes no value");
    expect(complaint(["--json"])).toBe("keelback: --json goes with --print-config\n");
  });

  test("problems are one line each", () => {
    expect(complaint(["--nope", "-w", "x"]).split("\n")).toHaveLength(3);
  });
});

describe("configuration file", () => {
  const own = { "/srv/shop/keelback.toml": "workers = 3" };
  const project = { "/srv/shop/pyproject.toml": "[tool.keelback]\nworkers = 4" };

  test("keelback.toml, else the table of pyproject.toml", () => {
    expect(served([], { ...own, ...project })).toMatchObject({
      file: "keelback.toml",
      config: { workers: 3 },
    });
    expect(served([], project)).toMatchObject({ file: "pyproject.toml", config: { workers: 4 } });
    expect(served([], { "/srv/shop/pyproject.toml": "[project]" }).file).toBeNull();
  });

  test("--config wins over KEELBACK_CONFIG, and both over the usual names", () => {
    const files = { ...own, "/etc/a.toml": "workers = 5", "/srv/shop/b.toml": "workers = 6" };
    const env = { KEELBACK_CONFIG: "/etc/a.toml" };
    expect(served([], files, env).config.workers).toBe(5);
    expect(served(["-c", "b.toml"], files, env)).toMatchObject({
      file: "b.toml",
      config: { workers: 6 },
    });
    expect(served([], files, { KEELBACK_CONFIG: "" }).config.workers).toBe(3);
  });

  test("a file that is asked for must be there and be ours", () => {
    expect(complaint(["-c", "x.toml"])).toBe(
      "keelback: config: x.toml (from --config) does not exist\n",
    );
    expect(complaint([], {}, { KEELBACK_CONFIG: "x" })).toContain(
      "(from KEELBACK_CONFIG) does not exist",
    );
    expect(complaint(["-c", "gunicorn.conf.py"])).toContain("is a Python file");
    const files = { "/srv/shop/pyproject.toml": "[project]" };
    expect(complaint(["-c", "pyproject.toml"], files)).toContain("has no table [tool.keelback]");
  });

  test("one that cannot be read is an error", () => {
    const files = { "/srv/shop/keelback.toml": new Error("EACCES: permission denied") };
    expect(complaint([], files)).toContain("keelback.toml cannot be read: EACCES");
  });
});

test("cores: a CPU quota of the container counts", () => {
  expect(cgroupCores("max 100000\n")).toBeNull();
  expect(cgroupCores("200000 100000\n")).toBe(2);
  expect(cgroupCores("50000 100000\n")).toBe(1);
  expect(cgroupCores("150000 100000")).toBe(2);
  expect(cgroupCores(null)).toBeNull();
  expect(cgroupCores("nonsense")).toBeNull();
  expect(realHost().cores).toBeGreaterThanOrEqual(1);
});
