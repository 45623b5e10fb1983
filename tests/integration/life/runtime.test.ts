/** Options of the runtime that only the supervisor has. */
import { expect, test } from "bun:test";
import { readFileSync } from "node:fs";
import { treeOf } from "../../apps_life/processes.ts";
import { serve } from "../../apps_life/serve.ts";
import { Line } from "../../apps_life/successors.ts";

const OPTION = "BUN_JSC_useDFGJIT=0";

/** Whether the process was started with it. */
function has(pid: number): boolean {
  return readFileSync(`/proc/${pid}/environ`, "latin1").split("\0").includes(OPTION);
}

test.skipIf(process.platform !== "linux")(
  "the optimising compiler is left out in the supervisor and in its successor, nowhere else",
  async () => {
    await using server = await serve("wsgi_app:app");
    await using line = new Line(server);
    for (const round of [1, 2]) {
      const { pid } = line.newest;
      const { edges, zygotes } = treeOf({ pid });
      const others = [...edges, ...zygotes];
      expect(others.length).toBe(2);
      expect(has(pid)).toBe(true);
      expect(others.map((one) => has(one.pid))).toEqual([false, false]);
      if (round === 1) await line.upgrade();
    }
  },
);
