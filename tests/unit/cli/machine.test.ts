/** What the settings name on this machine: the interpreter, directories, files. */
import { afterAll, describe, expect, test } from "bun:test";
import { chmodSync, mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { checkConfig } from "../../../src/cli/check.ts";
import { findInterpreter } from "../../../src/cli/interpreter.ts";
import { good } from "../config/support.ts";

const root = mkdtempSync(join(tmpdir(), "keelback-machine-"));
afterAll(() => rmSync(root, { recursive: true }));

function executable(...parts: string[]): string {
  const path = join(root, ...parts);
  mkdirSync(join(path, ".."), { recursive: true });
  writeFileSync(path, "#!/bin/sh\n");
  chmodSync(path, 0o755);
  return path;
}

const venv = executable("active", "bin", "python");
const local = executable("web", ".venv", "bin", "python");
const system = executable("bin", "python3");
const other = executable("bin", "python3.9");
writeFileSync(join(root, "plain"), "");
mkdirSync(join(root, "bare"));

function find(python: string | null, env: Record<string, string>, chdir = "web"): unknown {
  const found = findInterpreter({ python, chdir: join(root, chdir), cwd: root, env });
  return "problem" in found ? found.problem.text : [found.path, found.why];
}

describe("interpreter", () => {
  const PATH = `:/nowhere:${join(root, "bin")}`;

  test("--python, then $VIRTUAL_ENV, then .venv, then python3 on PATH", () => {
    const env = { VIRTUAL_ENV: join(root, "active"), PATH };
    expect(find(system, env)).toEqual([system, "python"]);
    expect(find(null, env)).toEqual([venv, "$VIRTUAL_ENV"]);
    expect(find(null, { PATH })).toEqual([local, ".venv"]);
    expect(find(null, { PATH }, "bare")).toEqual([system, "python3 on PATH"]);
  });

  test("--python is a path, a virtual environment, or a name", () => {
    expect(find("bin/python3.9", {})).toEqual([other, "python"]);
    expect(find("python3.9", { PATH })).toEqual([other, "python3.9 on PATH"]);
    expect(find("active", { PATH })).toEqual([venv, "python"]);
    expect(find("./active", {})).toEqual([venv, "python"]);
  });

  test("a missing one is an error with a remedy", () => {
    expect(find("python9", { PATH })).toBe('python: there is no "python9" on PATH');
    expect(find("/no/python", {})).toContain(
      "/no/python does not exist; make a virtual environment",
    );
    expect(find("./plain", {})).toContain("cannot be executed");
    expect(find("./bare", {})).toContain("is a directory without bin/python");
    expect(find(null, { VIRTUAL_ENV: "/gone" })).toContain(
      '$VIRTUAL_ENV is "/gone", but there is no',
    );
    expect(find(null, {}, "bare")).toContain("no interpreter: no $VIRTUAL_ENV, no ");
  });

  test("a link to an interpreter stays a link: the environment is found beside it", () => {
    mkdirSync(join(root, "linked", "bin"), { recursive: true });
    symlinkSync(system, join(root, "linked", "bin", "python"));
    expect(find(null, { VIRTUAL_ENV: join(root, "linked") })).toEqual([
      join(root, "linked", "bin", "python"),
      "$VIRTUAL_ENV",
    ]);
  });
});

const check = (...argv: string[]): string[] =>
  checkConfig(good(argv, { cwd: root }).config).map(({ text }) => text);

describe("check-config", () => {
  test("what exists is fine", () => {
    expect(
      check("--chdir", "web", "--pythonpath", ".venv", "--access-log=new.log", "-b", "unix:s"),
    ).toEqual([]);
    expect(check("--access-log=plain", "--reload", "--reload-dir", ".")).toEqual([]);
    expect(check("--access-log")).toEqual([]);
  });

  test("what does not exist is named", () => {
    expect(check("--chdir", "gone")).toEqual([`chdir: ${root}/gone does not exist`]);
    expect(check("--chdir", "plain")).toEqual([`chdir: ${root}/plain is no directory`]);
    expect(check("--pythonpath", "gone")).toEqual([`pythonpath: ${root}/gone does not exist`]);
    expect(check("--reload", "--reload-dir", "gone")).toEqual([
      `reload-dir: ${root}/gone does not exist`,
    ]);
    expect(check("--access-log=bare")).toEqual([`access-log: ${root}/bare is a directory`]);
    expect(check("--access-log=gone/a")).toEqual([
      `access-log: ${root}/gone is no directory (for ${root}/gone/a)`,
    ]);
    expect(check("-b", "unix:gone/s")).toEqual([
      `bind: ${root}/gone is no directory (for ${root}/gone/s)`,
    ]);
    expect(check("-b", "unix:bare")).toEqual([`bind: unix:${root}/bare is a directory`]);
  });
});
