/**
 * The entry of every Keelback process: the command line, and with `__edge` an edge. The only place
 * that ends a process.
 */
import { forgetRuntimeOptions } from "./cli/runtime-options.ts";
import { isWritable } from "./net/libc.ts";
import { localOffsetMs } from "./net/this-process.ts";
import { connectLogs } from "./observe/log.ts";

function exit(code: number): never {
  // oxlint-disable-next-line unicorn/no-process-exit -- this is the one place
  process.exit(code);
}

connectLogs({ stderrReady: () => isWritable(2), localOffsetMs });
forgetRuntimeOptions();
const argv = process.argv.slice(2);
if (argv[0] === "__edge") {
  const { runEdge } = await import("./cli/edge.ts");
  runEdge(exit);
} else if (argv[0] === "__load") {
  const { runLoad } = await import("./compare/load/main.ts");
  exit(await runLoad());
} else {
  const { runCommand } = await import("./cli/run.ts");
  exit(await runCommand(argv));
}
