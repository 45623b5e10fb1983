/** Flame graphs by py-spy, where it is installed: it reads the workers' memory from outside, all of them by way of their parent. */
import { readFileSync } from "node:fs";
import { statFields } from "../core/proc-stat.ts";

export const PY_SPY_MISSING: string =
  "--flame needs py-spy, which is not installed: pip install py-spy (or pipx install py-spy), then run this again";

/** Beside the interpreter, else on PATH. */
export function findPySpy(python: string): string | null {
  const beside = python.replace(/[^/]*$/, "py-spy");
  return Bun.which(beside) ?? Bun.which("py-spy");
}

export interface FlameOrder {
  readonly program: string;
  /** A worker; its parent is the zygote. */
  readonly worker: number;
  readonly seconds: number;
  readonly file: string;
  readonly signal: AbortSignal;
}

/** Resolves with null when the file is there, else with what went wrong. */
export async function record(order: FlameOrder): Promise<string | null> {
  const { program, worker, seconds, file, signal } = order;
  const [, parent = ""] = statFields(readFileSync(`/proc/${worker}/stat`, "utf8"));
  const child = Bun.spawn(
    [
      ...[program, "record", "--pid", parent, "--subprocesses", "--nonblocking"],
      ...["--duration", String(Math.max(1, Math.floor(seconds))), "--rate", "100"],
      ...["--format", "flamegraph", "--output", file],
    ],
    { stdio: ["ignore", "pipe", "pipe"], signal },
  );
  const [output, errors] = await Promise.all([child.stdout.text(), child.stderr.text()]);
  if ((await child.exited) === 0) return null;
  const said = `${errors}${output}`.trim();
  const last = said.split("\n").at(-1) ?? "";
  const hint = /permission|ptrace/i.test(said)
    ? "; py-spy needs the right to trace (root, or kernel.yama.ptrace_scope=0)"
    : "";
  return `py-spy failed: ${last}${hint}`;
}
