import { readFileSync } from "node:fs";
import { expect, test } from "bun:test";
import { pssKiB } from "../../../src/compare/process-tree.ts";

function told(pid: number): number {
  return Number(
    /^Pss:\s+(\d+) kB/m.exec(readFileSync(`/proc/${pid}/smaps_rollup`, "utf8"))?.[1] ?? Number.NaN,
  );
}

async function started(argv: readonly string[]): Promise<Bun.Subprocess<"pipe", "pipe">> {
  const child = Bun.spawn([...argv], { stdin: "pipe", stdout: "pipe" });
  await child.stdin.write("ready\n");
  await child.stdin.flush();
  await child.stdout.getReader().read();
  return child;
}

const MIB = 1024;

test.skipIf(process.platform !== "linux")(
  "a process of our own runtime carries what it shares with us, another one nothing of ours",
  async () => {
    const echo = "process.stdin.pipe(process.stdout)";
    const same = await started([process.execPath, "-e", echo]);
    const other = await started(["cat"]);
    const size = (pid: number): number => pssKiB([{ pid, parent: process.pid, command: "" }]);
    expect(size(same.pid)).toBeGreaterThan(told(same.pid) + 2 * MIB);
    expect(Math.abs(size(other.pid) - told(other.pid))).toBeLessThan(MIB);
    for (const child of [same, other]) {
      child.kill();
      await child.exited;
    }
  },
);
