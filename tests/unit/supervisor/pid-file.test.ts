import { afterEach, beforeEach, expect, test } from "bun:test";
import {
  chownSync,
  existsSync,
  linkSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  statSync,
  utimesSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { eventually } from "../../apps_life/serve.ts";
import { claimPidFile } from "../../../src/supervisor/process/pid-file.ts";

/** Its child ends at once; it never asks how. (A shell may ask before it runs its next command.) */
const CHILDLESS = "import os; pid = os.fork() or os._exit(0); print(pid, flush=True); input()";

let directory = "";
let path = "";

beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), "keelback-test-"));
  path = join(directory, "server.pid");
});
afterEach(() => rmSync(directory, { recursive: true, force: true }));

test("a file is made, rewritten by its owner, and removed", () => {
  const file = claimPidFile(path, []);
  expect(readFileSync(path, "utf8")).toBe(`${process.pid}\n`);
  file.write(1);
  expect(readFileSync(path, "utf8")).toBe("1\n");
  file.remove();
  expect(existsSync(path)).toBe(false);
});

test("a lock says that its owner lives, whatever number stands in it", () => {
  const file = claimPidFile(path, []);
  file.write(999_999_999);
  expect(() => claimPidFile(path, [])).toThrow("belongs to a running server (pid 999999999)");
  file.remove();
});

test("without a lock a process that is older than the file owns it, a younger one does not", async () => {
  const child = Bun.spawn(["cat"], { stdin: "pipe" });
  writeFileSync(path, `${child.pid}\n`);
  const late = new Date(Date.now() + 10_000);
  utimesSync(path, late, late);
  expect(() => claimPidFile(path, [])).toThrow(`belongs to the running process ${child.pid} (cat)`);
  const early = new Date(Date.now() - 3_600_000);
  utimesSync(path, early, early);
  claimPidFile(path, []).remove();
  child.kill();
  await child.exited;
});

test.skipIf(process.platform !== "linux")(
  "nor does one that has ended, while nobody has asked for its status",
  async () => {
    const parent = Bun.spawn(["python3", "-c", CHILDLESS], { stdin: "pipe" });
    const { value } = await parent.stdout.getReader().read();
    const pid = Number(new TextDecoder().decode(value));
    await eventually("a zombie", () => / Z /.test(readFileSync(`/proc/${pid}/stat`, "utf8")));
    writeFileSync(path, `${pid}\n`);
    const late = new Date(Date.now() + 10_000);
    utimesSync(path, late, late);
    claimPidFile(path, []).remove();
    parent.kill();
    await parent.exited;
  },
);

test("a file that has a second name may be anybody's", () => {
  const other = join(directory, "other.pid");
  writeFileSync(other, "");
  linkSync(other, path);
  expect(() => claimPidFile(path, [])).toThrow("has another name too, and may be anybody's");
  expect(readFileSync(other, "utf8")).toBe("");
});

test("a number of nobody, and nothing at all, are left behind", () => {
  for (const text of ["999999999\n", ""]) {
    writeFileSync(path, text);
    claimPidFile(path, []).remove();
  }
});

test("what is no PID file is left alone", () => {
  writeFileSync(path, "127.0.0.1 localhost\n");
  expect(() => claimPidFile(path, [])).toThrow("holds something other than a PID");
  expect(readFileSync(path, "utf8")).toBe("127.0.0.1 localhost\n");
  expect(() => claimPidFile(directory, [])).toThrow("cannot be opened");
});

test.skipIf(process.getuid?.() !== 0)("another user's file is not trusted", () => {
  writeFileSync(path, "");
  chownSync(path, 12_345, 12_345);
  expect(() => claimPidFile(path, [])).toThrow("belongs to user 12345");
  claimPidFile(path, [12_345]).remove();
});

test("a successor that has replaced the file keeps it", () => {
  const file = claimPidFile(path, []);
  rmSync(path);
  const other = claimPidFile(path, []);
  file.remove();
  expect(statSync(path).isFile()).toBe(true);
  other.remove();
});
