/** Which private directories of servers that are gone the next one removes. */
import { afterEach, beforeEach, expect, setSystemTime, test } from "bun:test";
import { chownSync, existsSync, mkdirSync, mkdtempSync, rmSync, symlinkSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { makeFifo } from "../../../src/net/libc.ts";
import { makePrivateDirectory } from "../../../src/supervisor/directory.ts";

const asRoot = process.getuid?.() === 0;
const MINUTE_MS = 60_000;
let base = "";

beforeEach(() => {
  base = mkdtempSync(join(tmpdir(), "keelback-test-"));
});
afterEach(() => {
  setSystemTime();
  rmSync(base, { recursive: true, force: true });
});

/** A directory without a server; its lifeline is made by `make`. */
function leave(name: string, make: (lifeline: string) => void): string {
  const path = join(base, name);
  mkdirSync(path);
  make(join(path, "lifeline"));
  return path;
}

test("its own that is old and held by nobody, and no younger one", () => {
  const left = leave("keelback-left", (lifeline) => makeFifo(lifeline, 0o600));
  const made = makePrivateDirectory(base);
  expect(existsSync(left)).toBe(true);
  setSystemTime(new Date(Date.now() + MINUTE_MS));
  makePrivateDirectory(base).remove();
  expect([existsSync(left), existsSync(made.path)]).toEqual([false, true]);
  made.remove();
});

test.skipIf(!asRoot)("none of another user's, whatever its lifeline leads to (needs root)", () => {
  const fifo = join(base, "fifo");
  makeFifo(fifo, 0o600);
  const theirs = leave("keelback-theirs", (lifeline) => symlinkSync(fifo, lifeline));
  chownSync(theirs, 65534, 65534);
  setSystemTime(new Date(Date.now() + MINUTE_MS));
  makePrivateDirectory(base).remove();
  expect(existsSync(theirs)).toBe(true);
});
