/**
 * Run by reaper.test.ts as a process of its own: becomes the reaper of its descendants, as process
 * 1 is of all, inherits an ended grandchild, and prints whether it was a zombie before
 * reapStrangers() and whether it is there after.
 */
import { dlopen, FFIType } from "bun:ffi";
import { closeSync, existsSync, readFileSync } from "node:fs";
import { reapStrangers } from "../../../src/supervisor/reaper.ts";

const PR_SET_CHILD_SUBREAPER = 36;
const WAIT_MS = 5000;
const { i32, u64 } = FFIType;
const { symbols } = dlopen("libc.so.6", {
  prctl: { args: [i32, u64, u64, u64, u64], returns: i32 },
});
symbols.prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0);

// The grandchild outlives its shell, and ends when its input does.
const shell = Bun.spawn(["sh", "-c", "cat <&3 >/dev/null & echo $!"], {
  stdio: ["ignore", "pipe", "inherit", "pipe"],
});
const stranger = Number(await new Response(shell.stdout).text());
await shell.exited;
const input = shell.stdio[3];
if (typeof input === "number") closeSync(input);

function isInheritedZombie(): boolean {
  try {
    const stat = readFileSync(`/proc/${stranger}/stat`, "utf8");
    const [state, parent] = stat.slice(stat.lastIndexOf(")") + 2).split(" ");
    return state === "Z" && Number(parent) === process.pid;
  } catch {
    return false;
  }
}

const deadline = performance.now() + WAIT_MS;
while (!isInheritedZombie() && performance.now() < deadline) await Bun.sleep(5);
const before = isInheritedZombie();
const own = Bun.spawn(["sh", "-c", "exit 7"]);
reapStrangers(new Set([own.pid]));
const after = existsSync(`/proc/${stranger}`);
process.stdout.write(JSON.stringify({ before, after, own: await own.exited }));
