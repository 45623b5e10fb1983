import { afterEach, expect, test } from "bun:test";
import { mkdirSync, mkdtempSync, renameSync, rmSync, utimesSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { watchSources } from "../../../src/supervisor/watch.ts";

const TIMEOUT_MS = 20_000;
const cleanups: (() => void)[] = [];

afterEach(() => {
  for (const cleanup of cleanups.splice(0)) cleanup();
});

/** Watches a new directory; `next` gives the paths of the next report, below it. */
function watched(exclude: readonly string[] = []): { root: string; next: () => Promise<string[]> } {
  const root = mkdtempSync(join(tmpdir(), "keelback-watch-"));
  const reports: string[][] = [];
  let wake: () => void = () => {};
  mkdirSync(join(root, "package"));
  mkdirSync(join(root, "venv"));
  mkdirSync(join(root, "__pycache__"));
  writeFileSync(join(root, "venv", "pyvenv.cfg"), "");
  writeFileSync(join(root, "main.py"), "1");
  const changed = (paths: readonly string[]): void => {
    reports.push(paths.map((path) => path.slice(root.length + 1)));
    wake();
  };
  const watcher = watchSources({ directories: [root], exclude, changed });
  cleanups.push(() => {
    watcher.close();
    rmSync(root, { recursive: true });
  });
  const next = async (): Promise<string[]> => {
    const timer = setTimeout(() => wake(), TIMEOUT_MS);
    if (reports.length === 0) await new Promise<void>((resolve) => (wake = resolve));
    clearTimeout(timer);
    return reports.shift() ?? [];
  };
  return { root, next };
}

test("a burst of saves is one report", async () => {
  const { root, next } = watched();
  const burst = async (round: number): Promise<boolean> => {
    for (const text of ["22", "333", "4444"]) writeFileSync(join(root, "main.py"), text + round);
    writeFileSync(join(root, "package", "views.py"), "x".repeat(round));
    const first = await next();
    const seen = new Set(first);
    for (let more = first; seen.size < 2 && more.length > 0;) {
      more = await next();
      for (const path of more) seen.add(path);
    }
    expect([...seen].sort()).toEqual(["main.py", "package/views.py"]);
    return first.length === 2;
  };
  // On a busy machine the system may tell of its parts far apart, but not each time.
  let whole = false;
  for (let round = 1; round <= 10 && !whole; round++) whole = await burst(round);
  expect(whole).toBe(true);
});

test("an editor that writes aside and renames is seen", async () => {
  const { root, next } = watched();
  writeFileSync(join(root, "main.py~"), "changed");
  renameSync(join(root, "main.py~"), join(root, "main.py"));
  expect(await next()).toEqual(["main.py"]);
});

test("directories that appear are watched, deep ones too", async () => {
  const { root, next } = watched();
  mkdirSync(join(root, "a", "b"), { recursive: true });
  writeFileSync(join(root, "a", "b", "deep.py"), "1");
  expect(await next()).toEqual(["a/b/deep.py"]);
  writeFileSync(join(root, "a", "b", "deep.py"), "22");
  expect(await next()).toEqual(["a/b/deep.py"]);
});

test("what is no source, excluded, or in an environment is not reported", async () => {
  const { root, next } = watched(["package/skip_*.py"]);
  writeFileSync(join(root, "venv", "lib.py"), "1");
  writeFileSync(join(root, "__pycache__", "main.cpython-313.py"), "1");
  writeFileSync(join(root, "notes.txt"), "1");
  writeFileSync(join(root, "package", "skip_me.py"), "1");
  const before = new Date(1000);
  utimesSync(join(root, "notes.txt"), before, before);
  writeFileSync(join(root, "main.py"), "the mark");
  expect(await next()).toEqual(["main.py"]);
});

test("a file that is removed is reported", async () => {
  const { root, next } = watched();
  rmSync(join(root, "main.py"));
  expect(await next()).toEqual(["main.py"]);
});
