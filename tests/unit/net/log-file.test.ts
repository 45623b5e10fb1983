/** Which files root opens for a log, and to whom they belong then. */
import { afterEach, beforeEach, describe, expect, test } from "bun:test";
import {
  chmodSync,
  chownSync,
  closeSync,
  linkSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
  writeSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { makeFifo } from "../../../src/net/libc.ts";
import { type LogOwner, openLog } from "../../../src/net/log-file.ts";

const asRoot = process.getuid?.() === 0;
const NOBODY: LogOwner = { uid: 65534, gid: 65534, name: "nobody" };
let directory = "";

/** A directory that is root's, and `theirs` in it, the user's own. */
beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), "keelback-test-"));
  chmodSync(directory, 0o755);
  mkdirSync(of("theirs"));
  if (asRoot) chownSync(of("theirs"), 65534, 65534);
});
afterEach(() => rmSync(directory, { recursive: true, force: true }));

function of(name: string): string {
  return join(directory, name);
}

/** Writes a line to it. */
function log(path: string, owner: LogOwner | null): void {
  const fd = openLog(path, { owner });
  writeSync(fd, "line\n");
  closeSync(fd);
}

/** A file that only root may touch, and may go on to do so. */
function secret(): string {
  writeFileSync(of("secret"), "", { mode: 0o600 });
  return of("secret");
}

function expectUntouched(path: string): void {
  const { uid, gid, mode, size } = statSync(path);
  expect({ uid, gid, mode: mode & 0o777, size }).toEqual({ uid: 0, gid: 0, mode: 0o600, size: 0 });
}

test("who is not to become another opens what it may", () => {
  symlinkSync(of("elsewhere"), of("link"));
  if (!asRoot) log(of("link"), null);
  log(of("elsewhere"), null);
  log(of("elsewhere"), null);
  expect(readFileSync(of("elsewhere"), "utf8")).toEndWith("line\nline\n");
  log("/dev/null", null);
  expect(() => log(of("none/log"), null)).toThrow("ENOENT");
});

describe.skipIf(!asRoot)("root that becomes a user (needs root)", () => {
  test("a new file is the user's, in a directory of the user's and in one of root's", () => {
    for (const path of [of("theirs/log"), of("log")]) {
      log(path, NOBODY);
      expect([statSync(path).uid, statSync(path).gid]).toEqual([65534, 65534]);
      log(path, NOBODY);
      expect(readFileSync(path, "utf8")).toBe("line\nline\n");
    }
  });

  test.each(["log", "deep/log"])("a link to a file of root's is not followed: %s", (name) => {
    mkdirSync(of("deep"));
    symlinkSync(of("deep"), of("theirs/deep"));
    symlinkSync(secret(), of("theirs/log"));
    symlinkSync(of("secret"), of("deep/log"));
    expect(() => log(of(`theirs/${name}`), NOBODY)).toThrow(
      `root does not in ${of("theirs")}, where user 65534 could lead it anywhere`,
    );
    expectUntouched(of("secret"));
  });

  test("nothing is made where a link leads", () => {
    mkdirSync(of("etc"), { mode: 0o755 });
    symlinkSync(of("etc"), of("theirs/logs"));
    expect(() => log(of("theirs/logs/log"), NOBODY)).toThrow("could lead it anywhere");
    expect(statSync(of("etc/log"), { throwIfNoEntry: false })).toBeUndefined();
  });

  test("a second name of a file of root's is not given away", () => {
    linkSync(secret(), of("theirs/log"));
    expect(() => log(of("theirs/log"), NOBODY)).toThrow("could lead it anywhere");
    expectUntouched(of("secret"));
  });

  test("nor in a directory that everybody may write to", () => {
    mkdirSync(of("shared"));
    chmodSync(of("shared"), 0o1777);
    linkSync(secret(), of("shared/log"));
    expect(() => log(of("shared/log"), NOBODY)).toThrow("where everybody could lead it anywhere");
    expectUntouched(of("secret"));
    log(of("shared/other"), NOBODY);
    expect(statSync(of("shared/other")).uid).toBe(65534);
  });

  test("what was there before keeps its owner", () => {
    expect(() => log(secret(), NOBODY)).toThrow("it is there already, and user 65534 may not");
    expectUntouched(of("secret"));
    log("/dev/null", NOBODY);
    expect(statSync("/dev/null").uid).toBe(0);
  });

  test("a link of root's is followed, a pipe stays root's", () => {
    mkdirSync(of("logs"));
    symlinkSync("logs/log", of("link"));
    log(of("link"), NOBODY);
    expect(statSync(of("logs/log")).uid).toBe(65534);
    makeFifo(of("pipe"), 0o600);
    closeSync(openLog(of("pipe"), { owner: NOBODY, readable: true }));
    expect(statSync(of("pipe")).uid).toBe(0);
  });

  test("its own rights come back", () => {
    const before = [process.geteuid?.(), process.getegid?.(), process.getgroups?.()];
    log(of("theirs/log"), NOBODY);
    expect(() => log(of("theirs/log"), { uid: 54321, gid: 54322, name: null })).toThrow("refused");
    expect([process.geteuid?.(), process.getegid?.(), process.getgroups?.()]).toEqual(before);
  });
});

describe.skipIf(!asRoot)("root that stays root (needs root)", () => {
  test("opens files in a directory of somebody else's, but neither links nor second names", () => {
    log(of("theirs/log"), null);
    log(of("theirs/log"), null);
    expect(statSync(of("theirs/log")).uid).toBe(0);
    symlinkSync(secret(), of("theirs/link"));
    expect(() => log(of("theirs/link"), null)).toThrow(
      `a symbolic link in ${of("theirs")}, where user 65534 could lead it anywhere; name the file`,
    );
    linkSync(of("secret"), of("theirs/second"));
    expect(() => log(of("theirs/second"), null)).toThrow("it has another name too");
    expectUntouched(of("secret"));
  });

  test("follows links of its own, as /dev/stdout is one", () => {
    symlinkSync("log", of("link"));
    log(of("link"), null);
    expect(readFileSync(of("log"), "utf8")).toBe("line\n");
    const script = `
      import { writeSync } from "node:fs";
      import { openLog } from "${new URL("../../../src/net/log-file.ts", import.meta.url).pathname}";
      writeSync(openLog("/dev/stdout", { owner: null }), "out\\n");
    `;
    // A pipe of the shell's: the runtime's are sockets, which nobody can open by a name.
    const piped = ["sh", "-c", '"$0" -e "$1" | cat', process.execPath, script];
    const { stdout, stderr } = Bun.spawnSync(piped);
    expect([stdout.toString(), stderr.toString()]).toEqual(["out\n", ""]);
  });
});
